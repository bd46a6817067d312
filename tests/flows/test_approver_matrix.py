"""Who may approve, at the bank: every cell of the matrix, warned of before signing, and what the bank
itself says where the warning is not heeded."""

from __future__ import annotations

from html import unescape
from typing import Any, NamedTuple

import pytest

from banking.models import Authority
from payments.models import Payment, PaymentLine
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Stage

WARNED, ENOUGH = (
    "you hold no authority at the bank on:",
    "It is enough that the other approver holds",
)


class Cell(NamedTuple):
    """Approvers in the portal and at the bank, who holds authority there, who signs in which order,
    who of them is warned, and how it ends."""

    portal: int
    bank: int
    holders: str
    signers: str
    warned: str
    ends: str


# a is Anne, b is Bjørn.
CELLS = {
    "one and one, who holds authority": Cell(1, 1, "a", "a", "", "accepted"),
    "one and one, who holds none": Cell(1, 1, "b", "a", "a", "rejected"),
    "two and one, the first holds it": Cell(2, 1, "a", "ab", "b", "accepted"),
    "two and one, the second holds it": Cell(2, 1, "a", "ba", "b", "accepted"),
    "two and one, both hold it": Cell(2, 1, "ab", "ab", "", "accepted"),
    "two and one, neither holds it": Cell(2, 1, "", "ab", "ab", "rejected"),
    "two and two, both hold it": Cell(2, 2, "ab", "ab", "", "accepted"),
    "two and two, in the other order": Cell(2, 2, "ab", "ba", "", "accepted"),
    "two and two, only one holds it": Cell(2, 2, "a", "ab", "b", "rejected"),
    "two and two, neither holds it": Cell(2, 2, "", "ba", "ab", "rejected"),
}
NAMES = {"a": "anne", "b": "bjorn"}


def staged(bank: Bank, cell: Cell, *, unauthorised: str = "rejects") -> Stage:
    made = kit.stage(bank, approvers=cell.portal, bank_approvers=cell.bank)
    holders = [NAMES[one] for one in cell.holders]
    with made.scope():
        for name in NAMES.values():
            rows = Authority.objects.filter(user=made.users[name])
            rows.update(holds_authority=name in holders)
    kit.tell(bank, made, balance="1000.00", holders=holders, unauthorised=unauthorised)
    job.upload(made)
    return made


def warning(made: Stage, name: str) -> str:
    """What the page warns of where this person is about to sign."""
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    with made.scope():
        ids = list(Payment.objects.values_list("pk", flat=True))
    base = f"/c/{made.company.public_id}/outgoing/"
    answer: Any = client.post(f"{base}sign/", {"payment": ids}, follow=True)
    page = unescape(" ".join(answer.content.decode().split()))
    assert "Approve 2 payments" in page
    return page if WARNED in page else ""


def carried_out(made: Stage, bank: Bank, cell: Cell) -> None:
    for one in cell.signers:
        told = warning(made, NAMES[one])
        assert bool(told) is (one in cell.warned), f"{NAMES[one]} is warned: {bool(told)}"
        if told:
            assert (ENOUGH in told) is ((cell.portal, cell.bank) == (2, 1))
        job.sign(made, made.users[NAMES[one]])
    job.send(made)
    bank.work()
    job.fetch(made)


@pytest.mark.parametrize("name", CELLS)
def test_each_cell_ends_as_the_matrix_says(own_database: str, bank: Bank, name: str) -> None:
    cell = CELLS[name]
    made = staged(bank, cell)
    carried_out(made, bank, cell)
    assert set(job.statuses(made).values()) == {cell.ends}
    if cell.ends == "rejected":
        with made.scope():
            line = PaymentLine.objects.select_related("payment")[0]
            assert line.reasons[0]["code"] == "DS0H"
        client = kit.signed_in(made.users["anne"])
        client.cookies["kvitt_language"] = "en"
        page = client.get(f"/c/{made.company.public_id}/outgoing/{line.payment_id}/")
        text = unescape(" ".join(page.content.decode().split()))
        assert "Approver lacks authority" in text
        assert "What to do:" in text
        assert "Who must act: an approver." in text


def test_a_bank_that_parks_what_nobody_with_authority_approved_lets_it_wait(
    own_database: str, bank: Bank
) -> None:
    cell = CELLS["one and one, who holds none"]
    made = staged(bank, cell, unauthorised="parks")
    carried_out(made, bank, cell)
    assert set(job.statuses(made).values()) == {"pending"}
    with made.scope():
        numbers = list(Payment.objects.values_list("number", flat=True))
    for number in numbers:
        bank.ask("/net-bank", {
            "customer": made.agreement.customer_number, "payment": number, "approve": True})  # fmt: skip
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}


def test_one_in_the_portal_and_two_at_the_bank_cannot_be() -> None:
    """The form says so on the agreement already (tests/banking/test_agreements.py), and so does the
    database: there is no such cell to try."""
    assert not [cell for cell in CELLS.values() if cell.portal < cell.bank]
    assert {(cell.portal, cell.bank) for cell in CELLS.values()} == {(1, 1), (2, 1), (2, 2)}
