"""The payments of the scene: one in every status, each brought there by lawful moves."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from stdnum import luhn

from banking.models import BankFile
from payments import approval, sending, signable
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import actors, secondfactor, tenancy
from portal.access.models import User
from portal.access.roles import Role, permissions_of
from tests import kit
from tests.browser import scene_bank as bank
from tests.browser.scene_bank import Booked, Said
from tests.flows.test_booked import advice, detail, entry
from tests.flows.test_told_oddly import batch, reversal
from tests.kit import Stage

EVERYTHING = permissions_of(Role)
MANY = 135
LONG_NAME = ("Ærfuglværet Østlandske Næringsmiddelprodusenters Samvirke " * 3)[:140].strip()
LONG_WORD = "Kvalitetssikringsdokumentasjonsforvaltningsselskapet"
KID25 = "123456789012345678901234" + luhn.calc_check_digit("123456789012345678901234")
GERMAN, SWEDISH = "DE89370400440532013000", "SE4550000000058398257466"
REASONS = [
    ("AC01", ""),
    ("AM04", ""),
    ("RR07", "KID not according to agreement"),
    ("BE04", ""),
    ("AC04", "Konto avsluttet 01.11.2026"),
    ("ZQ77", "Beneficiary bank unable to apply"),
]


def line(reference: str, amount: str, **more: Any) -> dict[str, Any]:
    """A line as an ERP writes it in JSON; `name`, `street`, `town` … go to its payee."""
    payee = {"name": "Strøm og Nett AS", "town": "OSLO", "country": "NO"}
    for name in ("name", "street", "building", "post_code", "town", "country"):
        if name in more:
            payee[name] = more.pop(name)
    row = {"reference": reference, "amount": amount, "payee": payee, "account": kit.account(70)}
    if "kid" not in more and "documents" not in more:
        row["message"] = f"Faktura {reference}"
    return row | more


def head(made: Stage, number: str, lines: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A payment as an ERP writes it."""
    due = more.pop("due", kit.soon())
    account = more.pop("account", made.agreement.account.number)
    return {
        "number": number,
        "due_date": due.isoformat(),
        "debit_account": account,
        **more,
        "lines": lines,
    }


def upload(made: Stage, payments: list[dict[str, Any]]) -> None:
    """The ERP's upload, by its own door."""
    lines = [row for payment in payments for row in payment["lines"]]
    total = sum((Decimal(row["amount"]) for row in lines), Decimal(0))
    body = {"totals": {"lines": len(lines), "sum": str(total)}, "payments": payments}
    answer = kit.Erp(made).post(
        "payments", json.dumps(body).encode(), media_type="application/json"
    )
    assert answer.status_code == 201, answer.content


def some(made: Stage, number: str, count: int = 3, **more: Any) -> dict[str, Any]:
    """A payment of so many ordinary lines, named number-1, number-2 …"""
    rows = [line(f"{number}-{n}", f"{100 * n}.50") for n in range(1, count + 1)]
    return head(made, number, rows, **more)


def sign(made: Stage, user: User, *numbers: str) -> int:
    """Signs these payments with a code; the id of the ceremony."""
    proof = secondfactor.verify(user=user, code=kit.code_of(user))
    with made.scope():
        chosen = Payment.objects.of(made.company).filter(number__in=numbers)
        rows = signable.shown(list(chosen.select_related("agreement__account")))
        ceremony = approval.sign(
            company=made.company,
            user=user,
            permissions=EVERYTHING,
            fingerprints={row.payment.pk: row.fingerprint() for row in rows},
            proof=proof,
            at=clock.now(),
        )
    return int(ceremony.pk)


def both_sign(made: Stage, *numbers: str) -> None:
    """Two different people approve."""
    sign(made, made.users["all"], *numbers)
    sign(made, made.users["bjorn"], *numbers)


def send(made: Stage, *numbers: str) -> int:
    """Approves these, and makes their bank file; its id."""
    both_sign(made, *numbers)
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
    return int(file_id)


def lines_of(made: Stage, number: str) -> list[PaymentLine]:
    return list(
        PaymentLine.objects.of(made.company).filter(payment__number=number).order_by("position")
    )


