"""The web server's entry."""

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

import portal.celery  # noqa: E402, F401 - tasks must find this app's broker

# What is loaded by now stays for good, and a page of many rows makes many objects that go at once:
# to look through all of it for what can go costs such a page a fifth of its time.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
