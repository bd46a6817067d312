"""Setting up companies, suppliers, invoices and opening balances; sends nothing to anybody."""

import datetime
import sqlite3
from typing import Any

from portal.simerp import amounts, books, pushed, vouchers

FORMATS = ("pain.001.001.09", "pain.001.001.03", "json")
KINDS = ("invoice", "credit_note")
NAME_LENGTH = 140
NUMBER_LENGTH = 35
COMPANY_FIELDS = ("public_id", "name", "signing_key", "erp_user", "debit_account", "format")
OPTIONAL = {"kid": NUMBER_LENGTH, "message": NAME_LENGTH, "payment": NAME_LENGTH}
SUPPLIER_FIELDS = ("number", "name", "account", "town", "country")


class Unusable(books.Impossible):
    """What was handed to setup cannot be used; the text says where."""


class InvoiceDiffers(books.Impossible):
    """The invoice stands in the books already, with another amount or kind."""

    status = 409


def setup(db: sqlite3.Connection, *, document: object) -> dict[str, Any]:
    """Take in companies with suppliers and invoices; the same again changes nothing."""
    companies = _list(_mapping(document, "oppsettet"), "companies")
    done: list[dict[str, Any]] = []
    with books.transaction(db):
        for index, entry in enumerate(companies):
            done.append(_company(db, entry=_mapping(entry, f"companies[{index}]")))
    return {"companies": done}


def _company(db: sqlite3.Connection, *, entry: dict[str, Any]) -> dict[str, Any]:
    # A company without a key is a fact of life: it can be set up, and only its own calls fail.
    fields = {
        name: _text(entry, name, NAME_LENGTH, name == "signing_key") for name in COMPANY_FIELDS
    }
    if fields["format"] not in FORMATS:
        raise Unusable(f"format må være en av {', '.join(FORMATS)}.")
    if not (fields["public_id"] + fields["erp_user"]).isascii():
        raise Unusable("public_id og erp_user går i HTTP-hoder og kan bare ha ASCII-tegn.")
    public_id = fields["public_id"]
    db.execute(
        "INSERT INTO company (public_id, name, signing_key, erp_user, debit_account, format)"
        " VALUES (:public_id, :name, :signing_key, :erp_user, :debit_account, :format)"
        " ON CONFLICT (public_id) DO UPDATE SET name = excluded.name,"
        " signing_key = excluded.signing_key, erp_user = excluded.erp_user,"
        " debit_account = excluded.debit_account, format = excluded.format",
        fields,
    )
    secret = _optional(entry, "push_secret", NAME_LENGTH)
    if secret:
        pushed.keep_secret(db, company=public_id, secret=secret)
    for supplier in _list(entry, "suppliers"):
        _supplier(db, company=public_id, entry=_mapping(supplier, "suppliers"))
    openings: list[tuple[str, vouchers.Entry]] = []
    for invoice in _list(entry, "invoices"):
        opening = _invoice(db, company=public_id, entry=_mapping(invoice, "invoices"))
        if opening is not None:
            openings.append(opening)
    if openings:
        # Dated at the earliest due date: the only date known to lie on the right side of it all.
        vouchers.book(
            db,
            company=public_id,
            kind="opening",
            date=min(date for date, _ in openings),
            entries=[opening for _, opening in openings],
        )
    return {"company": public_id, "new_invoices": len(openings)}


def _supplier(db: sqlite3.Connection, *, company: str, entry: dict[str, Any]) -> None:
    fields = {name: _text(entry, name, NAME_LENGTH, name == "town") for name in SUPPLIER_FIELDS}
    if len(fields["town"]) > NUMBER_LENGTH or len(fields["country"]) != len("NO"):
        raise Unusable(f"Leverandør {fields['number']}: by er høyst 35 tegn, land er to bokstaver.")
    db.execute(
        "INSERT INTO supplier (company, number, name, account, town, country)"
        " VALUES (:company, :number, :name, :account, :town, :country)"
        " ON CONFLICT (company, number) DO UPDATE SET name = excluded.name,"
        " account = excluded.account, town = excluded.town, country = excluded.country",
        {**fields, "company": company},
    )


