"""The ERP's addresses for agreements: listing, asking, activating, by either key."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from banking import agreements, connecting, lifecycle, numbers, stops
from banking.models import Authority, BankAccount, BankAgreement, ConnectionTest
from portal.access import actors, tenancy
from portal.access.models import (
    Authenticator,
    Company,
    Customer,
    CustomerKey,
    FactorTries,
    RoleGrant,
    new_signing_key,
)
from portal.access.roles import Role
from portal.events import moves
from portal.events.models import Event
from portal.people import changes
from tests import kit
from tests.kit import Erp, Stage

FREE = kit.account(500)
FIELDS = {
    "id", "description", "bank", "account", "status", "status_text", "format", "version", "services",
    "approvers", "customer_number", "agreement_id", "cut_over_date",
    "closed_by_bank_at", "connection", "sending_stopped",
    "company_sending_stopped", "erp", "obstacles",
}  # fmt: skip


def staged() -> Stage:
    made = kit.stage()
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


@pytest.fixture
def made(db: None) -> Stage:
    return staged()


@pytest.fixture
def erp(made: Stage) -> Erp:
    return Erp(made)


def bureau_of(made: Stage) -> Erp:
    """The ERP of the stage's customer, with the customer's own key."""
    customer = made.company.customer
    with tenancy.acting_for((), customers=[customer]):
        key = CustomerKey.objects.create(customer=customer, secret=new_signing_key())
    return Erp(made, key_id=customer.public_id, secret=str(key.secret))


def drafted(
    made: Stage,
    number: str = FREE,
    *,
    company: Company | None = None,
    status: str = lifecycle.DRAFT,
    holders: tuple[str, ...] = ("anne", "bjorn"),
    **facts: Any,
) -> BankAgreement:
    """An agreement that is not active yet, with authority for the holders."""
    owner = company or made.company
    with tenancy.acting_for([owner]):
        account, _made = BankAccount.objects.get_or_create(
            company=owner, number=number, defaults={"iban": numbers.iban_of(number), "name": "Lønn"}
        )
        row: BankAgreement = BankAgreement.objects.create(
            company=owner, channel=made.channel, account=account, **facts
        )
        for name in holders:
            Authority.objects.get_or_create(
                company=owner, account=account, user=made.users[name],
                defaults={"bank_identity": f"{name}-id", "holds_authority": True},
            )  # fmt: skip
        path = {
            lifecycle.DRAFT: (),
            lifecycle.ORDERED: (lifecycle.ORDER,),
            lifecycle.ACTIVE: (lifecycle.ACTIVATE,),
            lifecycle.DEACTIVATED: (lifecycle.DEACTIVATE,),
        }
        for step in path[status]:
            move(row, step)
    return row


def move(row: BankAgreement, step: Any) -> None:
    by = actors.person(kit.User.objects.get(email__startswith="kari"))
    moves.move(BankAgreement.objects.filter(pk=row.pk), step, by=by, at=timezone.now())


def activate(
    erp: Erp,
    row: BankAgreement,
    *,
    user: str = "kari",
    code: str | None = None,
    body: bytes = b"{}",
    company: Company | None = None,
) -> Any:
    """Asks to activate it, with a fresh code unless another one, or none (""), is given."""
    who = erp.made.users[user]
    path = f"agreements/{row.pk}/activate"
    if company is not None:
        path = f"customer/companies/{company.public_id}/{path}"
    shown = kit.code_of(who) if code is None else code
    return erp.post(path, body, media_type="application/json", user=who.email, code=shown)


def ok(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content.decode()
    return answer.json()


def ids(answer: Any) -> list[int]:
    return [int(one["id"]) for one in ok(answer)["agreements"]]


def status_of(row: BankAgreement) -> str:
    with tenancy.acting_for([row.company_id]):
        return BankAgreement.objects.get(pk=row.pk).status


def asked(erp: Erp, path: str) -> int:
    """How many queries an answer takes."""
    seen = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        ok(erp.get(path))
    return len(seen)


# --- listing and asking --------------------------------------------------------------------------


def test_an_agreement_tells_all_that_an_erp_needs(made: Stage, erp: Erp) -> None:
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(
            description="Drift", erp_name="Hoved", erp_system="Trade", incoming=True,
            split_incoming=True, cut_over_date="2031-01-31",
        )  # fmt: skip
    (told,) = ok(erp.get("agreements"))["agreements"]
    assert set(told) == FIELDS
    number = made.agreement.account.number
    assert told == told | {
        "id": str(made.agreement.pk),
        "description": "Drift",
        "bank": {"code": "simbank", "name": "Prøvebanken"},
        "account": {"bban": number, "iban": numbers.iban_of(number), "currency": "NOK"},
        "status": "active",
        "status_text": "Aktiv",
        "format": "iso20022",
        "version": "pain.001.001.09",
        "services": ["remittance", "settlement_return", "incoming", "split_incoming"],
        "customer_number": "CUST1",
        "agreement_id": "AGR1",
        "cut_over_date": "2031-01-31",
        "closed_by_bank_at": None,
        "sending_stopped": False,
        "company_sending_stopped": False,
        "erp": {"name": "Hoved", "system": "Trade"},
        "obstacles": [],
    }
    assert (told["approvers"]["portal"], told["approvers"]["bank"]) == (2, 1)
    assert ok(erp.get(f"agreements/{made.agreement.pk}")) == told


def test_the_old_format_has_no_version(made: Stage, erp: Erp) -> None:
    row = drafted(made, file_format="nets")
    told = ok(erp.get(f"agreements/{row.pk}"))
    assert (told["format"], told["version"]) == ("nets", "")


def test_sentences_are_in_the_language_that_is_asked_for(made: Stage) -> None:
    said = {}
    for language in ("nb", "en"):
        erp = Erp(made)
        erp.client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
        row = drafted(made, kit.account(500), status=lifecycle.DEACTIVATED)
        told = ok(erp.get(f"agreements/{row.pk}"))
        said[language] = (told["approvers"]["sentence"], told["obstacles"][0]["problem"])
    assert said["en"][0].startswith("Two people approve; at least one of them")
    assert said["nb"][0].startswith("To personer")
    assert said["en"][1] == "The agreement is deactivated, and is never active again."
    assert said["nb"][1].startswith("Avtalen er deaktivert")


def test_nothing_of_people_and_no_secret_is_told(made: Stage, erp: Erp) -> None:
    drafted(
        made, status=lifecycle.ORDERED, signer_id="SIGNER-7", reject_mails=["mail@example.org"],
        approve_mails=["other@example.org"], holders=("anne",),
    )  # fmt: skip
    stop(made, made.agreement)
    bureau = bureau_of(made)
    text = json.dumps(
        [erp.get("agreements").json(), bureau.get("customer/agreements").json()],
        ensure_ascii=False,
    )
    planted = ["SIGNER-7", "example.org", "Anne", "anne-id", "ANNE-1", "Kari", "Feil konto"]
    planted += [made.key, made.channel.host_key, made.channel.private_key[:40]]
    assert [one for one in planted if one in text] == []
    assert made.agreement.customer_number in text


def stop(made: Stage, row: BankAgreement | None) -> None:
    kari = made.users["kari"]
    by = changes.By(kari, str(kari), None, timezone.now())
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        stops.stop(
            company=made.company, agreement=row, reason="Feil konto", user=kari, at=by.at, by=by
        )


def test_stopped_sending_is_told_of_the_agreement_and_of_the_company(made: Stage, erp: Erp) -> None:
    other = drafted(made)
    stop(made, made.agreement)
    told = {
        one["id"]: (one["sending_stopped"], one["company_sending_stopped"])
        for one in ok(erp.get("agreements"))["agreements"]
    }
    assert told == {str(made.agreement.pk): (True, False), str(other.pk): (False, False)}
    stop(made, None)
    told = ok(erp.get(f"agreements/{other.pk}"))
    assert (told["sending_stopped"], told["company_sending_stopped"]) == (False, True)


def test_what_keeps_one_from_being_activated_is_what_its_page_says(made: Stage, erp: Erp) -> None:
    erp.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    alone = drafted(made, bank_approvers_required=2, holders=("anne",))
    second = drafted(made, made.agreement.account.number)
    over = drafted(made, kit.account(501), status=lifecycle.DEACTIVATED, holders=())
    ready = drafted(made, kit.account(502))
    told = {one["id"]: one["obstacles"] for one in ok(erp.get("agreements"))["agreements"]}
    codes = {pk: [one["code"] for one in found] for pk, found in told.items()}
    assert codes == {
        str(made.agreement.pk): [],
        str(alone.pk): ["authority-missing"],
        str(second.pk): ["another-active"],
        str(over.pk): ["deactivated"],
        str(ready.pk): [],
    }
    assert told[str(second.pk)][0]["existing"] == str(made.agreement.pk)
    assert told[str(alone.pk)][0]["existing"] == ""
    kari = kit.signed_in(made.users["kari"])
    kari.cookies["kvitt_language"] = "en"
    for row in (alone, second):
        page = kari.get(f"/c/{made.company.public_id}/agreements/{row.pk}/").content.decode()
        assert told[str(row.pk)][0]["problem"] in page
        assert told[str(row.pk)][0]["cure"]


def test_only_who_may_approve_now_counts_as_holding_authority(made: Stage, erp: Erp) -> None:
    row = drafted(made, holders=("anne", "kari"), bank_approvers_required=2)
    (obstacle,) = ok(erp.get(f"agreements/{row.pk}"))["obstacles"]
    assert obstacle["code"] == "authority-missing"
    kit.give_at(made.users["kari"], made.company.customer, Role.SUPPORT_USER)
    with made.scope():
        RoleGrant.objects.create(
            user=made.users["kari"], company=made.company, role=Role.PAYROLL_APPROVER
        )
    assert ok(erp.get(f"agreements/{row.pk}"))["obstacles"] == []
    with made.scope():
        RoleGrant.objects.filter(user=made.users["anne"]).delete()
    assert len(ok(erp.get(f"agreements/{row.pk}"))["obstacles"]) == 1


def test_the_list_is_narrowed_by_status_and_by_account(made: Stage, erp: Erp) -> None:
    draft = drafted(made)
    ordered = drafted(made, status=lifecycle.ORDERED)
    first = made.agreement
    assert ids(erp.get("agreements")) == [first.pk, draft.pk, ordered.pk]
    assert ids(erp.get("agreements?status=active")) == [first.pk]
    assert ids(erp.get("agreements?status=ordered")) == [ordered.pk]
    assert ids(erp.get("agreements?status=deactivated")) == []
    spaced = f"{FREE[:4]}.{FREE[4:6]}.{FREE[6:]}"
    for account in (FREE, spaced, numbers.iban_of(FREE), numbers.iban_of(FREE).lower()):
        assert ids(erp.get(f"agreements?account={account}")) == [draft.pk, ordered.pk]
    assert ids(erp.get(f"agreements?account={FREE}&status=draft")) == [draft.pk]
    assert ids(erp.get(f"agreements?account={kit.account(900)}")) == []


WRONG = FREE[:-1] + str((int(FREE[-1]) + 1) % 10)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("status=ACTIVE", "query.status"),
        ("status=nonsense", "query.status"),
        (f"account={WRONG}", "query.account"),
        ("account=123", "query.account"),
        ("account=%00", "query.account"),
        ("account=SE4550000000058398257466", "query.account"),
        ("after=-1", "query.after"),
        ("after=9223372036854775808", "query.after"),
        ("after=x", "query.after"),
        ("limit=0", "query.limit"),
    ],
)
def test_a_filter_that_cannot_be_right_is_told(erp: Erp, query: str, place: str) -> None:
    kit.refusal(erp.get(f"agreements?{query}"), 422, "invalid", place=place)


def test_the_list_goes_on_after_a_cursor(made: Stage, erp: Erp) -> None:
    rows = [made.agreement.pk] + [drafted(made, kit.account(500 + n)).pk for n in range(4)]
    first = ok(erp.get("agreements?limit=2"))
    assert (len(first["agreements"]), first["more"]) == (2, True)
    second = ok(erp.get(f"agreements?limit=2&after={first['next_after']}"))
    third = ok(erp.get(f"agreements?limit=2&after={second['next_after']}"))
    assert (len(third["agreements"]), third["more"]) == (1, False)
    every = [one for page in (first, second, third) for one in page["agreements"]]
    assert [int(one["id"]) for one in every] == rows
    beyond = ok(erp.get(f"agreements?after={third['next_after']}"))
    assert beyond == {"agreements": [], "next_after": third["next_after"], "more": False}


def test_a_page_has_an_upper_bound(made: Stage, erp: Erp, settings: Any) -> None:
    settings.ERP_AGREEMENTS_PAGE_MAX = 2
    for n in range(3):
        drafted(made, kit.account(500 + n))
    told = ok(erp.get("agreements?limit=1000"))
    assert (len(told["agreements"]), told["more"]) == (2, True)


def test_the_list_takes_as_many_queries_for_many_as_for_few(made: Stage, erp: Erp) -> None:
    bureau = bureau_of(made)
    drafted(made)
    few = (asked(erp, "agreements"), asked(bureau, "customer/agreements"))
    second = beside(made)
    for n in range(6):
        drafted(made, kit.account(510 + n))
        drafted(made, kit.account(520 + n), company=second)
    assert len(ids(bureau.get("customer/agreements"))) == 14
    assert (asked(erp, "agreements"), asked(bureau, "customer/agreements")) == few
    assert min(few) > 5


@pytest.mark.parametrize(
    "wrong", ["0", "-1", "1e3", "x", "9" * 30, "9223372036854775808", "%00", "%D9%A1", "1%20"]
)
def test_an_agreement_that_is_not_there_is_404(made: Stage, erp: Erp, wrong: str) -> None:
    kit.refusal(erp.get(f"agreements/{wrong}"), 404, "unknown-agreement", place="agreement")
    answer = erp.post(
        f"agreements/{wrong}/activate", b"{}", media_type="application/json",
        user=made.users["kari"].email, code=kit.code_of(made.users["kari"]),
    )  # fmt: skip
    kit.refusal(answer, 404, "unknown-agreement", place="agreement")


def test_another_companys_agreement_is_404_and_in_no_list(made: Stage, erp: Erp) -> None:
    theirs = kit.stage(place=2)
    row = theirs.agreement
    assert ids(erp.get("agreements")) == [made.agreement.pk]
    assert ids(erp.get(f"agreements?account={row.account.number}")) == []
    kit.refusal(erp.get(f"agreements/{row.pk}"), 404, "unknown-agreement")
    waiting = drafted(theirs, kit.account(600))
    kit.refusal(activate(erp, waiting), 404, "unknown-agreement")
    assert status_of(waiting) == "draft"


# --- activating ----------------------------------------------------------------------------------


def events_of(made: Stage, row: BankAgreement) -> list[tuple[str, str, int, str]]:
    with tenancy.acting_for([row.company_id]):
        found = Event.objects.filter(subject="agreement", subject_id=row.pk, event="activated")
        return list(found.values_list("event", "actor_kind", "actor_id", "actor_name"))


@pytest.mark.parametrize("status", [lifecycle.DRAFT, lifecycle.ORDERED])
def test_an_administrators_word_and_code_make_it_active(made: Stage, erp: Erp, status: str) -> None:
    row = drafted(made, status=status)
    told = ok(activate(erp, row))
    # Activating an agreement tests it: the ERP is told what was found when it asks.
    assert told["connection"]["state"] == "under_way"
    with made.scope():
        connecting.run(ConnectionTest.objects.get(agreement=row).pk)
    found = ok(erp.get(f"agreements/{row.pk}"))["connection"]
    assert (found["state"], found["code"]) == ("closed", "no-connection")
    assert found["cure"]
    told |= {"connection": found}
    assert (set(told), told["status"], told["obstacles"]) == (FIELDS, "active", [])
    assert told == ok(erp.get(f"agreements/{row.pk}"))
    assert status_of(row) == "active"
    assert events_of(made, row) == [("activated", "erp", made.users["kari"].pk, "Kari")]


def test_the_page_then_shows_that_it_is_active_and_who_did_it(made: Stage, erp: Erp) -> None:
    row = drafted(made)
    ok(activate(erp, row))
    client = kit.signed_in(made.users["kari"])
    client.cookies["kvitt_language"] = "en"
    page = client.get(f"/c/{made.company.public_id}/agreements/{row.pk}/").content.decode()
    assert "Payments can be sent on this agreement." in page
    assert "the ERP (Kari)" in page
    assert 'value="activate"' not in page


def test_what_is_active_is_told_again_without_a_code_and_nothing_is_done(
    made: Stage, erp: Erp
) -> None:
    row = drafted(made)
    code = kit.code_of(made.users["kari"])
    first = activate(erp, row, code=code)
    again = activate(erp, row, code=code)
    without = activate(erp, row, code="")
    assert ok(first) == ok(again) == ok(without)
    assert len(events_of(made, row)) == 1


def test_a_code_is_demanded_and_is_right_only_once(made: Stage, erp: Erp) -> None:
    row, other = drafted(made), drafted(made, kit.account(501))
    missing = kit.refusal(activate(erp, row, code=""), 403, "code-missing", place="Kvitt-Code")
    assert missing["problem"] == "Å aktivere en avtale krever en kode."
    kit.refusal(activate(erp, row, code="000000"), 403, "code-wrong", place="Kvitt-Code")
    Authenticator.objects.update(throttling_failure_count=0)
    theirs = kit.code_of(made.users["anne"])
    kit.refusal(activate(erp, row, code=theirs), 403, "code-wrong", place="Kvitt-Code")
    assert status_of(row) == "draft"
    code = kit.code_of(made.users["kari"])
    ok(activate(erp, row, code=code))
    kit.refusal(activate(erp, other, code=code), 403, "code-wrong", place="Kvitt-Code")
    assert status_of(other) == "draft"
    Authenticator.objects.filter(user=made.users["kari"]).delete()
    none = kit.refusal(activate(erp, other, code="123456"), 403, "code-not-set-up")
    assert none["problem"].startswith("Å aktivere en avtale krever en kode.")
    assert (status_of(row), status_of(other)) == ("active", "draft")


def test_the_code_is_bound_by_the_signature(made: Stage, erp: Erp) -> None:
    row = drafted(made)
    path, kari = f"agreements/{row.pk}/activate", made.users["kari"]
    headers = {"Content-Type": "application/json", "Kvitt-User": kari.email}
    headers = erp.headers("POST", path, b"{}", headers)
    media_type = headers.pop("Content-Type")
    headers["Kvitt-Code"] = kit.code_of(kari)
    answer = erp.client.post(kit.API + path, b"{}", content_type=media_type, headers=headers)
    kit.refusal(answer, 401, "signature", place="Signature")
    assert status_of(row) == "draft"


@pytest.mark.parametrize("user", ["erp", "anne"])
def test_only_an_administrator_of_autopay_may(made: Stage, erp: Erp, user: str) -> None:
    row = drafted(made)
    told = kit.refusal(activate(erp, row, user=user), 403, "user-may-not", place="Kvitt-User")
    assert "AutoPay-administrator" in told["problem"]
    assert status_of(row) == "draft"


def test_a_user_must_be_named_and_be_active_and_a_member(made: Stage, erp: Erp) -> None:
    row = drafted(made)
    path = f"agreements/{row.pk}/activate"
    headers = erp.headers("POST", path, b"{}", {"Content-Type": "application/json"})
    media_type = headers.pop("Content-Type")
    answer = erp.client.post(kit.API + path, b"{}", content_type=media_type, headers=headers)
    told = kit.refusal(answer, 400, "user-missing", place="Kvitt-User")
    assert "AutoPay-administrator" in told["cure"]
    kit.User.objects.filter(pk=made.users["kari"].pk).update(is_active=False)
    kit.refusal(activate(erp, row), 403, "user-may-not", place="Kvitt-User")
    assert status_of(row) == "draft"


def test_a_second_active_agreement_on_the_account_is_refused_and_the_first_is_named(
    made: Stage, erp: Erp
) -> None:
    row = drafted(made, made.agreement.account.number)
    code = kit.code_of(made.users["kari"])
    answer = activate(erp, row, code=code)
    told = kit.refusal(answer, 409, "another-active", place="agreement")
    assert told["existing"] == str(made.agreement.pk)
    assert str(made.agreement) in told["problem"]
    assert status_of(row) == "draft"
    with made.scope():
        move(made.agreement, lifecycle.DEACTIVATE)
    ok(activate(erp, row, code=code))  # the code was not spent on the refusal


def test_another_companys_active_agreement_is_in_the_way_and_is_not_named(
    made: Stage, erp: Erp
) -> None:
    theirs = kit.stage(place=2)
    row = drafted(made, theirs.agreement.account.number)
    assert ok(erp.get(f"agreements/{row.pk}"))["obstacles"] == []
    answer = activate(erp, row)
    told = kit.refusal(answer, 409, "another-active", place="agreement")
    assert set(told) == {"code", "place", "problem", "cure"}
    assert str(theirs.agreement) not in answer.content.decode()
    assert theirs.company.name not in answer.content.decode()
    assert status_of(row) == "draft"


def test_what_the_bank_would_refuse_is_told_whole_and_spends_no_code(made: Stage, erp: Erp) -> None:
    row = drafted(made, made.agreement.account.number, bank_approvers_required=2, holders=())
    with made.scope():
        Authority.objects.filter(user=made.users["bjorn"]).update(holds_authority=False)
    code = kit.code_of(made.users["kari"])
    answer = activate(erp, row, code=code)
    kit.refusal(answer, 409, "authority-missing", place="agreement")
    found = [one["code"] for one in answer.json()["problems"]]
    assert found == ["authority-missing", "another-active"]
    with made.scope():
        Authority.objects.update(holds_authority=True)
        move(made.agreement, lifecycle.DEACTIVATE)
    ok(activate(erp, row, code=code))


def test_what_is_deactivated_is_never_active_again(made: Stage, erp: Erp) -> None:
    row = drafted(made, status=lifecycle.DEACTIVATED)
    kit.refusal(activate(erp, row), 409, "deactivated", place="agreement")
    assert status_of(row) == "deactivated"


@pytest.mark.parametrize(
    "body", [b" ", b"[]", b"null", b'{"status": "active"}', b"{}{}", b" " * 101, b"[" * 90]
)
def test_a_body_that_would_not_be_heeded_is_refused(made: Stage, erp: Erp, body: bytes) -> None:
    row = drafted(made)
    kit.refusal(activate(erp, row, body=body), 422, "invalid", place="body")
    assert status_of(row) == "draft"
    ok(activate(erp, row, body=b" {\n} "))


# --- at the same moment --------------------------------------------------------------------------


@contextlib.contextmanager
def while_held(rows: Any, works: list[Callable[[], Any]]) -> Iterator[list[Any]]:
    """Runs the works, each on a connection of its own, until all wait for these rows, which the
    body may change; then lets them go. Their answers are in the list afterwards."""
    answers: list[Any] = []

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        with transaction.atomic():
            assert list(rows.select_for_update().order_by("pk"))
            begun = [pool.submit(run, work) for work in works]
            deadline = time.monotonic() + 30
            while waiting() < len(works):
                assert time.monotonic() < deadline, [one for one in begun if one.done()]
                time.sleep(0.02)
            yield answers
        answers += [one.result(60) for one in begun]


def waiting() -> int:
    """How many connections to this database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def asking(made: Stage, row: BankAgreement, user: str) -> Callable[[], Any]:
    """A request with its code, made now, to be sent later."""
    code = kit.code_of(made.users[user])
    return lambda: activate(Erp(made), row, user=user, code=code)


