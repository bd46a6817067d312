"""Events and moves as a Django app."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "portal.events"
    label = "events"
