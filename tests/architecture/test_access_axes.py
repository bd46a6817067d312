"""Salary and supplier payments are apart: no address shows one of them to the roles of the other."""

from __future__ import annotations

import functools
import html
import io
import itertools
import zipfile
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from banking.models import Authority, BankAgreement, BankFile
from payments import sending
from payments.lifecycle import PHASE_LABELS
from payments.models import Ceremony, Payment, PaymentLine
from portal import clock
from portal.access import guard
from portal.jobs import work
from portal.jobs.models import Job
from portal.lists import export, spec
from tests import kit
from tests.architecture.access_table import SEERS, TABLE
from tests.architecture.test_access_matrix import (
    OTHER_WORDS,
    QUERIES,
    WORD,
    addresses,
    filled,
    staged,
)
from tests.browser import scene_bank as bank
from tests.browser.scene_bank import Booked, Said
from tests.browser.scene_payments import sign
from tests.kit import Erp, Line, Stage

pytestmark = pytest.mark.django_db

# Axis → how a file marks it, who approves it, and the lines of its payments: two are with the
# bank, which rejects the first; the third waits for approval.
AXES = {
    "supplier": ("SUPP", "approver", ["45678.91", "34567.82", "23456.73"]),
    "salary": ("SALA", "payroll", ["98765.43", "87654.32", "76543.21"]),
}
# Role → the axes that it sees nothing of; an uploader opens the bank files of the other.
HIDDEN = {
    "approver": ["salary"],
    "accountant": ["salary"],
    "payroll": ["supplier"],
    "payclerk": ["supplier"],
    "uploader": ["salary"],
    "customer": ["salary", "supplier"],
}
# Beside the address as it stands, what finds, filters or sorts by payments.
ASKED = {
    "people:search": ["?q=S", "?q=SALARY", "?q=SUPPLIER", "?q=Payee"],
    "payments:list": [
        "?kind=salary", "?kind=supplier", "?number=S", "?status=rejected", "?sort=-total",
        *(f"?tab={tab}" for tab in PHASE_LABELS),
    ],
    "payments:approve": ["?kind=salary", "?kind=supplier", "?number=S"],
    "banking:files": ["?name=xml", "?direction=in", "?direction=out"],
}  # fmt: skip


def _lines(axis: str) -> list[Line]:
    _category, _approver, amounts = AXES[axis]
    return [
        Line(
            f"{axis.upper()}{place}",
            amount,
            kit.account(len(axis) * 10 + place),
            message=f"Message{axis}{place}",
            name=f"Payee{axis}{place}",
        )
        for place, amount in enumerate(amounts, 1)
    ]


def _words(axis: str) -> set[str]:
    """What names the payments of an axis, their payees and their amounts."""
    found = {f"{axis.upper()}-SENT", f"{axis.upper()}-WAITS"}
    for row in _lines(axis):
        found |= {row.reference, row.account, row.message, row.name, row.amount}
    return found


@functools.cache
def _marks(axis: str) -> set[str]:
    """Its words, and every sum that a line of it takes part in, with whatever else is added up."""
    (other,) = AXES.keys() - {axis}
    first, second, third = (Decimal(row.amount) for row in _lines(other))
    beside = [Decimal(0), first + second, second, third, first + second + third]
    sums = {
        str(sum(some) + more + small)
        for size in (1, 2, 3)
        for some in itertools.combinations([Decimal(row.amount) for row in _lines(axis)], size)
        for more in beside
        for small in (0, 300)  # with what the stage has uploaded
    }
    return _words(axis) | sums


def _planted(made: Stage) -> dict[str, list[Any]]:
    """Payments of both axes on every stage of their way; the ids of what speaks of them."""
    with made.scope():
        BankAgreement.objects.update(approvers_required=1)
    for axis, (category, approver, _amounts) in AXES.items():
        first, second, third = _lines(axis)
        sent, waits = f"{axis.upper()}-SENT", f"{axis.upper()}-WAITS"
        account = made.agreement.account
        body = kit.pain001(
            {sent: [first, second], waits: [third]},
            account=account.number,
            due=kit.soon(),
            category=category,
        )
        answer = Erp(made).post("payments", body)
        assert answer.status_code == 201, answer.content
        with made.scope():
            Authority.objects.create(
                company=made.company,
                account=account,
                user=made.users[approver],
                bank_identity=axis,
                holds_authority=True,
            )
        sign(made, made.users[approver], sent)
        with made.scope():
            (file_id,) = sending.make_files(company=made.company)
        said = Said(lines={first.reference: ("RJCT", [("AC04", "")])})
        report = bank.status_report(bank.arrived(made, file_id), payments={sent: said})
        bank.hear(made, f"{axis}-2.xml", report)
        booked = [Booked(sent, second.reference, second.amount)]
        day = clock.today().isoformat()
        bank.hear(made, f"{axis}-54.xml", bank.debit_advice(account.number, booked, day=day))
    with made.scope():
        assert set(PaymentLine.objects.values_list("status", flat=True)) == {
            "awaiting", "rejected", "settled",
        }  # fmt: skip
        found = {"payment": Payment, "file": BankFile, "ceremony": Ceremony}
        return {
            word: list(model._default_manager.values_list("pk", flat=True))
            for word, model in found.items()
        }