def _invoice(
    db: sqlite3.Connection, *, company: str, entry: dict[str, Any]
) -> tuple[str, vouchers.Entry] | None:
    """Insert the invoice and return its opening entry, or None when it stood there already."""
    supplier, number = _text(entry, "supplier"), _text(entry, "number")
    kind = _text(entry, "kind")
    if kind not in KINDS:
        raise Unusable(f"Faktura {number}: kind må være en av {', '.join(KINDS)}.")
    try:
        ore = amounts.from_text(entry.get("amount"))
    except amounts.NotAnAmount as error:
        raise Unusable(f"Faktura {number}: {error}.") from error
    due_date = date_text(entry.get("due_date"), f"Faktura {number}: due_date")
    if not _exists(db, company=company, supplier=supplier):
        raise Unusable(f"Faktura {number}: leverandør {supplier} finnes ikke.")
    optional = [_optional(entry, name, longest) for name, longest in OPTIONAL.items()]
    new = db.execute(
        "INSERT INTO invoice"
        " (company, supplier, number, kind, amount_ore, due_date, kid, message, hint)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (company, supplier, number, kind, ore, due_date, *optional),
    ).rowcount
    if not new:
        _same(db, company=company, supplier=supplier, number=number, kind=kind, ore=ore)
        return None
    accounts = (vouchers.GOODS, vouchers.SUPPLIERS)
    debit, credit = accounts if kind == "invoice" else reversed(accounts)
    text = f"Inngående {'faktura' if kind == 'invoice' else 'kreditnota'} {number}"
    return due_date, vouchers.Entry(
        debit_account=debit, credit_account=credit, ore=ore, text=text, supplier=supplier
    )


def _exists(db: sqlite3.Connection, *, company: str, supplier: str) -> bool:
    row = db.execute(
        "SELECT 1 FROM supplier WHERE company = ? AND number = ?", (company, supplier)
    ).fetchone()
    return row is not None


def _same(
    db: sqlite3.Connection, *, company: str, supplier: str, number: str, kind: str, ore: int
) -> None:
    # An invoice is known by its number, but another amount under it would be lost in silence.
    row = db.execute(
        "SELECT 1 FROM invoice WHERE company = ? AND supplier = ? AND number = ?"
        " AND kind = ? AND amount_ore = ?",
        (company, supplier, number, kind, ore),
    ).fetchone()
    if row is None:
        raise InvoiceDiffers(f"Faktura {number} er bokført med et annet beløp eller en annen type.")


def date_text(value: object, place: str) -> str:
    """Return an ISO date as text, or raise Unusable naming the place."""
    try:
        return datetime.date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise Unusable(f"{place} må være en dato som 2026-11-24, ikke {value!r}.") from error


def _mapping(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unusable(f"{place} må være et JSON-objekt.")
    return value


def _list(entry: dict[str, Any], name: str) -> list[Any]:
    value = entry.get(name, [])
    if not isinstance(value, list):
        raise Unusable(f"{name} må være en liste.")
    return value


def _text(
    entry: dict[str, Any], name: str, longest: int = NUMBER_LENGTH, may_be_empty: bool = False
) -> str:
    value = entry.get(name)
    # A number where text belongs has lost its leading zeros already: refuse, never convert.
    if not isinstance(value, str) or not (value or may_be_empty):
        raise Unusable(f"{name} mangler eller er ikke tekst: {value!r}.")
    if len(value) > longest or not value.isprintable():
        raise Unusable(f"{name} er for lang eller har tegn som ikke kan skrives: {value!r}.")
    return value


def _optional(entry: dict[str, Any], name: str, longest: int) -> str | None:
    return None if entry.get(name) in (None, "") else _text(entry, name, longest)
