"""Addresses of the demo page."""

from django.urls import path

from portal.demo import views

app_name = "demo"
urlpatterns = [
    path("", views.page, name="page"),
    path("act/", views.act, name="act"),
]