def with_answers(made: Stage, files: dict[str, int]) -> None:
    """One file whose payments end in every way that a bank can answer."""
    ended = ["settled", "ended", "returned"]
    other = ["rejected", "cancelled_bank", "accepted", "pending", "unknown", "unknown-remark"]
    payments = [some(made, f"B-{name}", 6 if name == "rejected" else 3) for name in ended + other]
    upload(made, payments)
    file_id = send(made, *(row["number"] for row in payments))
    message_id = bank.arrived(made, file_id)
    files["received"] = file_id
    files["receipt"] = bank.hear(
        made, "receipt.xml", bank.status_report(message_id, group="ACTC")
    ).pk
    rejected = {f"B-rejected-{n}": ("RJCT", [why]) for n, why in enumerate(REASONS, 1)}
    said = {
        "B-settled": Said("ACCP"),
        "B-ended": Said(lines={"B-ended-2": ("RJCT", [("AC04", "")])}, status="PART"),
        "B-returned": Said("ACCP"),
        "B-rejected": Said("RJCT", lines=rejected),
        "B-cancelled_bank": Said("CANC", [("CUST", "")]),
        "B-accepted": Said("ACCP"),
        "B-pending": Said("PDNG", [("AM04", "")]),
        "B-unknown": Said("BLCK", [("ZZ99", "Noe nytt fra banken")]),
        "B-unknown-remark": Said(lines={"B-unknown-remark-1": ("RJCT", [("RR07", "")])}),
        "B-nowhere": Said("ACCP"),
    }
    report = bank.status_report(message_id, payments=said)
    files["read-remarks"] = bank.hear(made, "status.xml", report).pk
    booked = [
        *(Booked("B-settled", f"B-settled-{n}", f"{n}00.50") for n in (1, 2, 3)),
        *(Booked("B-ended", f"B-ended-{n}", f"{n}00.50") for n in (1, 3)),
        *(Booked("B-returned", f"B-returned-{n}", f"{n}00.50") for n in (1, 2, 3)),
        Booked("B-nowhere", "B-nowhere-1", "5.00"),
        Booked("B-accepted", "B-accepted-1", "7.77"),
        Booked("B-accepted", "B-accepted-2", "200.50", status="PDNG"),
    ]
    account, day = made.agreement.account.number, clock.today().isoformat()
    files["read"] = bank.hear(made, "debit.xml", bank.debit_advice(account, booked, day=day)).pk
    back = [Booked("B-returned", f"B-returned-{n}", f"{n}00.50", "AC04") for n in (1, 2, 3)]
    bank.hear(made, "return.xml", bank.debit_advice(account, back, day=day))
    odd = advice(
        made,
        batch(entry("5.00", way="CRDT"), "B-settled"),
        reversal(batch(entry("601.50"), "B-settled")),
        entry("100.50", detail("B-settled", "B-settled-1", "100.50")),
    )
    files["read-odd"] = bank.hear(made, "odd.xml", odd).pk


def on_their_way(made: Stage, files: dict[str, int]) -> None:
    """Files of their own: received, sent, sending, not delivered, refused as a whole, salary."""
    names = ("received", "sent", "sending", "uploading", "undelivered", "sent-back")
    upload(made, [some(made, f"B-{name}", 2) for name in names])
    made_files = {name: send(made, f"B-{name}") for name in names}
    received = bank.arrived(made, made_files["received"])
    bank.hear(made, "received.xml", bank.status_report(received, group="ACTC"))
    bank.arrived(made, made_files["sent"])
    bank.arrived(made, made_files["undelivered"], delivered=False)
    with made.scope():
        sending.deliver(file_id=made_files["uploading"])  # nobody answers: it tries again later
    refused = bank.arrived(made, made_files["sent-back"])
    why = [("BE06", "Customer is not identified")]
    bank.hear(made, "refused.xml", bank.status_report(refused, group="RJCT", reasons=why))
    files |= {
        "stored": made_files["sending"],
        "uploading": made_files["uploading"],
        "delivered": made_files["sent"],
        "undelivered": made_files["undelivered"],
        "refused": made_files["sent-back"],
    }
    staff = [line("LONN-1", "31000.00", name="Åse Ødegård", message="Lønn november")]
    staff += [line("LONN-2", "28500.75", name="Per-Øyvind Sæther", account=kit.account(71))]
    upload(made, [head(made, "B-salary", staff, kind="salary")])
    files["salary"] = send(made, "B-salary")
    bank.arrived(made, files["salary"])
    account, day = made.agreement.account.number, clock.today().isoformat()
    advice = bank.debit_advice(account, [], day=day, batch="B-salary 59500.75")
    files["salary-read"] = bank.hear(made, "salary.xml", advice).pk


def unreadable(made: Stage, files: dict[str, int]) -> None:
    """Files from the bank that were set aside, each for another reason, and one not yet read."""
    document = "<Document><CstmrPmtStsRpt><GrpHdr><MsgId>X</MsgId></GrpHdr>"
    odd = {
        "set_aside": document.encode(),
        "set_aside-kind": b"not a bank file",
        "set_aside-message": bank.status_report("NOTOURS", group="ACCP"),
    }
    for label, content in odd.items():
        files[label] = bank.claimed(made, bank.hear(made, f"{label}.xml", content))
    waiting = bank.status_report("KVITT000000000001", group="ACTC")
    files["fetched"] = bank.claimed(made, bank.fetched(made, "fetched.xml", waiting))
    with made.scope():
        damaged = bank.hear(made, "damaged.xml", b"<Document/>")
        files["damaged"] = bank.claimed(made, damaged)
        BankFile.objects.filter(pk=damaged.pk).update(sha256=b"\0" * 32)


