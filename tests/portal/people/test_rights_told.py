"""What is told of rights is true: pages, letters and the log say what still gives a role."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from portal.access import grants, tenancy
from portal.access.models import Company, Membership, User, UserGroup
from portal.access.roles import Role
from portal.mail.models import Letter
from tests import kit
from tests.kit import Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> Stage:
    made = kit.stage()
    made.users["boss"] = kit.person("boss", made.company)
    kit.give_at(made.users["boss"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    made.users["asa"] = kit.person("asa", made.company)
    return made


@pytest.fixture
def boss(made: Stage) -> Client:
    client = kit.signed_in(made.users["boss"])
    client.cookies["kvitt_language"] = "en"
    return client


def at(made: Stage, path: str = "") -> str:
    return f"/customers/{made.company.customer.public_id}/{path}"


def of(made: Stage, user: User) -> str:
    """The address of a user's page."""
    with tenancy.acting_for((), customers=[made.company.customer]):
        member = Membership.objects.get(user=user, customer=made.company.customer)
    return at(made, f"users/{member.pk}/")


def last_letter(user: User) -> str:
    with tenancy.acting_for((), letters=True):
        rows = Letter.objects.filter(user=user, kind="people.roles_changed")
        return rows.order_by("pk").values_list("text", flat=True).last() or ""


def group(made: Stage, name: str, *people: User) -> UserGroup:
    with tenancy.acting_for((), customers=[made.company.customer]):
        row = UserGroup.objects.create(customer=made.company.customer, name=name)
        row.members.add(*people)
    return row


def give(boss: Client, address: str, role: str, *companies: Company, act: str = "give") -> Client:
    places = {"company": [row.public_id for row in companies]} if companies else {"everywhere": "1"}
    answer = boss.post(address, {role: "on", "act": act, **places}, follow=True)
    assert answer.status_code == 200
    return answer  # type: ignore[return-value]


def test_a_role_that_is_taken_and_still_held_is_told_as_held(made: Stage, boss: Client) -> None:
    asa = made.users["asa"]
    address = of(made, asa)
    give(boss, address + "give/", "autopay_approver", made.company)
    give(boss, address + "give/", "autopay_approver")
    page = give(boss, address + "give/", "autopay_approver", made.company, act="take")
    text = page.content.decode()  # type: ignore[attr-defined]
    assert "1 role is taken away." in text
    assert "Still held there: AutoPay Approver (in all companies)" in text
    letter = last_letter(asa)
    assert "Du har ikke lenger" not in letter
    assert "har den fortsatt" in letter
    with tenancy.acting_for([made.company], user=asa):
        assert grants.roles_in(user=asa, company=made.company) == {Role.APPROVER}
    page = give(boss, address + "give/", "autopay_approver", act="take")
    assert "Still held" not in page.content.decode()  # type: ignore[attr-defined]
    assert "Du har ikke lenger" in last_letter(asa)


def test_a_role_that_only_a_group_gives_is_told_by_the_groups_name(
    made: Stage, boss: Client
) -> None:
    asa = made.users["asa"]
    nord = group(made, "Lønn nord", asa)
    give(boss, at(made, f"groups/{nord.pk}/give/"), "autopay_payroll_approver")
    page = give(boss, of(made, asa) + "give/", "autopay_payroll_approver", made.company, act="take")
    text = page.content.decode()  # type: ignore[attr-defined]
    assert "AutoPay Payroll Approver (in all companies, through the group Lønn nord)" in text
    roles = boss.get(of(made, asa) + f"roles/?place={made.company.public_id}").content.decode()
    assert "AutoPay Payroll Approver (in all companies, through the group Lønn nord)" in roles
    nothing = give(boss, of(made, asa) + "give/", "autopay_uploader", made.company, act="take")
    assert "None of them was held there." in nothing.content.decode()  # type: ignore[attr-defined]


def test_the_page_of_one_company_shows_what_is_held_there_otherwise(
    made: Stage, boss: Client
) -> None:
    asa = made.users["asa"]
    give(boss, of(made, asa) + "give/", "autopay_approver")
    south = group(made, "Sør", asa)
    give(boss, at(made, f"groups/{south.pk}/give/"), "autopay_accountant", made.company)
    page = boss.get(of(made, asa) + f"roles/?place={made.company.public_id}").content.decode()
    assert "AutoPay Approver (in all companies)" in page
    assert "AutoPay Accountant (through the group Sør)" in page
    everywhere = boss.get(of(made, asa) + "roles/?place=all").content.decode()
    assert "in another way" not in everywhere


