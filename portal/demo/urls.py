"""Addresses of the demo page and its mailbox."""

from django.urls import path

from portal.demo import mailbox, views

app_name = "demo"
urlpatterns = [
    path("", views.page, name="page"),
    path("act/", views.act, name="act"),
    path("mails/", mailbox.index, name="mails"),
    path("mails/<int:letter>/", mailbox.one, name="mail"),
    path("mails/<int:letter>/html/", mailbox.html, name="mail-html"),
]
