"""Addresses of agreements and bank files."""

from django.urls import path

from banking.views import (
    agreements,
    amend,
    bring_in,
    connection,
    convert,
    files,
    orderform,
    setup,
    share,
)

app_name = "banking"
urlpatterns = [
    path("agreements/", agreements.index, name="agreements"),
    path("agreements/new/", setup.new, name="agreement-new"),
    path("agreements/mails/", amend.mails, name="agreement-mails"),
    path("agreements/shared/", share.offers, name="agreement-offers"),
    path("agreements/shared/<int:share>/end/", share.end, name="agreement-unshare"),
    path("agreements/sending/", agreements.sending, name="sending"),
    path("agreements/setup/<str:setup>/discard/", setup.discard, name="agreement-discard"),
    path("agreements/setup/<str:setup>/<str:step>/", setup.step, name="agreement-step"),
    path("agreements/<int:agreement>/", agreements.one, name="agreement"),
    path("agreements/<int:agreement>/change/", agreements.change, name="agreement-change"),
    path("agreements/<int:agreement>/amend/", amend.one, name="agreement-amend"),
    path("agreements/<int:agreement>/convert/", convert.page, name="agreement-convert"),
    path("agreements/<int:agreement>/share/", share.page, name="agreement-share"),
    path("agreements/<int:agreement>/begin/", setup.begin, name="agreement-begin"),
    path("agreements/<int:agreement>/connection/", connection.page, name="connection"),
    path("agreements/<int:agreement>/connection/steps/", connection.steps, name="connection-steps"),
    path("agreements/<int:agreement>/order-form/", orderform.order_form, name="order-form"),
    path("agreements/<int:agreement>/authority/", agreements.authority, name="authority"),
    path("files/", files.index, name="files"),
    path("files/bring-in/", bring_in.bring_in, name="file-bring-in"),
    path("files/<int:file>/again/", bring_in.again, name="file-again"),
    path("files/<int:file>/", files.one, name="file"),
    path("files/<int:file>/download/", files.download, name="file-download"),
]