def test_a_companys_log_holds_all_that_gave_rights_in_it_and_nothing_of_others(
    made: Stage, boss: Client
) -> None:
    asa, customer = made.users["asa"], made.company.customer
    other = Company.objects.create(
        customer=customer, name="Søster AS", organisation_number=kit.organisation(811)
    )
    elsewhere = kit.person("elsewhere", other)
    give(boss, of(made, asa) + "give/", "autopay_approver")  # in all companies
    here, there = group(made, "Her"), group(made, "Der")
    give(boss, at(made, f"groups/{here.pk}/give/"), "autopay_accountant", made.company)
    give(boss, at(made, f"groups/{there.pk}/give/"), "autopay_accountant", other)
    for row, user in ((here, asa), (there, elsewhere)):
        boss.post(at(made, f"groups/{row.pk}/people/"), {"member": [user.pk]})
    boss.post(of(made, elsewhere) + "change/", {"act": "end"})
    boss.post(of(made, asa) + "change/", {"act": "end"})

    def log(company: Company) -> str:
        page = boss.get(f"/c/{company.public_id}/administration/log/").content.decode()
        return page[page.index("<tbody") : page.index("</tbody>")]

    ours = log(made.company)
    assert "All companies, those to come too" in ours
    assert ours.count("Added to a user group") == 1
    assert "Her" in ours
    assert "Der" not in ours
    assert ours.count("User deactivated") == 1
    theirs = log(other)
    assert "Added to a user group" in theirs
    assert "Der" in theirs
    assert "User group: Her" not in theirs
    # A customer's own matters stay the customer's.
    assert "Customer changed" not in ours


def test_another_customers_changes_are_behind_the_wall(made: Stage, boss: Client) -> None:
    give(boss, of(made, made.users["asa"]) + "give/", "autopay_approver")
    from portal.people.models import Change

    stranger = kit.company(2, "Annet AS")
    with tenancy.acting_for([stranger]):
        assert not Change.objects.exists()
    with tenancy.acting_for([made.company]):
        told = set(Change.objects.filter(company=None).values_list("act", flat=True))
    assert told == {"role.granted"}


def test_somebody_who_never_answered_and_is_taken_up_again_is_invited_anew(
    made: Stage, boss: Client
) -> None:
    fields = {"email": "ny@example.org", "name": "Ny", "phone": "", "language": "nb"}
    boss.post(at(made, "users/invite/"), fields)
    user = User.objects.get(email="ny@example.org")
    boss.post(of(made, user) + "change/", {"act": "end"})
    page = boss.post(of(made, user) + "change/", {"act": "resume"}, follow=True).content.decode()
    assert "a new invitation is sent" in page
    with tenancy.acting_for((), letters=True):
        assert Letter.objects.filter(user=user, kind="people.invitation").count() == 2


def test_an_invitation_that_is_opened_by_somebody_else_says_so_and_signs_them_out(
    made: Stage, boss: Client
) -> None:
    fields = {"email": "ny@example.org", "name": "Ny", "phone": "", "language": "nb"}
    boss.post(at(made, "users/invite/"), fields)
    user = User.objects.get(email="ny@example.org")
    with tenancy.acting_for((), letters=True):
        text = Letter.objects.get(user=user, kind="people.invitation").text
    address = "/invitation/" + text.split("/invitation/")[1].split()[0]
    page = boss.get(address).content.decode()
    assert "You are signed in as Boss" in page
    answer = boss.post(
        address, {"name": "Ny", "phone": "", "language": "nb", "password": "fire ord uten mening"}
    )
    assert answer["Location"] == "/sign-in/"
    assert boss.get("/").status_code == 302
    assert "signed in as" not in Client().get(address).content.decode()


def test_a_deputy_for_nothing_and_the_same_one_twice_are_refused(made: Stage, boss: Client) -> None:
    anne, asa = made.users["anne"], made.users["asa"]
    kit.give(asa, made.company, Role.ACCOUNTANT)
    address = f"/c/{made.company.public_id}/administration/approvers/"
    today = timezone.localdate()
    days = {"from_date": f"{today:%d.%m.%Y}", "to_date": f"{today:%d.%m.%Y}"}
    for absent, deputy in ((anne, asa),):
        fields = {"absent": absent.pk, "deputy": deputy.pk, **days}
        assert boss.post(address, fields).status_code == 302
    again = boss.post(address, {"absent": anne.pk, "deputy": asa.pk, **days})
    assert again.status_code == 422
    assert "named for some of these days already" in again.content.decode()
    # Who approves only as a deputy has nothing of their own to be stood in for.
    lent_on = boss.post(address, {"absent": asa.pk, "deputy": made.users["bjorn"].pk, **days})
    assert lent_on.status_code == 422
    page = boss.get(address).content.decode()
    assert page.count("As the absent one") == 2
    assert boss.post(address, {"absent": made.users["bjorn"].pk, "deputy": anne.pk, **days})
    page = boss.get(address).content.decode()
    assert page.count("As the absent one") == 2  # Anne approves in her own right, without a limit