def two_administrators() -> Stage:
    made = staged()
    made.users["ola"] = kit.person("ola", made.company, Role.AUTOPAY_ADMINISTRATOR)
    for name in ("kari", "ola"):  # their tries are what a code is waited for on
        FactorTries.objects.create(user=made.users[name], began_at=timezone.now())
    return made


def tries(made: Stage, *names: str) -> Any:
    return FactorTries.objects.filter(user__in=[made.users[name] for name in names])


def test_of_two_on_one_account_at_once_exactly_one_becomes_active(own_database: str) -> None:
    made = two_administrators()
    first, second = drafted(made), drafted(made)
    works = [asking(made, first, "kari"), asking(made, second, "ola")]
    # Both have been found fit when they come to their codes, where they are held.
    with while_held(tries(made, "kari", "ola"), works) as answers:
        pass
    assert sorted(one.status_code for one in answers) == [200, 409]
    won, lost = (first, second) if answers[0].status_code == 200 else (second, first)
    refused = next(one for one in answers if one.status_code == 409)
    assert kit.refusal(refused, 409, "another-active")["existing"] == str(won.pk)
    assert (status_of(won), status_of(lost)) == ("active", "draft")


def test_of_two_words_for_one_agreement_one_is_done_and_both_are_answered(
    own_database: str,
) -> None:
    made = two_administrators()
    row = drafted(made)
    works = [asking(made, row, "kari"), asking(made, row, "ola")]
    with while_held(tries(made, "kari", "ola"), works) as answers:
        pass
    assert ok(answers[0]) == ok(answers[1])
    assert len(events_of(made, row)) == 1


