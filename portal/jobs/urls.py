"""Addresses of a person's own jobs."""

from django.urls import path

from portal.jobs import views

app_name = "jobs"
urlpatterns = [
    path("jobs/", views.index, name="list"),
    path("jobs/<slug:job>/", views.one, name="job"),
    path("jobs/<slug:job>/progress/", views.progress, name="progress"),
    path("jobs/<slug:job>/stop/", views.stop, name="stop"),
    path("jobs/<slug:job>/again/", views.again, name="again"),
    path("jobs/<slug:job>/file/", views.download, name="file"),
]
