"""Reading pain.001: samples with the values one finds in them by eye, and what is refused."""

import datetime
import io
import re
import tracemalloc
from collections.abc import Callable
from decimal import Decimal

import pytest

from banking.iso20022 import pain001
from banking.iso20022.values import Account, Document, Initiation, Instruction, Party, Transfer
from banking.located import Place, Unreadable

Sample = Callable[[str], io.BytesIO]
Written = Callable[[str], bytes]
Value = Initiation | Instruction | Transfer


def read(source: io.BytesIO | bytes, *, schema: bool = True) -> list[Value]:
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    return list(pain001.read(stream, schema=schema))


def fault_of(data: bytes, *, schema: bool = True) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(data, schema=schema)
    return caught.value


def lines(values: list[Value]) -> list[Transfer]:
    return [value for value in values if isinstance(value, Transfer)]


def test_a_norwegian_domestic_file_with_kid_text_and_credit_note(sample: Sample) -> None:
    head, payment, *rest = read(sample("synthetic/no_pain001_03_domestic_kid.xml"))
    assert isinstance(head, Initiation)
    assert isinstance(payment, Instruction)
    assert (head.message_id, head.version, head.declared_count) == ("FIRMA-20261123-0001", "03", 3)
    assert head.created_at.isoformat() == "2026-11-23T09:15:00+01:00"
    assert head.initiator.identifiers == (("CUST", "00920058817"), ("BANK", "LEVBET"))
    assert payment.number == "FIRMA-20261123-0001-01"
    assert payment.execution_date == datetime.date(2026, 11, 24)
    assert payment.debit_account == Account("BBAN", "86011117947")
    assert (payment.category, payment.service_level, payment.priority) == ("SUPP", "NURG", "NORM")
    assert payment.batch_booking is False
    assert payment.declared_sum == Decimal("16250.50")
    first, second, third = lines(rest)
    assert first.kid == "1234567890128"
    assert first.payee == Party("Strøm og Nett AS", country="NO")
    assert first.place == Place(9, "PmtInf[1]/CdtTrfTxInf[1]")
    assert second.message == ("Faktura 778 kundenr 4411",)
    assert second.kid is None
    assert second.payee.name == "Blomster & Ærlighet ANS"
    assert third.documents == (
        Document("CINV", "55501", Decimal("3500.00"), "NOK"),
        Document("CREN", "55502", Decimal("500.00"), "NOK"),
    )


def test_a_file_with_salary_sepa_and_a_payment_abroad(sample: Sample) -> None:
    values = read(sample("synthetic/no_pain001_09_salary_sepa_crossborder.xml"))
    payments = [value for value in values if isinstance(value, Instruction)]
    assert [one.category for one in payments] == ["SALA", "", ""]
    assert [one.service_level for one in payments] == ["NURG", "SEPA", "NURG"]
    assert [one.batch_booking for one in payments] == [True, None, None]
    assert [one.charge_bearer for one in payments] == ["", "SLEV", "SHAR"]
    abroad = lines(values)[-1]
    assert abroad.payee_bic == "CHASUS33"
    assert abroad.payee_account == Account("OTHER", "123456789")
    assert abroad.payee.address_lines == ("7 Times Square",)
    assert abroad.regulatory == (("14", "Purchase of goods"),)
    assert [one.position for one in lines(values)] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("name", "count", "total"),
    [
        ("de.axz.foreign.pain.001.001.09.xml", 1, "42000.00"),
        ("example_swift_pain001_03.xml", 1, "10"),
        ("lt_international_usd_pain001_03.xml", 1, "111.11"),
        ("se.bankgiro.salary.pain.001.001.09.xml", 2, "59950.00"),
        ("se.bankgiro.supplier.pain.001.001.09.xml", 2, "21440.00"),
        ("seb_pain001_03.xml", 3, "11500000"),
        ("synthetic/no_pain001_03_domestic_kid.xml", 3, "16250.50"),
        ("synthetic/no_pain001_09_salary_sepa_crossborder.xml", 4, "84500.00"),
    ],
)
def test_every_sound_sample_is_read_the_same_with_and_without_its_schema(
    sample: Sample, name: str, count: int, total: str
) -> None:
    values = read(sample(name))
    assert len(lines(values)) == count
    assert sum(one.amount for one in lines(values)) == Decimal(total)
    assert read(sample(name), schema=False) == values