def test_what_is_deactivated_meanwhile_stays_so(own_database: str) -> None:
    made = two_administrators()
    row = drafted(made)
    with while_held(tries(made, "kari"), [asking(made, row, "kari")]) as answers, made.scope():
        move(row, lifecycle.DEACTIVATE)
    kit.refusal(answers[0], 409, "deactivated", place="agreement")
    assert status_of(row) == "deactivated"


def test_authority_that_is_lost_meanwhile_keeps_it_from_being_active(own_database: str) -> None:
    made = two_administrators()
    row = drafted(made, holders=("anne",))
    with while_held(tries(made, "kari"), [asking(made, row, "kari")]) as answers, made.scope():
        Authority.objects.filter(account=row.account).update(holds_authority=False)
    kit.refusal(answers[0], 409, "authority-missing", place="agreement")
    assert status_of(row) == "draft"


def test_a_role_that_is_taken_while_the_code_is_looked_at_activates_nothing(
    own_database: str,
) -> None:
    made = two_administrators()
    row = drafted(made)
    with while_held(tries(made, "kari"), [asking(made, row, "kari")]) as answers, made.scope():
        RoleGrant.objects.filter(user=made.users["kari"]).delete()
    kit.refusal(answers[0], 403, "user-may-not", place="Kvitt-User")
    assert status_of(row) == "draft"


