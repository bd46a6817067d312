"""Two people, or a person and an administrator, at the same payment in the same moment.

    KVITT_RACES=2000 ./test tests/payments/test_races.py -n0 -s

runs so many; without it 60. Each ends in exactly one of the outcomes that would be lawful if the two
had come one after the other, in either order; and what the database then says is whole.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from payments import approval, changing, lifecycle, sending, signable
from payments.models import Payment, PaymentLine, Signature
from portal import clock
from portal.access import actors
from portal.access.models import RoleGrant
from portal.access.roles import Role, permissions_of
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.kit import Erp, Line, Stage
from tests.payments.test_approval import proof_of
from tests.portal.events.threads import together

RACES = int(os.environ.get("KVITT_RACES", "60"))
PER_FILE = 100
APPROVER = permissions_of([Role.APPROVER])
# What the page of each payment showed before anybody did anything.
SEEN: dict[int, str] = {}
Work = Callable[[Stage, int], Callable[[], Any]]


def acting(work: Callable[[Stage, int], Any]) -> Work:
    """The work on a payment by its id, to be done on a thread of its own."""

    def prepared(made: Stage, pk: int) -> Callable[[], Any]:
        def run() -> Any:
            with made.scope():
                return work(made, pk)

        return run

    return prepared


def _sign(made: Stage, pk: int) -> str:
    """As the page that both have open shows it: nobody has changed anything."""
    user = made.users["anne"]
    approval.sign(
        company=made.company,
        user=user,
        permissions=APPROVER,
        fingerprints={pk: SEEN[pk]},
        proof=proof_of(user),
        at=clock.now(),
    )
    return "approved"


def _cancel(made: Stage, pk: int) -> str:
    approval.cancel(
        company=made.company, by=actors.person(made.users["bjorn"]), permissions=APPROVER,
        payment_ids=[pk], reason="Feil", at=clock.now(),
    )  # fmt: skip
    return "cancelled"


def _refuse(made: Stage, pk: int) -> str:
    approval.refuse(
        company=made.company, user=made.users["bjorn"], permissions=APPROVER,
        payment_ids=[pk], reason="Feil", at=clock.now(),
    )  # fmt: skip
    return "refused"


def _hold(made: Stage, pk: int) -> str:
    line = PaymentLine.objects.filter(payment=pk).order_by("position")[0]
    approval.hold(
        company=made.company, user=made.users["bjorn"], permissions=APPROVER,
        payment_id=pk, line_ids=[line.pk], reason="Vent", at=clock.now(),
    )  # fmt: skip
    return "held"


def _move(made: Stage, pk: int) -> str:
    changing.move_date(
        company=made.company, user=made.users["bjorn"], permissions=APPROVER, payment_id=pk,
        to=clock.today() + dt.timedelta(days=30), reason="Senere", today=clock.today(),
        at=clock.now(),
    )  # fmt: skip
    return "moved"


def _revoke(made: Stage, pk: int) -> str:
    with transaction.atomic():
        RoleGrant.objects.filter(user=made.users["anne"], role=Role.APPROVER).delete()
    return "revoked"


WORKS = {
    "approve": acting(_sign),
    "cancel": acting(_cancel),
    "refuse": acting(_refuse),
    "hold": acting(_hold),
    "change": acting(_move),
    "revoke": acting(_revoke),
}
# Nobody may end what is over, and a signature is for what was shown.
LAWFUL = (
    moves.Conflict,
    approval.AlreadySigned,
    approval.Changed,
    approval.NotYours,
    changing.MovedOn,
)


@pytest.fixture
def made(own_database: str) -> Stage:
    return kit.stage(approvers=1)


def payments(made: Stage, number: str, count: int) -> list[int]:
    """So many payments of two lines, waiting for one approval, and what their pages show."""
    rows = {
        f"{number}-{n}": [
            Line(f"{n}a", "10.00", kit.account(70), message=f"a{number}{n}"),
            Line(f"{n}b", "20.00", kit.account(71), message=f"b{number}{n}"),
        ]
        for n in range(count)
    }
    body = kit.pain001(rows, account=made.agreement.account.number, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201
    with made.scope():
        found = list(
            Payment.objects.filter(number__in=rows)
            .select_related("agreement__account")
            .order_by("pk")
        )
        SEEN.update({row.payment.pk: row.fingerprint() for row in signable.shown(found)})
    return [row.pk for row in found]


def judged(made: Stage, pk: int, names: tuple[str, str], answers: list[Any]) -> str:
    """The outcome; raises AssertionError for one that no order of the two explains."""
    odd = [one for one in answers if isinstance(one, Exception) and not isinstance(one, LAWFUL)]
    assert not odd, (names, odd)
    done = {name for name, one in zip(names, answers, strict=True) if isinstance(one, str)}
    assert done, (names, "one of the two always comes first")
    row = Payment.objects.get(pk=pk)
    lines = Counter(PaymentLine.objects.filter(payment=pk).values_list("status", flat=True))
    signed = Signature.objects.filter(payment=pk, voided_at=None).count()
    assert {code: n for code, n in row.line_counts.items() if n} == dict(lines)
    assert row.status == lifecycle.payment_status(row.line_counts)
    ended = done & {"cancel", "refuse"}
    assert len(ended) <= 1, "a payment ends once"
    if ended:
        over = lifecycle.CANCELLED if ended == {"cancel"} else lifecycle.REFUSED
        left = {over: 2} if "hold" not in done else None
        assert left is None or dict(lines) == left, (names, answers, lines)
        assert not lines[lifecycle.APPROVED]
    if lines[lifecycle.APPROVED]:
        assert signed == 1, (names, answers)
    if "change" in done and "approve" in done:
        # Signed first and void, or refused because the page was older: never signed as it is now.
        assert signed == 0, (names, answers)
        assert not lines[lifecycle.APPROVED]
    if done == {"approve"} or done == {"approve", "revoke"}:
        assert dict(lines) == {lifecycle.APPROVED: 2}, (names, answers)
    if "approve" in done and "hold" in done:
        assert lines[lifecycle.HELD] == 1
    said = Counter(
        Event.objects.filter(group_id=pk, event__in=["cancelled", "refused"]).values_list(
            "event", flat=True
        )
    )
    assert sum(said.values()) <= 2, said
    return " and ".join(sorted(done))


def test_two_at_once_end_in_one_lawful_outcome(
    made: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(5)
    pairs = [(one, two) for one in WORKS for two in WORKS if one < two] + [("approve", "approve")]
    outcomes: Counter[tuple[str, str]] = Counter()
    for start in range(0, RACES, PER_FILE):
        for pk in payments(made, f"R{start}", min(PER_FILE, RACES - start)):
            names = rng.choice(pairs)
            answers = together(*(WORKS[name](made, pk) for name in names))
            with made.scope():
                outcome = judged(made, pk, names, answers)
            outcomes[" / ".join(names), outcome] += 1
            if "revoke" in names:
                kit.give(made.users["anne"], made.company, Role.APPROVER)
    with capsys.disabled():
        print(f"\n{sum(outcomes.values())} races:")
        for (names, outcome), count in sorted(outcomes.items()):
            print(f"  {count:4} × {names}: {outcome}")
    assert sum(outcomes.values()) == RACES
    with made.scope():  # and what was signed is what is sent
        before = Payment.objects.filter(status=lifecycle.APPROVED).count()
        sending.make_files(company=made.company)
        assert Payment.objects.filter(status=lifecycle.SENDING).count() == before


def test_a_role_that_is_being_taken_away_signs_nothing_more(made: Stage) -> None:
    """The signing waits for the taking away to end, and sees it; it does not go by what held."""
    (pk,) = payments(made, "W", 1)
    begun: list[bool] = []

    def revoke() -> str:
        with made.scope(), transaction.atomic():
            RoleGrant.objects.filter(user=made.users["anne"], role=Role.APPROVER).delete()
            begun.append(True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.7)")
        return "revoked"

    def sign() -> Any:
        while not begun:
            pass
        return WORKS["approve"](made, pk)()

    revoked, refused = together(revoke, sign)
    assert revoked == "revoked"
    assert isinstance(refused, approval.NotYours)
    with made.scope():
        assert not Signature.objects.exists()
