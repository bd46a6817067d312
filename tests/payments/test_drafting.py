"""Payments that people write in the portal, or bring in as a file, and who may approve them."""

from __future__ import annotations

import threading
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from payments import approval, drafting, lists, sending
from payments.models import Draft, Payment, PaymentLine, Signature, Upload
from portal import clock
from portal.access.acting import Acting
from portal.access.guard import PROVED_KEY
from portal.access.roles import Role, permissions_of
from portal.events.models import Event
from tests import kit
from tests.kit import Line, Stage
from tests.payments.test_approval import proof_of, seen

PAYEE = "Strøm og Nett AS"


@pytest.fixture
def made(db: None) -> Stage:
    return staged()


def staged(approvers: int = 1) -> Stage:
    """A company where Unni writes payments and Eva writes and approves them."""
    made = kit.stage(approvers=approvers)
    made.users["unni"] = kit.person("unni", made.company, Role.UPLOADER)
    made.users["eva"] = kit.person("eva", made.company, Role.UPLOADER, Role.APPROVER)
    return made


def client_of(made: Stage, name: str) -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def at(made: Stage, path: str) -> str:
    return f"/c/{made.company.public_id}/outgoing/{path}"


def text(answer: Any) -> str:
    return unescape(" ".join(answer.content.decode().split()))


def begun(made: Stage, client: Client) -> str:
    """The address of a fresh draft."""
    answer = client.post(at(made, "drafts/"))
    assert answer.status_code == 302
    return str(answer["Location"])


def form(made: Stage, address: str, go: str, *lines: dict[str, Any], **head: Any) -> dict[str, Any]:
    """What a browser sends of a draft: lines by their rows, from 1."""
    with made.scope():
        draft = Draft.objects.get(public_id=address.rstrip("/").rpartition("/")[2])
    sent: dict[str, Any] = {
        "version": draft.version,
        "account": made.agreement.account.number,
        "due_date": clock.today().strftime("%d.%m.%Y"),
        "kind": "supplier",
        "row": [str(line.get("row", place)) for place, line in enumerate(lines, start=1)],
        "go": go,
        **head,
    }
    for place, line in enumerate(lines, start=1):
        row = line.get("row", place)
        sent |= {f"line-{row}-{name}": told for name, told in line.items() if name != "row"}
    return sent


def line(**more: Any) -> dict[str, Any]:
    return {
        "payee": PAYEE,
        "account": kit.account(70),
        "amount": "1 250,50",
        "currency": "NOK",
        "message": "Faktura 7",
        **more,
    }


def write(made: Stage, name: str = "unni", *lines: dict[str, Any], **head: Any) -> Payment:
    """A payment that this person has written and handed in."""
    client = client_of(made, name)
    address = begun(made, client)
    for place in range(2, len(lines) + 1):
        client.post(address, form(made, address, "add", *(lines[: place - 1])))
    answer = client.post(
        address, form(made, address, "hand-in", *(lines or (line(),)), **head), follow=True
    )
    assert "is handed in" in text(answer), text(answer)
    with made.scope():
        payment = Draft.objects.get(public_id=address.rstrip("/").rpartition("/")[2]).payment
        assert payment is not None
        return Payment.objects.select_related("agreement__account").get(pk=payment.pk)


def sign(made: Stage, name: str, payment: Payment) -> Any:
    user = made.users[name]
    with made.scope():
        return approval.sign(
            company=made.company,
            user=user,
            permissions=permissions_of([Role.APPROVER]),
            fingerprints=seen(payment),
            proof=proof_of(user),
            at=clock.now(),
        )


# --- writing --------------------------------------------------------------------------------