# --- with the customer's key ---------------------------------------------------------------------


def beside(made: Stage) -> Company:
    """A second company of the stage's customer, where the same people approve."""
    company = Company.objects.create(
        customer=made.company.customer, name="Beslektet AS", organisation_number=kit.organisation(7)
    )
    for name in ("anne", "bjorn"):
        kit.give(made.users[name], company, Role.APPROVER)
    return company


def test_a_customers_key_lists_its_companies_agreements_and_no_other_customers(
    made: Stage,
) -> None:
    bureau, second, theirs = bureau_of(made), beside(made), kit.stage(place=2)
    row = drafted(made, company=second, bank_approvers_required=2, holders=("anne",))
    told = ok(bureau.get("customer/agreements"))["agreements"]
    assert all(set(one) == FIELDS | {"company"} for one in told)
    whose = {one["id"]: one["company"] for one in told}
    assert whose == {
        str(made.agreement.pk): {
            "public_id": made.company.public_id,
            "name": made.company.name,
            "organisation_number": made.company.organisation_number,
        },
        str(row.pk): {
            "public_id": second.public_id,
            "name": "Beslektet AS",
            "organisation_number": second.organisation_number,
        },
    }
    assert [len(one["obstacles"]) for one in told] == [0, 1]
    assert ids(bureau.get(f"customer/agreements?company={second.public_id}")) == [row.pk]
    assert ids(bureau.get("customer/agreements?status=draft")) == [row.pk]
    assert ids(bureau.get(f"customer/agreements?account={FREE}")) == [row.pk]
    first = ok(bureau.get("customer/agreements?limit=1"))
    assert first["more"]
    assert ids(bureau.get(f"customer/agreements?after={first['next_after']}")) == [row.pk]
    for company in (theirs.company.public_id, "nonsense", "%00"):
        answer = bureau.get(f"customer/agreements?company={company}")
        kit.refusal(answer, 404, "unknown-company", place="company")
    account = theirs.agreement.account.number
    assert ids(bureau.get(f"customer/agreements?account={account}")) == []


