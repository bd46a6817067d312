"""Addresses that every list shares: saved views and exports."""

from django.urls import path

from portal.lists import views

app_name = "lists"
urlpatterns = [
    path("lists/<slug:list_name>/views/", views.save_view, name="save-view"),
    path("lists/<slug:list_name>/export/", views.export_list, name="export"),
    path("views/<int:view>/delete/", views.delete_view, name="delete-view"),
]