def _plain(text: str) -> str:
    """A text without spaces, with amounts as files have them."""
    return "".join(html.unescape(text).split()).replace(",", ".")


def _text(answer: Any) -> str:
    """All that an answer says."""
    content = b"".join(answer)
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            content = b"".join(map(book.read, book.namelist()))
    return _plain(f"{content.decode('utf-8', 'replace')} {answer.headers}")


def _walked(client: Client, words: dict[str, Any], values: dict[str, list[Any]]) -> dict[str, str]:
    """Address → all that it says, of every address that is opened without sending anything."""
    found = {}
    for name, route in addresses().items():
        if "get" not in TABLE[name] or name.startswith(f"{guard.DEMO}:"):
            continue
        objects = [word for word in WORD.findall(route) if word in values]
        for chosen in itertools.product(*(values[word] for word in objects)):
            own = words | OTHER_WORDS.get(name, {}) | dict(zip(objects, chosen, strict=True))
            for query in [QUERIES.get(name, ""), *ASKED.get(name, [])]:
                address = filled(route, own) + query
                found[address] = _text(client.get(address))
    return found


def _sent(client: Client, words: dict[str, Any], payments: list[int]) -> dict[str, str]:
    """What lists give as files, and what comes of choosing all payments to be signed or ended."""
    routes, found = addresses(), {}
    for name, kind in itertools.product(spec.all_named(), export.FORMATS):
        address = filled(routes["lists:export"], words | {"list_name": name})
        found[f"{address} {kind}"] = _text(client.post(address, {"format": kind}))
    every = [{"payment": payments}, *({"all": "1", "query": f"kind={axis}"} for axis in AXES)]
    for act, chosen in itertools.product(("sign", "refuse", "cancel"), every):
        address = filled(routes[f"payments:{act}"], words)
        found[f"{address} {chosen}"] = _text(client.post(address, chosen, follow=True))
    return found


def _exporting(made: Stage, client: Client, words: dict[str, Any]) -> list[str]:
    """The public ids of jobs that have made the lists that payments are on."""
    jobs = []
    for name in ("payments", "bank_files"):
        address = filled(addresses()["lists:export"], words | {"list_name": name})
        answer = client.post(address, {"format": "csv"})
        if answer.status_code == 302:
            with made.scope():
                job = Job.objects.get(public_id=answer["Location"].split("/")[-2])
            work.run(company_id=made.company.pk, job_id=job.pk)
            jobs.append(job.public_id)
    return jobs


def test_neither_axis_is_shown_to_the_roles_of_the_other(settings: Any) -> None:
    made, clients, words = staged()
    values = _planted(made)
    direct, settings.LIST_EXPORT_DIRECT = settings.LIST_EXPORT_DIRECT, 0
    jobs = {role: _exporting(made, clients[role], words) for role in HIDDEN}
    settings.LIST_EXPORT_DIRECT = direct
    assert {role for role, made_by in jobs.items() if made_by} == {*SEERS, "uploader"}
    values["job"] = list(itertools.chain.from_iterable(jobs.values()))
    leaks = []
    for role, hidden in HIDDEN.items():
        client = clients[role]
        told = _walked(client, words, values) | _sent(client, words, values["payment"])
        for axis, (address, text) in itertools.product(hidden, told.items()):
            leaks += [f"{role} {address}: {mark}" for mark in _marks(axis) if mark in text]
        if role in SEERS:
            (seen,) = AXES.keys() - set(hidden)
            everything = "".join(told.values())
            assert [word for word in _words(seen) if word not in everything] == []
    assert leaks == []


def test_no_letter_tells_one_axis_to_the_roles_of_the_other() -> None:
    made, _clients, _words_ = staged()
    _planted(made)
    roles = {made.users[role].pk: role for role in HIDDEN}
    roles |= {made.users[name].pk: "approver" for name in ("anne", "bjorn")}
    roles |= {made.users["erp"].pk: "uploader"}
    letters = kit.letters()
    assert {letter.kind for letter in letters} >= {"payments.to_approve", "payments.rejected"}
    assert {roles[letter.user_id] for letter in letters} == set(SEERS)
    for letter in letters:
        text = _plain(f"{letter.subject} {letter.text} {letter.html}")
        for axis in HIDDEN[roles[letter.user_id]]:
            assert [mark for mark in _marks(axis) if mark in text] == []
