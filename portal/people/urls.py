"""Addresses of signing in and of the way to a company."""

from django.urls import path
from django.views.i18n import set_language

from portal.people.views import session, sign_in, start

app_name = "people"
urlpatterns = [
    path("", start.start, name="start"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-in/code/", sign_in.code, name="sign-in-code"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("session/", session.session, name="session"),
    path("language/", set_language, name="language"),
    path("shortcuts/", start.shortcuts, name="shortcuts"),
    path("c/<slug:company>/", start.company, name="company"),
    path("c/<slug:company>/search/", start.search, name="search"),
]