def test_what_is_not_carried_is_named(sample: Sample) -> None:
    values = read(sample("seb_pain001_03.xml"))
    assert [one.unread for one in lines(values)] == [
        (),
        ("InstrForCdtrAgt",),
        ("Cdtr/PstlAdr/Dept",),
    ]
    assert [one.documents[0].number for one in lines(values)] == ["4562", "ABC-13679", "987-AC"]
    assert [one.charge_bearer for one in lines(values)] == ["SHAR", "CRED", "SHAR"]


def test_a_bankgiro_number_keeps_its_scheme(sample: Sample) -> None:
    values = read(sample("se.bankgiro.supplier.pain.001.001.09.xml"))
    assert lines(values)[0].payee_account == Account("OTHER", "50501055", "BGNR")
    assert lines(values)[0].kid == "20260911000000316"


def test_a_sample_with_a_wrong_date_is_refused_at_that_date(sample: Sample) -> None:
    fault = fault_of(sample("gs_pain001_sepa_03.xml").read())
    assert fault.code == "schema"
    assert fault.place == Place(27, "PmtInf[1]/ReqdExctnDt")
    assert fault.params["value"] == "YYYY-MM-DD"
    assert fault_of(sample("gs_pain001_sepa_03.xml").read(), schema=False).code == "value"


@pytest.mark.parametrize("name", ["seb_pain001_03.xml", "example_swift_pain001_03.xml"])
def test_a_file_without_namespace_is_read_where_no_schema_is_asked_for(
    sample: Sample, name: str
) -> None:
    content = sample(name).read()
    bare = re.sub(rb' xmlns="[^"]*"', b"", content)
    assert bare != content
    found = [list(pain001.read(io.BytesIO(one), schema=False)) for one in (content, bare)]
    named, unnamed = ([one for one in some if not isinstance(one, Initiation)] for some in found)
    assert lines(unnamed)
    assert named == unnamed
    assert fault_of(bare).code == "wrong-namespace"


def test_a_national_namespace_is_refused_by_name(sample: Sample) -> None:
    fault = fault_of(sample("six_musterfile_pain001_2020.xml").read())
    assert fault.code == "wrong-namespace"
    assert fault.params["namespace"].endswith("pain.001.001.03.ch.02.xsd")


@pytest.mark.parametrize("version", ["03", "09"])
@pytest.mark.parametrize(
    ("old", "new", "path", "kind"),
    [
        (b"<EndToEndId>L-2</EndToEndId>", b"", "CdtTrfTxInf[2]/PmtId", "missing"),
        (b"<InstrId>2</InstrId>", b"<InstrId/>", "CdtTrfTxInf[2]/PmtId/InstrId", "value"),
        (b"<Nm>Supplier", b"<Name/><Nm>Supplier", "CdtTrfTxInf[3]/Cdtr/Name", "unexpected"),
        (b"3000.00</Inst", b"3 000,00</Inst", "CdtTrfTxInf[2]/Amt/InstdAmt", "value"),
        (b' Ccy="USD"', b"", "CdtTrfTxInf[3]/Amt/InstdAmt", "attribute"),
        (b"<Ustrd>Invoice 2</Ustrd>", b"<Ustrd/>", "CdtTrfTxInf[3]/RmtInf/Ustrd[2]", "value"),
        (b"<PmtMtd>TRF", b"<PmtMtd>XXX", "PmtMtd", "value"),
    ],
)
def test_a_schema_fault_has_line_path_and_kind(
    written: Written, version: str, old: bytes, new: bytes, path: str, kind: str
) -> None:
    data = written(version)
    assert old in data
    broken = data.replace(old, new, 1)
    fault = fault_of(broken)
    assert fault.code == "schema"
    assert fault.place.path == f"PmtInf[1]/{path}"
    assert fault.params["fault"] == kind
    assert fault.place.line == data[: data.index(old)].count(b"\n") + 1


