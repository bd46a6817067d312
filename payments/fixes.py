"""What a corrected draft proposes for a line that was not paid: from why it was not, to the fields
of a new line. It reads what the payee was paid before, and stores nothing.

A name of a fix stands beside a reason in banking/data (`fix`), or here for what checks stop.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from banking import calendar, numbers
from banking.iso20022 import codes
from payments import lifecycle
from payments.models import Payment, PaymentLine

ADDRESS = ("street", "building", "post_code", "town", "country")
EXTRAS = ("purpose", "clearing_id", "clearing_system", "charge_bearer")
# What a line of a draft holds as text, by the names of its form.
TEXTS = ("payee", "account", "amount", "currency", "kid", "message", "bic", *ADDRESS, *EXTRAS)
DUE_DATE = "due_date"
OF_CHECKS = {
    "payee-account-missing": "account",
    "payee-account": "account",
    "payee-name": "name",
    "payee-name-too-long": "name",
    "payee-address": "address",
    "bic": "bank",
    "kid": "kid",
    "kid-and-message": "one-of-two",
    "message-too-long": "message",
    "too-many-documents": "documents",
    "documents-sum": "amount",
    "currency": "currency",
    "due-date": "date",
    "cut-over": "date",
}
# What people are told beside a field: what was changed for them, or what they are to change.
NOTES = {
    "account": _("This account was refused. Ask the payee for the right one."),
    "paid-before": _("The payee was paid on %(account)s before, last on %(day)s."),
    "iban": _("Written as IBAN, as the bank demands."),
    "iban-wanted": _("The bank demands an IBAN. Ask the payee for it."),
    "kid": _(
        "This KID was refused. Correct it; or check whether the payee takes no KID on this account,"
        " and write the invoice number as the message instead."
    ),
    "kid-none": _("The payee takes no KID on this account, so it stands as the message."),
    "kid-required": _(
        "The payee takes payments with a KID only. Find it on the invoice. The message was:"
        " %(message)s"
    ),
    "one-of-two": _("A line carries a KID or a message. The message was: %(message)s"),
    "message": _("This was refused. Write it another way, or shorter."),
    "name": _("The bank refused it for the payee's name."),
    "address": _("The bank wants the payee's address: the town and the country at least."),
    "address-known": _(
        "Filled in from an earlier payment to the same payee. See that it is right."
    ),
    "bank": _("The code of the payee's bank was refused. Ask the payee for BIC or clearing code."),
    "amount": _("This amount was refused. Correct it."),
    "currency": _("This currency was refused. Choose another."),
    "characters": _("Letters that the bank refuses are written in another way."),
    "documents": _("More invoices than the bank takes in one line, so they are divided."),
    "moved": _("The date was %(day)s, and is moved to the next bank day."),
    "date-far": _("The date %(day)s was refused as too far ahead. Choose an earlier one."),
    "lost": _("What the line said besides is not taken along: %(names)s."),
}
LOST = {
    "additional": _("further text"),
    "regulatory": _("report to the authorities"),
    "address_lines": _("address in free lines"),
}
_BASIC = str.maketrans({"æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "å": "a", "Å": "A", "ß": "ss"})


@dataclass(slots=True)
class Proposal:
    """Lines of a draft, a due date, and notes on the head, as payments.models.Draft keeps them."""

    due_date: dt.date
    lines: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def proposed(
    payment: Payment, lines: Iterable[PaymentLine], *, today: dt.date, documents_max: int
) -> Proposal:
    """A payment instead of these lines, with what was wrong mended, or asked for where only people
    know. `documents_max` is how many invoices the bank takes in a line."""
    made = Proposal(payment.due_date)
    dated = False
    for line in lines:
        wanted = fixes_of(line)
        dated = dated or "date" in wanted
        if "date-far" in wanted:
            made.asked = [DUE_DATE]
        made.lines += _lines(line, wanted, documents_max)
    if made.asked:
        made.notes.append(_note("date-far", DUE_DATE, day=_day(payment.due_date)))
    elif dated or payment.due_date < today:
        made.due_date = calendar.next_bank_day(today) if dated else calendar.roll(today)
        if made.due_date != payment.due_date:
            made.notes.append(_note("moved", DUE_DATE, day=_day(payment.due_date)))
    return made


def fixes_of(line: PaymentLine) -> set[str]:
    """The names of what would mend the reasons why the line was not paid."""
    found = set()
    for reason in line.reasons or []:
        code = reason.get("code", "")
        known = codes.explain(code, "en", reason.get("text") or "")
        found.add(OF_CHECKS.get(code) or (known.fix if known else ""))
    return found - {""}


def _lines(line: PaymentLine, wanted: set[str], documents_max: int) -> list[dict[str, Any]]:
    row = as_row(line)
    for name in sorted(wanted):
        mend = MENDS.get(name)
        if mend is not None:
            mend(row, line)
    if len(row["documents"]) > documents_max:
        return _divided(row, documents_max)
    return [row]


def as_row(line: PaymentLine) -> dict[str, Any]:
    """The line as a draft holds one, unchanged."""
    extra, address = line.extra or {}, line.payee_address or {}
    row: dict[str, Any] = dict.fromkeys(TEXTS, "")
    row |= {
        "payee": line.payee_name,
        "account": line.payee_account,
        "amount": written(line.amount),
        "currency": line.currency,
        "kid": line.kid,
        "message": line.message,
        "bic": line.payee_bic,
        **{name: str(address.get(name) or "") for name in ADDRESS},
        **{name: str(extra.get(name) or "") for name in EXTRAS},
        "documents": line.documents or [],
        "corrects": line.pk,
        "notes": [],
        "asked": [],
    }
    lost = [name for name in ("additional", "regulatory") if extra.get(name)]
    lost += ["address_lines"] if address.get("address_lines") else []
    if lost:
        row["notes"].append(_note("lost", "message", names=", ".join(lost)))
    return row


def _note(code: str, name: str, **params: str) -> dict[str, Any]:
    return {"code": code, "field": name, "params": params}


def _ask(row: dict[str, Any], code: str, *names: str, **params: str) -> None:
    """People are to change the fields, or to say that they are right."""
    row["notes"].append(_note(code, names[0], **params))
    row["asked"] += [name for name in names if name not in row["asked"]]


def _account(row: dict[str, Any], line: PaymentLine) -> None:
    _ask(row, "account", "account")
    before = (
        PaymentLine.objects.filter(
            company=line.company_id,
            payee_key=line.payee_key,
            status=lifecycle.SETTLED,
            payment__kind=line.payment.kind,
        )
        .exclude(payee_account=line.payee_account)
        .order_by("-id")
        .first()
    )
    if before is not None and before.booked_date is not None:
        account, day = numbers.format_account(before.payee_account), _day(before.booked_date)
        row["notes"].append(_note("paid-before", "account", account=account, day=day))


def _iban(row: dict[str, Any], line: PaymentLine) -> None:
    try:
        row["account"] = numbers.iban_of(line.payee_account)
    except numbers.InvalidNumber:
        _ask(row, "iban-wanted", "account")
    else:
        row["notes"].append(_note("iban", "account"))


def _kid(row: dict[str, Any], line: PaymentLine) -> None:
    _ask(row, "kid", "kid")


def _no_kid(row: dict[str, Any], line: PaymentLine) -> None:
    kids = [line.kid, *(document.get("kid") or "" for document in line.documents or [])]
    row["message"] = " ".join(["KID", *filter(None, kids)])[:140]
    row["kid"], row["documents"] = "", []
    row["notes"].append(_note("kid-none", "message"))


def _kid_needed(row: dict[str, Any], line: PaymentLine) -> None:
    row["message"] = ""
    _ask(row, "kid-required", "kid", message=line.message or "–")


def _one_of_two(row: dict[str, Any], line: PaymentLine) -> None:
    row["message"] = ""
    row["notes"].append(_note("one-of-two", "kid", message=line.message))


def _message(row: dict[str, Any], line: PaymentLine) -> None:
    _ask(row, "message", "message")


def _reference(row: dict[str, Any], line: PaymentLine) -> None:
    (_kid if line.kid else _message)(row, line)


def _name(row: dict[str, Any], line: PaymentLine) -> None:
    _ask(row, "name", "payee")


def _address(row: dict[str, Any], line: PaymentLine) -> None:
    known = (
        PaymentLine.objects.filter(
            company=line.company_id,
            payee_key=line.payee_key,
            payee_address__town__isnull=False,
            payment__kind=line.payment.kind,
        )
        .order_by("-id")
        .first()
    )
    address = (known.payee_address if known else None) or {}
    lacking = [name for name in ADDRESS if not row[name]]
    row |= {name: str(address.get(name) or "") for name in lacking}
    if any(row[name] for name in lacking):
        row["notes"].append(_note("address-known", "town"))
    empty = [name for name in ("town", "country") if not row[name]]
    if empty or not lacking:
        _ask(row, "address", *(empty or ("town",)))


def _details(row: dict[str, Any], line: PaymentLine) -> None:
    if line.payee_address and line.payee_address.get("town"):
        _name(row, line)
    else:
        _address(row, line)


def _bank(row: dict[str, Any], line: PaymentLine) -> None:
    extra = line.extra or {}
    _ask(row, "bank", "clearing_id" if extra.get("clearing_id") and not line.payee_bic else "bic")


def _amount(row: dict[str, Any], line: PaymentLine) -> None:
    _ask(row, "amount", "amount")


def _currency(row: dict[str, Any], line: PaymentLine) -> None:
    _ask(row, "currency", "currency")


def _characters(row: dict[str, Any], line: PaymentLine) -> None:
    changed = [name for name in ("payee", "message", *ADDRESS) if basic(row[name]) != row[name]]
    for name in changed:
        row[name] = basic(row[name])
        row["notes"].append(_note("characters", name))
    if not changed:
        _message(row, line)


MENDS = {
    "account": _account,
    "iban": _iban,
    "kid": _kid,
    "kid-none": _no_kid,
    "kid-required": _kid_needed,
    "one-of-two": _one_of_two,
    "message": _message,
    "reference": _reference,
    "name": _name,
    "address": _address,
    "details": _details,
    "bank": _bank,
    "amount": _amount,
    "currency": _currency,
    "characters": _characters,
}
# Those that are not of one line: the date, and the number of invoices.
NAMES = frozenset({*MENDS, "date", "date-far", "documents"})


def _divided(row: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """The same money in lines of at most so many invoices each, credit notes beside invoices that
    are larger; as it was, where amounts are unknown or no such division is."""
    documents = row["documents"]
    if any(one.get("amount") is None for one in documents):
        return [row]
    signed = [(_signed(one), one) for one in documents]
    credits = sorted((pair for pair in signed if pair[0] < 0), key=lambda pair: pair[0])
    invoices = sorted((pair for pair in signed if pair[0] >= 0), key=lambda pair: -pair[0])
    parts: list[list[tuple[Decimal, dict[str, Any]]]] = [
        [] for _place in range(-(-len(documents) // most))
    ]
    for pair in (*invoices, *credits):
        room = [part for part in parts if len(part) < most]
        # The largest sum takes the next credit note, the smallest the next invoice.
        sums = [(sum(value for value, _one in part), place) for place, part in enumerate(room)]
        chosen = max(sums) if pair[0] < 0 else min(sums)
        room[chosen[1]].append(pair)
    totals = [sum((value for value, _one in part), Decimal(0)) for part in parts]
    if min(totals) <= 0:
        return [row]
    return [
        {
            **row,
            "amount": written(total),
            "documents": [one for _value, one in part],
            "notes": [*row["notes"], _note("documents", "amount")],
        }
        for part, total in zip(parts, totals, strict=True)
    ]


def _signed(document: dict[str, Any]) -> Decimal:
    amount = Decimal(document["amount"])
    return amount if document["kind"] == "CINV" else -amount


def basic(text: str) -> str:
    """A text in the letters of the SEPA set alone: a to z, digits, and few signs."""
    plain = unicodedata.normalize("NFKD", text.translate(_BASIC))
    kept = [one for one in plain if not unicodedata.combining(one)]
    allowed = " /-?:().,'+"
    return "".join(
        one if one.isascii() and (one.isalnum() or one in allowed) else " " for one in kept
    )


def written(amount: Decimal) -> str:
    """An amount as people write it in a form, «1234,50»."""
    return f"{amount:.2f}".replace(".", ",")


def _day(day: dt.date) -> str:
    return day.strftime("%d.%m.%Y")


def note_text(note: dict[str, Any]) -> str:
    """A note in the language of the page; "" for one that is not known any more."""
    text, params = NOTES.get(note["code"]), dict(note["params"])
    if note["code"] == "lost":
        params["names"] = ", ".join(str(LOST[name]) for name in params["names"].split(", "))
    return str(text) % params if text is not None else ""
