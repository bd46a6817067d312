"""The books as one HTML page for people, in bokmål; reads only what the report tells."""

import html
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from portal.simerp import amounts

# The page is for looking; GET /books has everything.
MOST_ROWS = 200
INVOICE_STATUSES = {
    "open": "Åpen",
    "proposed": "Foreslått",
    "transferred": "Overført",
    "settled": "Avregnet",
}
KINDS = {"invoice": "Faktura", "credit_note": "Kreditnota"}


def page(*, companies: Sequence[dict[str, Any]], notice: str = "") -> str:
    """Return the whole page; `notice` is what just went wrong, if anything."""
    alert = f'<p class="alert" role="alert">{_text(notice)}</p>' if notice else ""
    parts = "".join(_company(company) for company in companies)
    empty = "<p>Ingen selskaper er satt opp ennå. Send oppsettet til <code>/setup</code>.</p>"
    return (
        '<!doctype html><html lang="nb"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Økonomisystem – simulert</title>"
        '<link rel="stylesheet" href="/style.css"></head><body>'
        "<header><h1>Økonomisystem</h1><p>Simulert ERP. Snakker bare med Kvitts åpne API.</p>"
        f"</header><main>{alert}{parts or empty}</main></body></html>"
    )


def _company(company: dict[str, Any]) -> str:
    public_id = company["company"]
    error = company["last_error"]
    alert = f'<p class="alert">Siste feil: {_text(error)}</p>' if error else ""
    accounts = company["ledger"]["accounts"].items()
    return (
        f'<section aria-labelledby="c-{_text(public_id)}">'
        f'<h2 id="c-{_text(public_id)}">{_text(company["name"])}</h2>'
        f"<p>Belastningskonto {_text(company['debit_account'])} · format"
        f" {_text(company['format'])} · bruker {_text(company['erp_user'])} ·"
        f" lest til melding {company['cursor']}</p>{alert}{_acts(public_id)}"
        + _table("Leverandører", SUPPLIER_HEADS, map(_supplier, company["suppliers"]))
        + _table("Fakturaer", INVOICE_HEADS, map(_invoice, company["invoices"]))
        + _table("Betalinger", PAYMENT_HEADS, _payment_rows(public_id, company["payments"]))
        + _table("Bunter", BATCH_HEADS, _batch_rows(company["batches"]))
        + _table(
            "Hovedbok", LEDGER_HEADS, ((_text(name), _amount(value)) for name, value in accounts)
        )
        + _table("Meldinger fra Kvitt", MESSAGE_HEADS, map(_message, company["messages"]))
        + "</section>"
    )


def _acts(company: str) -> str:
    date = f"due-{_text(company)}"
    return (
        '<div class="acts">'
        + _form(
            "propose",
            company,
            "Foreslå betalinger",
            f'<label for="{date}">Forfall til og med</label>'
            f'<input type="date" id="{date}" name="due_date">',
        )
        + _form(
            "upload",
            company,
            "Send til Kvitt",
            f'<label for="code-{_text(company)}">Kode, hvis Kvitt ber om det</label>'
            f'<input id="code-{_text(company)}" name="code" inputmode="numeric" maxlength="12"'
            ' autocomplete="one-time-code">',
        )
        + _form("sync", company, "Hent meldinger nå")
        + "</div>"
    )


def _form(act: str, company: str, button: str, fields: str = "") -> str:
    return (
        f'<form method="post" action="/{act}">'
        f'<input type="hidden" name="company" value="{_text(company)}">{fields}'
        f'<button type="submit">{_text(button)}</button></form>'
    )


SUPPLIER_HEADS = ("Nr.", "Navn", "Konto", "Sted", "Skyldig")
INVOICE_HEADS = ("Leverandør", "Nr.", "Type", "Forfall", "KID", "Beløp", "Rest", "Status")
PAYMENT_HEADS = (
    "Betaling",
    "Forfall",
    "Leverandør",
    "Beløp",
    "Kode",
    "Status",
    "Årsak",
    "Handling",
)
BATCH_HEADS = ("Bunt", "Dato", "Konto", "Leverandør", "Tekst", "Debet", "Kredit")
LEDGER_HEADS = ("Konto", "Saldo")
MESSAGE_HEADS = ("Nr.", "Tid", "Betaling", "Linje", "Status", "Kode", "Årsak", "Virkning")
AMOUNT_HEADS = frozenset({"Skyldig", "Beløp", "Rest", "Debet", "Kredit", "Saldo"})


