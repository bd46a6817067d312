"""Addresses of agreements and bank files."""

from django.urls import path

from banking.views import agreements, files, setup

app_name = "banking"
urlpatterns = [
    path("agreements/", agreements.index, name="agreements"),
    path("agreements/new/", setup.new, name="agreement-new"),
    path("agreements/sending/", agreements.sending, name="sending"),
    path("agreements/setup/<str:setup>/discard/", setup.discard, name="agreement-discard"),
    path("agreements/setup/<str:setup>/<str:step>/", setup.step, name="agreement-step"),
    path("agreements/<int:agreement>/", agreements.one, name="agreement"),
    path("agreements/<int:agreement>/change/", agreements.change, name="agreement-change"),
    path("agreements/<int:agreement>/begin/", setup.begin, name="agreement-begin"),
    path("agreements/<int:agreement>/authority/", agreements.authority, name="authority"),
    path("files/", files.index, name="files"),
    path("files/<int:file>/", files.one, name="file"),
    path("files/<int:file>/download/", files.download, name="file-download"),
]
