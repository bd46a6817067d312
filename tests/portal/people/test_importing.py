"""Companies from a file: what is read, what is found wrong, and that nothing is half made."""

from __future__ import annotations

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from banking import numbers
from portal.access import organisations, tenancy
from portal.access.models import Company, Customer, User
from portal.access.roles import Role
from portal.people import changes, companies, importing
from portal.people.models import Change, CompanyImport
from tests import kit

HEAD = ["Navn", "Organisasjonsnummer", "Adresse", "Postnummer", "Poststed"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    owner = kit.company()
    user = kit.person("boss", owner)
    kit.give_at(user, owner.customer, Role.CUSTOMER_ADMINISTRATOR)
    return user


@pytest.fixture
def customer(boss: User) -> Customer:
    return Customer.objects.get()


@pytest.fixture
def client(boss: User) -> Client:
    return kit.signed_in(boss)


def numbers_right(n: int) -> list[str]:
    return [kit.organisation(1000 + place) for place in range(n)]


def as_csv(rows: list[list[str]], encoding: str = "utf-8", delimiter: str = ";") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def as_xlsx(rows: list[list[object]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def mixed(n: int, wrong: int) -> list[list[str]]:
    """So many rows, of which the last so many are wrong, each in its own way."""
    rows = [
        [f"Klient {k} AS", number, f"Veien {k}", "0155", "OSLO"]
        for k, number in enumerate(numbers_right(n))
    ]
    for place, row in enumerate(rows[n - wrong :]):
        spoil = place % 5
        if spoil == 0:
            row[0] = ""
        elif spoil == 1:
            row[1] = row[1][:-1] + str((int(row[1][-1]) + 1) % 10)
        elif spoil == 2:
            row[3] = "12"
        elif spoil == 3:
            row[1] = rows[0][1]
        else:
            row[0], row[1], row[3] = "", "x", "abc"
    return rows


def send(client: Client, customer: Customer, content: bytes, name: str = "klienter.csv") -> object:
    address = f"/customers/{customer.public_id}/companies/import/"
    return client.post(address, {"file": SimpleUploadedFile(name, content)})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_csv_is_read_as_it_comes(encoding: str, delimiter: str) -> None:
    content = as_csv(
        [HEAD, ["Ærlig & Øst, AS", "923609016", "Å 1", "0155", "Årnes"]], encoding, delimiter
    )
    (row,) = importing.read(io.BytesIO(content)).rows
    assert (row.number, row.values["name"], row.values["city"]) == (2, "Ærlig & Øst, AS", "Årnes")


def test_excel_gives_numbers_back_as_text_with_the_zero_of_a_postal_code() -> None:
    content = as_xlsx(
        [["Orgnr", "Selskap", "Postnr"], [923609016, "Kald AS", 155], [None, None, None]]
    )
    (row,) = importing.read(io.BytesIO(content)).rows
    assert row.values == {
        "organisation_number": "923609016",
        "name": "Kald AS",
        "postal_code": "0155",
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\xd0\xcf\x11\xe0old", ".xls"),
        (b"PK\x03\x04 but no workbook", "could not be read"),
        (b"a\0b", "neither CSV nor Excel"),
        (as_csv([["Navn", "By"]]), "Organisation number"),
        (as_csv([HEAD]), "no company beneath"),
        (as_csv([[*HEAD, "Navn"], ["a"] * 6]), "more than once: Name"),
        (b'Navn;Orgnr\n"a;923609016\n', "quotation mark"),
        (as_csv([HEAD, *[["x"] * 5] * 1001]), "more than 1000 rows"),
        (b"x" * (2 * 1024 * 1024 + 1), "larger than 2 MB"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, told: str) -> None:
    with translation.override("en"), pytest.raises(importing.Unreadable, match=told):
        importing.read(io.BytesIO(content))


def test_a_workbook_that_unfolds_without_end_is_refused(settings: object) -> None:
    settings.IMPORT_MAX_UNPACKED_BYTES = 1000  # type: ignore[attr-defined]
    with translation.override("en"), pytest.raises(importing.Unreadable, match="too large"):
        importing.read(io.BytesIO(as_xlsx([["Navn", "Orgnr"], ["A", "923609016"]])))


@given(st.text(min_size=0, max_size=14))
def test_an_organisation_number_is_judged_as_the_banks_side_judges_it(text: str) -> None:
    try:
        wanted = numbers.organisation_number(text)
    except numbers.InvalidNumber as error:
        with pytest.raises(organisations.NotANumber) as caught:
            organisations.number(text)
        assert caught.value.code == error.code
    else:
        assert organisations.number(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["923609016", "923 609 016", "NO 923.609.016 MVA", "no923609016mva", "923\u00a0609\u00a0016"],
)
def test_an_organisation_number_is_normalised(text: str) -> None:
    assert organisations.number(text) == "923609016"


def test_of_200_rows_with_20_faulty_180_are_made(client: Client, customer: Customer) -> None:
    rows = mixed(200, 20)
    answer = send(client, customer, as_csv([HEAD, *rows]))
    assert answer.status_code == 302  # type: ignore[attr-defined]
    address = answer["Location"]  # type: ignore[index]
    client.cookies["kvitt_language"] = "en"
    page = client.get(address).content.decode()
    assert "20 of 200 rows have faults" in page
    assert "Create the 180 without faults" in page
    assert page.count("Row 1") >= 1
    for number in range(182, 202):
        assert f"Row {number}<" in page
    # All faults of a row at once, each with its field.
    last = page[page.index("Row 186<") : page.index("Row 187<")]
    assert last.count("<li>") == 3
    assert all(
        f"<strong>{field}</strong>" in last
        for field in ("Name", "Organisation number", "Postal code")
    )
    assert "stands in row 2" in page
    assert Company.objects.count() == 1
    answer = client.post(address, {"right": "180"})
    assert answer.status_code == 302
    assert Company.objects.count() == 181
    with tenancy.acting_for((), customers=[customer]):
        assert Change.objects.filter(act="company.created").count() == 180
    receipt = client.get(address).content.decode()
    assert "180 companies were created" in receipt


def test_or_none_are_made(client: Client, customer: Customer) -> None:
    answer = send(client, customer, as_csv([HEAD, *mixed(200, 20)]))
    client.get(answer["Location"])  # type: ignore[index]
    assert Company.objects.count() == 1
    with tenancy.acting_for((), customers=[customer]):
        assert CompanyImport.objects.get().done_at is None


def test_the_faulty_rows_can_be_saved_mended_and_sent_again(
    client: Client, customer: Customer
) -> None:
    rows = mixed(10, 5)
    address = send(client, customer, as_csv([HEAD, *rows]))["Location"]  # type: ignore[index]
    saved = client.get(f"{address}faults/")
    assert saved["Content-Type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(saved.content.decode("utf-8-sig")), delimiter=";"))
    assert len(lines) == 6
    assert [line[5] for line in lines[1:]] == ["7", "8", "9", "10", "11"]
    client.post(address, {"right": "5"})
    for k, line in enumerate(lines[1:]):
        line[:5] = [f"Mendet {k} AS", kit.organisation(2000 + k), "Veien", "0155", "OSLO"]
    again = send(client, customer, as_csv(lines))["Location"]  # type: ignore[index]
    client.post(again, {"right": "5"})
    assert Company.objects.count() == 11


def test_the_same_file_imported_twice_makes_nothing_twice(
    client: Client, customer: Customer
) -> None:
    content = as_csv([HEAD, *mixed(3, 0)])
    address = send(client, customer, content)["Location"]  # type: ignore[index]
    for _time in range(2):
        client.post(address, {"right": "3"})
    assert Company.objects.count() == 4
    other = send(client, customer, content)["Location"]  # type: ignore[index]
    assert client.get(other).content.decode().count("allerede et selskap") == 3


def test_what_has_changed_since_the_check_is_not_imported_unseen(
    client: Client, customer: Customer, boss: User
) -> None:
    rows = mixed(3, 0)
    address = send(client, customer, as_csv([HEAD, *rows]))["Location"]  # type: ignore[index]
    Company.objects.create(customer=customer, name="Kom først AS", organisation_number=rows[0][1])
    client.post(address, {"right": "3"})
    assert Company.objects.count() == 2
    client.post(address, {"right": "2"})
    assert Company.objects.count() == 4


def test_another_persons_import_is_not_found(client: Client, customer: Customer) -> None:
    address = send(client, customer, as_csv([HEAD, *mixed(3, 0)]))["Location"]  # type: ignore[index]
    other = kit.person("other", Company.objects.get(), Role.APPROVER)
    kit.give_at(other, customer, Role.CUSTOMER_ADMINISTRATOR)
    assert kit.signed_in(other).get(address).status_code == 404


def test_many_companies_cost_few_queries(
    boss: User, customer: Customer, django_assert_max_num_queries: object
) -> None:
    by = changes.By(boss, "Boss", None, kit.timezone.now())
    rows = importing.read(io.BytesIO(as_csv([HEAD, *mixed(200, 0)]))).rows
    with tenancy.acting_for((), customers=[customer]):
        with django_assert_max_num_queries(12):  # type: ignore[operator]
            right = [row.values for row in importing.check(rows, customer=customer)]
            companies.create_many(customer=customer, rows=right, by=by)


def test_the_empty_list_can_be_filled_and_read(client: Client, customer: Customer) -> None:
    answer = client.get(f"/customers/{customer.public_id}/companies/import/empty/")
    with pytest.raises(importing.Unreadable, match=r"ikke noe selskap|no company"):
        importing.read(io.BytesIO(answer.content))


def test_columns_that_are_not_ours_are_told_and_what_will_be_made_is_shown(
    client: Client, customer: Customer
) -> None:
    rows = mixed(3, 0)
    content = as_csv(
        [["Navn", "Orgnr", "Adr.", "Kontakt"], *[[r[0], r[1], "Gate 1", "Kari"] for r in rows]]
    )
    address = send(client, customer, content)["Location"]  # type: ignore[index]
    page = client.get(address).content.decode()
    assert "Adr., Kontakt" in page
    for row in rows:
        assert row[0] in page