def test_a_bureau_finishes_what_it_set_up(made: Stage) -> None:
    bureau, boss = bureau_of(made), made.users["anne"]
    kit.give_at(boss, made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    wanted = {
        "name": "Ny AS", "organisation_number": kit.organisation(8), "address": "Gata 1",
        "postal_code": "0155", "city": "Oslo", "services": ["autopay"],
    }  # fmt: skip
    answer = bureau.post(
        "customer/companies", json.dumps(wanted).encode(), media_type="application/json",
        user=boss.email,
    )  # fmt: skip
    assert answer.status_code == 201, answer.content
    company = Company.objects.get(public_id=answer.json()["company"]["public_id"])
    row = drafted(made, company=company, holders=("bjorn",))
    kit.give(made.users["kari"], company, Role.AUTOPAY_ADMINISTRATOR)
    answer = activate(bureau, row, company=company)
    kit.refusal(answer, 409, "authority-missing")  # nobody approves in the new company yet
    kit.give(made.users["bjorn"], company, Role.APPROVER)
    told = ok(activate(bureau, row, company=company))
    assert (told["status"], told["company"]["public_id"]) == ("active", company.public_id)
    assert ok(activate(bureau, row, company=company, code="")) == told
    assert ids(bureau.get("customer/agreements?status=active")) == [made.agreement.pk, row.pk]
    assert events_of(made, row) == [("activated", "erp", made.users["kari"].pk, "Kari")]
    own = Erp(made, key_id=company.public_id, secret=answer_key(company))
    assert ids(own.get("agreements")) == [row.pk]


def answer_key(company: Company) -> str:
    with tenancy.acting_for([company]):
        return str(kit.SigningKey.objects.get(company=company).secret)


def test_the_role_must_be_held_in_that_very_company(made: Stage) -> None:
    bureau, second = bureau_of(made), beside(made)
    row = drafted(made, company=second)
    kit.give_at(made.users["kari"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    answer = activate(bureau, row, company=second)
    kit.refusal(answer, 403, "user-may-not", place="Kvitt-User")
    answer = activate(bureau, row, company=made.company)  # of which it is not
    kit.refusal(answer, 404, "unknown-agreement", place="agreement")
    assert status_of(row) == "draft"
    kit.give(made.users["kari"], second, Role.AUTOPAY_ADMINISTRATOR)
    kit.refusal(activate(bureau, row, company=second, code=""), 403, "code-missing")
    assert status_of(row) == "draft"
    ok(activate(bureau, row, company=second))


def test_another_customers_company_is_not_there(made: Stage) -> None:
    bureau, theirs = bureau_of(made), kit.stage(place=2)
    kit.give(made.users["kari"], theirs.company, Role.AUTOPAY_ADMINISTRATOR)
    row = drafted(theirs, kit.account(600))
    answer = activate(bureau, row, company=theirs.company)
    kit.refusal(answer, 404, "unknown-company", place="company")
    assert status_of(row) == "draft"


def test_nothing_before_the_terms_are_accepted(made: Stage) -> None:
    bureau, row = bureau_of(made), drafted(made)
    Customer.objects.update(accepted_terms="")
    for answer in (
        bureau.get("customer/agreements"),
        activate(bureau, row, company=made.company),
    ):
        assert answer.status_code == 403
        assert [one["code"] for one in answer.json()["problems"]] == ["terms"]
    assert status_of(row) == "draft"


def test_each_key_opens_its_own_addresses_only(made: Stage, erp: Erp) -> None:
    bureau, row = bureau_of(made), drafted(made)
    for answer in (
        bureau.get("agreements"),
        bureau.get(f"agreements/{row.pk}"),
        activate(bureau, row),
        erp.get("customer/agreements"),
        activate(erp, row, company=made.company),
    ):
        kit.refusal(answer, 401, "signature", place="Signature")
    assert status_of(row) == "draft"


def test_who_used_the_customers_key_last_is_kept(made: Stage) -> None:
    bureau, row = bureau_of(made), drafted(made)
    ok(activate(bureau, row, company=made.company))
    with tenancy.acting_for((), customers=[made.company.customer]):
        assert CustomerKey.objects.get().last_used_by == made.users["kari"]


def test_pages_and_addresses_ask_by_one_rule(made: Stage) -> None:
    """Whatever the list calls fit is what `activate` takes, and the other way round."""
    rows = [
        drafted(made, kit.account(530), holders=()),
        drafted(made, kit.account(531), holders=("anne",), bank_approvers_required=2),
        drafted(made, kit.account(532), holders=("anne", "bjorn"), bank_approvers_required=2),
        drafted(made, made.agreement.account.number),
        drafted(made, kit.account(533), status=lifecycle.DEACTIVATED),
    ]
    refusals = (agreements.Unfit, agreements.AnotherIsActive, moves.Conflict)
    with made.scope():
        rows = list(BankAgreement.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk"))
        told = agreements.obstacles(rows)
        for row in rows:
            try:
                agreements.activate(
                    agreement=row,
                    by=actors.person(made.users["kari"]),
                    told=changes.By(None, "Kari", None, timezone.now()),
                )
                taken = True
            except refusals:
                taken = False
            assert taken is (told[row.pk] == []), row.pk
