"""The order form of an agreement: what stands on the paper that the bank signs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import subprocess
import sys
import time
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from banking import orderform, orderwords
from banking.channel import public_key
from banking.models import Authority, BankAgreement, BankChannel
from banking.orderform import Choice, Fact, Form, Party, Section, Table
from portal.access.roles import Role
from tests import kit
from tests.kit import Stage

TODAY = dt.date(2026, 11, 22)
CODE = '#panic("x") $ * _ [ ] \\ "'


@pytest.fixture
def made(db: None) -> Stage:
    return kit.stage()


@pytest.fixture
def anne(made: Stage) -> Client:
    return kit.signed_in(made.users["anne"])


def address(made: Stage, agreement: BankAgreement | None = None) -> str:
    row = agreement or made.agreement
    return f"/c/{made.company.public_id}/agreements/{row.pk}/order-form/"


def download(made: Stage, client: Client, language: str = "en", **which: Any) -> bytes:
    client.cookies["kvitt_language"] = language
    answer = client.get(address(made, **which))
    assert answer.status_code == 200
    return bytes(answer.content)


def pages(content: bytes) -> list[str]:
    """The text of each page, its spaces and line ends as single spaces."""
    return [
        " ".join(page.extract_text().replace("\xa0", " ").split())
        for page in PdfReader(io.BytesIO(content)).pages
    ]


def text(content: bytes) -> str:
    return " ".join(pages(content))


def whole(made: Stage) -> BankAgreement:
    rows = BankAgreement.objects.select_related("account", "channel", "company")
    return rows.get(pk=made.agreement.pk)


def change(made: Stage, row: Any, **fields: Any) -> None:
    with made.scope():
        type(row).objects.filter(pk=row.pk).update(**fields)


def short(**fields: Any) -> Form:
    """A form of one section, for what no agreement is needed for."""
    form = Form(
        language="en",
        title="Order form",
        subtitle="Company · Bank",
        made=TODAY,
        marks=(("Reference", "KVITT-A1"),),
        introduction="Company asks Bank.",
        asked="The bank is asked to",
        tasks=("sign",),
        sections=(
            Section("The account", facts=(Fact("Name", "Drift"), Fact("BIC", hint="bank"))),
            Section("Services", choices=(Choice("Out", True), Choice("In", False))),
            Section("People", table=Table(("Name", "Id", "Holds"), (("A", "1"),), ("Yes", "No"))),
        ),
        signing="Signatures",
        signing_note="Signed.",
        parties=(Party("For the company", "Company", (("Place", "Date"), ("Signature",))),),
        footer="KVITT-A1",
        page="Page {page} of {pages}",
    )
    return dataclasses.replace(form, **fields)


# --- what stands on it ---------------------------------------------------------------------------


def test_it_tells_the_bank_who_what_and_where(made: Stage, anne: Client) -> None:
    change(made, made.company, address="Storgata 1")
    change(made, made.agreement.account, tax_withholding=True)
    change(made, made.agreement, statements=True, cut_over_date=dt.date(2027, 1, 31))
    told = text(download(made, anne))
    number = made.agreement.account.number
    for part in (
        "Order form for a bank agreement",
        f"Reference KVITT-A{made.agreement.pk}",
        "Company Prøve 1 AS",
        f"Organisation number {' '.join(made.company.organisation_number[i : i + 3] for i in (0, 3, 6))}",
        "Address Storgata 1, 0155 OSLO",
        "Bank Prøvebanken",
        f"Account number {number[:4]} {number[4:6]} {number[6:]}",
        "IBAN " + " ".join(made.agreement.account.iban[i : i + 4] for i in range(0, 15, 4)),
        "BIC DNBANOKK",
        "Name of the account Drift",
        "Currency NOK",
        "Tax-withholding account Yes: only tax is paid from it",
        "Customer number in bank CUST1",
        "Agreement id from the bank AGR1",
        "☒ Payments out (remittance)",
        "☐ Incoming payments (OCR giro or camt.054)",
        "☒ Account statements (camt.053)",
        "Format ISO 20022",
        "Version pain.001.001.09",
        "Two people approve; at least one of them must hold authority at the bank.",
        "Approvers in the portal Two approvers",
        "Approvers at the bank One approver",
        "Approval in the net bank afterwards No: what is approved in Kvitt is paid",
        "2 people are registered in Kvitt with authority.",
        "1 Anne ANNE-1 ☐ Yes ☐ No",
        "2 Bjorn BJORN-1 ☐ Yes ☐ No",
        "The bank's server 127.0.0.1",
        "User name kvitt",
        "Last day of this agreement 31.01.2027",
        "For the company: whoever may sign for it Prøve 1 AS",
        "For the bank Prøvebanken Place Date",
        "Page 1 of 2",
        "Page 2 of 2",
    ):
        assert part in told, (part, told)


def test_it_speaks_norwegian_to_who_reads_norwegian(made: Stage, anne: Client) -> None:
    content = download(made, anne, "nb")
    told = text(content)
    for part in (
        "Bestillingsskjema for bankavtale",
        "Kundenummer i bank CUST1",
        "☒ Utbetalinger",
        "To personer godkjenner",
        "2 personer er registrert med fullmakt i Kvitt.",
        "☐ Ja ☐ Nei",
        "Nei: det som er godkjent i Kvitt, blir betalt",
        "Side 1 av 2",
    ):
        assert part in told, (part, told)
    assert PdfReader(io.BytesIO(content)).root_object["/Lang"] == "nb"


def test_the_key_that_the_bank_registers_is_the_public_half_of_the_channels(
    made: Stage, anne: Client, tmp_path: Any
) -> None:
    told = text(download(made, anne))
    key = public_key(made.channel)
    assert key is not None
    assert key.line in told
    assert key.fingerprint in told
    assert "PRIVATE" not in told
    secret = "".join(str(made.channel.private_key).split("\n")[1:-2])
    assert all(part not in told for part in (secret[-60:-20], secret[:60]))


def test_a_channel_without_a_key_leaves_lines_for_it(made: Stage, anne: Client) -> None:
    BankChannel.objects.filter(pk=made.channel.pk).update(private_key="")
    told = text(download(made, anne))
    assert "The key's fingerprint The public key" in told
    assert "ssh-ed25519" not in told


def test_what_is_not_known_is_a_line_for_the_bank_to_fill_in(made: Stage, anne: Client) -> None:
    change(made, made.agreement, customer_number="", agreement_id="")
    change(made, made.agreement.account, bic="")
    told = text(download(made, anne))
    assert (
        "Customer number in bank · the bank fills in"
        " Agreement id from the bank · the bank fills in" in told
    )
    assert "BIC Name of the account" in told


def test_only_what_this_bank_asks_for_stands_on_it(made: Stage, anne: Client) -> None:
    nordea = kit.channel_of_bank("nordea", "Nordea")
    change(made, made.agreement, channel=nordea, signer_id="S-77", agreement_id="")
    told = text(download(made, anne))
    assert "Signer id S-77" in told
    assert "Agreement id from the bank · the bank fills in" in told
    assert "Customer number" not in told
    assert "Division" not in told


def test_who_is_told_by_mail_is_no_business_of_the_banks(made: Stage, anne: Client) -> None:
    change(made, made.agreement, reject_mails=["avvist@example.org"], approve_mails=["ok@x.no"])
    told = text(download(made, anne))
    assert "avvist" not in told
    assert "@" not in told


def test_only_those_with_authority_are_named(made: Stage, anne: Client) -> None:
    with made.scope():
        Authority.objects.filter(user=made.users["bjorn"]).update(holds_authority=False)
    told = text(download(made, anne))
    assert "1 person is registered in Kvitt with authority." in told
    assert "BJORN" not in told


def test_where_nobody_is_registered_the_bank_has_room_to_write(made: Stage, anne: Client) -> None:
    with made.scope():
        Authority.objects.all().delete()
    told = text(download(made, anne))
    assert "Nobody is registered in Kvitt yet." in told
    assert "Holds authority 1 ☐ Yes ☐ No 2 ☐ Yes ☐ No 7 The SFTP" in told


def test_the_old_format_has_no_version(made: Stage, anne: Client) -> None:
    change(made, made.agreement, file_format="nets")
    told = text(download(made, anne))
    assert "Format Direkte remittering (the old format)" in told
    assert "pain.001" not in told


def test_approval_in_the_net_bank_is_told(made: Stage, anne: Client) -> None:
    change(made, made.agreement, bank_approval="net_bank")
    assert "afterwards Yes: payments are approved once more" in text(download(made, anne))


def test_a_draft_names_the_older_agreement_that_it_takes_over_from(
    made: Stage, anne: Client
) -> None:
    change(made, made.agreement, description="Gammel", cut_over_date=dt.date(2026, 12, 31))
    with made.scope():
        draft = BankAgreement.objects.create(
            company=made.company, channel=made.channel, account=made.agreement.account
        )
    told = text(download(made, anne, agreement=draft))
    assert f"Takes over from an older agreement KVITT-A{made.agreement.pk} Gammel" in told
    assert "Last day of the older agreement 31.12.2026" in told
    assert "Last day of this agreement None is set" in told
    assert "Status in Kvitt Draft" in told


# --- paper ---------------------------------------------------------------------------------------


def people(made: Stage, count: int) -> None:
    with made.scope():
        for number in range(count):
            Authority.objects.create(
                company=made.company,
                account=made.agreement.account,
                user=kit.person(f"person{number:02d}", made.company, Role.APPROVER),
                bank_identity=f"ID-{number:02d}",
                holds_authority=True,
            )


def test_forty_people_go_on_over_pages_under_the_same_headings(made: Stage, anne: Client) -> None:
    people(made, 38)
    found = pages(download(made, anne))
    assert len(found) >= 3
    holders = [page for page in found if "ID-" in page]
    assert len(holders) >= 2
    assert all("Identity at the bank" in page for page in holders)
    joined = " ".join(found)
    assert all(joined.count(f"ID-{number:02d}") == 1 for number in range(38))
    for place, page in enumerate(found, start=1):
        assert f"KVITT-A{made.agreement.pk}" in page
        assert f"Page {place} of {len(found)}" in page
    # Nobody signs a page without the two names on it.
    assert sum("Signature" in page for page in found) == 1


def test_as_many_queries_for_twenty_people_as_for_two(made: Stage, anne: Client) -> None:
    counts = []
    for more in (0, 18):
        people(made, more)
        with CaptureQueriesContext(connection) as asked:
            download(made, anne)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_text_is_never_code(made: Stage, anne: Client) -> None:
    change(made, made.company, name=CODE, address=CODE, city=CODE)
    change(made, made.agreement.account, name=CODE, bic="#[$x$")
    change(made, made.agreement, description=CODE, customer_number=CODE, agreement_id="= A\n- B")
    with made.scope():
        Authority.objects.filter(user=made.users["anne"]).update(bank_identity=CODE)
    made.users["anne"].name = CODE
    made.users["anne"].save(update_fields=["name"])
    told = text(download(made, anne))
    assert told.count(CODE) >= 8
    assert f"Company {CODE}" in told
    assert "BIC #[$x$" in told


@pytest.mark.parametrize(
    "odd",
    [
        CODE,
        "",
        "\x00\x07\x1b[0m",
        "\ud800 alone",
        "\ufffe\U0010ffff",
        "日本 العربية 😀",
        "a\u202egnp.exe",
        "e\u0301" * 50,
        "W" * 400,
        "linje\nskift\r\n\ttab",
        "{{ x }} {page} %s <b>&amp;",
        "//example.org/* @preview/x:1.0.0",
    ],
)
def test_any_text_makes_a_form(odd: str) -> None:
    section = Section(
        odd,
        note=odd,
        choices=(Choice(odd, True),),
        facts=(Fact(odd, odd, hint=odd), Fact(odd, odd, code=True, span=12)),
        table=Table((odd, odd, odd), ((odd, odd),), (odd,)),
    )
    content = orderform.pdf(
        short(
            title=odd,
            subtitle=odd,
            marks=((odd, odd),),
            introduction=odd,
            tasks=(odd,),
            sections=(section,),
            parties=(Party(odd, odd, ((odd, odd), (odd,))),),
            footer=odd,
            page=odd,
        )
    )
    assert len(PdfReader(io.BytesIO(content)).pages) >= 1


@given(st.text(st.characters(exclude_categories=()), max_size=40))
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_makes_a_form(odd: str) -> None:
    assert orderform.pdf(short(subtitle=odd, introduction=odd, footer=odd)).startswith(b"%PDF-")


def test_a_mark_that_turns_the_text_around_is_not_printed() -> None:
    told = text(orderform.pdf(short(introduction="Pay \u202e0001\u202c kr")))
    assert "Pay 0001 kr" in told


def test_a_word_without_an_end_stays_inside_its_field() -> None:
    """A quarter of the page holds a dozen of the widest letters, so there are as many lines."""
    heights: set[int] = set()

    def look(part: str, moved: Any, set_at: Any, *_font: Any) -> None:
        if "W" in part:
            heights.add(round(set_at[5] + moved[5]))

    section = Section("The account", facts=(Fact("Name", "W" * 120 + " AS", span=3),))
    page = PdfReader(io.BytesIO(orderform.pdf(short(sections=(section,))))).pages[0]
    told = page.extract_text(visitor_text=look)
    assert "W" * 120 in "".join(told.replace("\u200b", "").split())
    assert len(heights) >= 10


def test_the_same_agreement_gives_the_same_bytes_on_the_same_day(made: Stage) -> None:
    with made.scope(), translation.override("nb"):
        row = whole(made)
        first, second = (orderform.pdf(orderwords.of(row, today=TODAY)) for _ in range(2))
        other_day = orderform.pdf(orderwords.of(row, today=TODAY + dt.timedelta(days=1)))
    assert first == second
    assert first != other_day
    about: Any = PdfReader(io.BytesIO(first)).metadata
    assert about.creation_date.date() == TODAY


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import django, hashlib; django.setup(); from tests.banking import test_orderform as it;"
        "print(hashlib.sha256(it.orderform.pdf(it.short())).hexdigest())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=kit.ROOT, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == hashlib.sha256(orderform.pdf(short())).hexdigest()


def test_it_is_kept_for_years_and_can_be_read_aloud() -> None:
    content = orderform.pdf(short())
    reader = PdfReader(io.BytesIO(content))
    assert b"pdfaid:part" in content or "pdfaid" in str(reader.xmp_metadata.stream.get_data())
    assert reader.root_object["/MarkInfo"]["/Marked"]
    fonts = {
        str(font["/BaseFont"]).partition("+")[2]
        for page in reader.pages
        for font in (one.get_object() for one in page["/Resources"]["/Font"].values())
    }
    assert fonts == {"Inter-Regular", "Inter-SemiBold", "DejaVuSansMono"}
    assert {round(float(side)) for side in reader.pages[0].mediabox[2:]} == {595, 842}


def test_without_our_own_font_it_is_set_in_typsts(monkeypatch: pytest.MonkeyPatch) -> None:
    orderform._fonts.cache_clear()
    monkeypatch.setattr(orderform, "FONTS", orderform.FONTS / "gone")
    try:
        assert "The account" in text(orderform.pdf(short()))
    finally:
        orderform._fonts.cache_clear()


def test_how_long_it_takes(made: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    people(made, 38)
    with made.scope():
        row = whole(made)
        began = time.perf_counter()
        content = orderform.pdf(orderwords.of(row, today=TODAY))
        took = time.perf_counter() - began
    with capsys.disabled():
        print(f"\norder form of 40 people: {1000 * took:.0f} ms, {len(content)} bytes")
    assert content.startswith(b"%PDF-")


# --- the download --------------------------------------------------------------------------------


def test_it_is_a_pdf_to_keep_and_nothing_else(made: Stage, anne: Client) -> None:
    answer = anne.get(address(made))
    assert answer["Content-Type"] == "application/pdf"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"
    assert int(answer["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("Fjord AS", "Fjord AS", None),
        ("Ærlig Øst/Å: AS", "Aerlig Ost A AS", "Ærlig Øst Å AS"),
        ('"x"\\..\r\nX: y', "x .. X y", None),
        ("日本", "", "日本"),
        ("A\u202efdp.exe", "A fdp.exe", None),
    ],
)
def test_the_file_is_named_for_the_company_in_ascii_and_in_full(
    made: Stage, anne: Client, name: str, plain: str, full: str | None
) -> None:
    change(made, made.company, name=name)
    anne.cookies["kvitt_language"] = "en"
    told = anne.get(address(made))["Content-Disposition"]
    stem = f"Order form KVITT-A{made.agreement.pk}"
    wanted = f'attachment; filename="{f"{stem} {plain}".strip()}.pdf"'
    if full is not None:
        wanted += f"; filename*=utf-8''{quote(f'{stem} {full}.pdf')}"
    assert told == wanted


def test_another_companys_agreement_is_not_found(made: Stage) -> None:
    other = kit.stage(place=2)
    client = kit.signed_in(other.users["anne"])
    assert client.get(address(made)).status_code == 404
    theirs = f"/c/{other.company.public_id}/agreements/{made.agreement.pk}/order-form/"
    assert client.get(theirs).status_code == 404


@pytest.mark.parametrize(
    ("status", "stands_out"),
    [("draft", True), ("ordered", True), ("active", False), ("deactivated", False)],
)
def test_the_page_offers_it_and_loudest_while_it_is_to_be_signed(
    made: Stage, anne: Client, status: str, stands_out: bool
) -> None:
    with made.scope():
        row = BankAgreement.objects.create(
            company=made.company,
            channel=made.channel,
            account=made.agreement.account,
            status=status if status != "active" else "draft",
        )
    row = made.agreement if status == "active" else row
    page = anne.get(f"/c/{made.company.public_id}/agreements/{row.pk}/").content.decode()
    assert row.reference in page
    assert page.count(address(made, row)) == 1
    assert (f'class="ds-button" href="{address(made, row)}"' in page) is stands_out
