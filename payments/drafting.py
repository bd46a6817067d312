"""Payments that people write, or bring in as a file: kept while they are written, then handed in
the way that an ERP's are, so that every check, guard and digest is the same.

What a draft holds (payments.models.Draft.values):
{"account", "due_date", "kind", "urgent": texts, "notes", "asked",
 "lines": [{"row": number, TEXTS of payments.fixes, "documents", "corrects", "notes", "asked",
            "was": {field: what was refused}}]}
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, BinaryIO

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from banking import agreements, profiles
from payments import checks, fixes, intake, lifecycle, queries
from payments.draft_forms import HeadForm, LineForm
from payments.models import Draft, Payment, PaymentLine, Upload
from payments.telling import tell
from portal.access import actors
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.erp.problems import Refused
from portal.events import moves
from portal.people import services

LINES_MAX = 100
TEXT_MAX = 500
CHUNK_BYTES = 1 << 16
HEAD = ("account", "due_date", "kind", "urgent")
# A line that stands so is paid by nobody any more, so another may be paid instead of it.
NOT_PAID = frozenset(
    {
        lifecycle.STOPPED,
        lifecycle.REJECTED,
        lifecycle.CANCELLED,
        lifecycle.CANCELLED_AT_BANK,
        lifecycle.REFUSED,
        lifecycle.RETURNED,
    }
)
# A fault's field as the JSON names it: the field of the form.
FIELDS = {
    "payee.name": "payee",
    **{f"payee.{name}": name for name in fixes.ADDRESS},
    "reference": "payee",
    "debit_account": "account",
    "documents": "amount",
}
_PLACE = re.compile(r"payments\[0\](?:\.lines\[(\d+)\])?\.?(.*)")


class Changed(Exception):
    """Somebody has written in the draft since the page was shown."""


class HandedIn(Exception):
    """The draft has become a payment already."""


class ServiceOff(Exception):
    """The company does not use AutoPay now, so it takes no payments."""


class Faulty(Exception):
    """The payment cannot be handed in: the forms hold what is wrong, and nothing is stored."""

    def __init__(self, head: HeadForm, lines: list[LineForm]) -> None:
        super().__init__("faulty")
        self.head, self.lines = head, lines


class PaidInstead(Exception):
    """Another payment is paid instead of the same line already; `number` is that payment's."""

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


def seen(*, company: Company, user: User, permissions: frozenset[Permission]) -> QuerySet[Draft]:
    """The drafts that somebody who may write payments sees: those on their axes, and their own,
    but for what was copied from a payment that they may not see."""
    salaries = [kind == Payment.Kind.SALARY for kind in queries.kinds_seen(permissions)]
    own = Q(author=user, corrects=None)
    return Draft.objects.of(company).filter(own | Q(salary__in=salaries))


def begin(*, company: Company, user: User, at: dt.datetime) -> Draft:
    """A draft with one empty line."""
    values = {**dict.fromkeys(HEAD, ""), "lines": [_empty(1)]}
    return Draft.objects.create(
        company=company, author=user, writers=[user.pk], values=values, made_at=at, changed_at=at
    )


def _empty(row: int) -> dict[str, Any]:
    return {"row": row, **dict.fromkeys(fixes.TEXTS, ""), "currency": "NOK"}


def correctable(lines: Sequence[PaymentLine]) -> list[PaymentLine]:
    """Those of the lines that nobody pays any more, and that no other is paid instead of."""
    ids = [line.pk for line in lines if line.status in NOT_PAID]
    living = PaymentLine.objects.filter(corrects__in=ids).exclude(status__in=NOT_PAID)
    taken = set(living.values_list("corrects", flat=True))
    return [line for line in lines if line.pk in ids and line.pk not in taken]


def may_be_corrected(payment: Payment) -> bool:
    """Whether a line of it is paid by nobody any more, and no other instead of it."""
    if not any(payment.line_counts.get(status) for status in NOT_PAID):
        return False
    living = PaymentLine.objects.filter(corrects=OuterRef("pk")).exclude(status__in=NOT_PAID)
    rows = PaymentLine.objects.filter(payment=payment, status__in=NOT_PAID)
    return rows.filter(~Exists(living)).exists()