def test_what_is_written_becomes_a_payment_like_any_other(made: Stage) -> None:
    payment = write(
        made, "unni", line(), line(row=2, payee="Svea AB", account="SE45 5000 0000 0583 9825 7466",
        amount="99,00", currency="SEK", message="Order 1", town="Lund", country="se",
        bic="ndeasess", charge_bearer="SHAR"),
    )  # fmt: skip
    with made.scope():
        first, second = payment.lines.order_by("position")
        assert (payment.source, payment.entered_by) == ("hand", [made.users["unni"].pk])
        assert payment.number.startswith("H")
        assert payment.totals == {"NOK": "1250.50", "SEK": "99.00"}
        assert (first.amount, first.payee_account) == (Decimal("1250.50"), kit.account(70))
        assert (second.payee_account_kind, second.payee_bic) == ("IBAN", "NDEASESS")
        assert second.payee_address == {"town": "Lund", "country": "SE"}
        assert second.extra == {"charge_bearer": "SHAR"}
        told = Event.objects.filter(group_id=payment.pk).get()
        assert (told.event, told.actor_name) == ("entered", str(made.users["unni"]))
    page = text(client_of(made, "eva").get(at(made, f"{payment.pk}/")))
    assert "Written in the portal" in page


def test_what_is_wrong_stands_by_its_field_and_nothing_is_stored_or_lost(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    before = kit.stored(made)
    wrong = line(account="1234.56.78901", amount="12,345", kid="", message="x" * 30)
    page = client.post(address, form(made, address, "hand-in", wrong, due_date="31.02.2027"))
    told = text(page)
    assert page.status_code == 422
    assert "Enter a valid date." in told
    assert "Write an amount of at least 0,01, with at most two decimals." in told
    page = client.post(address, form(made, address, "hand-in", line(account="1234.56.78901")))
    assert "The payee's account number is wrong. The account number fails" in text(page)
    assert 'href="#id_line-1-account"' in text(page)
    assert 'value="1234.56.78901"' in text(page)
    page = client.post(address, form(made, address, "hand-in", line(kid="123", message="")))
    assert "The KID is wrong." in text(page)
    page = client.post(address, form(made, address, "hand-in", line(), due_date="01.01.2020"))
    assert text(page).count("The date has passed, or lies more than a year ahead.") == 2
    with made.scope():
        assert kit.stored(made) == before
    assert 'value="Strøm og Nett AS"' in text(client.get(address))


def test_lines_are_added_and_removed_and_all_that_is_written_is_kept(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    client.post(address, form(made, address, "add", line(amount="tull")))
    client.post(address, form(made, address, "add", line(amount="tull"), line(row=2, payee="B")))
    page = text(client.get(address))
    assert 'value="tull"' in page
    assert "Remove line 3" in page
    client.post(address, form(made, address, "remove-1", line(), line(row=2, payee="B"), line(row=3, payee="C")))  # fmt: skip
    page = text(client.get(address))
    assert 'value="B"' in page
    assert 'value="C"' in page
    assert PAYEE not in page
    answer = client.post(address, form(made, address, "leave", line(row=2, payee="B")), follow=True)
    assert "go on with it whenever you like" in text(answer)
    assert "To B" in text(answer)


def test_a_page_that_is_older_than_the_draft_changes_nothing(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    old = form(made, address, "keep", line(payee="Gammel"))
    client.post(address, form(made, address, "keep", line(payee="Ny")))
    answer = client.post(address, old, follow=True)
    assert "Nothing was kept" in text(answer)
    assert 'value="Ny"' in text(answer)


def test_handing_in_twice_makes_one_payment(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    sent = form(made, address, "hand-in", line())
    for _time in range(2):
        assert "is handed in" in text(client.post(address, sent, follow=True))
    with made.scope():
        assert Payment.objects.count() == 1


def test_two_at_once_hand_in_one_payment(own_database: str) -> None:
    made = staged()
    client = client_of(made, "unni")
    address = begun(made, client)
    client.post(address, form(made, address, "keep", line()))
    draft = address.rstrip("/").rpartition("/")[2]
    told: list[str] = []

    def hand_in() -> None:
        with made.scope():
            pk = Draft.objects.get(public_id=draft).pk
            try:
                drafting.hand_in(
                    draft_id=pk, user=made.users["unni"], at=clock.now(), today=clock.today()
                )
                told.append("made")
            except drafting.HandedIn:
                told.append("had been")
        connection.close()

    both = [threading.Thread(target=hand_in) for _one in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(told) == ["had been", "made"]
    with made.scope():
        assert Payment.objects.count() == 1


def test_a_number_that_the_erp_has_used_is_passed_over(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    with made.scope():
        draft = Draft.objects.get()
    body = kit.pain001(
        {f"H{draft.pk}": [Line("a", "5.00", kit.account(71), message="x")]},
        account=made.agreement.account.number,
        due=kit.soon(),
    )
    assert kit.Erp(made).post("payments", body).status_code == 201
    answer = client.post(address, form(made, address, "hand-in", line()), follow=True)
    assert f"H{draft.pk}-2 is handed in" in text(answer)


def test_salary_that_somebody_writes_is_hidden_from_other_writers(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    client.post(address, form(made, address, "keep", line(payee="Hemmelig Lønn"), kind="salary"))
    assert "Hemmelig" in text(client.get(at(made, "new/")))
    other = client_of(made, "eva")
    assert "Hemmelig" not in text(other.get(at(made, "new/")))
    assert other.get(address).status_code == 404
    payment = write(made, "unni", line(), kind="salary")
    assert payment.kind == "salary"
    assert other.get(at(made, f"{payment.pk}/")).status_code == 404


def test_a_draft_is_thrown_away_but_not_once_it_is_a_payment(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    assert "thrown away" in text(client.post(f"{address}discard/", follow=True))
    assert client.get(address).status_code == 404
    payment = write(made)
    with made.scope():
        kept = Draft.objects.get(payment=payment)
    answer = client.post(at(made, f"drafts/{kept.public_id}/discard/"), follow=True)
    assert "it is handed in already" in text(answer)


def test_who_must_show_a_code_at_upload_shows_one_here_too(made: Stage) -> None:
    client = client_of(made, "unni")
    address = begun(made, client)
    made.company.two_factor_to_upload = True
    made.company.save(update_fields=["two_factor_to_upload"])
    session = client.session
    session[PROVED_KEY] = 0
    session.save()
    answer = client.post(address, form(made, address, "hand-in", line()))
    assert answer.status_code == 302
    assert "/prove/" in answer["Location"]
    with made.scope():
        assert not Payment.objects.exists()
    assert f'value="{PAYEE}"' in text(client.get(address))


# --- four eyes ------------------------------------------------------------------------------


def test_whoever_wrote_a_payment_is_not_its_only_approver(made: Stage) -> None:
    payment = write(made, "eva")
    page = text(client_of(made, "eva").get(at(made, f"{payment.pk}/")))
    assert "You have entered it in the portal yourself" in page
    with pytest.raises(approval.EnteredByThemselves):
        sign(made, "eva", payment)
    with made.scope():
        assert not Signature.objects.exists()
        eva, anne = (
            lists.to_sign(acting=acting(made, name), user=made.users[name]).count()
            for name in ("eva", "anne")
        )
    assert (eva, anne) == (0, 1)
    sign(made, "anne", payment)
    with made.scope():
        assert Payment.objects.get().status == "approved"


def acting(made: Stage, name: str) -> Acting:
    return Acting(made.company, frozenset({Role.APPROVER}), permissions_of([Role.APPROVER]))


def test_of_two_approvers_one_may_have_written_it_but_not_both(db: None) -> None:
    made = staged(approvers=2)
    payment = write(made, "eva")
    sign(made, "eva", payment)
    sign(made, "anne", payment)
    with made.scope():
        assert Payment.objects.get().status == "approved"
        other = write_together(made)
    sign(made, "eva", other)
    with pytest.raises(approval.EnteredByThemselves):
        sign(made, "lars", other)
    sign(made, "bjorn", other)


def write_together(made: Stage) -> Payment:
    """A payment that Eva began and Lars, who approves too, handed in."""
    made.users["lars"] = kit.person("lars", made.company, Role.UPLOADER, Role.APPROVER)
    first, second = client_of(made, "eva"), client_of(made, "lars")
    address = begun(made, first)
    first.post(address, form(made, address, "keep", line()))
    answer = second.post(address, form(made, address, "hand-in", line()), follow=True)
    assert "is handed in" in text(answer)
    payment = Payment.objects.select_related("agreement__account").order_by("-pk")[0]
    assert payment.entered_by == sorted([made.users["eva"].pk, made.users["lars"].pk])
    return payment


def test_what_only_its_writer_has_signed_is_never_sent(made: Stage) -> None:
    """Signed by another, and then made the other's own in the database: it is not sent."""
    payment = write(made, "unni")
    sign(made, "anne", payment)
    with made.scope():
        Payment.objects.update(entered_by=[made.users["anne"].pk])
        assert sending.make_files(company=made.company) == []
        row = Payment.objects.get()
        assert row.status == "awaiting"
        told = Event.objects.filter(event="signature_broken").get()
        assert told.reasons is not None
        assert "only those who entered it" in told.reasons[0]["text"]


# --- files ----------------------------------------------------------------------------------


def bring_in(made: Stage, client: Client, body: bytes, name: str = "fil.xml") -> Any:
    return client.post(at(made, "bring-in/"), {"file": SimpleUploadedFile(name, body)}, follow=True)


def file(made: Stage, number: str = "F1", account: str = "") -> bytes:
    return kit.pain001(
        {number: [Line("a", "5.00", kit.account(71), message="x"),
                  Line("b", "6.00", account or kit.account(72), message="y")]},
        account=made.agreement.account.number,
        due=kit.soon(),
    )  # fmt: skip


def test_a_file_is_taken_as_from_an_erp_but_its_bringer_cannot_approve_alone(made: Stage) -> None:
    client = client_of(made, "eva")
    page = text(bring_in(made, client, file(made, account="12345678901")))
    assert "The file is brought in" in page
    assert "2 lines were taken in" in page
    assert "Lines that a check has stopped" in page
    assert "The payee's account number is wrong" in page
    assert "What stood there: “12345678901”" in page
    with made.scope():
        payment = Payment.objects.select_related("agreement__account").get()
        assert (payment.source, payment.entered_by) == ("file", [made.users["eva"].pk])
        assert {row.status for row in payment.lines.all()} == {"awaiting", "stopped"}
        assert Event.objects.filter(event="brought_in").count() == 1
    with pytest.raises(approval.EnteredByThemselves):
        sign(made, "eva", payment)
    again = text(bring_in(made, client, file(made, account="12345678901")))
    assert "This file is here already. Nothing was done again." in again
    with made.scope():
        assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "name", "told"),
    [
        (b"<Document/>", "fil.xml", "Nothing of the file is taken."),
        (b"", "fil.xml", "The file is empty."),
        (b"{}", "fil.json", "payments"),
        (b"%PDF", "fil.pdf", "must end with .xml or .json"),
    ],
)
def test_a_file_that_cannot_be_taken_says_why(
    made: Stage, body: bytes, name: str, told: str
) -> None:
    answer = bring_in(made, client_of(made, "unni"), body, name)
    assert answer.status_code == 422
    assert told in text(answer)
    with made.scope():
        assert not Payment.objects.exists()


def test_a_file_with_a_number_that_was_used_names_it(made: Stage) -> None:
    client = client_of(made, "unni")
    bring_in(made, client, file(made))
    answer = bring_in(made, client, file(made, account=kit.account(73)))
    assert "The payment F1 was uploaded before." in text(answer)
    with made.scope():
        assert PaymentLine.objects.count() == 2


def test_what_somebody_brought_in_is_theirs_to_look_at(made: Stage) -> None:
    bring_in(made, client_of(made, "unni"), file(made))
    with made.scope():
        upload = Upload.objects.get()
    assert client_of(made, "unni").get(at(made, f"uploads/{upload.pk}/")).status_code == 200
    assert client_of(made, "eva").get(at(made, f"uploads/{upload.pk}/")).status_code == 404
