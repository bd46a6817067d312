"""A customer's companies: the list, a new one, and many from a file with a check first."""

from __future__ import annotations

import csv
import io
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods
from openpyxl import Workbook

from portal.access import guard
from portal.access.roles import Permission
from portal.lists.export import FORMATS, safe
from portal.lists.pages import ListPage
from portal.people import changes, companies, importing, lists
from portal.people.company_forms import CompanyForm, ListForm
from portal.people.models import CompanyImport

FAULTS_SHOWN, MADE_SHOWN = 100, 20


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def index(request: HttpRequest) -> HttpResponse:
    page = ListPage(request, lists.COMPANIES)
    return render(request, "people/companies_list.html", {"list": page})


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
def new(request: HttpRequest) -> HttpResponse:
    acting = guard.customer_of(request)
    form = CompanyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = companies.create(
                customer=acting.customer, values=form.cleaned_data, by=changes.by(request)
            )
        except companies.Unfit as error:
            form.add_faults(error.faults)
        else:
            text = _("%(name)s is created. Switch on the services that it uses.")
            messages.success(request, text % {"name": row.name})
            return redirect("people:administration", company=row.public_id)
    status = 422 if form.is_bound else 200
    return render(request, "people/company_form.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
def import_list(request: HttpRequest) -> HttpResponse:
    """Takes a file and goes on to what was found in it; nothing is made yet."""
    acting = guard.customer_of(request)
    form = ListForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            listed = importing.read(file)
        except importing.Unreadable as error:
            form.add_error("file", str(error))
        else:
            kept = CompanyImport.objects.create(
                customer=acting.customer,
                user=guard.user_of(request),
                file_name=str(file.name)[:200],
                rows=[[row.number, row.values] for row in listed.rows],
                unused=listed.unused,
                at=changes.by(request).at,
            )
            return redirect(acting.address("people:company-import-check", imported=kept.public_id))
    status = 422 if form.is_bound else 200
    return render(request, "people/company_import.html", {"form": form}, status=status)


def _kept(request: HttpRequest, public_id: str, *, lock: bool = False) -> CompanyImport:
    rows = CompanyImport.objects.filter(
        customer=guard.customer_of(request).customer, user=guard.user_of(request)
    )
    rows = rows.select_for_update() if lock else rows
    return get_object_or_404(rows, public_id=public_id)


def _rows(kept: CompanyImport) -> list[importing.Row]:
    rows = [importing.Row(number, values) for number, values in kept.rows]
    return importing.check(rows, customer=kept.customer)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
def import_check(request: HttpRequest, imported: str) -> HttpResponse:
    """What is right and wrong in the file; the person chooses; afterwards the receipt."""
    if request.method == "POST":
        return _import(request, imported)
    found = _kept(request, imported)
    context: dict[str, Any] = {"kept": found}
    if found.done_at is None:
        rows = _rows(found)
        wrong = [row for row in rows if not row.right]
        right = [row for row in rows if row.right]
        context |= {
            "right": len(right),
            "made": [
                {"number": row.number, **companies.checked(row.values)[0]}
                for row in right[:MADE_SHOWN]
            ],
            "made_more": len(right) > MADE_SHOWN,
            "wrong": len(wrong),
            "faults": [_told(row) for row in wrong[:FAULTS_SHOWN]],
            "more": max(0, len(wrong) - FAULTS_SHOWN),
        }
    return render(request, "people/company_import_check.html", context)


def _told(row: importing.Row) -> dict[str, Any]:
    """A faulty row as the page shows it: each fault with its field and what stood there."""
    return {
        "number": row.number,
        "name": row.values.get("name", ""),
        "faults": [
            {
                "field": companies.NAMES[fault.field],
                "value": row.values.get(fault.field, ""),
                "text": fault.text,
            }
            for fault in row.faults
        ],
    }


@transaction.atomic
def _import(request: HttpRequest, public_id: str) -> HttpResponse:
    """Makes the companies of the rows without faults; checked anew, and once only."""
    acting = guard.customer_of(request)
    kept = _kept(request, public_id, lock=True)
    here = redirect(acting.address("people:company-import-check", imported=public_id))
    if kept.done_at is not None:
        messages.info(request, _("This file was imported before; nothing was done again."))
        return here
    rows = _rows(kept)
    right = [row.values for row in rows if row.right]
    if str(len(right)) != request.POST.get("right"):
        text = _("Nothing was made: what can be imported has changed. Look through it once more.")
        messages.error(request, text)
        return here
    by = changes.by(request)
    made = companies.create_many(customer=acting.customer, rows=right, by=by)
    kept.made, kept.done_at = len(made), by.at
    kept.save(update_fields=["made", "done_at"])
    text = ngettext("%(n)s company is created.", "%(n)s companies are created.", len(made))
    messages.success(request, text % {"n": len(made)})
    return here


@require_GET
@guard.customer(Permission.MANAGE_CUSTOMER)
def import_faults(request: HttpRequest, imported: str) -> HttpResponse:
    """The rows that fail as CSV, as they stood and with what is wrong: to be mended, sent again."""
    found = _kept(request, imported)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    names = [str(companies.NAMES[name]) for name in companies.FIELDS]
    writer.writerow([*names, _("Row"), _("What is wrong")])
    for row in _rows(found):
        if not row.right:
            told = " ".join(f"{companies.NAMES[f.field]}: {f.text}" for f in row.faults)
            values = [safe(row.values.get(name, "")) for name in companies.FIELDS]
            writer.writerow([*values, row.number, told])
    answer = HttpResponse(text.getvalue().encode("utf-8-sig"), FORMATS["csv"].media_type)
    answer["Content-Disposition"] = 'attachment; filename="kvitt-faults.csv"'
    return answer


@require_GET
@guard.customer(Permission.MANAGE_CUSTOMER)
def import_empty(request: HttpRequest) -> HttpResponse:
    """An empty list with the right headings, as Excel; text columns, so that zeros stay."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append([str(companies.NAMES[name]) for name in companies.FIELDS])
    for column in ("A", "B", "C", "D", "E"):
        sheet.column_dimensions[column].width = 26
        sheet.column_dimensions[column].number_format = "@"
    file = io.BytesIO()
    book.save(file)
    answer = HttpResponse(file.getvalue(), FORMATS["xlsx"].media_type)
    answer["Content-Disposition"] = 'attachment; filename="kvitt-companies.xlsx"'
    return answer