def _supplier(row: dict[str, Any]) -> tuple[str, ...]:
    place = ", ".join(part for part in (row["town"], row["country"]) if part)
    return (
        _text(row["number"]),
        _text(row["name"]),
        _text(row["account"]),
        _text(place),
        _amount(row["owed"]),
    )


def _invoice(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        _text(row["supplier"]),
        _text(row["number"]),
        KINDS[row["kind"]],
        _text(row["due_date"]),
        _text(row["kid"]),
        _amount(row["amount"]),
        _amount(row["remaining"]),
        INVOICE_STATUSES[row["status"]],
    )


def _payment_rows(company: str, payments: Sequence[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    for payment in payments[-MOST_ROWS:]:
        total = sum(Decimal(line["amount"]) for line in payment["lines"])
        open_still = any(line["erp_code"] in (1, 2) for line in payment["lines"])
        yield (
            f"<strong>{_text(payment['number'])}</strong>",
            _text(payment["due_date"]),
            f"Antall linjer: {len(payment['lines'])}",
            _amount(str(total)),
            str(payment["erp_code"]),
            _text(payment["erp_text"]),
            _text(payment["problem"]),
            _cancel(company, payment["number"]) if open_still else "",
        )
        for line in payment["lines"][:MOST_ROWS]:
            yield (
                _text(line["reference"]),
                "",
                _text(line["supplier"]),
                _amount(line["amount"]),
                str(line["erp_code"]),
                _text(line["status_text"]),
                _reasons(line["reasons"]),
                "",
            )


def _cancel(company: str, number: str) -> str:
    name = f"reason-{_text(number)}"
    return _form(
        "cancel",
        company,
        "Opphev",
        f'<input type="hidden" name="payment" value="{_text(number)}">'
        f'<label for="{name}">Grunn</label><input id="{name}" name="reason" required>',
    )


def _batch_rows(batches: Sequence[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    for batch in batches[-MOST_ROWS:]:
        for voucher in batch["vouchers"][:MOST_ROWS]:
            yield (
                _text(batch["number"]),
                _text(batch["date"]),
                _text(voucher["account"]),
                _text(voucher["supplier"]),
                _text(voucher["text"]),
                _amount(voucher["debit"]),
                _amount(voucher["credit"]),
            )
        yield (
            f"<strong>{_text(batch['number'])}</strong>",
            "",
            "",
            "",
            "<strong>Sum</strong>",
            f"<strong>{_amount(batch['debit_sum'])}</strong>",
            f"<strong>{_amount(batch['credit_sum'])}</strong>",
        )


def _message(event: dict[str, Any]) -> tuple[str, ...]:
    reasons = event.get("reasons")
    return (
        _text(event["sequence"]),
        _text(event.get("at")),
        _text(event.get("number")),
        _text(event.get("reference")),
        _text(event.get("status_text") or event.get("event")),
        _text(event.get("erp_code")),
        _reasons(reasons if isinstance(reasons, list) else []),
        _text(event["effect"]),
    )


def _reasons(reasons: Sequence[Any]) -> str:
    told = []
    for reason in reasons:
        fields = reason if isinstance(reason, dict) else {"text": reason}
        parts = (fields.get(name) for name in ("code", "title", "text", "cure"))
        told.append(" – ".join(str(part) for part in parts if part))
    return "<br>".join(_text(entry) for entry in told)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    kept = list(rows)
    if not kept:
        return f"<h3>{caption}</h3><p>Ingen ennå.</p>"
    numeric = [head in AMOUNT_HEADS for head in heads]
    head = "".join(f'<th scope="col"{_class(n)}>{h}</th>' for h, n in zip(heads, numeric))
    body = "".join(
        "<tr>" + "".join(f"<td{_class(n)}>{cell}</td>" for cell, n in zip(row, numeric)) + "</tr>"
        for row in kept[-MOST_ROWS:]
    )
    more = f" (de siste {MOST_ROWS} av {len(kept)} rader)" if len(kept) > MOST_ROWS else ""
    return (
        f'<h3>{caption}{more}</h3><div class="wide" role="region" tabindex="0"'
        f' aria-label="{caption}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _class(numeric: bool) -> str:
    return ' class="amount"' if numeric else ""


def _amount(text: str) -> str:
    return amounts.to_norwegian(int(Decimal(text) * amounts.ORE_PER_KRONE))


def _text(value: object) -> str:
    return "" if value is None else html.escape(str(value))
