"""A customer's companies and one company's administration: pages, services, keys, terms, the log."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.db import ProgrammingError, transaction
from django.db.utils import InternalError
from django.test import Client
from django.utils import timezone

from payments.models import Payment
from portal.access import tenancy
from portal.access.models import (
    Company,
    Customer,
    RoleGrant,
    ServiceActivation,
    SigningKey,
    User,
    UserGroup,
)
from portal.access.roles import Role
from portal.people import changes, keys, services
from portal.people.models import Change, TermsAcceptance
from tests import kit
from tests.flows.test_main_job import upload
from tests.kit import Erp, Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> Stage:
    made = kit.stage()
    Company.objects.filter(pk=made.company.pk).update(address="Storgata 1")
    made.company.refresh_from_db()
    return made


@pytest.fixture
def boss(made: Stage) -> Client:
    user = kit.person("boss", made.company)
    kit.give_at(user, made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    made.users["boss"] = user
    client = kit.signed_in(user)
    client.cookies["kvitt_language"] = "en"
    return client


def at(made: Stage, path: str = "") -> str:
    return f"/customers/{made.company.customer.public_id}/{path}"


def inside(made: Stage, path: str = "") -> str:
    return f"/c/{made.company.public_id}/administration/{path}"


def by(user: User) -> changes.By:
    return changes.By(user, str(user), "192.0.2.1", timezone.now())


def log(made: Stage) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    with tenancy.acting_for([], customers=[made.company.customer]):
        rows = Change.objects.order_by("id")
        return [(row.act, row.before, row.after) for row in rows]


# --- companies -------------------------------------------------------------------------------


def test_a_company_is_created_and_logged(made: Stage, boss: Client) -> None:
    number = kit.organisation(500)
    fields = {"name": " Ny\u00a0 Klient AS ", "organisation_number": f"NO {number} MVA"}
    answer = boss.post(at(made, "companies/new/"), fields)
    row = Company.objects.get(organisation_number=number)
    assert answer["Location"] == f"/c/{row.public_id}/administration/"
    assert (row.name, row.customer) == ("Ny Klient AS", made.company.customer)
    assert log(made) == [
        ("company.created", {}, {"name": "Ny Klient AS", "organisation_number": number})
    ]
    page = boss.get(answer["Location"]).content.decode()
    assert "address, postal code, city" in page


def test_every_fault_of_a_company_is_told_at_once(made: Stage, boss: Client) -> None:
    fields = {"name": "", "organisation_number": "12", "postal_code": "x" * 11, "city": "y" * 61}
    answer = boss.post(at(made, "companies/new/"), fields)
    assert answer.status_code == 422
    text = answer.content.decode()
    for told in (
        "Write the company",
        "has nine digits",
        "has four digits",
        "At most 60",
        "At most 10",
    ):
        assert told in text, told
    assert Company.objects.count() == 1


def test_a_customer_has_a_company_once_but_two_customers_may_both_have_it(
    made: Stage, boss: Client
) -> None:
    number = made.company.organisation_number
    answer = boss.post(at(made, "companies/new/"), {"name": "X", "organisation_number": number})
    assert answer.status_code == 422
    assert "already has a company" in answer.content.decode()
    other = kit.stage(place=2)
    user = kit.person("other", other.company)
    kit.give_at(user, other.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    address = f"/customers/{other.company.customer.public_id}/companies/new/"
    fields = {"name": "X", "organisation_number": number}
    assert kit.signed_in(user).post(address, fields).status_code == 302


def test_a_company_is_changed_and_the_log_says_from_what_to_what(made: Stage, boss: Client) -> None:
    name = made.company.name
    fields = {"name": name, "address": "Lillegata 2", "postal_code": "0155", "city": "OSLO"}
    assert boss.post(inside(made, "edit/"), fields).status_code == 302
    assert log(made) == [("company.changed", {"address": "Storgata 1"}, {"address": "Lillegata 2"})]
    boss.post(inside(made, "edit/"), fields)
    assert len(log(made)) == 1
    page = boss.get(inside(made, "log/")).content.decode()
    assert "Storgata 1 → Lillegata 2" in page
    assert "Boss" in page
    assert "127.0.0.1" in page


def test_the_list_tells_what_each_company_has_and_lacks(made: Stage, boss: Client) -> None:
    upload(made)
    Company.objects.create(
        customer=made.company.customer, name="Bar AS", organisation_number=kit.organisation(501)
    )
    page = boss.get(at(made, "companies/")).content.decode()
    rows = re.findall(r'<tr role="row">(.*?)</tr>', page, re.DOTALL)[1:]
    bare, ready = rows
    assert "No service is switched on" in bare
    assert "Missing: address, postal code, city" in bare
    assert "No active agreement" in bare
    assert re.search(r'data-label="Active agreements">1<', ready)
    assert re.search(r'data-label="Wait for approval">2<', ready)
    assert "No active agreement" not in ready
    unfinished = boss.get(at(made, "companies/?tab=unfinished")).content.decode()
    assert "Bar AS" in unfinished
    assert f">{made.company.name}</a>" not in unfinished
    found = boss.get(at(made, f"companies/?text={made.company.organisation_number[:5]}"))
    assert ">Prøve 1 AS</a>" in found.content.decode()
    number = made.company.organisation_number
    for written in (
        f"{number[:3]} {number[3:6]} {number[6:]}",
        f"NO {number[:3]}.{number[3:]} MVA",
    ):
        assert (
            ">Prøve 1 AS</a>"
            in boss.get(at(made, "companies/"), {"text": written}).content.decode()
        )
    # Without anybody who approves, and with a key that no ERP uses, payments go nowhere.
    with made.scope():
        RoleGrant.objects.filter(role=Role.APPROVER).delete()
    page = boss.get(at(made, "companies/?tab=unfinished")).content.decode()
    assert "Nobody has a role that approves payments" in page
    group = UserGroup.objects.create(customer=made.company.customer, name="G")
    RoleGrant.objects.create(group=group, customer=made.company.customer, role=Role.APPROVER)
    assert "Nobody has a role that approves" in boss.get(at(made, "companies/")).content.decode()
    group.members.add(made.users["anne"])
    assert "Nobody has a role" not in boss.get(at(made, "companies/?text=prøve")).content.decode()
    assert "The ERP has not used its key" not in page
    with made.scope():
        SigningKey.objects.update(last_used_at=None)
    page = boss.get(at(made, "companies/?tab=unfinished")).content.decode()
    assert "The ERP has not used its key" in page


def test_the_list_costs_the_same_for_many_companies(made: Stage, boss: Client) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert boss.get(at(made, "companies/")).status_code == 200
        return len(caught)

    queries()
    before = queries()
    Company.objects.bulk_create(
        Company(
            customer=made.company.customer,
            name=f"K {n}",
            organisation_number=kit.organisation(600 + n),
        )
        for n in range(45)
    )
    assert queries() == before


def test_the_list_is_exported_with_what_is_missing(made: Stage, boss: Client) -> None:
    answer = boss.post(at(made, "lists/companies/export/"), {"format": "csv", "query": ""})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert "Organisation number" in text
    assert f"Prøve 1 AS;{made.company.organisation_number};AutoPay;1;0;" in text
    saved = boss.post(
        at(made, "lists/companies/views/"), {"name": "Mine", "query": "service=autopay"}
    )
    assert saved.status_code == 302
    assert "Mine" in boss.get(at(made, "companies/")).content.decode()


# --- services --------------------------------------------------------------------------------


def test_a_service_needs_the_whole_address_and_says_all_that_is_missing(
    made: Stage, boss: Client
) -> None:
    bare = Company.objects.create(
        customer=made.company.customer, name="Bar AS", organisation_number=kit.organisation(501)
    )
    address = f"/c/{bare.public_id}/administration/service/"
    page = boss.post(address, {"service": "autopay", "act": "on"}, follow=True).content.decode()
    assert "AutoPay cannot be switched on yet. Fill in: address, postal code, city." in page
    Company.objects.filter(pk=bare.pk).update(address="A", postal_code="0155", city="OSLO")
    page = boss.post(address, {"service": "autopay", "act": "on"}, follow=True).content.decode()
    assert "AutoPay is on." in page
    with tenancy.acting_for([bare]):
        assert SigningKey.objects.filter(retired_at=None).count() == 1
        assert ServiceActivation.objects.filter(deactivated_at=None).count() == 1
    assert [act for act, _b, _a in log(made)] == ["service.on", "key.made"]


def test_a_service_is_not_switched_off_while_payments_are_on_their_way(
    made: Stage, boss: Client
) -> None:
    upload(made)
    with made.scope():
        rows = Payment.objects.filter(pk=Payment.objects.earliest("pk").pk)
        rows.update(status="sent")
    page = boss.post(inside(made, "service/"), {"service": "autopay", "act": "off"}, follow=True)
    assert "1 payment is on its way" in page.content.decode()
    with made.scope():
        assert services.in_use(made.company)
        rows.update(status="awaiting")
    page = boss.get(inside(made)).content.decode()
    assert "2 payments that wait for approval can only be refused or cancelled" in page
    boss.post(inside(made, "service/"), {"service": "autopay", "act": "off"})
    with made.scope():
        assert not services.in_use(made.company)


def test_where_autopay_is_off_nothing_is_taken_and_nothing_approved(
    made: Stage, boss: Client
) -> None:
    upload(made)
    boss.post(inside(made, "service/"), {"service": "autopay", "act": "off"})
    answer = Erp(made).post("payments", b"<x/>")
    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (403, "service-off")
    anne = kit.signed_in(made.users["anne"])
    anne.cookies["kvitt_language"] = "en"
    with made.scope():
        pk = Payment.objects.order_by("pk").first().pk  # type: ignore[union-attr]
    page = anne.get(f"/c/{made.company.public_id}/outgoing/{pk}/").content.decode()
    assert "AutoPay is off for the company" in page
    answer = anne.post(f"/c/{made.company.public_id}/outgoing/sign/", {"payment": pk}, follow=True)
    assert "AutoPay is off for the company" in answer.content.decode()


# --- the signing key -------------------------------------------------------------------------


def administrator(made: Stage) -> Client:
    client = kit.signed_in(kit.person("admin", made.company, Role.AUTOPAY_ADMINISTRATOR))
    client.cookies["kvitt_language"] = "en"
    return client


def test_a_new_key_works_at_once_and_the_old_one_is_dead(made: Stage) -> None:
    admin = administrator(made)
    assert made.key in admin.get(inside(made, "key/")).content.decode()
    assert Erp(made).get("ping").status_code == 200
    ask = admin.get(inside(made, "key/new/")).content.decode()
    assert "The ERP stops at once" in ask
    old = re.search(r'name="key" value="(\d+)"', ask)
    assert old is not None
    page = admin.post(inside(made, "key/new/"), {"key": old[1]}, follow=True).content.decode()
    assert made.key not in page
    assert Erp(made).get("ping").status_code == 401
    new = re.search(r'id="signing-key">([^<]+)<', page)
    assert new is not None
    made.key = new[1]
    assert Erp(made).get("ping").status_code == 200
    # Sent twice, or from a page that was left open: the new key lives on.
    admin.post(inside(made, "key/new/"), {"key": old[1]})
    assert Erp(made).get("ping").status_code == 200
    assert [act for act, _b, _a in log(made)] == ["key.replaced"]


def test_the_key_page_says_who_used_it_last(made: Stage) -> None:
    admin = administrator(made)
    assert "Never" in admin.get(inside(made, "key/")).content.decode()
    upload(made)
    page = admin.get(inside(made, "key/")).content.decode()
    assert made.users["erp"].email in page


def test_the_key_is_nowhere_but_on_its_page(
    made: Stage, boss: Client, caplog: pytest.LogCaptureFixture
) -> None:
    admin = administrator(made)
    admin.get(inside(made, "key/"))
    seen = caplog.text
    for client in (boss, admin):
        for path in ("", "log/"):
            seen += client.get(inside(made, path)).content.decode()
    for client in (boss, kit.signed_in(made.users["anne"])):
        answer = client.get(inside(made, "key/"))
        assert answer.status_code == 403
        seen += answer.content.decode()
    seen += boss.get(at(made, "companies/")).content.decode()
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        keys.replace(company=made.company, by=by(made.users["boss"]))
        new = str(SigningKey.objects.get(retired_at=None).secret)
        seen += str(list(Change.objects.values()))
    assert made.key not in seen
    assert new not in seen
    with transaction.atomic(), tenancy.acting_for([made.company]):
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT secret FROM access_signingkey")
            stored = [bytes(row[0]) for row in cursor.fetchall()]
    assert not [cell for cell in stored if made.key.encode() in cell or new.encode() in cell]


# --- terms and log ---------------------------------------------------------------------------


def test_an_administrator_meets_the_terms_first_and_accepts_them_once(
    made: Stage, boss: Client
) -> None:
    Customer.objects.update(accepted_terms="")
    assert boss.get(at(made, "companies/"))["Location"] == at(made, "terms/")
    support = kit.person("support", made.company)
    kit.give_at(support, made.company.customer, Role.SUPPORT_USER)
    assert kit.signed_in(support).get(at(made, "companies/")).status_code == 200
    assert boss.post(at(made, "terms/"), {"version": "1999"}).status_code == 302
    assert Customer.objects.get().accepted_terms == ""
    for _time in range(2):
        boss.post(at(made, "terms/"), {"version": settings.TERMS_VERSION})
    assert boss.get(at(made, "companies/")).status_code == 200
    with tenancy.acting_for((), customers=[made.company.customer]):
        row = TermsAcceptance.objects.get()
    assert (row.user, row.version, row.address) == (
        made.users["boss"],
        settings.TERMS_VERSION,
        "127.0.0.1",
    )
    assert "Boss" in boss.get(at(made, "terms/")).content.decode()


def test_the_log_cannot_be_changed_and_is_seen_by_its_customer_only(
    made: Stage, boss: Client
) -> None:
    boss.post(at(made, "companies/new/"), {"name": "X", "organisation_number": kit.organisation(7)})
    assert Change.objects.count() == 0
    with tenancy.acting_for((), customers=[made.company.customer]):
        assert Change.objects.count() == 1
        for act in (
            lambda: Change.objects.update(user_name="Nobody"),
            lambda: Change.objects.all().delete(),
        ):
            with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
                act()
    other = kit.stage(place=2)
    with tenancy.acting_for([other.company], customers=[other.company.customer]):
        assert Change.objects.count() == 0


def test_the_log_is_filtered_and_exported(made: Stage, boss: Client) -> None:
    for n, name in enumerate(("Ask AS", "Bjørk AS")):
        number = kit.organisation(520 + n)
        boss.post(at(made, "companies/new/"), {"name": name, "organisation_number": number})
    boss.get(at(made, "log/"))  # tells what was created
    page = boss.get(at(made, "log/?about=bjørk&act=company.created")).content.decode()
    rows = page[page.index("<tbody") : page.index("</tbody>")]
    assert "Bjørk AS" in rows
    assert "Ask AS" not in rows
    answer = boss.post(
        at(made, "lists/customer_log/export/"), {"format": "csv", "query": "about=ask"}
    )
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert text.count("Company created") == 1
    assert "127.0.0.1" in text


def test_what_a_service_that_is_on_needs_cannot_be_emptied(made: Stage, boss: Client) -> None:
    full = {"name": "Prøve AS", "address": "Storgata 1", "postal_code": "0155", "city": "OSLO"}
    assert boss.post(inside(made, "edit/"), full).status_code == 302
    answer = boss.post(inside(made, "edit/"), full | {"address": ""})
    assert answer.status_code == 422
    assert "switch the service off first" in answer.content.decode()
    made.company.refresh_from_db()
    assert made.company.address == "Storgata 1"


def test_the_key_page_names_the_last_user_who_was_let_in(made: Stage) -> None:
    erp, book = Erp(made), kit.person("book", made.company, Role.ACCOUNTANT)
    lines = {"Z1": [kit.Line("Z-1", "1.00", kit.account(70), message="x")]}
    body = kit.pain001(lines, account=made.agreement.account.number, due=kit.soon())
    assert erp.post("payments", body).status_code == 201
    assert erp.post("payments", body, user=book.email).status_code == 403
    with made.scope():
        used = SigningKey.objects.get(retired_at=None)
    assert used.last_used_by == made.users["erp"]
    assert used.last_used_at is not None
