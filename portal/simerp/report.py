"""The books as plain JSON values; changes nothing and never shows a signing key."""

import json
import sqlite3
from typing import Any

from portal.simerp import amounts, books, vouchers

ERP_CODES = {
    1: "Foreslått",
    2: "Overført",
    3: "Delvis stoppet",
    4: "Opphevet",
    5: "Avregnet",
    7: "Avvist",
    10: "Stoppet",
}


def everything(db: sqlite3.Connection, *, company: str | None) -> dict[str, Any]:
    """Return one company's books, or {"companies": [...]} with everybody's, from one moment."""
    db.execute("BEGIN")
    try:
        if company is not None:
            return _company(db, row=books.company_row(db, company=company))
        rows = db.execute("SELECT * FROM company ORDER BY name, public_id").fetchall()
        return {"companies": [_company(db, row=row) for row in rows]}
    finally:
        db.execute("COMMIT")


def _company(db: sqlite3.Connection, *, row: sqlite3.Row) -> dict[str, Any]:
    company = row["public_id"]
    batches = _batches(db, company=company)
    return {
        "company": company,
        "name": row["name"],
        "erp_user": row["erp_user"],
        "debit_account": row["debit_account"],
        "format": row["format"],
        "cursor": row["cursor"],
        "last_error": row["upload_error"] or row["sync_error"],
        "suppliers": _suppliers(db, company=company),
        "invoices": _invoices(db, company=company),
        "payments": _payments(db, company=company),
        "uploads": _uploads(db, company=company),
        "batches": [batch for batch in batches if batch["kind"] == "payments"],
        "opening": [batch for batch in batches if batch["kind"] == "opening"],
        "ledger": _ledger(db, company=company),
        "messages": [
            {**json.loads(event["body"]), "effect": event["effect"]}
            for event in db.execute(
                "SELECT body, effect FROM event WHERE company = ? ORDER BY sequence", (company,)
            )
        ],
    }


def _suppliers(db: sqlite3.Connection, *, company: str) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT number, name, account, town, country, coalesce((SELECT"
        " sum(credit_ore - debit_ore) FROM voucher JOIN batch ON batch.id = voucher.batch"
        " WHERE batch.company = supplier.company AND voucher.supplier = supplier.number), 0)"
        " AS owed FROM supplier WHERE company = ? ORDER BY number",
        (company,),
    )
    return [{**dict(row), "owed": amounts.to_text(row["owed"])} for row in rows]


def _invoices(db: sqlite3.Connection, *, company: str) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT invoice.supplier, invoice.number, invoice.kind, invoice.amount_ore,"
        " invoice.due_date, invoice.kid, invoice.message, invoice.status,"
        " payment.number AS payment FROM invoice"
        " LEFT JOIN line_item ON line_item.invoice = invoice.id AND line_item.live = 1"
        " LEFT JOIN line ON line.id = line_item.line"
        " LEFT JOIN payment ON payment.id = line.payment"
        " WHERE invoice.company = ? ORDER BY invoice.id",
        (company,),
    )
    told = []
    for row in rows:
        entry = dict(row)
        ore = entry.pop("amount_ore")
        entry["amount"] = amounts.to_text(ore)
        # Items are paid whole or not at all; the credit note's remainder is what it still covers.
        entry["remaining"] = amounts.to_text(0 if entry["status"] == "settled" else ore)
        told.append(entry)
    return told


def _payments(db: sqlite3.Connection, *, company: str) -> list[dict[str, Any]]:
    lines: dict[int, list[dict[str, Any]]] = {}
    for row in db.execute(
        "SELECT line.*, (SELECT json_group_array(invoice.number) FROM line_item"
        " JOIN invoice ON invoice.id = line_item.invoice WHERE line_item.line = line.id)"
        " AS invoices FROM line JOIN payment ON payment.id = line.payment"
        " WHERE payment.company = ? ORDER BY line.payment, line.position",
        (company,),
    ):
        lines.setdefault(row["payment"], []).append(
            {
                "reference": row["reference"],
                "supplier": row["supplier"],
                "amount": amounts.to_text(row["amount_ore"]),
                "erp_code": row["erp_code"],
                "erp_text": ERP_CODES[row["erp_code"]],
                "status": row["status"],
                "status_text": row["status_text"],
                "returned": bool(row["returned"]),
                "reasons": json.loads(row["reasons"]),
                "invoices": json.loads(row["invoices"]),
            }
        )
    return [
        {
            "number": row["number"],
            "due_date": row["due_date"],
            "erp_code": row["erp_code"],
            "erp_text": ERP_CODES[row["erp_code"]],
            "problem": row["problem"],
            "upload": row["key"],
            "lines": lines[row["id"]],
        }
        for row in db.execute(
            "SELECT payment.*, upload.key FROM payment LEFT JOIN upload"
            " ON upload.id = payment.upload WHERE payment.company = ? ORDER BY payment.id",
            (company,),
        )
    ]


def _uploads(db: sqlite3.Connection, *, company: str) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT key, content_type, sha256, state, sends, http_status, answer"
        " FROM upload WHERE company = ? ORDER BY id",
        (company,),
    )
    return [dict(row) for row in rows]


def _batches(db: sqlite3.Connection, *, company: str) -> list[dict[str, Any]]:
    entries: dict[int, list[dict[str, Any]]] = {}
    for row in db.execute(
        "SELECT voucher.* FROM voucher JOIN batch ON batch.id = voucher.batch"
        " WHERE batch.company = ? ORDER BY voucher.id",
        (company,),
    ):
        entries.setdefault(row["batch"], []).append(
            {
                "account": row["account"],
                "debit": amounts.to_text(row["debit_ore"]),
                "credit": amounts.to_text(row["credit_ore"]),
                "text": row["text"],
                "supplier": row["supplier"],
            }
        )
    return [
        {
            "number": row["number"],
            "date": row["date"],
            "kind": row["kind"],
            "vouchers": entries[row["id"]],
            "debit_sum": amounts.to_text(row["debit_ore"]),
            "credit_sum": amounts.to_text(row["credit_ore"]),
        }
        for row in db.execute(
            "SELECT batch.id, number, date, kind, debit_ore, credit_ore FROM batch"
            " JOIN batch_seal ON batch_seal.batch = batch.id WHERE company = ? ORDER BY batch.id",
            (company,),
        )
    ]


def _ledger(db: sqlite3.Connection, *, company: str) -> dict[str, Any]:
    """Balances as debit minus credit: what we owe on 2400 is negative."""
    accounts: dict[str, int] = {}
    suppliers: dict[str, int] = {}
    for row in db.execute(
        "SELECT account, supplier, sum(debit_ore - credit_ore) AS ore FROM voucher"
        " JOIN batch ON batch.id = voucher.batch WHERE batch.company = ?"
        " GROUP BY account, supplier ORDER BY account, supplier",
        (company,),
    ):
        accounts[row["account"]] = accounts.get(row["account"], 0) + row["ore"]
        if row["account"] == vouchers.SUPPLIERS:
            suppliers[row["supplier"]] = row["ore"]
    return {
        "accounts": {name: amounts.to_text(ore) for name, ore in accounts.items()},
        "suppliers": {name: amounts.to_text(ore) for name, ore in suppliers.items()},
    }
