"""Any bank file as one list: every readable sample, held against what was counted in it by hand.

The figures were taken from the files with an XML library that the codec does not use.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from banking import listing, recognition
from banking.located import Unreadable

Sample = Callable[[str], io.BytesIO]

# Name, kind and version, message id, transactions, control sums, the first end-to-end ids, reason
# codes, the first structured reference.
SAMPLES = [
    (
        "abnamro_camt053.xml",
        "camt.053 02",
        "0574908765.2013-04-02",
        29,
        "EUR credit BOOK 28.00, EUR debit BOOK 928.00",
        "NOTPROVIDED|NOTPROVIDED|NOTPROVIDED",
        "MS03 MS03",
        "1234567812345678",
    ),
    (
        "bankofireland_camt054_return.xml",
        "camt.054 02",
        "MSGID99345678912",
        1,
        "EUR debit BOOK 100.00",
        "E2EID1",
        "AC06",
        "",
    ),
    (
        "bankofireland_pain002_tx_rjct_multi.xml",
        "pain.002 03",
        "MSGID99345678912",
        4,
        "",
        "E2EID1|E2EID2|E2EID3",
        "AC01 MS02 MD06 AM04",
        "",
    ),
    (
        "crossriver_pain002_batch_rejected.xml",
        "pain.002 ",
        "abcdefg012345689",
        0,
        "",
        "",
        "NARR",
        "",
    ),
    (
        "crossriver_pain002_debit_accepted.xml",
        "pain.002 ",
        "abcdefg0123456789",
        3,
        "",
        "DD1-1|DD1-2|DD1-3",
        "",
        "",
    ),
    (
        "de.axz.foreign.pain.001.001.09.xml",
        "pain.001 09",
        "MSTR-AXZ-20260921-01",
        1,
        "USD debit 42000.00",
        "MSTR-AXZ-2026-0921-01",
        "",
        "",
    ),
    (
        "example_swift_pain001_03.xml",
        "pain.001 03",
        "bbd49338b6a3434aad7537d07b248a99",
        1,
        "USD debit 10",
        "383e1d18-d7d6-4239-9622-adae81183d3",
        "",
        "",
    ),
    (
        "genkgo_camt053.v2.all-balance-types.xml",
        "camt.053 02",
        "CAMT05300000001",
        1,
        "EUR credit BOOK 8.850",
        "000000001",
        "",
        "",
    ),
    (
        "genkgo_camt053.v2.minimal.ultimate.xml",
        "camt.053 02",
        "CAMT053RIB000000000001",
        1,
        "EUR credit BOOK 8.85",
        "",
        "",
        "4654654654654654",
    ),
    (
        "genkgo_camt053.v2.with-party-ids.xml",
        "camt.053 02",
        "CAMT053RIB000000000001",
        1,
        "EUR credit BOOK 8.85",
        "",
        "",
        "4654654654654654",
    ),
    (
        "genkgo_camt054.v2.with-account-name.xml",
        "camt.054 02",
        "AAAASESS-FP-ACCR001",
        1,
        "SEK debit BOOK 200000",
        "",
        "",
        "",
    ),
    (
        "genkgo_camt054.v4.xml",
        "camt.054 04",
        "AAAASESS-FP-ACCR001",
        3,
        "SEK debit BOOK 200000",
        "UXC06170000006PI00001EE00001|UXC06170000006PI00001EE00002|UXC06170000006PI00001EE00002",
        "",
        "Ref number V3 block 1",
    ),
    (
        "genkgo_camt054.v8-with-financial-institution.xml",
        "camt.054 08",
        "AAAASESS-FP-ACCR001",
        1,
        "SEK debit BOOK 200000",
        "",
        "",
        "",
    ),
    (
        "german_dk_camt053.xml",
        "camt.053 02",
        "msg-001",
        6,
        "EUR credit BOOK 1151.12, EUR debit BOOK 48.42",
        "e2e-001|e2e-002|NOTPROVIDED",
        "AC01",
        "",
    ),
    ("gs_pain002_group_accepted.xml", "pain.002 03", "13991356", 0, "", "", "", ""),
    (
        "handelsbanken_fi_camt054_credit_scor.xml",
        "camt.054 02",
        "CAMT08224820170203001",
        4,
        "EUR credit BOOK 7048.00",
        "End To End ID 11|End to End ID 12|EndToEndId 13",
        "",
        "9544208",
    ),
    (
        "ing_camt053.xml",
        "camt.053 02",
        "201401030009999_20140104015504378",
        9,
        "EUR credit BOOK 990.00, EUR debit BOOK 385.00",
        "20140103E2EIdA1INGBankNV|INGBE2EId545448451E5|6010512558977000",
        "AC04 MD06",
        "0010008346912014",
    ),
    (
        "kedder_camt053_davider80.xml",
        "camt.053 04",
        "MSG-C053-170412091216-01",
        16,
        "CHF credit BOOK 368, CHF debit BOOK 4047.85",
        "",
        "",
        "",
    ),
    (
        "lt_international_usd_pain001_03.xml",
        "pain.001 03",
        "MSGID0002",
        1,
        "USD debit 111.11",
        "EndToEndId0002",
        "",
        "",
    ),
    (
        "nordea_fi_camt053.xml",
        "camt.053 02",
        "XML12345678901234567890123456789012",
        6,
        "EUR credit BOOK 10100.50, EUR debit BOOK 1500.50",
        "20190501-E00005|NOTPROVIDED|20190508-E123456",
        "",
        "00000000000000001245",
    ),
    (
        "nordea_no_camt054_debit_eur.xml",
        "camt.054 02",
        "XML990920161031126389571",
        1,
        "EUR debit BOOK 65400.00",
        "1037/1",
        "",
        "",
    ),
    (
        "nordea_no_pain002_tx_acsc_dt06.xml",
        "pain.002 03",
        "XML990920160222150337602",
        1,
        "",
        "1037/1",
        "DT06",
        "",
    ),
    (
        "nordea_pain002_group_rjct_du01.xml",
        "pain.002 03",
        "XML990920150810101909283",
        0,
        "",
        "",
        "DU01",
        "",
    ),
    (
        "nordea_pain002_tx_rjct_narr.xml",
        "pain.002 03",
        "XML990920150728124014189",
        2,
        "",
        "ENDTOENDID-950-TEST2-2807-02|ENDTOENDID-950-TEST2-2807-01",
        "NARR NARR",
        "",
    ),
    (
        "oca_camt053.xml",
        "camt.053 02",
        "TESTBANK/NL/1420561226673",
        4,
        "EUR credit BOOK 1405.31, EUR debit BOOK 1418.30",
        "435005714488-ABNO33052620|TESTBANK/NL/20141229/01206408|TESTBANK/NL/20141229/01206407",
        "AC06 AC06",
        "",
    ),
    ("oca_camt053_no_ntry.xml", "camt.053 04", "TESTBANK/NL/1420561226673", 0, "", "", "", ""),
    (
        "oca_camt054_v2.xml",
        "camt.054 04",
        "20220126375204763458853",
        1,
        "EUR credit BOOK 5.00",
        "ENDTOENDID-01",
        "",
        "",
    ),
    (
        "postfinance_camt053_2016_large.xml",
        "camt.053 04",
        "20160430375204000008573",
        32,
        "CHF credit BOOK 1810.56, CHF debit BOOK 1272.95",
        "EndToEnd-CRDBRActSame-1B9C-CHDDBB2|EndToEnd-CRDBRActSame-1B9C-CHDDBB3|PMT-651727380907030005",
        "NARR NARR NARR MD06",
        "",
    ),
    (
        "postfinance_camt054_chdd.xml",
        "camt.054 04",
        "20190520375204228751067",
        2,
        "CHF credit BOOK 4.50",
        "E2EId-CHDD-1|E2EId-CHDD-2",
        "",
        "",
    ),
    (
        "postfinance_camt054_debit.xml",
        "camt.054 04",
        "20190424375204222704046",
        1,
        "CHF debit BOOK 913.00",
        "20190424001255000100006",
        "",
        "",
    ),
    (
        "postfinance_camt054_epo_2.xml",
        "camt.054 04",
        "20200620375204226588201",
        3,
        "CHF debit BOOK 750.00",
        "EndToEndId-001-02-01|EndToEndId-001-02-02|EndToEndId-001-02-03",
        "",
        "",
    ),
    (
        "postfinance_camt054_esr_batch.xml",
        "camt.054 04",
        "20190424375204228750928",
        6,
        "CHF credit BOOK 1537.00, CHF debit BOOK 147.00",
        "EndToEndId-001-02-02|EndToEndId-001-02-01|EndToEndId-001-02-03",
        "",
        "",
    ),
    (
        "postfinance_camt054_returns.xml",
        "camt.054 04",
        "20190520375204012050698",
        1,
        "CHF credit BOOK 400.00",
        "EndToEndId-004-01-01",
        "AC01",
        "",
    ),
    (
        "postfinance_camt054_v08_batch.xml",
        "camt.054 08",
        "20200618375204295372463",
        2,
        "CHF credit BOOK 1692.22",
        "1006265-aic5dL-75dzf3jk9-cf2d5e9",
        "",
        "",
    ),
    (
        "postfinance_pain002_group_actc.xml",
        "pain.002 03",
        "20180315375204222821684",
        0,
        "",
        "",
        "",
        "",
    ),
    (
        "postfinance_pain002_pmtinf_rjct_tx_ac01.xml",
        "pain.002 03",
        "20180326375204011678275",
        1,
        "",
        "EndToEndId-006-01-01",
        "NARR AC01",
        "",
    ),
    (
        "se.bankgiro.salary.pain.001.001.09.xml",
        "pain.001 09",
        "NTA-LON-202609",
        2,
        "SEK debit 59950.00",
        "NTA-LON-0925-0001|NTA-LON-0925-0002",
        "",
        "",
    ),
    (
        "se.bankgiro.supplier.pain.001.001.09.xml",
        "pain.001 09",
        "NTA-20260921-01",
        2,
        "SEK debit 21440.00",
        "NTA-2026-0921-001|NTA-2026-0921-002",
        "",
        "20260911000000316",
    ),
    (
        "seb_pain001_03.xml",
        "pain.001 03",
        "ABC/090928/CCT001",
        3,
        "EUR debit 500000, JPY debit 10000000, USD debit 1000000",
        "ABC/4562/2009-09-08|ABC/ABC-13679/2009-09-15|ABC/987-AC/2009-09-27",
        "",
        "",
    ),
    (
        "siauliu_lt_camt053.xml",
        "camt.053 02",
        "201509302599406884",
        4,
        "EUR debit BOOK 2768.08",
        "NOTPROVIDED|NOTPROVIDED|NOTPROVIDED",
        "",
        "",
    ),
    (
        "synthetic/no_camt054_02_credit_kid_batch.xml",
        "camt.054 02",
        "CR20261123000001",
        4,
        "NOK credit BOOK 4650.00",
        "NOTPROVIDED|NOTPROVIDED|NOTPROVIDED",
        "",
        "1234567890128",
    ),
    (
        "synthetic/no_pain001_03_domestic_kid.xml",
        "pain.001 03",
        "FIRMA-20261123-0001",
        3,
        "NOK debit 16250.50",
        "BILAG-10001|BILAG-10002|BILAG-10003",
        "",
        "1234567890128",
    ),
    (
        "synthetic/no_pain001_09_salary_sepa_crossborder.xml",
        "pain.001 09",
        "FIRMA-20261123-0002",
        4,
        "EUR debit 2500.00, NOK debit 70000.00, USD debit 12000.00",
        "LONN-1|LONN-2|E-3",
        "",
        "",
    ),
    ("synthetic/no_pain002_03_a_group_actc.xml", "pain.002 03", "PSR1", 0, "", "", "", ""),
    (
        "synthetic/no_pain002_03_b_part_rr07.xml",
        "pain.002 03",
        "PSR2",
        1,
        "",
        "BILAG-10001",
        "RR07",
        "",
    ),
    (
        "synthetic/no_pain002_03_c_tx_acsc_dt06.xml",
        "pain.002 03",
        "PSR3",
        1,
        "",
        "BILAG-10002",
        "DT06",
        "",
    ),
    (
        "tryton_camt054_v1_return.xml",
        "camt.054 01",
        "AAAASESS-FP-00001",
        1,
        "SEK credit BOOK 105678.50",
        "MUELL/FINP/RA12345",
        "",
        "",
    ),
    (
        "tryton_camt054_v3_return.xml",
        "camt.054 03",
        "AAAASESS-FP-00001",
        1,
        "SEK credit BOOK 105678.50",
        "MUELL/FINP/RA12345",
        "",
        "",
    ),
    (
        "viafintech_camt053_batch.xml",
        "camt.053 02",
        "201906240000000_2019062111111111",
        3,
        "EUR credit BOOK 7688.00, EUR debit BOOK 4753.74",
        "GBSXX21170607391766562",
        "",
        "",
    ),
    (
        "viafintech_camt053_v8.xml",
        "camt.053 08",
        "R39B4SA289HMZ6XA",
        3,
        "CHF credit BOOK 563.25, EUR debit BOOK 20.97",
        "80000004540000100095|435A9287E088BDB1D97FAABD181C70C8|1208481",
        "",
        "RF38000000000000000000552",
    ),
    (
        "viafintech_camt054.xml",
        "camt.054 04",
        "20160410375204000131033",
        5,
        "CHF credit BOOK 80.56, CHF debit BOOK 21.53",
        "EndToEnd-CRDBRActSame-1B9C-CHDDBB2|EndToEnd-CRDBRActSame-1B9C-CHDDBB3|PMT-651727380907030005",
        "MD06 MD06",
        "",
    ),
    (
        "nets_avtalegiro_agreements.txt",
        "avtalegiro ",
        "00008080-1091949",
        16,
        "",
        "",
        "",
        "000112000507155",
    ),
    (
        "nets_ocr_giro_type21_and_10.txt",
        "ocr-giro ",
        "00008080-0170031",
        20,
        "NOK credit 51449.00",
        "",
        "",
        "0000531",
    ),
    (
        "synthetic/ndr_outgoing.txt",
        "direkte-remittering ",
        "00123456-0000042",
        2,
        "NOK debit 13250.50",
        "BILAG-10002|BILAG-10001",
        "",
        "1234567890128",
    ),
    (
        "synthetic/ndr_settlement_konteringsdata.txt",
        "direkte-remittering ",
        "00008080-0000911",
        2,
        "NOK debit 13250.50",
        "BILAG-10002|BILAG-10001",
        "",
        "",
    ),
]
# Name, code of the fault, and where it is.
BAD = [
    ("genkgo_camt053.v2.wrong.xml", "missing", ""),
    ("gs_pain001_sepa_03.xml", "value", "PmtInf[1]/ReqdExctnDt"),
    ("six_musterfile_pain001_2020.xml", "totals", "GrpHdr"),
    ("telepay_proper.txt", "withdrawn", ""),
]


@pytest.mark.parametrize("row", SAMPLES, ids=[row[0] for row in SAMPLES])
def test_a_sample_says_what_was_counted_in_it(
    sample: Sample, row: tuple[str, str, str, int, str, str, str, str]
) -> None:
    name, kind, message_id, count, sums, ends, codes, kid = row
    found = listing.summarise(sample(name))
    assert f"{found.kind} {found.version}" == kind
    assert (found.message_id, found.transactions) == (message_id, count)
    told = [" ".join(part for part in (*key, f"{n:f}") if part) for key, n in found.sums.items()]
    assert sorted(told) == sorted(filter(None, sums.split(", ")))
    rows = list(listing.rows(sample(name)))
    assert sum(one.level == "transaction" for one in rows) == count
    assert [one.end_to_end_id for one in rows if one.end_to_end_id][:3] == [
        one for one in ends.split("|") if one
    ]
    assert [reason.code for one in rows for reason in one.reasons if reason.code][
        :4
    ] == codes.split()
    if kid:
        assert kid in [one.kid for one in rows]


@pytest.mark.parametrize(("name", "code", "path"), BAD)
def test_a_bad_sample_is_refused_with_the_place(
    sample: Sample, name: str, code: str, path: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        listing.summarise(sample(name))
    assert (caught.value.code, caught.value.place.path) == (code, path)
    assert caught.value.cure


def test_every_sample_is_in_one_of_the_tables(reference: Path) -> None:
    folder = reference / "samples"
    there = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix in (".xml", ".txt")
    }
    assert there == {row[0] for row in SAMPLES} | {row[0] for row in BAD}


def test_accounts_stand_on_the_side_that_the_money_went(sample: Sample) -> None:
    first = next(listing.rows(sample("nets_ocr_giro_type21_and_10.txt")))
    assert (first.debit_account, first.credit_account) == ("99990512341", "99991042764")
    assert (first.amount, first.direction) == (Decimal("1020.00"), "credit")
    booked = next(listing.rows(sample("nordea_no_camt054_debit_eur.xml")))
    assert booked.direction == "debit"
    assert booked.debit_account.startswith("NO")
    assert booked.credit_account != booked.debit_account


def test_a_structured_reference_of_another_kind_is_told_as_the_payees_not_as_a_kid(
    sample: Sample,
) -> None:
    rows = [
        row
        for row in listing.rows(sample("postfinance_camt054_esr_batch.xml"))
        if row.level == "transaction"
    ]
    assert rows[0].creditor_reference == "ISR Reference 120000000000234478943216899"
    assert rows[0].kid is None


def test_parties_are_told_with_their_identifiers(sample: Sample) -> None:
    told = listing.summarise(sample("nordea_pain002_group_rjct_du01.xml")).parties
    assert ("InitgPty", ("BIC", "NDEASESS")) in [
        (role, pair) for role, party in told for pair in party.identifiers
    ]


def test_a_service_that_is_not_read_is_told_and_does_not_stop_the_rest() -> None:
    zeros = "0" * 80
    lines = [
        "NY00001000008080017003100010200",
        "NY420020001008566000000299991042764",
        "NY421030" + "0000001" + "x" * 20,
        "NY420088" + "00000001" + "00000003" + "0" * 14 + "500",
        "NY000089" + "00000001" + "00000005" + "0" * 14 + "500",
    ]
    text = "\n".join((line + zeros)[:80] for line in lines)
    found = listing.summarise(io.BytesIO(text.encode()))
    assert (found.kind, found.transactions) == ("nets-42", 0)
    assert [remark.code for remark in found.remarks] == ["service"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"  \r\n ", "empty"),
        (b"\xff\xfe<\0", "encoding"),
    ],
)
def test_what_is_no_bank_file_is_told_as_such(content: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        recognition.recognise(io.BytesIO(content))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"date;amount\n1;2\n", "not-xml", "begins with «date;amount», and not with «<»"),
        (b"PK\x03\x04\x14\x00\x00\x00", "not-xml", "an archive (ZIP), which must be unpacked"),
        (b"\x1f\x8b\x08\x00", "not-xml", "an archive (gzip)"),
        (b"a\x07b" + b"x" * 999, "not-xml", "begins with «a?bxxx"),
        (b"<html><body/></html>", "unknown-message", "begins with html, body, which is no"),
        (
            b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.02">'
            b"<CstmrDrctDbtInitn/></Document>",
            "unknown-message",
            "Document (urn:iso:std:iso:20022:tech:xsd:pain.008.001.02), CstmrDrctDbtInitn,",
        ),
    ],
)
def test_another_file_is_told_for_what_it_is(content: bytes, code: str, told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        recognition.recognise(io.BytesIO(content))
    assert (caught.value.code, told in caught.value.problem) == (code, True)
    assert len(caught.value.problem) < 250