def correct(
    *, payment: Payment, user: User, line_ids: Sequence[int], at: dt.datetime, today: dt.date
) -> Draft | None:
    """A draft instead of these lines, with what was wrong mended or asked for; the one that is
    begun already, with the lines that it lacks. None where there is nothing to correct.

    The payment's agreement and channel must be loaded.
    """
    with transaction.atomic():
        moves.lock_groups(Payment, [payment.pk])
        begun = Draft.objects.filter(corrects=payment, payment=None).order_by("pk").first()
        held = {row.get("corrects") for row in begun.values["lines"]} if begun else set()
        chosen = PaymentLine.objects.filter(payment=payment, pk__in=list(line_ids))
        wanted = correctable(list(chosen.select_related("payment").order_by("position")))
        fresh = [line for line in wanted if line.pk not in held][: LINES_MAX - len(held)]
        if not fresh:
            return begun
        most = profiles.of(payment.agreement.channel.bank).documents_max
        made = fixes.proposed(payment, fresh, today=today, documents_max=most)
        if begun is None:
            begun = Draft(company_id=payment.company_id, author=user, corrects=payment, made_at=at)
            begun.salary = payment.kind == Payment.Kind.SALARY
            begun.values = {
                "account": payment.account.number,
                "due_date": made.due_date.strftime("%d.%m.%Y"),
                "kind": payment.kind,
                "urgent": "on" if payment.urgent else "",
                "notes": made.notes,
                "asked": made.asked,
                "was": {fixes.DUE_DATE: payment.due_date.strftime("%d.%m.%Y")},
                "lines": [],
            }
        first = max((row["row"] for row in begun.values["lines"]), default=0) + 1
        for place, row in enumerate(made.lines):
            was = {name: row[name] for name in (*row["asked"], "account")}
            begun.values["lines"].append({**row, "row": first + place, "was": was})
        _keep(begun, user, at)
    return begun


def _keep(draft: Draft, user: User, at: dt.datetime) -> None:
    draft.writers = sorted({*draft.writers, user.pk})
    draft.changed_at = at
    draft.version += 1
    draft.save()


def write(
    *, draft_id: int, user: User, data: QueryDict, version: str, act: str, at: dt.datetime
) -> Draft:
    """Keeps what was written, right or wrong, and adds or removes a line where `act` says so (add,
    or remove- and the line's row). Raises Changed and HandedIn."""
    with transaction.atomic():
        draft = _locked(draft_id)
        if version != str(draft.version):
            raise Changed
        values = draft.values
        for name in HEAD:
            values[name] = _text(data, name)
        rows = set(data.getlist("row"))
        for row in values["lines"]:
            if str(row["row"]) not in rows:
                continue
            for name in (*fixes.TEXTS, "right", "without_documents"):
                row[name] = _text(data, f"line-{row['row']}-{name}")
        if act == "add" and len(values["lines"]) < LINES_MAX:
            values["lines"].append(_empty(max((r["row"] for r in values["lines"]), default=0) + 1))
        elif act.startswith("remove-") and len(values["lines"]) > 1:
            gone = act.removeprefix("remove-")
            values["lines"] = [row for row in values["lines"] if str(row["row"]) != gone]
        draft.salary = values["kind"] == Payment.Kind.SALARY
        _keep(draft, user, at)
    return draft


def _locked(draft_id: int) -> Draft:
    draft = Draft.objects.select_for_update(of=("self",)).select_related("company").get(pk=draft_id)
    if draft.payment_id is not None:
        raise HandedIn
    return draft


def _text(data: QueryDict, name: str) -> str:
    """What was written in a field; the database keeps no NUL."""
    return str(data.get(name, "")).replace("\0", "")[:TEXT_MAX]


def forms(draft: Draft, *, bound: bool) -> tuple[HeadForm, list[LineForm]]:
    """The draft's forms with what was written; `bound` judges it."""
    values = draft.values
    head = {name: values.get(name, "") for name in HEAD}
    lines = []
    for row in values["lines"]:
        prefix = f"line-{row['row']}"
        written = {name: text for name, text in row.items() if isinstance(text, str)}
        data = {f"{prefix}-{name}": text for name, text in written.items()}
        made = LineForm(data if bound else None, initial=written, prefix=prefix, row=row)
        lines.append(made)
    first = HeadForm(
        head if bound else None, initial=head, company=draft.company, refused=_refused(values)
    )
    return first, lines


