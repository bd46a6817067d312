"""The list component as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ListsConfig(AppConfig):
    name = "portal.lists"
    label = "lists"
