"""All addresses; the guard denies each that does not say whom it is for."""

from __future__ import annotations

from django.conf import settings
from django.urls import include, path

import banking.api
import payments.api
from portal import companies_api
from portal.erp import docs
from portal.erp.api import api
from portal.people.views import errors, health

api.add_router("", payments.api.router)
api.add_router("", banking.api.router)
api.add_router("", companies_api.router)

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("api/erp/v1/docs", docs.page, name="erp-docs"),
    path("api/erp/v1/", api.urls),
    path("", include("portal.people.urls")),
    path(
        "customers/<slug:customer>/",
        include(("portal.lists.urls", "lists"), namespace="customer-lists"),
    ),
    path("all/", include(("portal.lists.urls", "lists"), namespace="all-lists")),
    path("all/", include("payments.urls_everywhere")),
    path("c/<slug:company>/", include("portal.overview")),
    path("c/<slug:company>/", include("portal.lists.urls")),
    path("c/<slug:company>/", include("portal.jobs.urls")),
    path("c/<slug:company>/", include("portal.pushing.urls")),
    path("c/<slug:company>/", include("payments.urls")),
    path("c/<slug:company>/", include("banking.urls")),
]
if settings.DEMO:
    urlpatterns.append(path("demo/", include("portal.demo.urls")))

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.failed
