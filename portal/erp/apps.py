from django.apps import AppConfig


class ErpConfig(AppConfig):
    name = "portal.erp"
    label = "erp"
