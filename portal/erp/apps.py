"""The ERP's door as a Django app."""

from django.apps import AppConfig


class ErpConfig(AppConfig):
    name = "portal.erp"
    label = "erp"