def _refused(values: dict[str, Any]) -> str:
    """The due date that people are to change, as it was written; else ""."""
    asked = fixes.DUE_DATE in values.get("asked", ())
    return str(values["was"][fixes.DUE_DATE]) if asked else ""


def hand_in(*, draft_id: int, user: User, at: dt.datetime, today: dt.date) -> Payment:
    """Makes the payment of the draft as it was kept last, for others to approve.

    Raises HandedIn, ServiceOff, PaidInstead, and Faulty with forms that say what is wrong. Runs
    acting for the company.
    """
    with transaction.atomic():
        draft = _locked(draft_id)
        if not services.in_use(draft.company):
            raise ServiceOff
        head, lines = forms(draft, bound=True)
        fit = [head.is_valid(), *(line.is_valid() for line in lines)]
        if not all(fit):
            raise Faulty(head, lines)
        _must_be_unpaid(draft)
        number = _number(draft)
        body = json.dumps(_as_json(number, head, lines)).encode()
        try:
            intake.take(
                company=draft.company,
                user=user,
                by=actors.person(user),
                key=draft.key,
                media_type=intake.JSON,
                body=io.BytesIO(body),
                body_sha256=hashlib.sha256(body).digest(),
                at=at,
                today=today,
                origin=intake.Origin(
                    source=Payment.Source.HAND,
                    event="entered",
                    whole=True,
                    entered_by=tuple(sorted({*draft.writers, user.pk})),
                ),
            )
        except Refused as refused:
            for one in refused.problems:
                _tell(one.place, "", f"{one.problem} {one.cure}", head, lines)
            raise Faulty(head, lines) from refused
        except intake.Stopped as stopped:
            for fault in stopped.faults:
                known = checks.EXPLANATIONS[fault["code"]]
                _tell(
                    fault["place"], fault["field"], f"{known.title}. {known.meaning}", head, lines
                )
            raise Faulty(head, lines) from stopped
        payment = Payment.objects.get(company=draft.company, number=number)
        draft.payment, draft.values = payment, {}
        draft.changed_at = at
        draft.save(update_fields=["payment", "values", "changed_at"])
        _link(payment, lines, actors.person(user), at)
    return payment


def _must_be_unpaid(draft: Draft) -> None:
    """Raises PaidInstead where another payment was quicker."""
    if draft.corrects_id is None:
        return
    moves.lock_groups(Payment, [draft.corrects_id])
    ids = [row["corrects"] for row in draft.values["lines"] if row.get("corrects")]
    living = PaymentLine.objects.filter(corrects__in=ids).exclude(status__in=NOT_PAID)
    other = living.select_related("payment").first()
    if other is not None:
        raise PaidInstead(other.payment.number)


def _number(draft: Draft) -> str:
    """A payment number of its own: H and the draft's, and more where an ERP has used that."""
    base = f"H{draft.pk}"
    taken = set(
        Payment.objects.of(draft.company)
        .filter(number__startswith=base)
        .values_list("number", flat=True)
    )
    number, tries = base, 1
    while number in taken:
        tries += 1
        number = f"{base}-{tries}"
    return number


def _as_json(number: str, head: HeadForm, lines: list[LineForm]) -> dict[str, Any]:
    """The payment as payments.jsonfile reads one."""
    told = head.cleaned_data
    rows = [_line(f"{number}-{place}", line) for place, line in enumerate(lines, start=1)]
    total = sum((line.cleaned_data["amount"] for line in lines), Decimal(0))
    payment = {
        "number": number,
        "due_date": told["due_date"].isoformat(),
        "debit_account": told["account"],
        "kind": told["kind"],
        "urgent": told["urgent"],
        "lines": rows,
    }
    return {"totals": {"lines": len(rows), "sum": str(total)}, "payments": [payment]}


