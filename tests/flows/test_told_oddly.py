"""What a bank tells of money in ways that do not fit: nothing is settled by guess, nothing that
left or came back is silent, and what is another company's is left to it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from banking.lists import GRAVE
from banking.models import AgreementShare, BankAccount, BankAgreement, BankFile
from portal import clock
from portal.access.roles import Role
from tests import kit
from tests.banking.test_sharing import base, browser, other, owner, used
from tests.browser import scene_bank as scene
from tests.browser.scene_bank import Said
from tests.flows import test_main_job as job
from tests.flows.test_booked import (
    Writer,
    accepted,
    advice,
    amounts,
    detail,
    each,
    entry,
    move,
    remarks,
    statement,
)
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Erp, Line, Stage

pytestmark = pytest.mark.usefixtures("own_database")
__all__ = ["other", "owner"]


@pytest.fixture
def made(bank: Bank, own_database: None) -> Stage:
    return kit.stage(bank)


def total(made: Stage, number: str = "A") -> str:
    return str(sum(map(Decimal, amounts(made, number).values())))


def batch(told: str, number: str = "A", message: str = "") -> str:
    """The entry with a batch that names the payment."""
    sent = f"<MsgId>{message}</MsgId>" if message else ""
    inner = f"<NtryDtls><Btch>{sent}<PmtInfId>{number}</PmtInfId></Btch>"
    if "<NtryDtls>" in told:
        return told.replace("<NtryDtls>", inner)
    return told.replace("</Ntry>", f"{inner}</NtryDtls></Ntry>")


def reversal(told: str) -> str:
    return told.replace("<Sts>", "<RvslInd>true</RvslInd><Sts>")


def counted(made: Stage) -> dict[str, int]:
    return dict(Counter(job.statuses(made).values()))


# --- whose it is ----------------------------------------------------------------------------------


def pay(made: Stage, to: int) -> str:
    """A payment of one line that is sent, the same in every company; the MsgId of its file."""
    body = kit.pain001(
        {"1001": [Line("1", "100.00", kit.account(to), message="Lik")]},
        account=made.agreement.account.number,
        due=kit.soon(),
    )
    assert Erp(made).post("payments", body).status_code == 201
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    job.send(made)
    with made.scope():
        return str(BankFile.objects.get(direction="out").message_id)


@pytest.mark.parametrize("write", [advice, statement])
@pytest.mark.parametrize("whole", [False, True])
def test_what_is_debited_for_one_that_shares_the_account_settles_nothing_of_the_owners(
    owner: Stage, other: Stage, bank: Bank, write: Writer, whole: bool
) -> None:
    used(owner, other)
    own, theirs = pay(owner, 70), pay(other, 71)

    def debit(message: str) -> bytes:
        if whole:
            return write(owner, batch(entry("100.00"), "1001", message))
        refs = f"<Refs><MsgId>{message}</MsgId><PmtInfId>1001</PmtInfId>"
        return write(
            owner,
            entry(
                "100.00",
                detail("1001", "1", "100.00").replace("<Refs><PmtInfId>1001</PmtInfId>", refs),
            ),
        )

    file = scene.hear(owner, "theirs.xml", debit(theirs))
    assert (file.company_id, remarks(file)) == (owner.company.pk, [])
    assert (counted(owner), counted(other)) == ({"sent": 1}, {"sent": 1})
    file = scene.hear(owner, "own.xml", debit(own))
    assert (counted(owner), counted(other)) == ({"settled": 1}, {"sent": 1})


@pytest.mark.parametrize("whole", [False, True])
def test_where_the_bank_does_not_say_whose_of_two_it_was_nothing_is_settled(
    owner: Stage, other: Stage, bank: Bank, whole: bool
) -> None:
    used(owner, other)
    pay(owner, 70)
    pay(other, 71)
    one = (
        batch(entry("100.00"), "1001") if whole else entry("100.00", detail("1001", "1", "100.00"))
    )
    file = scene.hear(owner, "whose.xml", advice(owner, one))
    assert remarks(file) == ["which-company"]
    assert "which-company" in GRAVE
    assert counted(owner) == {"sent": 1}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_debit_for_a_company_that_the_account_is_not_shared_with_is_told_of(
    owner: Stage, other: Stage, bank: Bank, shared: bool, whole: bool
) -> None:
    if shared:
        used(owner, other)
    third = kit.stage(bank, place=3)
    third.channel = owner.channel
    with third.scope():
        BankAgreement.objects.filter(pk=third.agreement.pk).update(channel=owner.channel)
    pay(owner, 70)
    theirs = pay(third, 71)
    if whole:
        told = [batch(entry("100.00"), "1001", theirs)] * 2
    else:
        refs = f"<Refs><MsgId>{theirs}</MsgId><PmtInfId>1001</PmtInfId>"
        one = detail("1001", "1", "100.00").replace("<Refs><PmtInfId>1001</PmtInfId>", refs)
        told = [entry("100.00", one), entry("100.00", one)]
    file = scene.hear(owner, "third.xml", advice(owner, *told))
    assert remarks(file) == ["which-company"]
    assert file.remarks is not None
    assert file.remarks[0]["count"] == 2
    assert (counted(owner), counted(third)) == ({"sent": 1}, {"sent": 1})


@pytest.mark.parametrize("write", [advice, statement])
@pytest.mark.parametrize("whole", [False, True])
def test_money_of_another_account_settles_nothing(
    made: Stage, bank: Bank, write: Writer, whole: bool
) -> None:
    accepted(made, bank, "A")
    number = kit.account(88)
    with made.scope():
        account = BankAccount.objects.create(company=made.company, number=number, name="To")
        BankAgreement.objects.create(
            company=made.company,
            channel=made.channel,
            account=account,
            customer_number="CUST1",
            agreement_id="AGR1",
        )
        second = BankAgreement.objects.get(account=account)
        move(second, "activated")
    told = [batch(entry(total(made)))] if whole else each(made, "A")
    content = write(made, *told).replace(made.agreement.account.number.encode(), number.encode())
    file = scene.hear(made, "other.xml", content)
    assert remarks(file) == ["another-account"]
    assert "another-account" in GRAVE
    assert counted(made) == {"accepted": 3}


# --- told twice -----------------------------------------------------------------------------------


def test_a_whole_payment_that_one_file_debits_twice_is_told_of(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    one = batch(entry(total(made)))
    file = scene.hear(made, "twice.xml", advice(made, one, one.replace("REF", "REF2")))
    assert remarks(file) == ["named-twice"]
    assert counted(made) == {"settled": 3}


@pytest.mark.parametrize("write", [advice, statement])
def test_lines_and_their_whole_payment_in_one_file_are_told_of(
    made: Stage, bank: Bank, write: Writer
) -> None:
    accepted(made, bank, "A")
    whole = batch(entry(total(made))).replace("REF", "REF2")
    file = scene.hear(made, "both.xml", write(made, *each(made, "A"), whole))
    assert remarks(file) == ["named-twice"]
    assert counted(made) == {"settled": 3}


def test_a_line_that_is_debited_again_on_another_day_is_told_of(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    scene.hear(made, "once.xml", advice(made, *each(made, "A")))
    again = [
        one.replace("REF", "NEW").replace("2026-11-24", "2026-11-27") for one in each(made, "A")
    ]
    file = scene.hear(made, "again.xml", statement(made, *again))
    assert [(one["code"], one["count"]) for one in file.remarks] == [("debited-again", 3)]
    assert "debited-again" in GRAVE
    same_day = [one.replace("REF", "NEW") for one in each(made, "A")]
    assert remarks(scene.hear(made, "same.xml", statement(made, *same_day))) == []


@pytest.mark.parametrize("whole", [False, True])
def test_a_line_that_is_debited_again_after_it_came_back_is_told_of(
    made: Stage, bank: Bank, whole: bool
) -> None:
    def debit(reference: str, day: str) -> list[str]:
        told = [batch(entry(total(made)))] if whole else each(made, "A")
        return [one.replace("REF", reference).replace("2026-11-24", day) for one in told]

    def back(reference: str, day: str) -> list[str]:
        if whole:
            told = [reversal(batch(entry(total(made), way="CRDT")))]
        else:
            told = [reversal(one.replace("DBIT", "CRDT")) for one in each(made, "A")]
        return [one.replace("REF", reference).replace("2026-11-24", day) for one in told]

    accepted(made, bank, "A")
    scene.hear(made, "once.xml", advice(made, *debit("ONE", "2026-11-24")))
    scene.hear(made, "back.xml", advice(made, *back("TWO", "2026-11-25")))
    assert counted(made) == {"returned": 3}
    # Both are told on the statement too, as they were.
    told = debit("ONE", "2026-11-24") + back("TWO", "2026-11-25")
    assert remarks(scene.hear(made, "statement.xml", statement(made, *told))) == []
    file = scene.hear(made, "again.xml", advice(made, *debit("THREE", "2026-11-25")))
    assert [(one["code"], one["count"]) for one in file.remarks or []] == [("debited-again", 3)]
    assert counted(made) == {"returned": 3}


def test_a_whole_payment_that_is_debited_again_on_another_day_is_told_of(
    made: Stage, bank: Bank
) -> None:
    accepted(made, bank, "A")
    one = batch(entry(total(made)))
    scene.hear(made, "once.xml", advice(made, one))
    assert remarks(scene.hear(made, "same.xml", statement(made, one))) == []
    again = one.replace("REF", "NEW").replace("2026-11-24", "2026-11-27")
    file = scene.hear(made, "again.xml", advice(made, again))
    assert [(one["code"], one["count"]) for one in file.remarks or []] == [("debited-again", 3)]


def test_a_payment_that_came_back_before_its_debit_was_told_is_no_alarm(
    made: Stage, bank: Bank
) -> None:
    accepted(made, bank, "A")
    back = reversal(batch(entry(total(made), way="CRDT"))).replace("REF", "BACK")
    scene.hear(made, "back.xml", advice(made, back))
    assert counted(made) == {"returned": 3}
    late = batch(entry(total(made))).replace("2026-11-24", "2026-11-23")
    assert remarks(scene.hear(made, "late.xml", statement(made, late))) == []


def test_the_rest_of_a_payment_is_settled_by_its_whole(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    own = list(amounts(made, "A").items())
    some = [detail("A", *own[0]), *(detail("A", "NOTPROVIDED", a) for _r, a in own[1:])]
    file = scene.hear(made, "some.xml", advice(made, entry(total(made), *some)))
    assert counted(made) == {"settled": 1, "accepted": 2}
    file = scene.hear(made, "whole.xml", statement(made, batch(entry(total(made)))))
    assert remarks(file) == []
    assert counted(made) == {"settled": 3}


# --- amounts --------------------------------------------------------------------------------------


def test_what_was_debited_counts_where_it_is_not_what_was_ordered(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    reference, amount = next(iter(amounts(made, "A").items()))
    money = f'<InstdAmt><Amt Ccy="NOK">{amount}</Amt></InstdAmt><TxAmt><Amt Ccy="NOK">1100.00</Amt>'
    told = detail("A", reference) + f"<AmtDtls>{money}</TxAmt></AmtDtls>"
    file = scene.hear(made, "more.xml", advice(made, entry("1100.00", told)))
    assert remarks(file) == ["amount-differs"]
    assert counted(made) == {"accepted": 3}


@pytest.mark.parametrize("currency", ["EUR", "NOK"])
def test_what_was_ordered_counts_where_the_account_has_another_currency(
    made: Stage, bank: Bank, currency: str
) -> None:
    accepted(made, bank, "A")
    with made.scope():
        BankAccount.objects.filter(pk=made.agreement.account_id).update(currency=currency)
    reference, amount = next(iter(amounts(made, "A").items()))
    money = f'<InstdAmt><Amt Ccy="NOK">{amount}</Amt></InstdAmt><TxAmt><Amt Ccy="EUR">8.60</Amt>'
    told = detail("A", reference) + f"<AmtDtls>{money}</TxAmt></AmtDtls>"
    file = scene.hear(made, "euro.xml", advice(made, entry("8.60", told).replace("NOK", "EUR", 1)))
    # An account in kroner is debited in kroner.
    told, status = {"EUR": ([], "settled"), "NOK": (["amount-differs"], "accepted")}[currency]
    assert (remarks(file), job.statuses(made)[reference]) == (told, status)


def test_an_entry_of_another_sum_than_its_details_is_an_alarm(made: Stage, bank: Bank) -> None:
    accepted(made, bank, "A")
    details = [detail("A", reference, amount) for reference, amount in amounts(made, "A").items()]
    file = scene.hear(made, "sum.xml", advice(made, entry("9999.00", *details)))
    assert remarks(file) == ["discrepancy", "amount-differs"]
    assert "discrepancy" in GRAVE
    # What left the account is the entry's amount: it does not prove the details'.
    assert counted(made) == {"accepted": 3}


def test_details_without_amounts_are_proved_by_the_sum_of_their_entry(
    made: Stage, bank: Bank
) -> None:
    accepted(made, bank, "A")
    details = [detail("A", reference) for reference in amounts(made, "A")]
    file = scene.hear(made, "odd.xml", advice(made, entry("1.00", *details)))
    assert remarks(file) == ["amount-differs"]
    assert counted(made) == {"accepted": 3}
    file = scene.hear(made, "sum.xml", advice(made, entry(total(made), *details)))
    assert remarks(file) == []
    assert counted(made) == {"settled": 3}


# --- what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize("paid", [False, True])
def test_a_debit_that_is_reversed_returns_the_whole_payment(
    made: Stage, bank: Bank, paid: bool
) -> None:
    accepted(made, bank, "A")
    if paid:
        scene.hear(made, "paid.xml", advice(made, batch(entry(total(made)))))
    back = reversal(batch(entry(total(made), way="CRDT")))
    assert remarks(scene.hear(made, "back.xml", advice(made, back))) == []
    assert counted(made) == {"returned": 3}
    assert remarks(scene.hear(made, "again.xml", statement(made, back))) == []
    # The word of the debit, late: no final status is opened again.
    scene.hear(made, "late.xml", statement(made, batch(entry(total(made)))))
    assert counted(made) == {"returned": 3}


@pytest.mark.parametrize("whole", [False, True])
def test_a_credit_that_is_reversed_settles_and_returns_nothing(
    made: Stage, bank: Bank, whole: bool
) -> None:
    accepted(made, bank, "A")
    told = [batch(entry(total(made)))] if whole else each(made, "A")[:1]
    file = scene.hear(made, "odd.xml", advice(made, *map(reversal, told)))
    assert remarks(file) == ["credit-taken-back"]
    assert "credit-taken-back" in GRAVE
    assert counted(made) == {"accepted": 3}


def test_money_back_for_a_payment_that_does_not_say_for_what_is_told_of(
    made: Stage, bank: Bank
) -> None:
    accepted(made, bank, "A")
    scene.hear(made, "paid.xml", advice(made, batch(entry(total(made)))))
    file = scene.hear(made, "back.xml", advice(made, batch(entry("100.00", way="CRDT"))))
    assert file.remarks == [{"code": "credit-for-payment", "number": "A", "sum": "100.00"}]
    assert "credit-for-payment" in GRAVE
    assert counted(made) == {"settled": 3}
    page = kit.signed_in(kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR))
    page.cookies["kvitt_language"] = "en"
    told = page.get(f"/c/{made.company.public_id}/files/{file.pk}/").content.decode()
    assert "came back to the account for payment A" in told


# --- less than a name -----------------------------------------------------------------------------


@pytest.mark.parametrize("write", [advice, statement])
def test_lines_are_named_within_the_payment_of_their_batch(
    made: Stage, bank: Bank, write: Writer
) -> None:
    accepted(made, bank, "A")
    details = [detail("", r, a) for r, a in amounts(made, "A").items()]
    file = scene.hear(made, "batch.xml", write(made, batch(entry(total(made), *details))))
    assert remarks(file) == []
    assert counted(made) == {"settled": 3}


@pytest.mark.parametrize("write", [advice, statement])
def test_a_reference_alone_is_enough_where_one_line_has_it_and_the_amount_fits(
    made: Stage, bank: Bank, write: Writer
) -> None:
    accepted(made, bank, "A")
    (first, amount), *rest = amounts(made, "A").items()
    wrong = entry("1.00", detail("", first, "1.00"))
    file = scene.hear(made, "odd.xml", write(made, wrong))
    assert counted(made) == {"accepted": 3}
    told = [entry(amount, detail("", reference, amount)) for reference, amount in rest]
    assert remarks(scene.hear(made, "told.xml", write(made, *told))) == []
    assert counted(made) == {"accepted": 1, "settled": 2}
    back = detail("", rest[0][0], rest[0][1]) + "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
    file = scene.hear(made, "back.xml", write(made, entry(rest[0][1], back, way="CRDT")))
    assert remarks(file) == []
    assert counted(made) == {"accepted": 1, "settled": 1, "returned": 1}


@pytest.mark.parametrize("write", [advice, statement])
def test_a_payment_of_ours_with_a_line_that_is_not_is_told_of(
    made: Stage, bank: Bank, write: Writer
) -> None:
    accepted(made, bank, "A")
    file = scene.hear(made, "odd.xml", write(made, entry("5.00", detail("A", "UKJENT", "5.00"))))
    assert file.remarks == [{"code": "unmatched", "count": 1}]


@pytest.mark.parametrize("write", [advice, statement])
def test_a_detail_that_names_nothing_among_named_ones_is_told_of(
    made: Stage, bank: Bank, write: Writer
) -> None:
    accepted(made, bank, "A")
    own = list(amounts(made, "A").items())
    some = [*(detail("A", *one) for one in own[:2]), detail("", "", own[2][1])]
    file = scene.hear(made, "some.xml", write(made, entry(total(made), *some)))
    assert file.remarks == [{"code": "line-not-named", "number": "A", "count": 1}]
    assert counted(made) == {"settled": 2, "accepted": 1}


@pytest.mark.parametrize(
    "told", [(), (detail("", "", "77.00"),), (detail("", "NOTPROVIDED", "77.00"),)]
)
def test_a_debit_advice_that_names_nothing_is_told_of(
    made: Stage, bank: Bank, told: tuple[str, ...]
) -> None:
    file = scene.hear(made, "odd.xml", advice(made, entry("77.00", *told)))
    assert (file.remarks, file.salary) == ([{"code": "unmatched", "count": 1}], True)
    file = scene.hear(made, "odd2.xml", statement(made, entry("77.00", *told)))
    assert remarks(file) == []


# --- reports that leave out a level ---------------------------------------------------------------


def sent_of(made: Stage) -> str:
    with made.scope():
        return str(BankFile.objects.get(direction="out").message_id)


@pytest.fixture
def sent(made: Stage, bank: Bank) -> str:
    """The MsgId of a file with payments A and B, of three lines each."""
    approved(made, "A")
    approved(made, "B")
    job.send(made)
    assert counted(made) == {"sent": 6}
    return sent_of(made)


@pytest.mark.parametrize("payments", [{}, {"A": Said()}, {"A": Said("RJCT"), "B": Said("RJCT")}])
def test_a_file_that_is_refused_as_a_whole_goes_back_whatever_its_payments_repeat(
    made: Stage, sent: str, payments: dict[str, Said]
) -> None:
    report = scene.status_report(sent, group="RJCT", reasons=[("BE06", "")], payments=payments)
    scene.hear(made, "p2.xml", report)
    assert counted(made) == {"awaiting": 6}


def test_payments_that_are_refused_for_reasons_of_their_own_are_rejected(
    made: Stage, sent: str
) -> None:
    both = {"A": Said("RJCT", [("AC01", "")]), "B": Said("RJCT", [("AC02", "")])}
    scene.hear(made, "p2.xml", scene.status_report(sent, group="RJCT", payments=both))
    assert counted(made) == {"rejected": 6}


@pytest.mark.parametrize(
    ("group", "payments", "after"),
    [
        ("ACTC", {"A": Said()}, {"received": 6}),
        ("ACCP", {"A": Said("RJCT", [("AC01", "")])}, {"rejected": 3, "accepted": 3}),
        ("PART", {"A": Said("RJCT", [("AC01", "")])}, {"rejected": 3, "accepted": 3}),
        (
            "PART",
            {"A": Said(lines={"A-0": ("RJCT", [("AC03", "")])})},
            {"rejected": 1, "accepted": 5},
        ),
        ("PART", {"A": Said()}, {"sent": 6}),
        ("PART", {}, {"sent": 6}),
    ],
)
def test_what_is_said_of_the_file_holds_for_what_is_not_named(
    made: Stage, sent: str, group: str, payments: dict[str, Said], after: dict[str, int]
) -> None:
    scene.hear(made, "p2.xml", scene.status_report(sent, group=group, payments=payments))
    assert counted(made) == after


# --- the last day of a shared agreement -----------------------------------------------------------


def test_the_owners_last_day_holds_for_those_it_shares_with(
    owner: Stage, other: Stage, bank: Bank
) -> None:
    row = used(owner, other)
    pay_waits = [Line("D1", "100.00", kit.account(70), message="Delt")]
    body = kit.pain001({"DELT": pay_waits}, account=row.account.number, due=kit.soon())
    kari = browser(owner.users["kari"])
    page = kari.get(f"{base(owner)}{owner.agreement.pk}/amend/").content.decode()
    mark = page.split('name="mark" value="')[1].split('"')[0]
    today = clock.today()
    answer = kari.post(
        f"{base(owner)}{owner.agreement.pk}/amend/",
        {"mark": mark, "cut_over_date": today.isoformat()},
        follow=True,
    )
    assert answer.status_code == 200, answer.content
    with other.scope():
        row.refresh_from_db()
        assert row.cut_over_date == today
    answer = Erp(other).post("payments", body)
    assert [one["code"] for one in answer.json()["payments"][0]["stopped"]] == ["cut-over"]
    lise = browser(other.users["lise"])
    page = lise.get(f"{base(other)}{row.pk}/amend/").content.decode()
    mark = page.split('name="mark" value="')[1].split('"')[0]
    told = lise.post(
        f"{base(other)}{row.pk}/amend/", {"mark": mark, "cut_over_date": ""}, follow=True
    )
    assert "The company that shares the account ends it on" in told.content.decode()
    with owner.scope():
        assert AgreementShare.objects.filter(ended_at=None).count() == 1
