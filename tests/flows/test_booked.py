"""Money that left the account, told by advices and by statements, with more or less said of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest

from banking.lists import GRAVE
from banking.models import BankAccount, BankAgreement, BankFile
from payments import lifecycle, outcomes, timing
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import actors, tenancy
from portal.access.models import Company
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.browser import scene_bank as scene
from tests.browser.scene_bank import Booked, Said
from tests.flows import test_main_job as job
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Stage

pytestmark = pytest.mark.usefixtures("own_database")
DAY = "2026-11-24"


@pytest.fixture
def made(bank: Bank, own_database: None) -> Stage:
    return kit.stage(bank)


def accepted(made: Stage, bank: Bank, number: str) -> None:
    """A payment of three lines that the bank has accepted and not paid."""
    approved(made, number)
    job.send(made)
    with made.scope():
        sent = BankFile.objects.get(direction="out")
    scene.hear(
        made, "accp.xml", scene.status_report(sent.message_id, payments={number: Said("ACCP")})
    )
    assert set(job.statuses(made).values()) == {"accepted"}


def amounts(made: Stage, number: str) -> dict[str, str]:
    with made.scope():
        rows = PaymentLine.objects.filter(payment__number=number).order_by("position")
        return {row.reference: str(row.amount) for row in rows}


def entry(amount: str, *details: str, way: str = "DBIT") -> str:
    inner = "".join(f"<TxDtls>{one}</TxDtls>" for one in details)
    return (
        f'<Ntry><Amt Ccy="NOK">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>{DAY}</Dt></BookgDt><AcctSvcrRef>REF</AcctSvcrRef>"
        + (f"<NtryDtls>{inner}</NtryDtls>" if inner else "")
        + "</Ntry>"
    )


def detail(number: str, reference: str = "", amount: str = "") -> str:
    named = f"<PmtInfId>{number}</PmtInfId>" if number else ""
    money = f'<AmtDtls><TxAmt><Amt Ccy="NOK">{amount}</Amt></TxAmt></AmtDtls>' if amount else ""
    end = f"<EndToEndId>{reference}</EndToEndId>" if reference else ""
    return f"<Refs>{named}{end}</Refs>{money}"


def advice(made: Stage, *entries: str) -> bytes:
    return _message(made, "BkToCstmrDbtCdtNtfctn", "Ntfctn", *entries)


def statement(made: Stage, *entries: str) -> bytes:
    return _message(made, "BkToCstmrStmt", "Stmt", *entries)


def _message(made: Stage, top: str, part: str, *entries: str) -> bytes:
    account = made.agreement.account.number
    return (
        f"<Document><{top}><GrpHdr><MsgId>{top[-4:]}</MsgId></GrpHdr><{part}><Id>1</Id><Acct><Id>"
        f"<Othr><Id>{account}</Id></Othr></Id></Acct>{''.join(entries)}</{part}></{top}></Document>"
    ).encode()


def remarks(file: BankFile) -> list[str]:
    return [one["code"] for one in file.remarks or []]


def each(made: Stage, number: str) -> list[str]:
    """An entry for each line, with its reference."""
    return [entry(a, detail(number, r, a)) for r, a in amounts(made, number).items()]


Writer = Callable[..., bytes]


@pytest.mark.parametrize("first", [advice, statement])
def test_whichever_comes_first_settles_and_the_other_changes_nothing(
    made: Stage, bank: Bank, first: Writer
) -> None:
    second = statement if first is advice else advice
    accepted(made, bank, "A")
    # A statement tells of much that is not ours, and nothing is said of that.
    others = [entry("45.00"), entry("10.00", detail("UKJENT", "X", "10.00"))]
    more = others if first is statement else []
    file = scene.hear(made, "first.xml", first(made, *each(made, "A"), *more))
    assert set(job.statuses(made).values()) == {"settled"}
    assert remarks(file) == []
    with made.scope():
        before = list(Event.objects.order_by("pk").values_list("pk", flat=True))
        booked = list(PaymentLine.objects.values_list("booked_date", "bank_reference"))
    assert {day for day, _reference in booked} == {dt.date(2026, 11, 24)}
    file = scene.hear(made, "second.xml", second(made, *each(made, "A")))
    assert remarks(file) == []
    with made.scope():
        after = Event.objects.exclude(subject="bankfile").exclude(pk__in=before)
        assert not after.exists()
        assert list(PaymentLine.objects.values_list("booked_date", "bank_reference")) == booked


def test_a_statement_alone_settles_where_no_advice_comes(made: Stage, bank: Bank) -> None:
    with made.scope():
        BankAgreement.objects.update(settlement_return=False, statements=True)
    accepted(made, bank, "A")
    with made.scope():
        sent = BankFile.objects.get(direction="out")
    said = scene.status_report(sent.message_id, payments={"A": Said("ACSC")})
    scene.hear(made, "acsc.xml", said)
    assert set(job.statuses(made).values()) == {"accepted"}  # the money's own word is to come
    scene.hear(made, "statement.xml", statement(made, *each(made, "A")))
    assert set(job.statuses(made).values()) == {"settled"}


def test_a_statement_stays_within_the_salary_axis(made: Stage, bank: Bank) -> None:
    file = scene.hear(made, "debits.xml", statement(made, entry("45.00")))
    assert (file.salary, file.company_id) == (True, made.company.pk)
    file = scene.hear(made, "credits.xml", statement(made, entry("45.00", way="CRDT")))
    assert (file.salary, file.transactions) == (False, 1)


def test_a_batch_is_for_the_payment_that_it_names_where_its_details_name_none(
    made: Stage, bank: Bank
) -> None:
    accepted(made, bank, "A")
    own = amounts(made, "A")
    total = str(sum(map(Decimal, own.values())))
    batch = "<Btch><PmtInfId>A</PmtInfId></Btch>"
    whole = entry(total, *(detail("", "", amount) for amount in own.values()))
    file = scene.hear(
        made, "b.xml", advice(made, whole.replace("<NtryDtls>", f"<NtryDtls>{batch}"))
    )
    assert remarks(file) == []
    assert set(job.statuses(made).values()) == {"settled"}


@pytest.mark.parametrize("reference", ["", "NOTPROVIDED"])
@pytest.mark.parametrize("write", [advice, statement])
def test_a_batch_whose_details_name_no_line_settles_the_whole_payment(
    made: Stage, bank: Bank, reference: str, write: Writer
) -> None:
    accepted(made, bank, "A")
    own = amounts(made, "A")
    total = str(sum(map(Decimal, own.values())))
    details = [detail("A", reference, amount) for amount in own.values()]
    file = scene.hear(made, "batch.xml", write(made, entry(total, *details)))
    assert remarks(file) == []
    assert set(job.statuses(made).values()) == {"settled"}
    again = scene.hear(made, "again.xml", write(made, entry(total, *details), entry("1.00")))
    # What names nothing at all is told of where the bank tells of our own debits alone.
    assert remarks(again) == (["unmatched"] if write is advice else [])


def test_a_batch_that_names_some_of_its_lines_is_told_of(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    own = list(amounts(made, "A").items())
    total = str(sum(Decimal(amount) for _reference, amount in own))
    details = [detail("A", *own[0]), *(detail("A", "NOTPROVIDED", a) for _r, a in own[1:])]
    file = scene.hear(made, "batch.xml", advice(made, entry(total, *details)))
    assert sorted(job.statuses(made).values()) == ["accepted", "accepted", "settled"]
    assert file.remarks == [{"code": "line-not-named", "number": "A", "count": 2}]
    assert "line-not-named" in GRAVE
    page = kit.signed_in(made.users["anne"])
    page.cookies["kvitt_language"] = "en"
    told = page.get(f"/c/{made.company.public_id}/outgoing/").content.decode()
    assert "The bank has told of payments otherwise than they stand here" in told


def test_a_batch_of_another_sum_settles_nothing(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    file = scene.hear(made, "batch.xml", advice(made, entry("1.00", detail("A"))))
    assert set(job.statuses(made).values()) == {"accepted"}
    assert remarks(file) == ["batch-differs"]


def test_a_line_that_is_debited_twice_in_one_file_is_told_of(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    reference, amount = next(iter(amounts(made, "A").items()))
    twice = [entry(amount, detail("A", reference, amount))] * 2
    file = scene.hear(made, "twice.xml", advice(made, *twice))
    assert file.remarks == [{"code": "named-twice", "count": 1}]
    assert job.statuses(made)[reference] == "settled"


def test_another_amount_is_an_alarm(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    reference = next(iter(amounts(made, "A")))
    file = scene.hear(made, "odd.xml", advice(made, entry("1.00", detail("A", reference, "1.00"))))
    assert remarks(file) == ["amount-differs"]
    assert "amount-differs" in GRAVE
    assert set(job.statuses(made).values()) == {"accepted"}


def test_a_refusal_of_what_was_debited_is_an_alarm(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    account = made.agreement.account.number
    booked = [Booked("A", r, a) for r, a in amounts(made, "A").items()]
    scene.hear(made, "paid.xml", scene.debit_advice(account, booked, day=DAY))
    with made.scope():
        sent = BankFile.objects.get(direction="out")
    one = Said(lines={booked[0].reference: ("RJCT", [("AM04", "")])})
    for name, said, count in (("line", one, 1), ("whole", Said("RJCT"), 3)):
        report = scene.status_report(sent.message_id, payments={"A": said})
        file = scene.hear(made, f"{name}.xml", report)
        told = [r for r in file.remarks or [] if r["code"] == "refused-after-paid"]
        assert told == [{"code": "refused-after-paid", "status": "RJCT", "count": count}]
    assert set(job.statuses(made).values()) == {"settled"}


def test_a_draft_that_was_ended_makes_nobody_the_owner(made: Stage, bank: Bank) -> None:
    """An account's number stands on invoices: whoever writes it down gets nothing by that."""
    company = kit.company(place=9, name="Kaprer AS")
    number = kit.account(99)
    with tenancy.acting_for([company]):
        account = BankAccount.objects.create(company=company, number=number, name="Ikke deres")
        row = BankAgreement.objects.create(
            company=company,
            channel=made.channel,
            account=account,
            customer_number="CUST1",
            agreement_id="X",
        )
        move(row, "deactivated")
    file = _heard_of(made, number, company)
    assert (file.company_id, file.error["code"]) == (None, "unknown-account")
    with tenancy.acting_for([company]):
        again = BankAgreement.objects.create(
            company=company,
            channel=made.channel,
            account=account,
            customer_number="CUST1",
            agreement_id="Y",
        )
        move(again, "activated")
        move(again, "deactivated")
    assert _heard_of(made, number, company).company_id == company.pk


