"""Bank files on pages: the list by key, one of them, and its exact bytes; salary kept apart."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from banking import filestore
from banking.models import BankFile, BankFilePart
from portal.access.roles import Role
from tests import kit
from tests.kit import Stage

XML = '<?xml version="1.0"?>\r\n<Document>æøå &amp; <b/>\n\n</Document>\n\x00\xff'.encode("latin-1")


def keep(made: Stage, name: str, content: bytes = XML, **changes: Any) -> BankFile:
    """A file of the company's, stored as the outbox stores it."""
    values = {
        "company": made.company,
        "channel": made.channel,
        "agreement": made.agreement,
        "direction": "out",
        "kind": "pain.001.001.09",
        "name": name,
        "message_id": name,
        "sha256": hashlib.sha256(content).digest(),
        "size": len(content),
        "status": "stored",
        "created_at": timezone.now(),
    } | changes
    file: BankFile = BankFile.objects.create(**values)
    filestore.write_parts(file, io.BytesIO(content))
    return file


@pytest.fixture
def made(db: None) -> Any:
    stage = kit.stage()
    with stage.scope():
        yield stage


@pytest.fixture
def erp(made: Stage) -> Client:
    client = kit.signed_in(made.users["erp"])
    client.cookies["kvitt_language"] = "en"
    return client


def base(made: Stage) -> str:
    return f"/c/{made.company.public_id}/files/"


def bytes_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_a_download_is_the_exact_bytes(made: Stage, erp: Client, settings: Any) -> None:
    settings.BANK_FILE_PART_BYTES = 7
    file = keep(made, "KVITT1.xml")
    assert BankFilePart.objects.filter(file=file).count() > 5
    answer = erp.get(f"{base(made)}{file.pk}/download/")
    assert answer.status_code == 200
    assert bytes_of(answer) == XML
    assert answer["Content-Type"] == "application/xml"
    assert answer["Content-Disposition"] == 'attachment; filename="KVITT1.xml"'
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_an_empty_and_a_large_file_come_whole(made: Stage, erp: Client, settings: Any) -> None:
    settings.SPOOL_MEMORY_BYTES = 1000
    for name, content in (("empty.xml", b""), ("large.xml", b"<a>" + bytes(range(256)) * 9000)):
        file = keep(made, name, content)
        assert bytes_of(erp.get(f"{base(made)}{file.pk}/download/")) == content
        assert erp.get(f"{base(made)}{file.pk}/").status_code == 200


def test_a_name_from_the_bank_cannot_forge_a_header(made: Stage, erp: Client) -> None:
    file = keep(made, 'a"b; filename=x.exe\r\nSet-Cookie: a=b', direction="in")
    answer = erp.get(f"{base(made)}{file.pk}/download/")
    assert answer.status_code == 200
    assert "\n" not in answer["Content-Disposition"]
    assert "Set-Cookie" not in answer


def test_one_file_is_shown_with_its_facts_and_content_escaped(made: Stage, erp: Client) -> None:
    file = keep(made, "KVITT2.xml", transactions=4312, totals={"NOK": "84300.00"})
    answers = keep(made, "answer.xml", direction="in", status="read", answers_to=file)
    page = erp.get(f"{base(made)}{file.pk}/").content.decode()
    assert hashlib.sha256(XML).hexdigest() in page
    assert "4\u00a0312" in page
    assert "84\u00a0300,00" in page
    assert "&lt;Document&gt;" in page
    assert "<Document>" not in page
    assert f"{base(made)}{answers.pk}/" in page
    back = erp.get(f"{base(made)}{answers.pk}/").content.decode()
    assert f"{base(made)}{file.pk}/" in back


def test_only_the_beginning_of_a_large_file_is_shown(made: Stage, erp: Client) -> None:
    file = keep(made, "long.xml", b"x" * 30_000)
    page = erp.get(f"{base(made)}{file.pk}/").content.decode()
    assert "Only the beginning is shown" in page
    assert page.count("x" * 20_000) == 1
    assert "x" * 20_001 not in page


def test_a_file_whose_bytes_were_altered_is_told_and_not_handed_out(
    made: Stage, erp: Client
) -> None:
    file = keep(made, "KVITT3.xml")
    BankFile.objects.filter(pk=file.pk).update(sha256=b"\0" * 32)
    for address in (f"{base(made)}{file.pk}/", f"{base(made)}{file.pk}/download/"):
        page = erp.get(address, follow=True).content.decode()
        assert "The stored bytes are not those that came." in page
        assert "Document" not in page


def test_files_are_listed_latest_first_and_page_by_key(made: Stage, erp: Client) -> None:
    for number in range(120):
        keep(made, f"F{number:03d}", b"")
    names: list[str] = []
    address = base(made)
    pages = 0
    while address:
        page = erp.get(address).content.decode()
        names += [part[:4] for part in page.split('/">')[1:] if part.startswith("F")]
        following = page.split('rel="next" href="', 1)
        address = base(made) + following[1].split('"', 1)[0] if len(following) > 1 else ""
        pages += 1
    assert pages == 3
    assert names == [f"F{number:03d}" for number in reversed(range(120))]


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 30, "²"])
def test_an_odd_key_of_a_page_does_no_harm(before: str, made: Stage, erp: Client) -> None:
    keep(made, "F1")
    assert erp.get(base(made), {"before": before}).status_code == 200


def test_as_many_queries_for_fifty_files_as_for_five(made: Stage, erp: Client) -> None:
    counts = []
    for size in (5, 45):
        for number in range(size):
            keep(made, f"G{size}-{number}", b"")
        with CaptureQueriesContext(connection) as captured:
            erp.get(base(made))
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_salary_files_are_not_found_without_the_salary_axis(made: Stage, erp: Client) -> None:
    salary = keep(made, "SALARY.xml", b"<Nm>Hemmelig Ansatt</Nm>", salary=True)
    assert "SALARY" not in erp.get(base(made)).content.decode()
    for page in ("", "download/"):
        assert erp.get(f"{base(made)}{salary.pk}/{page}").status_code == 404
    both = kit.person("both", made.company, Role.UPLOADER, Role.PAYROLL_APPROVER)
    client = kit.signed_in(both)
    assert "SALARY" in client.get(base(made)).content.decode()
    for page in ("", "download/"):
        assert client.get(f"{base(made)}{salary.pk}/{page}").status_code == 200
    payroll = kit.signed_in(kit.person("pay", made.company, Role.PAYROLL_APPROVER))
    assert payroll.get(base(made)).status_code == 403


def test_another_companys_files_and_unclaimed_ones_are_not_found(made: Stage, erp: Client) -> None:
    theirs = kit.stage(place=2)
    with theirs.scope():
        other = keep(theirs, "OTHER")
    from portal.access import tenancy

    with tenancy.acting_for((), unclaimed=True):
        nobodys = keep(made, "NOBODY", company=None, agreement=None, direction="in")
    page = erp.get(base(made)).content.decode()
    assert "OTHER" not in page
    assert "NOBODY" not in page
    for file in (other, nobodys):
        for way in ("", "download/"):
            assert erp.get(f"{base(made)}{file.pk}/{way}").status_code == 404


def test_a_company_without_files_is_told_where_they_come_from(made: Stage, erp: Client) -> None:
    assert "No files yet" in erp.get(base(made)).content.decode()
    keep(made, "ONE", agreement=None, direction="in")
    assert "There is no more" in erp.get(base(made), {"after": "1,1"}).content.decode()
