"""Reading pain.002: every sample at every level, and the ways in which banks stray."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from banking.iso20022 import pain002
from banking.iso20022.values import (
    Deviation,
    GroupStatus,
    PaymentStatus,
    Reason,
    ReportHead,
    TransactionStatus,
)
from banking.located import Unreadable

Sample = Callable[[str], io.BytesIO]


def group(message: str, name: str, status: str, *reasons: Reason) -> GroupStatus:
    return GroupStatus(message, name, status, reasons)


def payment(message: str, number: str, status: str, *reasons: Reason) -> PaymentStatus:
    return PaymentStatus(message, number, status, reasons)


def line(
    number: str, instruction: str, end_to_end: str, status: str, *reasons: Reason
) -> TransactionStatus:
    return TransactionStatus(number, instruction, end_to_end, status, reasons)


def code(word: str, text: str = "") -> Reason:
    return Reason(word, False, text)


CAP = "CAP Invalid code or combinations in CategoryPurpose or ServiceLevel"
PS = "PMTINFID-950-TEST2-2807-01"
SAMPLES = {
    "bankofireland_pain002_tx_rjct_multi.xml": [
        group("MSGID12345678912", "PAIN.008.001.02", ""),
        payment("MSGID12345678912", "PMTINFID1", ""),
        line("PMTINFID1", "", "E2EID1", "RJCT", code("AC01", "ACC NUMBER INVALID")),
        line("PMTINFID1", "", "E2EID2", "RJCT", code("MS02")),
        payment("MSGID12345678912", "PMTINFID2", ""),
        line("PMTINFID2", "", "E2EID3", "RJCT", code("MD06")),
        line("PMTINFID2", "", "E2EID4", "RJCT", code("AM04")),
    ],
    "crossriver_pain002_batch_rejected.xml": [
        group(
            "",
            "pain.008.001.02",
            "RJCT",
            code(
                "NARR",
                "Error parsing file examplefile.xml: The 'MsgId' start tag on line 5 position 5 "
                "does not match the end tag of 'GrpHdr'. Line 19, position 5.",
            ),
        ),
    ],
    "crossriver_pain002_debit_accepted.xml": [
        group("DD1", "pain.008.001.02", "ACTC"),
        payment("DD1", "DD1-1", "ACTC"),
        line("DD1-1", "", "DD1-1", "ACSP"),
        line("DD1-1", "", "DD1-2", "ACSP"),
        line("DD1-1", "", "DD1-3", "ACSP"),
    ],
    "gs_pain002_group_accepted.xml": [
        group(
            "CLIENT NAME_2023-09-06:04",
            "CHECK_DEPOSIT",
            "ACTC",
            code(
                "",
                "File accepted post technical and profile validations "
                "Original File Name: 26951.json",
            ),
        ),
    ],
    "nordea_no_pain002_tx_acsc_dt06.xml": [
        group("1037", "pain.001.001.03", ""),
        payment("1037", "1037/1", ""),
        line("1037/1", "G04001", "1037/1", "ACSC", code("DT06", "Info")),
    ],
    "nordea_pain002_group_rjct_du01.xml": [
        group(
            "MSGID-PS-TEST-0708-01",
            "pain.001.001.03",
            "RJCT",
            code("DU01", "ISO Duplicate Message ID"),
        ),
    ],
    "nordea_pain002_tx_rjct_narr.xml": [
        group("MSGID-950-TEST2-2807-01", "pain.001.001.03", ""),
        payment("MSGID-950-TEST2-2807-01", PS, "RJCT"),
        line(
            PS,
            "INSTRID-950-TEST2-2807-02",
            "ENDTOENDID-950-TEST2-2807-02",
            "RJCT",
            code("NARR", CAP),
        ),
        line(
            PS,
            "INSTRID-950-TEST2-2807-01",
            "ENDTOENDID-950-TEST2-2807-01",
            "RJCT",
            code("NARR", CAP),
        ),
    ],
    "postfinance_pain002_group_actc.xml": [group("MsgId-001", "pain.001.001.03.ch.02", "ACTC")],
    "postfinance_pain002_pmtinf_rjct_tx_ac01.xml": [
        group("MsgId-006", "pain.001.001.03.ch.02", ""),
        payment(
            "MsgId-006",
            "PmtInfId-006-01",
            "RJCT",
            code("NARR", "1297193;Sammelauftrag ohne ausführbaren Einzelauftrag"),
        ),
        line(
            "PmtInfId-006-01",
            "InstrId-006-01-01",
            "EndToEndId-006-01-01",
            "RJCT",
            code("AC01", "1301813;Konto ungültig"),
        ),
    ],
    "synthetic/no_pain002_03_a_group_actc.xml": [
        group("FIRMA-20261123-0001", "pain.001.001.03", "ACTC")
    ],
    "synthetic/no_pain002_03_b_part_rr07.xml": [
        group("FIRMA-20261123-0001", "pain.001.001.03", "PART"),
        payment("FIRMA-20261123-0001", "FIRMA-20261123-0001-01", "PART"),
        line("FIRMA-20261123-0001-01", "1", "BILAG-10001", "RJCT", code("RR07", "Ugyldig KID")),
    ],
    "synthetic/no_pain002_03_c_tx_acsc_dt06.xml": [
        group("FIRMA-20261123-0001", "pain.001.001.03", ""),
        payment("FIRMA-20261123-0001", "FIRMA-20261123-0001-01", ""),
        line(
            "FIRMA-20261123-0001-01",
            "2",
            "BILAG-10002",
            "ACSC",
            code("DT06", "Execution date changed to 2026-11-25"),
        ),
    ],
}
HEADS = {
    "bankofireland_pain002_tx_rjct_multi.xml": ("MSGID99345678912", "2016-10-08T20:49:00+02:00"),
    "crossriver_pain002_batch_rejected.xml": (
        "abcdefg012345689",
        "2020-11-02T07:56:06.228000+00:00",
    ),
    "nordea_no_pain002_tx_acsc_dt06.xml": ("XML990920160222150337602", "2019-01-22T14:03:37+00:00"),
    "synthetic/no_pain002_03_a_group_actc.xml": ("PSR1", "2026-11-23T09:16:30+01:00"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_says_what_one_reads_in_it(sample: Sample, name: str) -> None:
    values = list(pain002.read(sample(name)))
    statuses = [one for one in values if not isinstance(one, ReportHead | Deviation)]
    assert statuses == SAMPLES[name]


def test_no_sample_of_this_kind_is_left_out(reference: Path) -> None:
    names = {path.name for path in (reference / "samples").rglob("*pain002*")}
    assert names == {name.rpartition("/")[2] for name in SAMPLES}


@pytest.mark.parametrize("name", HEADS)
def test_a_samples_header_is_read(sample: Sample, name: str) -> None:
    head = next(one for one in pain002.read(sample(name)) if isinstance(one, ReportHead))
    assert head.created_at is not None
    assert (head.message_id, head.created_at.isoformat()) == HEADS[name]


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("crossriver_pain002_batch_rejected.xml", "none"),
        ("postfinance_pain002_group_actc.xml", "six-interbank-clearing"),
    ],
)
def test_a_strange_namespace_is_a_deviation(sample: Sample, name: str, namespace: str) -> None:
    first = next(pain002.read(sample(name)))
    assert isinstance(first, Deviation)
    assert first.code == "namespace"
    assert namespace in first.text


def report(inside: str, *, version: str = "03") -> list[pain002.Value]:
    data = (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}">'
        f"<CstmrPmtStsRpt><GrpHdr><MsgId>R</MsgId></GrpHdr>{inside}</CstmrPmtStsRpt></Document>"
    )
    return list(pain002.read(io.BytesIO(data.encode())))[1:]


@pytest.mark.parametrize("version", ["03", "09", "10", "14"])
def test_versions_are_told_and_read_alike(version: str) -> None:
    data = (
        f'<d:Document xmlns:d="urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}">'
        "<d:CstmrPmtStsRpt><d:GrpHdr><d:MsgId>R</d:MsgId></d:GrpHdr></d:CstmrPmtStsRpt>"
        "</d:Document>"
    )
    assert list(pain002.read(io.BytesIO(data.encode()))) == [ReportHead("R", None, version)]


def test_reasons_in_several_blocks_and_pieces_are_all_kept() -> None:
    values = report(
        "<OrgnlGrpInfAndSts><OrgnlMsgId>M</OrgnlMsgId><GrpSts>RJCT</GrpSts>"
        "<StsRsnInf><Rsn><Cd>FF01</Cd></Rsn><AddtlInf>one</AddtlInf><AddtlInf>two</AddtlInf>"
        "</StsRsnInf><StsRsnInf><Rsn><Prtry>X9</Prtry></Rsn></StsRsnInf>"
        "<StsRsnInf><AddtlInf>words alone</AddtlInf></StsRsnInf></OrgnlGrpInfAndSts>"
    )
    assert values == [
        group(
            "M",
            "",
            "RJCT",
            code("FF01", "one two"),
            Reason("X9", True, ""),
            code("", "words alone"),
        )
    ]


def test_a_status_that_nobody_knows_is_returned_as_it_is() -> None:
    assert report(
        "<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId><PmtInfSts>XYZZ</PmtInfSts>"
        "<TxInfAndSts><OrgnlEndToEndId>E</OrgnlEndToEndId><TxSts>Quite new</TxSts></TxInfAndSts>"
        "</OrgnlPmtInfAndSts>"
    ) == [payment("", "P", "XYZZ"), line("P", "", "E", "Quite new")]


def test_a_payment_named_after_its_transactions_gives_them_its_name() -> None:
    values = report(
        "<OrgnlPmtInfAndSts><TxInfAndSts><TxSts>RJCT</TxSts>"
        "<OrgnlEndToEndId>E</OrgnlEndToEndId></TxInfAndSts><PmtInfSts>PART</PmtInfSts>"
        "<OrgnlPmtInfId>P</OrgnlPmtInfId></OrgnlPmtInfAndSts>"
    )
    assert values[0] == payment("", "P", "PART")
    assert isinstance(values[1], Deviation)
    assert values[2] == line("P", "", "E", "RJCT")


def test_a_status_told_after_the_transactions_comes_a_second_time() -> None:
    values = report(
        "<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId><TxInfAndSts>"
        "<OrgnlEndToEndId>E</OrgnlEndToEndId><TxSts>RJCT</TxSts></TxInfAndSts>"
        "<PmtInfSts>RJCT</PmtInfSts></OrgnlPmtInfAndSts>"
    )
    assert values[0] == payment("", "P", "")
    assert values[1] == line("P", "", "E", "RJCT")
    assert isinstance(values[2], Deviation)
    assert values[3] == payment("", "P", "RJCT")


def test_a_transaction_outside_any_payment_is_read() -> None:
    assert report(
        "<TxInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId><OrgnlInstrId>I</OrgnlInstrId>"
        "<TxSts>PDNG</TxSts></TxInfAndSts>"
    ) == [line("P", "I", "", "PDNG")]


def test_a_transaction_without_a_name_is_returned_with_a_warning() -> None:
    values = report(
        "<OrgnlPmtInfAndSts><TxInfAndSts><TxSts>RJCT</TxSts></TxInfAndSts></OrgnlPmtInfAndSts>"
    )
    assert [one.code for one in values if isinstance(one, Deviation)] == ["no-reference", "order"]
    assert line("", "", "", "RJCT") in values


def test_a_report_without_header_is_read_with_a_warning() -> None:
    data = b"<Document><CstmrPmtStsRpt></CstmrPmtStsRpt></Document>"
    codes = [one.code for one in pain002.read(io.BytesIO(data)) if isinstance(one, Deviation)]
    assert codes == ["namespace", "no-header"]


def test_a_time_that_is_none_is_a_warning() -> None:
    data = b"<Document><CstmrPmtStsRpt><GrpHdr><CreDtTm>soon</CreDtTm></GrpHdr></CstmrPmtStsRpt>"
    values = list(pain002.read(io.BytesIO(data + b"</Document>")))
    assert [one.code for one in values if isinstance(one, Deviation)] == ["namespace", "time"]
    assert ReportHead("", None, "") in values


def test_a_file_cut_off_half_way_is_said_to_be(sample: Sample) -> None:
    data = sample("bankofireland_pain002_tx_rjct_multi.xml").read()
    with pytest.raises(Unreadable) as caught:
        list(pain002.read(io.BytesIO(data[: len(data) // 2])))
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("blocks", [1, 20_000])
def test_twenty_thousand_transactions_take_little_memory(blocks: int) -> None:
    head = "<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>"
    end = "</OrgnlPmtInfAndSts>"
    one = "<TxInfAndSts><OrgnlEndToEndId>E</OrgnlEndToEndId><TxSts>ACCP</TxSts></TxInfAndSts>"
    inside = (head + one * (20_000 // blocks) + end) * blocks
    data = f"<Document><CstmrPmtStsRpt>{inside}</CstmrPmtStsRpt></Document>".encode()
    source = io.BytesIO(data)
    tracemalloc.start()
    count = sum(isinstance(one, TransactionStatus) for one in pain002.read(source))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 2_000_000
