"""Addresses of payments of all the user's companies."""

from django.urls import path

from payments.views import everywhere

app_name = "all-payments"
urlpatterns = [
    path("outgoing/", everywhere.index, name="list"),
    path("approve/", everywhere.approve, name="approve"),
    path("outgoing/sign/", everywhere.sign, name="sign"),
    path("outgoing/sign/<str:kept>/", everywhere.sign_page, name="sign-page"),
    path("outgoing/sign/<str:kept>/passkey/", everywhere.passkey, name="sign-passkey"),
    path("outgoing/receipts/<str:signing>/", everywhere.receipt, name="receipt"),
]