def odd_payments(made: Stage) -> None:
    """What a list must be able to hold: foreign, urgent, netted, long, and stopped by checks."""
    foreign = [
        line(
            "F-1",
            "1250.75",
            currency="EUR",
            name="Müller & Söhne Großhandel GmbH",
            street="Königsallee",
            building="12b",
            post_code="40212",
            town="Düsseldorf",
            country="DE",
            account=GERMAN,
            bic="COBADEFFXXX",
        ),
        line("F-2", "98000", currency="JPY", name="Kyoto Trading", country="JP", account=GERMAN),
        line("F-3", "4400.00", currency="SEK", country="SE", account=SWEDISH, bic="SWEDSESS"),
    ]
    bills = [
        {"kind": "CINV", "number": f"F-10{n}", "amount": "1000.00", "kid": "1000421"}
        for n in range(6)
    ]
    notes = [{"kind": "CREN", "number": "K-77", "amount": "450.25"}]
    netted = [line("N-1", "5549.75", documents=bills + notes)]
    long = [
        line("L-1", "123456789.12", name=LONG_NAME, message="Ø" * 140),
        line("L-2", "1.00", name=LONG_WORD, kid=KID25),
        line("E" * 35, "2.00", message="Linje én"),
    ]
    faults = [
        line("S-1", "10.00", kid="1000422"),
        line("S-2", "10.00", account="15030000001"),
        line("S-3", "10.00", kid="1000421", message="Begge deler"),
        line("S-4", "10.00", currency="XXX"),
        line("S-5", "10.00", documents=bills),
        line("S-6", "10.00", message="x" * 200),
    ]
    upload(
        made,
        [
            head(made, "B-foreign", foreign),
            head(made, "B-urgent", [line("U-1", "99000.00")], urgent=True),
            head(made, "B-netted", netted),
            head(made, "B-LANG-NUMMER-2026-11-25-0000000001", long),
            head(made, "B-stopped", faults),
            head(made, "B-partly-stopped", [*faults[:2], line("S-7", "75.00")]),
        ],
    )


def decided(made: Stage) -> None:
    """Held, cancelled and refused by people, partly approved, and approved but not yet sent."""
    names = ("held", "some-held", "cancelled", "refused", "partly", "partly-mine", "approved")
    upload(made, [some(made, f"B-{name}") for name in (*names, "altered")])
    user, at = made.users["all"], clock.now()
    common: dict[str, Any] = {"company": made.company, "permissions": EVERYTHING, "at": at}
    both_sign(made, "B-altered")
    with made.scope():
        # What no page can do: the line is no longer what was signed, so it is taken out.
        PaymentLine.objects.filter(reference="B-altered-1").update(payee_name="Noen Andre AS")
        assert sending.make_files(company=made.company) == []
        ids = {name: Payment.objects.get(number=f"B-{name}").pk for name in names}
        held, part = lines_of(made, "B-held"), lines_of(made, "B-some-held")[:1]
        for name, rows in (("held", held), ("some-held", part)):
            approval.hold(
                **common,
                user=user,
                payment_id=ids[name],
                line_ids=[row.pk for row in rows],
                reason="Feil vare levert, venter på kreditnota",
            )
        approval.cancel(
            **common,
            by=actors.person(user),
            payment_ids=[ids["cancelled"]],
            reason="Betalt to ganger",
        )
        approval.refuse(
            **common, user=user, payment_ids=[ids["refused"]], reason="Ikke avtalt med oss"
        )
    sign(made, made.users["bjorn"], "B-partly")
    both_sign(made, "B-approved")


def many(made: Stage) -> None:
    """So many that lists have pages, and one with so many lines that they have pages too."""
    rows = [
        head(
            made,
            f"M{n:04d}",
            [line("1", f"{n}.10", name=f"Leverandør {n} AS")],
            due=kit.soon() + dt.timedelta(days=n % 60),
        )
        for n in range(1, MANY + 1)
    ]
    upload(made, [*rows, some(made, "B-many-lines", 120)])


def at_rest(made: Stage, agreement_number: str) -> None:
    """A payment on an agreement that is deactivated afterwards, by the caller."""
    rows = [line("D-1", "300.00")]
    upload(made, [head(made, "B-no-agreement", rows, account=agreement_number)])


def fill(made: Stage, files: dict[str, int]) -> None:
    """All of it; the order matters, as a bank file takes all that is approved."""
    with_answers(made, files)
    on_their_way(made, files)
    unreadable(made, files)
    many(made)
    odd_payments(made)
    decided(made)


def by_status(made: Stage) -> dict[str, int]:
    """Payment ids by what they show: the status for one of each, and names of the special ones."""
    with tenancy.acting_for([made.company]):
        rows = list(
            Payment.objects.of(made.company).order_by("pk").values("pk", "number", "status")
        )
    found = {row["number"].removeprefix("B-"): row["pk"] for row in rows if row["number"][0] == "B"}
    for row in rows:
        found.setdefault(row["status"], row["pk"])
    return found


def ids(made: Stage, numbers: Sequence[str]) -> list[int]:
    with made.scope():
        rows = Payment.objects.of(made.company).filter(number__in=list(numbers))
        return list(rows.order_by("pk").values_list("pk", flat=True))
