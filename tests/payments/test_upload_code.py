"""A company that asks for a code at upload: what is let in, what is refused, and who may ask for it."""

from __future__ import annotations

from typing import Any

import pytest

from payments.models import Payment, Upload
from portal.access.models import Authenticator, Company, FactorTries
from portal.access.roles import Role
from portal.people.models import Change
from tests import kit
from tests.kit import Erp, Line, Stage


@pytest.fixture
def made(db: None) -> Stage:
    made = kit.stage()
    made.users["boss"] = kit.person("boss", made.company)
    kit.give_at(made.users["boss"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    return made


def asking(made: Stage) -> None:
    Company.objects.filter(pk=made.company.pk).update(two_factor_to_upload=True)


def send(made: Stage, number: str = "A", **words: Any) -> Any:
    rows = {number: [Line(f"{number}-1", "10.00", kit.account(70), message="x")]}
    body = kit.pain001(rows, account=made.agreement.account.number, due=kit.soon())
    return Erp(made).post("payments", body, **words)


def problem(answer: Any) -> str:
    return str(answer.json()["problems"][0]["code"])


def stored(made: Stage) -> tuple[int, int]:
    with made.scope():
        return Upload.objects.count(), Payment.objects.count()


def test_without_the_setting_no_code_is_asked_for(made: Stage) -> None:
    assert send(made).status_code == 201


def test_a_code_is_needed_is_right_only_once_and_a_retry_needs_none(made: Stage) -> None:
    asking(made)
    erp = made.users["erp"]
    missing = send(made)
    assert (missing.status_code, problem(missing)) == (403, "code-missing")
    assert "Kvitt-Code" in missing.json()["problems"][0]["cure"]
    wrong = send(made, code="000000")
    assert (wrong.status_code, problem(wrong)) == (403, "code-wrong")
    assert stored(made) == (0, 0)
    Authenticator.objects.filter(user=erp).update(throttling_failure_count=0)
    code = kit.code_of(erp)
    rows = {"A": [Line("A-1", "10.00", kit.account(70), message="x")]}
    body = kit.pain001(rows, account=made.agreement.account.number, due=kit.soon())
    first = Erp(made).post("payments", body, code=code, key="k1")
    assert first.status_code == 201, first.content
    again = Erp(made).post("payments", body, key="k1")
    assert (again.status_code, again.content) == (200, first.content)
    used = send(made, "B", code=code)
    assert (used.status_code, problem(used)) == (403, "code-wrong")
    assert stored(made) == (1, 1)


def test_another_persons_code_and_a_user_without_an_app_send_nothing(made: Stage) -> None:
    asking(made)
    other = send(made, code=kit.code_of(made.users["anne"]))
    assert (other.status_code, problem(other)) == (403, "code-wrong")
    Authenticator.objects.filter(user=made.users["erp"]).delete()
    none = send(made, code="123456")
    assert (none.status_code, problem(none)) == (403, "code-not-set-up")
    assert stored(made) == (0, 0)


def test_wrong_codes_are_bounded_here_too(own_database: str) -> None:
    made = kit.stage()
    asking(made)
    codes = []
    for n in range(15):
        Authenticator.objects.update(throttling_failure_count=0)  # as if a moment had passed
        codes.append(problem(send(made, f"N{n}", code=f"{n:06d}")))
    assert codes == ["code-wrong"] * 10 + ["code-wait"] * 5
    assert FactorTries.objects.get(user=made.users["erp"]).failures == 10


def test_the_code_is_bound_by_the_signature(made: Stage) -> None:
    asking(made)
    body = b"<x/>"
    erp = Erp(made)
    headers = erp.headers(
        "POST",
        "payments",
        body,
        {
            "Content-Type": "application/xml",
            "Kvitt-User": made.users["erp"].email,
            "Idempotency-Key": "k",
        },
    )
    content_type = headers.pop("Content-Type")
    headers["Kvitt-Code"] = kit.code_of(made.users["erp"])
    answer = erp.client.post(f"{kit.API}payments", body, content_type=content_type, headers=headers)
    assert (answer.status_code, problem(answer)) == (401, "signature")


def test_an_administrator_asks_for_it_and_it_is_logged(made: Stage) -> None:
    boss = kit.signed_in(made.users["boss"])
    boss.cookies["kvitt_language"] = "en"
    base = f"/c/{made.company.public_id}/administration/"
    page = boss.post(f"{base}two-factor/", {"for": "upload", "on": "yes"}, follow=True)
    assert "carries a code" in page.content.decode()
    assert problem(send(made)) == "code-missing"
    boss.post(f"{base}two-factor/", {"for": "nothing", "on": "yes"})
    boss.post(f"{base}two-factor/", {"for": "upload", "on": "no"})
    assert send(made).status_code == 201
    with made.scope():
        told = list(Change.objects.order_by("id").values_list("after", flat=True))
    assert told == [{"two_factor_to_upload": "yes"}, {"two_factor_to_upload": "no"}]
    answer = kit.signed_in(made.users["anne"]).post(f"{base}two-factor/", {"for": "upload"})
    assert answer.status_code == 403
