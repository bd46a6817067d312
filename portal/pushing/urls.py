"""Addresses of the push of events."""

from django.urls import path

from portal.pushing import views

app_name = "push"
urlpatterns = [
    path("administration/push/", views.page, name="page"),
    path("administration/push/change/", views.change, name="change"),
    path("administration/push/messages/", views.messages_list, name="messages"),
    path("administration/push/again/", views.again, name="again"),
    path("administration/push/since/", views.since, name="since"),
]
