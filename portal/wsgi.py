"""The web server's entry."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

import portal.celery  # noqa: E402, F401 - tasks must find this app's broker