def test_a_fault_far_down_a_file_of_one_line_is_found_exactly(written: Written) -> None:
    data = written("09").replace(b"\n", b"")
    first = data.index(b"<CdtTrfTxInf>")
    one = data[first : data.index(b"</CdtTrfTxInf>") + 14]
    many = data[:first] + one * 3000 + data[first:]
    broken = many.replace(b'NOK">12500.00<', b'NOK">12,50<').replace(
        b'NOK">12,50<', b'NOK">12500.00<', 2000
    )
    fault = fault_of(broken)
    assert fault.place == Place(1, "PmtInf[1]/CdtTrfTxInf[2001]/Amt/InstdAmt")


@pytest.mark.parametrize(
    ("old", "new", "level", "total"),
    [
        (b"<NbOfTxs>3", b"<NbOfTxs>4", "group", "NbOfTxs"),
        (b"<CtrlSum>15600.10", b"<CtrlSum>15600.11", "group", "CtrlSum"),
    ],
)
def test_totals_are_held_against_the_content(
    written: Written, old: bytes, new: bytes, level: str, total: str
) -> None:
    data = written("09")
    fault = fault_of(data.replace(old, new, 1))
    assert fault.code == "totals"
    assert (fault.params["level"], fault.params["total"]) == (level, total)
    assert fault.params["found"] in ("3", "15600.10")
    head, _, tail = data.partition(b"<PmtInf>")
    fault = fault_of(head + b"<PmtInf>" + tail.replace(old, new, 1))
    assert (fault.params["level"], fault.params["number"]) == ("payment", "P-1")
    assert fault.place.path == "PmtInf[1]"


def test_decimals_are_kept_for_the_caller_to_refuse(written: Written) -> None:
    data = written("09").replace(b"12500.00", b"12500.001").replace(b"15600.10", b"15600.101")
    assert lines(read(data))[0].amount.as_tuple().exponent == -3


def test_a_time_without_offset_is_norwegian(written: Written) -> None:
    data = written("09").replace(b"09:15:00+00:00", b"09:15:00")
    head = read(data)[0]
    assert isinstance(head, Initiation)
    assert head.created_at.isoformat() == "2026-11-23T09:15:00+01:00"


def test_an_equivalent_amount_says_the_other_currency(written: Written) -> None:
    amount = b'<InstdAmt Ccy="USD">100.10</InstdAmt>'
    other = b'<EqvtAmt><Amt Ccy="USD">100.10</Amt><CcyOfTrf>EUR</CcyOfTrf></EqvtAmt>'
    line = lines(read(written("09").replace(amount, other)))[2]
    assert (line.amount, line.currency, line.transfer_currency) == (
        Decimal("100.10"),
        "USD",
        "EUR",
    )


def test_salary_hidden_in_a_transfer_is_seen(written: Written) -> None:
    kind = b"</PmtId><PmtTpInf><CtgyPurp><Cd>SALA</Cd></CtgyPurp></PmtTpInf>"
    data = written("09").replace(b"</PmtId>", kind, 1)
    assert [one.category for one in lines(read(data))] == ["SALA", "", ""]


def test_reading_many_lines_takes_little_memory(written: Written) -> None:
    data = written("09")
    first = data.index(b"<CdtTrfTxInf>")
    one = data[first : data.index(b"</CdtTrfTxInf>") + 14]
    count = 20_003
    many = data[:first] + one * 20_000 + data[first:]
    total = str(Decimal("15600.10") + 20_000 * 12500).encode()
    many = many.replace(b"<NbOfTxs>3<", b"<NbOfTxs>%d<" % count).replace(b"15600.10", total)
    source = io.BytesIO(many)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    found = sum(1 for value in pain001.read(source, schema=True) if isinstance(value, Transfer))
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert found == count
    assert peak < 3_000_000
