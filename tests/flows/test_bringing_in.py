"""Files brought in by hand from the net bank, and files read again after what stopped them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from banking import channel, filestore, inbox
from banking.models import BankFile
from payments import outcomes
from payments.models import Payment
from portal.access import tenancy
from portal.access.roles import Role
from portal.events.models import Event
from tests import kit
from tests.flows import test_main_job as job
from tests.flows.test_booked import accepted, advice, each
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Stage

TELEPAY = (
    b"AH200TBII00000000000000000000000000000000000000000000000000000000000000000000000\nBETFOR00"
)


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank, balance="5000.00")
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


def at_the_bank(made: Stage, bank: Bank) -> list[tuple[str, bytes]]:
    """What the bank has laid out, as somebody would download it in the net bank."""
    bank.work()
    found = []
    with channel.connect(made.channel) as session:
        for folder in made.channel.download_folders:
            for name, _size in session.listing(folder):
                with filestore.spool() as content:
                    session.fetch(folder, name, content)
                    content.seek(0)
                    found.append((name, content.read()))
    return found


def bring_in(client: Client, made: Stage, name: str, content: bytes, **words: Any) -> Any:
    client.cookies["kvitt_language"] = "en"
    values = {"channel": words.get("channel", made.channel.pk)}
    address = f"/c/{made.company.public_id}/files/bring-in/"
    sent = values | {"file": SimpleUploadedFile(name, content)}
    return client.post(address, sent, follow=True)


def files(made: Stage) -> list[BankFile]:
    with made.scope():
        return list(BankFile.objects.filter(direction="in").order_by("id"))


def test_a_file_brought_in_is_carried_out_as_one_that_was_fetched(made: Stage, bank: Bank) -> None:
    approved(made, "H")
    job.send(made)
    client = kit.signed_in(made.users["kari"])
    laid_out = at_the_bank(made, bank)
    assert laid_out
    for name, content in laid_out:
        page = bring_in(client, made, name, content).content.decode()
        assert "The file is kept" in page
        assert "kari" in page
    assert outcomes.take_answers() == len(laid_out)
    assert set(job.statuses(made).values()) == {"accepted"}
    assert {file.status for file in files(made)} == {"read"}
    assert {file.imported_by_id for file in files(made)} == {made.users["kari"].pk}
    # Then the bank's own copies are fetched: they are here already, and nothing moves.
    job.fetch(made)
    assert len(files(made)) == len(laid_out)
    again = bring_in(client, made, "another-name.xml", laid_out[0][1]).content.decode()
    assert "here already" in again
    assert len(files(made)) == len(laid_out)


def test_what_a_file_brought_in_has_done_is_told_with_who_brought_it(
    made: Stage, bank: Bank
) -> None:
    """Whoever brings a file in may have written it: the events name them beside the bank."""
    accepted(made, bank, "H")
    client = kit.signed_in(made.users["kari"])
    bring_in(client, made, "min.xml", advice(made, *each(made, "H")))
    outcomes.take_answers()
    assert set(job.statuses(made).values()) == {"settled"}
    with made.scope():
        (event, *_more) = Event.objects.filter(event="settled")
        payment = Payment.objects.get(number="H")
    kari = made.users["kari"]
    assert (event.actor_kind, event.actor_id) == ("bank", kari.pk)
    assert event.detail == {"file": "min.xml", "brought_in_by": str(kari)}
    anne = kit.signed_in(made.users["anne"])
    anne.cookies["kvitt_language"] = "en"
    page = anne.get(f"/c/{made.company.public_id}/outgoing/{payment.pk}/").content.decode()
    assert f"brought in by hand by {kari}" in page


def test_a_file_of_another_company_is_set_aside_and_does_nothing(made: Stage, bank: Bank) -> None:
    other = kit.stage(bank, place=2, balance="5000.00")
    other.users["olga"] = kit.person("olga", other.company, Role.AUTOPAY_ADMINISTRATOR)
    approved(made, "T")
    job.send(made)
    (name, content), *_more = at_the_bank(made, bank)
    client = kit.signed_in(other.users["olga"])
    assert "The file is kept" in bring_in(client, other, name, content).content.decode()
    assert outcomes.take_answers() == 0
    (file,) = files(other)
    assert file.status == "set_aside"
    assert file.error is not None
    assert file.error["code"] == "another-company"
    assert set(job.statuses(made).values()) == {"sent"}
    assert files(made) == []
    # The bank's own copy is still fetched for whom it is meant.
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}


def test_a_telepay_file_is_told_to_be_a_withdrawn_format(made: Stage) -> None:
    client = kit.signed_in(made.users["kari"])
    bring_in(client, made, "gammel.txt", TELEPAY)
    outcomes.take_answers()
    (file,) = files(made)
    assert (file.status, file.error and file.error["code"]) == ("set_aside", "withdrawn")
    page = client.get(f"/c/{made.company.public_id}/files/{file.pk}/").content.decode()
    assert "Telepay" in page
    assert "Read it again" in page


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04\x14\x00\x00\x00", "it is an archive (ZIP), which must be unpacked first"),
        (b"dato;belop\n1;2\n", "begins with «dato;belop», and not with «&lt;»"),
        (
            b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.02">'
            b"<CstmrDrctDbtInitn/></Document>",
            "pain.008.001.02), CstmrDrctDbtInitn, which is no bank message",
        ),
    ],
)
def test_what_is_no_bank_file_is_told_for_what_it_is(
    content: bytes, told: str, made: Stage
) -> None:
    client = kit.signed_in(made.users["kari"])
    bring_in(client, made, "noe.xml", content)
    outcomes.take_answers()
    (file,) = files(made)
    assert (file.status, file.error and file.error["code"]) == ("set_aside", "unknown-kind")
    page = client.get(f"/c/{made.company.public_id}/files/{file.pk}/").content.decode()
    assert "This is not a kind of file that Kvitt reads." in page
    assert told in page
    assert "line 1" in page
    assert "Read it again" not in page


def test_a_file_to_the_bank_is_told_to_be_one(made: Stage, bank: Bank) -> None:
    approved(made, "H")
    (file_id,) = job.send(made)
    with made.scope(), filestore.open_content(BankFile.objects.get(pk=file_id)) as content:
        sent = content.read()
    client = kit.signed_in(made.users["kari"])
    bring_in(client, made, "ut.xml", sent)
    outcomes.take_answers()
    (file,) = files(made)
    assert (file.status, file.error and file.error["code"]) == ("set_aside", "outgoing")
    page = client.get(f"/c/{made.company.public_id}/files/{file.pk}/").content.decode()
    assert "This is a file to the bank, and not one from it." in page
    # Who brought it in sits and looks at it.
    assert kit.letters(kind="banking.set_aside") == []


def test_the_place_of_a_fault_is_told_in_the_language_of_the_page(made: Stage) -> None:
    client = kit.signed_in(made.users["kari"])
    bring_in(client, made, "halv.xml", b"<Document>\n<CstmrPmtStsRpt>\n<GrpHdr>")
    outcomes.take_answers()
    (file,) = files(made)
    client.cookies["kvitt_language"] = "nb"
    page = client.get(f"/c/{made.company.public_id}/files/{file.pk}/").content.decode()
    assert "Sted: linje 3" in " ".join(page.split())
    assert "line 3" not in page.split("<summary")[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "The file is empty."), (None, "Choose a file first.")],
)
def test_no_file_or_an_empty_one_is_refused(made: Stage, content: bytes | None, said: str) -> None:
    client = kit.signed_in(made.users["kari"])
    client.cookies["kvitt_language"] = "en"
    address = f"/c/{made.company.public_id}/files/bring-in/"
    values: dict[str, Any] = {"channel": made.channel.pk}
    if content is not None:
        values["file"] = SimpleUploadedFile("a.xml", content)
    answer = client.post(address, values)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert files(made) == []


def test_a_bank_that_the_company_has_no_agreement_with_cannot_be_chosen(made: Stage) -> None:
    elsewhere = kit.channel_of_bank("dnb", "DNB")
    client = kit.signed_in(made.users["kari"])
    answer = bring_in(client, made, "a.xml", b"<Document/>", channel=elsewhere.pk)
    assert answer.status_code == 422
    assert files(made) == []


def set_aside_before_it_was_known(made: Stage, bank: Bank) -> int:
    """The bank's answer came in with our own file's MsgId unknown; mended afterwards."""
    approved(made, "R")
    (sent,) = job.send(made)
    bank.work()
    with made.scope():
        message_id = BankFile.objects.get(pk=sent).message_id
        BankFile.objects.filter(pk=sent).update(message_id="LOST")
    job.fetch(made)
    with made.scope():
        BankFile.objects.filter(pk=sent).update(message_id=message_id)
    with tenancy.acting_for((), unclaimed=True):
        file = BankFile.objects.filter(direction="in", status="set_aside").earliest("id")
        assert file.error["code"] == "unknown-message"
    return file.pk


def test_an_operator_reads_a_file_again_that_belongs_to_nobody_yet(
    made: Stage, bank: Bank, capsys: Any
) -> None:
    pk = set_aside_before_it_was_known(made, bank)
    call_command("bankfile", "aside")
    told = capsys.readouterr().out
    assert f"{pk}  " in told
    assert "unknown-message" in told
    with tenancy.acting_for((), unclaimed=True):
        rows = BankFile.objects.filter(status="set_aside").values_list("pk", flat=True)
        ids = [str(one) for one in rows.order_by("pk")]
    call_command("bankfile", "again", *ids)
    assert outcomes.take_answers() == len(ids)
    assert set(job.statuses(made).values()) == {"accepted"}
    call_command("bankfile", "aside")
    assert "No file lies aside." in capsys.readouterr().out


def test_a_person_reads_a_file_again_once(made: Stage) -> None:
    client = kit.signed_in(made.users["kari"])
    client.cookies["kvitt_language"] = "en"
    bring_in(client, made, "gammel.txt", TELEPAY)
    outcomes.take_answers()
    (file,) = files(made)
    address = f"/c/{made.company.public_id}/files/{file.pk}/again/"
    assert "read again within a minute" in client.post(address, follow=True).content.decode()
    assert files(made)[0].status == "fetched"
    assert "does not lie aside any more" in client.post(address, follow=True).content.decode()
    outcomes.take_answers()
    assert files(made)[0].status == "set_aside"
    with made.scope():
        assert inbox.waiting() == []


def test_the_log_of_a_year_is_downloaded(made: Stage, bank: Bank) -> None:
    approved(made, "Y")
    job.send(made)
    bank.work()
    job.fetch(made)
    client = kit.signed_in(made.users["kari"])
    page = client.get(f"/c/{made.company.public_id}/files/").content.decode()
    year = kit.soon().year if f"made_from={kit.soon().year}" in page else kit.soon().year - 1
    assert f"made_from={year}-01-01&amp;made_to={year}-12-31" in page
    log = client.post(
        f"/c/{made.company.public_id}/lists/bank_files/export/",
        {"query": f"made_from={year}-01-01&made_to={year}-12-31", "format": "csv"},
    )
    text = b"".join(log.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    for file in files(made):
        assert file.name in text
        assert bytes(file.sha256).hex() in text
        assert f"{file.size}" in text
    assert {"Størrelse i byte", "Feil", "Hentet inn av"} <= set(text.splitlines()[0].split(";"))


def elsewhere(made: Stage, bank: Bank) -> Stage:
    """Another company at the same bank, once ours has sent something."""
    other = kit.stage(bank, place=2, balance="10.00")
    other.users["eva"] = kit.person("eva", other.company, Role.AUTOPAY_ADMINISTRATOR)
    approved(made, "H")
    job.send(made)
    return other


def test_a_file_brought_into_the_wrong_company_stands_in_nobodys_way(
    made: Stage, bank: Bank
) -> None:
    """Neither in the right company's, nor in that of the bank's own copy."""
    other = elsewhere(made, bank)
    laid_out = at_the_bank(made, bank)
    name, content = laid_out[0]
    wrong = kit.signed_in(other.users["eva"])
    bring_in(wrong, other, name, content, channel=other.channel.pk)
    outcomes.take_answers()
    (astray,) = files(other)
    assert (astray.status, astray.error and astray.error["code"]) == (
        "set_aside",
        "another-company",
    )
    right = kit.signed_in(made.users["kari"])
    assert "The file is kept" in bring_in(right, made, name, content).content.decode()
    outcomes.take_answers()
    assert files(made)[0].status == "read"
    assert len(files(made)) == 1


def test_the_banks_own_copy_of_a_file_that_went_astray_is_fetched_and_carried_out(
    made: Stage, bank: Bank
) -> None:
    other = elsewhere(made, bank)
    for name, content in at_the_bank(made, bank):
        client = kit.signed_in(other.users["eva"])
        bring_in(client, other, name, content, channel=other.channel.pk)
    outcomes.take_answers()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}
    assert {file.status for file in files(made)} == {"read"}
