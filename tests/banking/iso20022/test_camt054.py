"""Reading camt.054: every sample counted by other means, and the forms that entries take."""

import datetime
import io
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from banking.iso20022 import camt, camt054
from banking.iso20022.values import (
    Account,
    Deviation,
    Discrepancy,
    Document,
    Entry,
    EntryDetail,
    Notification,
    Reason,
)
from banking.located import Unreadable

Sample = Callable[[str], io.BytesIO]

# Name, entries, details, sum of credits, sum of debits: counted once with ElementTree.
COUNTED = [
    ("bankofireland_camt054_return.xml", 1, 1, "0", "100.00"),
    ("genkgo_camt054.v2.with-account-name.xml", 1, 1, "0", "200000"),
    ("genkgo_camt054.v4.xml", 1, 3, "0", "200000"),
    ("genkgo_camt054.v8-with-financial-institution.xml", 1, 1, "0", "200000"),
    ("handelsbanken_fi_camt054_credit_scor.xml", 4, 4, "7048.00", "0"),
    ("nordea_no_camt054_debit_eur.xml", 1, 1, "0", "65400.00"),
    ("oca_camt054_v2.xml", 1, 1, "5.00", "0"),
    ("postfinance_camt054_chdd.xml", 1, 2, "4.50", "0"),
    ("postfinance_camt054_debit.xml", 1, 1, "0", "913.00"),
    ("postfinance_camt054_epo_2.xml", 1, 3, "0", "750.00"),
    ("postfinance_camt054_esr_batch.xml", 2, 6, "1537.00", "147.00"),
    ("postfinance_camt054_returns.xml", 1, 1, "400.00", "0"),
    ("postfinance_camt054_v08_batch.xml", 1, 2, "1692.22", "0"),
    ("synthetic/no_camt054_02_credit_kid_batch.xml", 2, 4, "4650.00", "0"),
    ("tryton_camt054_v1_return.xml", 1, 1, "105678.50", "0"),
    ("tryton_camt054_v3_return.xml", 1, 1, "105678.50", "0"),
    ("viafintech_camt054.xml", 4, 5, "80.56", "21.53"),
]


def entries(values: list[camt.Value]) -> list[Entry]:
    return [one for one in values if isinstance(one, Entry)]


def details(values: list[camt.Value]) -> list[EntryDetail]:
    return [one for one in values if isinstance(one, EntryDetail)]


def discrepancies(values: list[camt.Value]) -> list[tuple[str, str, str]]:
    found = [one for one in values if isinstance(one, Discrepancy)]
    return [(one.kind, str(one.declared), str(one.found)) for one in found]


@pytest.mark.parametrize(("name", "count", "inner", "credits", "debits"), COUNTED)
def test_a_sample_gives_the_entries_and_sums_that_were_counted(
    sample: Sample, name: str, count: int, inner: int, credits: str, debits: str
) -> None:
    values = list(camt054.read(sample(name)))
    found = entries(values)
    assert (len(found), len(details(values))) == (count, inner)
    assert sum(one.amount for one in found if one.credit) == Decimal(credits)
    assert sum(one.amount for one in found if not one.credit) == Decimal(debits)
    tree = ElementTree.fromstring(sample(name).read())
    names = [element.tag.rpartition("}")[2] for element in tree.iter()]
    assert (names.count("Ntry"), names.count("TxDtls")) == (count, inner)


def test_no_sample_of_this_kind_is_left_out(reference: Path) -> None:
    names = {path.name for path in (reference / "samples").rglob("*camt054*")}
    assert names == {name.rpartition("/")[2] for name, *_rest in COUNTED}


def test_a_norwegian_kid_batch_is_read_in_order(sample: Sample) -> None:
    values = list(camt054.read(sample("synthetic/no_camt054_02_credit_kid_batch.xml")))
    kinds = [type(one).__name__ for one in values]
    assert kinds == ["Notification", "Entry", *["EntryDetail"] * 3, "Entry", "EntryDetail"]
    head = values[0]
    assert isinstance(head, Notification)
    assert head.account == Account("IBAN", "NO9386011117947")
    assert (head.message_id, head.id, head.currency, head.marks) == (
        "CR20261123000001",
        "20261123-C-1",
        "NOK",
        "/CRED/",
    )
    batch = entries(values)[0]
    assert (batch.amount, batch.credit, batch.status) == (Decimal("3650.00"), True, "BOOK")
    assert (batch.batch_count, batch.bank_reference) == (3, "*41234567")
    assert batch.booking_date == datetime.date(2026, 11, 23)
    assert batch.transaction_code == "PMNT/RCDT/DMCT"
    kids = [one.kid for one in details(values)]
    assert kids == ["1234567890128", "100008-", "00123455", None]
    assert details(values)[3].message == "Betaling faktura 991"
    first = details(values)[0]
    assert (first.bank_reference, first.end_to_end_id) == ("A1", "NOTPROVIDED")
    assert (first.counterparty_name, first.counterparty_account) == (
        "Kunde En",
        Account("BBAN", "15034040505"),
    )
    assert discrepancies(values) == []


