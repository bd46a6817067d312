"""Addresses of payments of all the user's companies."""

from django.urls import path

from payments.views import ending, everywhere

app_name = "all-payments"
urlpatterns = [
    path("outgoing/", everywhere.index, name="list"),
    path("approve/", everywhere.approve, name="approve"),
    path("outgoing/sign/", everywhere.sign, name="sign"),
    path("outgoing/sign/<str:kept>/", everywhere.sign_page, name="sign-page"),
    path("outgoing/sign/<str:kept>/passkey/", everywhere.passkey, name="sign-passkey"),
    path("outgoing/refuse/", ending.refuse_everywhere, name="refuse"),
    path("outgoing/refuse/<str:kept>/", ending.refuse_everywhere_page, name="refuse-page"),
    path("outgoing/cancel/", ending.cancel_everywhere, name="cancel"),
    path("outgoing/cancel/<str:kept>/", ending.cancel_everywhere_page, name="cancel-page"),
    path("outgoing/receipts/<str:signing>/", everywhere.receipt, name="receipt"),
]