def _line(reference: str, form: LineForm) -> dict[str, Any]:
    told = form.cleaned_data
    payee = {"name": told["payee"], **{name: told[name] for name in fixes.ADDRESS}}
    payee["country"] = payee["country"].upper()
    line = {
        "reference": reference,
        "amount": str(told["amount"]),
        "currency": told["currency"],
        "payee": {name: text for name, text in payee.items() if text},
        "account": told["account"],
        "kid": "".join(told["kid"].split()),
        "message": told["message"],
        "bic": told["bic"].upper(),
        **{name: told[name].upper() for name in fixes.EXTRAS},
    }
    if form.row.get("documents") and not told.get("without_documents"):
        names = ("kind", "number", "amount", "kid")
        line["documents"] = [
            {name: one[name] for name in names if one.get(name) is not None}
            for one in form.row["documents"]
        ]
    return {name: value for name, value in line.items() if value}


def _tell(place: str, name: str, text: str, head: HeadForm, lines: list[LineForm]) -> None:
    """Puts what intake found beside the field that it is about, once."""
    found = _PLACE.fullmatch(place)
    form: Any = head
    if found is not None and found[1] is not None and name != fixes.DUE_DATE:
        form = lines[int(found[1])]
    wanted = name or (found[2] if found is not None else "")
    wanted = FIELDS.get(wanted, wanted)
    field = wanted if wanted in form.fields else None
    if text not in form.errors.get(field or "__all__", []):
        form.add_error(field, text)


def _link(payment: Payment, lines: list[LineForm], by: actors.Actor, at: dt.datetime) -> None:
    """Ties each line to the one that it is paid instead of, and tells the ERP which."""
    rows = list(PaymentLine.objects.filter(payment=payment).order_by("position"))
    for row, form in zip(rows, lines, strict=True):
        row.corrects_id = form.row.get("corrects")
    told = [row for row in rows if row.corrects_id is not None]
    if not told:
        return
    PaymentLine.objects.bulk_update(told, ["corrects"])
    names = dict(
        PaymentLine.objects.filter(pk__in=[row.corrects_id for row in told]).values_list(
            "pk", "reference"
        )
    )
    number = payment.draft.corrects.number if payment.draft.corrects else ""
    corrects = [
        {"reference": row.reference, "instead_of": {"number": number, "reference": names[pk]}}
        for row in told
        if (pk := row.corrects_id) is not None
    ]
    detail = {"corrects": corrects}
    tell("corrects", payment, by=by, at=at, rows=len(told), standing=payment.state, detail=detail)


def bring_in(
    *,
    company: Company,
    user: User,
    media_type: str,
    content: BinaryIO,
    at: dt.datetime,
    today: dt.date,
) -> tuple[Upload, bool]:
    """Takes a file of payments by hand, and whether the same file had been taken before.

    Raises ServiceOff, Refused (nothing is stored) and intake.KeyReused.
    """
    if not services.in_use(company):
        raise ServiceOff
    content.seek(0)
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
    key = f"file {digest.hexdigest()}"
    _answer, before = intake.take(
        company=company,
        user=user,
        by=actors.person(user),
        key=key,
        media_type=media_type,
        body=content,
        body_sha256=digest.digest(),
        at=at,
        today=today,
        origin=intake.Origin(source=Payment.Source.FILE, event="brought_in", entered_by=(user.pk,)),
    )
    return Upload.objects.of(company).get(key=key), before


def asks_for_code(company: Company) -> bool:
    """Whether whoever hands payments in must have shown a factor that signs, not long ago."""
    return company.two_factor_to_upload or agreements.ask_for_code(company)


def look_for_corrections(lines: Sequence[PaymentLine]) -> None:
    """Sets on each line the one that is paid instead of it, the latest, with its payment."""
    rows = PaymentLine.objects.filter(corrects__in=[line.pk for line in lines])
    found = {row.corrects_id: row for row in rows.select_related("payment").order_by("pk")}
    for line in lines:
        line.instead = found.get(line.pk)


def corrected(payment: Payment) -> list[Payment]:
    """The payments whose lines this one is paid instead of."""
    ids = PaymentLine.objects.filter(payment=payment, corrects__isnull=False)
    groups = ids.values_list(F("corrects__payment"), flat=True)
    return list(Payment.objects.filter(pk__in=groups).order_by("pk"))


def faults_told(refused: Refused) -> list[str]:
    """What is wrong with a file, a sentence each: where, what, and the cure."""
    told = [f"{one.place}: {one.problem} {one.cure}" for one in refused.problems]
    if refused.more:
        told.append(_("And %(n)s faults more.") % {"n": refused.more})
    return told