def test_a_debit_advice_carries_the_names_of_the_payment(sample: Sample) -> None:
    values = list(camt054.read(sample("nordea_no_camt054_debit_eur.xml")))
    (one,) = details(values)
    assert (one.message_id, one.payment_number) == ("1037", "1037/1")
    assert (one.instruction_id, one.end_to_end_id) == ("G04001", "1037/1")
    assert (one.amount, one.currency, one.credit) == (Decimal("65400.00"), "EUR", False)
    assert one.counterparty_name == "Peter Kahlhorn"
    assert one.counterparty_account == Account("IBAN", "DE23700100800909428807")
    assert one.message == "Payment of Faktura 437525"


def test_references_documents_and_other_currencies_are_read(sample: Sample) -> None:
    values = list(camt054.read(sample("handelsbanken_fi_camt054_credit_scor.xml")))
    plain, netted, papers, abroad = details(values)
    assert plain.message == "9597349"
    assert netted.kid == "9544208"
    assert netted.documents[1] == Document("CREN", "9582095", Decimal("628.68"), "EUR")
    assert [paper.number for paper in papers.documents] == [
        "9580572",
        "00000000000009580521",
        "00000000000009579095",
    ]
    assert (abroad.amount, abroad.currency) == (Decimal("216.85"), "EUR")
    assert (abroad.instructed_amount, abroad.instructed_currency) == (Decimal("2082.58"), "SEK")
    assert abroad.message.split("\n")[4] == "INV EUR 357"


def test_a_return_names_its_reason_and_the_other_party(sample: Sample) -> None:
    (one,) = details(list(camt054.read(sample("bankofireland_camt054_return.xml"))))
    assert one.return_reason == Reason("AC06", False, "/RTYP/RTRN")
    assert one.counterparty_name == "DEBTOR4"
    (one,) = details(list(camt054.read(sample("postfinance_camt054_returns.xml"))))
    assert one.return_reason == Reason("AC01", False, "Kontonummer falsch")
    assert (one.payment_number, one.credit) == ("PmtInfId-004-01", True)


def test_reversals_are_marked(sample: Sample) -> None:
    values = list(camt054.read(sample("viafintech_camt054.xml")))
    assert [one.reversal for one in entries(values)] == [False, False, True, True]
    assert details(values)[-1].counterparty_name == "Rutschmann Pia"


def test_the_first_version_with_its_own_names_is_read(sample: Sample) -> None:
    values = list(camt054.read(sample("tryton_camt054_v1_return.xml")))
    assert entries(values)[0].booking_date == datetime.date(2007, 10, 18)
    (one,) = details(values)
    assert (one.end_to_end_id, one.amount) == ("MUELL/FINP/RA12345", Decimal("105678.50"))


def test_a_batch_that_says_two_and_holds_three_is_a_discrepancy(sample: Sample) -> None:
    values = list(camt054.read(sample("genkgo_camt054.v4.xml")))
    assert discrepancies(values) == [("batch-count", "2", "3")]
    assert entries(values)[0].batch_payment_number == "UXC06170000006PI00001"
    assert entries(values)[0].batch_sum == Decimal("6.3")


ENTRY = (
    '<Amt Ccy="NOK">100.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'
    "<AcctSvcrRef>R</AcctSvcrRef>"
)
OWN = '<TxDtls><Refs><EndToEndId>E</EndToEndId></Refs><Amt Ccy="NOK">{}</Amt></TxDtls>'