def move(row: BankAgreement, name: str) -> None:
    from banking import lifecycle as agreements

    moves.move(
        BankAgreement.objects.filter(pk=row.pk),
        agreements.AGREEMENT.moves[name],
        by=actors.CLOCK if name == "deactivated" else actors.BANK,
        at=clock.now(),
    )


def _heard_of(made: Stage, number: str, company: Company) -> BankFile:
    content = statement(made, entry("45.00")).replace(
        made.agreement.account.number.encode(), number.encode()
    )
    content = content.replace(b"<MsgId>", f"<MsgId>{clock.now().timestamp()}".encode())
    name = f"{clock.now().timestamp()}.xml"
    file = scene.fetched(made, name, content)
    outcomes.take_one(file.pk)
    with tenancy.acting_for([made.company, company], unclaimed=True):
        file.refresh_from_db()
    return file


@pytest.mark.parametrize(
    ("due", "last", "today", "late"),
    [
        ("2026-12-05", "2026-12-06", "2026-12-01", True),  # a Saturday: paid on Monday the 7th
        ("2026-12-05", "2026-12-07", "2026-12-01", False),
        ("2026-12-02", "2026-12-06", "2026-12-08", True),  # approved too late
        ("2026-12-04", "2026-12-04", "2026-12-04", False),
    ],
)
def test_the_last_day_of_an_agreement_is_held_to_the_day_on_which_it_is_paid(
    due: str, last: str, today: str, late: bool
) -> None:
    days = [dt.date.fromisoformat(one) for one in (due, last, today)]
    assert timing.after_last_day(days[0], days[1], today=days[2]) == late


def test_what_would_be_paid_after_the_last_day_is_not_sent(made: Stage, bank: Bank) -> None:
    approved(made, "A")
    with made.scope():
        Payment.objects.update(due_date=clock.today() - dt.timedelta(days=9))
        BankAgreement.objects.update(cut_over_date=clock.today() - dt.timedelta(days=1))
    assert job.send(made) == []
    assert job.statuses(made) and set(job.statuses(made).values()) == {lifecycle.APPROVED}
