"""Addresses of agreements and bank files."""

from django.urls import path

from banking.views import agreements, files

app_name = "banking"
urlpatterns = [
    path("agreements/", agreements.index, name="agreements"),
    path("agreements/new/", agreements.new, name="agreement-new"),
    path("agreements/<int:agreement>/", agreements.one, name="agreement"),
    path("agreements/<int:agreement>/change/", agreements.change, name="agreement-change"),
    path("files/", files.index, name="files"),
    path("files/<int:file>/", files.one, name="file"),
    path("files/<int:file>/download/", files.download, name="file-download"),
]