def advice(inside: str, *, version: str = "02", summary: str = "") -> list[camt.Value]:
    data = (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.{version}">'
        "<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M</MsgId></GrpHdr><Ntfctn><Id>N</Id>"
        f"{summary}{inside}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
    return list(camt054.read(io.BytesIO(data.encode())))


def test_an_entry_without_details_comes_alone_with_its_text() -> None:
    batch = "<NtryDtls><Btch><PmtInfId>P</PmtInfId><NbOfTxs>7</NbOfTxs></Btch></NtryDtls>"
    values = advice(f"<Ntry>{ENTRY}{batch}<AddtlNtryInf>Salary</AddtlNtryInf></Ntry>")
    assert [type(one) for one in values] == [Notification, Entry]
    entry = entries(values)[0]
    assert (entry.batch_payment_number, entry.batch_count, entry.text) == ("P", 7, "Salary")
    assert discrepancies(values) == []


@pytest.mark.parametrize("status", ["<Sts>PDNG</Sts>", "<Sts><Cd>PDNG</Cd></Sts>"])
def test_a_status_is_read_in_both_forms(status: str) -> None:
    values = advice(f"<Ntry>{ENTRY.replace('<Sts>BOOK</Sts>', status)}</Ntry>")
    assert entries(values)[0].status == "PDNG"


def test_an_only_detail_without_amount_has_the_entrys() -> None:
    inside = "<NtryDtls><TxDtls><Refs/></TxDtls></NtryDtls>"
    (one,) = details(advice(f"<Ntry>{ENTRY}{inside}</Ntry>"))
    assert (one.amount, one.currency, one.credit) == (Decimal("100.00"), "NOK", False)


def test_details_without_amounts_have_none_when_they_are_several() -> None:
    inside = "<NtryDtls><TxDtls><Refs/></TxDtls><TxDtls><Refs/></TxDtls></NtryDtls>"
    values = advice(f"<Ntry>{ENTRY}{inside}</Ntry>")
    assert [one.amount for one in details(values)] == [None, None]
    assert discrepancies(values) == []


def test_totals_that_differ_are_told_and_stop_nothing() -> None:
    batch = '<Btch><NbOfTxs>3</NbOfTxs><TtlAmt Ccy="NOK">99.00</TtlAmt></Btch>'
    inside = f"<NtryDtls>{batch}{OWN.format('40.00')}{OWN.format('50.00')}</NtryDtls>"
    total = "<NbOfNtries>2</NbOfNtries><Sum>100</Sum>"
    summary = f"<TxsSummry><TtlNtries>{total}</TtlNtries></TxsSummry>"
    values = advice(f"<Ntry>{ENTRY}{inside}</Ntry>", summary=summary)
    assert len(details(values)) == 2
    assert discrepancies(values) == [
        ("batch-count", "3", "2"),
        ("batch-sum", "99.00", "90.00"),
        ("entry-sum", "100.00", "90.00"),
        ("entries-count", "2", "1"),
    ]


def test_an_entry_that_names_its_amount_after_its_details_is_read_whole() -> None:
    inside = f"<NtryDtls>{OWN.format('100.00')}</NtryDtls>"
    values = advice(f"<Ntry>{inside}{ENTRY}</Ntry><Ntry>{ENTRY}{inside}</Ntry>")
    kinds = [type(one) for one in values]
    assert kinds == [Notification, Entry, EntryDetail, Entry, EntryDetail]
    assert discrepancies(values) == []


def test_a_detail_outside_any_entry_is_given_to_none() -> None:
    stray = f"<NtryDtls>{OWN.format('7.00')}</NtryDtls>"
    values = advice(f"{stray}<Ntry>{ENTRY}</Ntry>{stray}")
    assert [type(one) for one in values] == [Deviation, Notification, Entry, Deviation]


@pytest.mark.parametrize("direction", ["XXXX", "debit"])
def test_a_direction_that_is_none_cannot_be_read(direction: str) -> None:
    with pytest.raises(Unreadable) as caught:
        advice(f"<Ntry>{ENTRY.replace('DBIT', direction, 1)}</Ntry>")
    assert caught.value.code == "value"


def test_an_entry_without_direction_cannot_be_read() -> None:
    with pytest.raises(Unreadable) as caught:
        advice('<Ntry><Amt Ccy="NOK">1</Amt></Ntry>')
    assert caught.value.code == "missing"
    assert caught.value.place.path == "Ntfctn[1]/Ntry[1]"


def test_an_amount_that_is_no_number_stops_the_reading() -> None:
    with pytest.raises(Unreadable) as caught:
        advice(f"<Ntry>{ENTRY.replace('100.00', '1e5')}</Ntry>")
    assert caught.value.code == "value"


def test_a_date_that_is_none_is_a_warning() -> None:
    values = advice(f"<Ntry>{ENTRY}<BookgDt><Dt>soon</Dt></BookgDt></Ntry>")
    warnings = [one for one in values if isinstance(one, Deviation)]
    assert [(one.code, one.place.path) for one in warnings] == [("date", "Ntfctn[1]/Ntry[1]/Dt")]
    assert entries(values)[0].booking_date is None


def test_a_kid_keeps_zeros_length_and_hyphen_and_other_references_are_none() -> None:
    reference = (
        "<RmtInf><Strd><CdtrRefInf><Tp><CdOrPrtry>{}</CdOrPrtry></Tp><Ref>{}</Ref></CdtrRefInf>"
        "</Strd></RmtInf>"
    )
    kids = ["0000000000000000000000018", "1234567890123456789012345", "10000-"]
    wanted: list[tuple[str, str, str | None]]
    wanted = [("<Cd>SCOR</Cd>", kid, kid) for kid in kids]
    wanted += [("<Prtry>QRR</Prtry>", "1", None), ("<Cd>PUOR</Cd>", "1", None)]
    for kind, written, read in wanted:
        own = OWN.format("100.00").replace("</TxDtls>", reference.format(kind, written))
        values = advice(f"<Ntry>{ENTRY}<NtryDtls>{own}</TxDtls></NtryDtls></Ntry>")
        assert details(values)[0].kid == read


@pytest.mark.parametrize("gap", [0, 1, 7, 30_000, 65_000, 65_300, 65_500])
def test_the_answer_does_not_hang_on_where_a_buffer_ends(gap: int) -> None:
    inside = f"<NtryDtls>{OWN.format('60.00')}{OWN.format('40.00')}</NtryDtls>"
    body = f"<Ntry>{ENTRY}{inside}<AddtlNtryInf>after</AddtlNtryInf></Ntry>"
    values = advice(" " * gap + body)
    assert [one.text for one in entries(values)] == [""]
    assert [one.amount for one in details(values)] == [Decimal("60.00"), Decimal("40.00")]


def test_shape_and_walk_agree(monkeypatch: pytest.MonkeyPatch, reference: Path) -> None:
    paths = sorted((reference / "samples").rglob("*camt054*"))
    by_shape = [list(camt054.read(io.BytesIO(path.read_bytes()))) for path in paths]
    monkeypatch.setattr("banking.iso20022.shapes.Shapes._make", lambda *_words: None)
    walked = [list(camt054.read(io.BytesIO(path.read_bytes()))) for path in paths]
    assert by_shape == walked


def test_a_giant_batch_takes_little_memory() -> None:
    inside = f"<NtryDtls>{OWN.format('0.01') * 20_000}</NtryDtls>"
    entry = ENTRY.replace("100.00", "200.00")
    data = (
        "<Document><BkToCstmrDbtCdtNtfctn><Ntfctn>"
        f"<Ntry>{entry}{inside}</Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    ).encode()
    source = io.BytesIO(data)
    tracemalloc.start()
    count = sum(isinstance(one, EntryDetail | Discrepancy) for one in camt054.read(source))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 2_000_000


@pytest.mark.parametrize("repeated", [1, 3])
def test_a_reversal_is_yes_or_no_and_nothing_else(repeated: int) -> None:
    told = {"true": True, "1": True, "false": False, "0": False, "": False}
    for word, reversal in told.items():
        entry = f"<Ntry>{ENTRY}<RvslInd>{word}</RvslInd></Ntry>"
        assert {one.reversal for one in entries(advice(entry * repeated))} == {reversal}
    with pytest.raises(Unreadable) as caught:
        advice(f"<Ntry>{ENTRY}</Ntry>" * repeated + f"<Ntry>{ENTRY}<RvslInd>maybe</RvslInd></Ntry>")
    assert (caught.value.code, "RvslInd" in caught.value.problem) == ("value", True)


@pytest.mark.parametrize("repeated", [1, 3])
@pytest.mark.parametrize(
    ("told", "what"),
    [
        ('<Amt Ccy="NOK">-100.00</Amt>', "amount"),
        ('<Amt Ccy="nok">100.00</Amt>', "Ccy"),
        ("<Amt>100.00</Amt>", "Ccy"),
        ('<Amt Ccy="KRONER">100.00</Amt>', "Ccy"),
    ],
)
def test_an_amount_without_a_currency_or_with_a_sign_is_no_amount(
    told: str, what: str, repeated: int
) -> None:
    good = f"<Ntry>{ENTRY}</Ntry>" * repeated
    wrong = f"<Ntry>{ENTRY}</Ntry>".replace('<Amt Ccy="NOK">100.00</Amt>', told)
    with pytest.raises(Unreadable) as caught:
        advice(good + wrong)
    assert (caught.value.code, what in caught.value.problem) == ("value", True)
    assert f"Ntry[{repeated + 1}]" in caught.value.place.path


def test_a_transaction_of_less_than_nothing_is_refused_where_it_stands() -> None:
    batch = OWN.format("1.00") + OWN.format("-1.00")
    with pytest.raises(Unreadable) as caught:
        advice(f"<Ntry>{ENTRY}<NtryDtls>{batch}</NtryDtls></Ntry>")
    assert caught.value.code == "value"
