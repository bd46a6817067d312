"""The demo: simulated surroundings, sign-ins for everybody. Refused outside demo settings."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "portal.demo"
    label = "demo"
