"""Reading Nets files: every field of the samples, and every way in which a file may be broken."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc
from collections.abc import Callable, Iterable
from decimal import Decimal

import pytest

from banking.located import Place, Unreadable
from banking.nets import reader
from banking.nets.values import (
    Assignment,
    AssignmentEnd,
    Mandate,
    Order,
    Receipt,
    Skipped,
    Specified,
    Transmission,
    TransmissionEnd,
)

Sample = Callable[[str], io.BytesIO]


def record(text: str) -> str:
    return text.ljust(80, "0")


def receipt(number: int, cents: int, *, type: str = "10", kid: str = "", sign: str = "0") -> str:
    first = record(
        f"NY09{type}30{number:07d}240626"
        + "1313"
        + "1"
        + "01464"
        + sign
        # Blanks before the KID, as Nets sets it.
        + f"{cents:017d}{kid:>25}"
    )
    second = record(f"NY09{type}31{number:07d}96368271940990385620000000240626" + "86011117947")
    return f"{first}\n{second}"


def ocr(receipts: Iterable[tuple[int, str]], *, ending: bool = True, wrong: int = 0) -> bytes:
    """A file of one assignment with those receipts, each with its øre."""
    rows = list(receipts)
    total = sum(cents for cents, _row in rows) + wrong
    lines = [record("NY00001000008080017003100010200")]
    lines.append(record("NY090020001008566000000299991042764"))
    lines += [row for _cents, row in rows]
    count = 2 + sum(row.count("\n") + 1 for _cents, row in rows)
    lines.append(record(f"NY090088{len(rows):08d}{count:08d}{total:017d}240626240626240626"))
    if ending:
        lines.append(record(f"NY000089{len(rows):08d}{count + 2:08d}{total:017d}240626"))
    return "\r\n".join(lines).replace("\n", "\r\n").replace("\r\r", "\r").encode("iso-8859-1")


def read(content: bytes) -> list[reader.Value]:
    return list(reader.read(io.BytesIO(content)))


def refused(content: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(content)
    return caught.value


def test_the_ocr_sample_gives_each_receipt_as_it_stands(sample: Sample) -> None:
    values = list(reader.read(sample("nets_ocr_giro_type21_and_10.txt")))
    assert values[0] == Transmission("00008080", "0170031", "00010200", Place(1, ""))
    assert values[1] == Assignment("09", "00", "1008566", "0000002", "99991042764", Place(2, ""))
    assert values[2] == Receipt(
        type="21",
        number="0000001",
        date=dt.date(1992, 1, 20),
        amount=Decimal("1020.00"),
        reversal=False,
        kid="0000531",
        centre="13",
        day_code="20",
        part="1",
        serial="01464",
        form_number="9636827194",
        archive_reference="099038562",
        bank_date=dt.date(1992, 1, 16),
        debit_account="99990512341",
        text="Foo bar baz",
        place=Place(3, ""),
    )
    receipts = [one for one in values if isinstance(one, Receipt)]
    assert [one.type for one in receipts] == (
        "21 10 10 10 10 10 10 11 12 13 11 12 13 13 13 13 10 10 10 10".split()
    )
    assert [one.kid for one in receipts[-3:]] == [
        "02311291029238",
        "02311291034832",
        "02311291133188",
    ]
    # No day of the payer's bank and no account where the payer paid over the counter.
    assert receipts[8].bank_date is None
    end = values[-2]
    assert isinstance(end, AssignmentEnd)
    assert (end.totals.transactions, end.totals.records) == (20, 43)
    assert end.totals.total == Decimal("51449.00") == sum(one.amount for one in receipts)
    assert isinstance(values[-1], TransmissionEnd)


def test_orders_carry_their_payee_message_and_kids(sample: Sample) -> None:
    values = list(reader.read(sample("synthetic/ndr_outgoing.txt")))
    notice, kid = [one for one in values if isinstance(one, Order)]
    assert notice == Order(
        type="03",
        date=dt.date(2026, 11, 24),
        account="99990000316",
        amount=Decimal("750.50"),
        own_reference="BILAG-10002",
        short_name="BLOMSTER &",
        name="BLOMSTER & ÆRLIGHET ANS",
        post_code="0155",
        town="OSLO",
        address=("STORGATA 1",),
        message=("FAKTURA 778 KUNDENR 4411",),
        number="0000001",
        place=Place(3, ""),
    )
    assert (kid.kid, kid.amount) == ("1234567890128", Decimal("12500.00"))
    assert kid.specified == (Specified("1234567890128", Decimal("12500.00")),)


def test_a_settlement_is_known_by_its_own_references(sample: Sample) -> None:
    values = reader.read(sample("synthetic/ndr_settlement_konteringsdata.txt"))
    settled = [one for one in values if isinstance(one, Order)]
    assert [(one.own_reference, one.amount) for one in settled] == [
        ("BILAG-10002", Decimal("750.50")),
        ("BILAG-10001", Decimal("12500.00")),
    ]


def test_mandates_of_avtalegiro_are_read(sample: Sample) -> None:
    values = list(reader.read(sample("nets_avtalegiro_agreements.txt")))
    mandates = [one for one in values if isinstance(one, Mandate)]
    assert len(mandates) == 16
    assert mandates[0] == Mandate("0000001", "1", "000112000507155", True, Place(3, ""))
    assert [one.notice for one in mandates].count(False) == 5


@pytest.mark.parametrize(
    ("type", "sign", "reversal"),
    [("10", "0", False), ("10", "-", True), ("18", "0", True), ("19", "0", False),
     ("20", "-", True), ("21", "0", False)],
)  # fmt: skip
def test_a_reversal_is_told_by_its_sign_or_its_type(type: str, sign: str, reversal: bool) -> None:
    values = read(ocr([(15000, receipt(1, 15000, type=type, sign=sign, kid="123-"))]))
    one = next(value for value in values if isinstance(value, Receipt))
    assert (one.reversal, one.amount, one.kid) == (reversal, Decimal("150.00"), "123-")


def test_totals_add_reversals_as_they_stand() -> None:
    rows = [(15000, receipt(1, 15000)), (5000, receipt(2, 5000, type="18", sign="-"))]
    assert len(read(ocr(rows))) == 6


def test_a_kid_keeps_its_zeros_and_its_25_positions() -> None:
    long = "0" * 24 + "-"
    values = read(ocr([(100, receipt(1, 100, kid=long)), (100, receipt(2, 100))]))
    assert [one.kid for one in values if isinstance(one, Receipt)] == [long, None]


def test_files_without_line_breaks_and_with_strange_ends_are_read() -> None:
    content = ocr([(100, receipt(1, 100))])
    whole = read(content)
    for odd in (
        content.replace(b"\r\n", b""),
        content.replace(b"\r\n", b"\n"),
        content + b"\r\n\r\n",
        content + b"\r\n\x1a",
        b"\xef\xbb\xbf" + content,
    ):
        assert [type(one) for one in read(odd)] == [type(one) for one in whole]


def test_two_assignments_and_two_services_stand_in_one_file() -> None:
    first = ocr([(100, receipt(1, 100))], ending=False).decode()
    second = first.split("\r\n", 1)[1].replace("10085660000002", "10085660000003")
    other = "\r\n".join(
        record(line)
        for line in (
            "NY420020001008566000000499991042764",
            "NY42103000000012406269999104276400000000000000700",
            "NY420088" + "00000001" + "00000003" + f"{700:017d}",
        )
    )
    end = record(f"NY000089{3:08d}{13:08d}{900:017d}240626")
    values = read("\r\n".join([first, second, other, end]).encode())
    assert [one.number for one in values if isinstance(one, Assignment)] == [
        "0000002",
        "0000003",
        "0000004",
    ]
    assert [one.service for one in values if isinstance(one, Skipped)] == ["42"]


@pytest.mark.parametrize("wrong", [1, -1, 100000])
def test_wrong_totals_are_refused_with_both_figures(wrong: int) -> None:
    fault = refused(ocr([(100000, receipt(1, 100000))], wrong=wrong))
    assert fault.code == "totals"
    assert fault.params["declared"] == str(Decimal(100000 + wrong).scaleb(-2))
    assert fault.params["found"] == "1000.00"
    assert fault.place.line == 5


def test_a_file_without_its_end_is_refused() -> None:
    fault = refused(ocr([(100, receipt(1, 100))], ending=False))
    assert (fault.code, fault.place.line) == ("truncated", 5)


def test_a_record_of_another_length_is_refused_where_it_stands() -> None:
    content = ocr([(100, receipt(1, 100))])
    lines = content.split(b"\r\n")
    for odd, found in ((lines[2][:79], "79"), (lines[2] + b"0", "81")):
        fault = refused(b"\r\n".join([*lines[:2], odd, *lines[3:]]))
        assert (fault.code, fault.place.line, fault.params["found"]) == ("record-length", 3, found)
    cut = refused(content[:-10])
    assert (cut.code, cut.place.line) == ("truncated", 6)


def test_letters_of_two_bytes_are_told_of_their_encoding() -> None:
    name = "NY040340" + "0000001" + "BLOMSTER & ÆRLIGHET".ljust(30) + "0155   OSLO".ljust(35)
    begun = ["NY00001000008080017003100010200", "NY040020001008566000000299991042764"]
    content = "\n".join(record(line) for line in [*begun, name])
    fault = refused(content.encode("utf-8"))
    assert fault.code == "record-length"
    assert "ISO-8859-1" in fault.cure


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([3, 4], "does not begin with record 10"),
        ([0, 0], "two beginnings"),
        ([0, 1, 1], "begins inside another"),
        ([0, 2], "outside any assignment"),
        ([0, 4], "ends (88) that has not begun"),
        ([0, 1, 5], "ends (89) inside an assignment"),
        ([0, 1, 2, 3, 4, 5, 5], "after the end of the file"),
    ],
)
def test_records_out_of_order_are_refused(lines: list[int], problem: str) -> None:
    content = ocr([(100, receipt(1, 100))]).split(b"\r\n")
    fault = refused(b"\n".join(content[one] for one in lines))
    assert fault.code == "order"
    assert problem in fault.problem


def test_a_second_record_of_another_transaction_is_refused() -> None:
    content = ocr([(100, receipt(1, 100))]).replace(b"NY0910310000001", b"NY0910310000002")
    assert "another transaction" in refused(content).problem


def test_a_transaction_without_its_second_record_is_refused() -> None:
    lines = ocr([(100, receipt(1, 100))]).split(b"\r\n")
    fault = refused(b"\n".join([*lines[:3], *lines[4:]]))
    assert (fault.code, fault.place.line) == ("missing", 3)


@pytest.mark.parametrize(
    ("old", "new", "positions"),
    [
        (b"240626131310", b"310226131310", "positions 16–21"),
        (b"00000000000000100", b"0000000000000010A", "positions 33–49"),
    ],
)
def test_values_that_cannot_be_are_told_with_their_positions(
    old: bytes, new: bytes, positions: str
) -> None:
    fault = refused(ocr([(100, receipt(1, 100))]).replace(old, new, 1))
    assert (fault.code, fault.place) == ("value", Place(3, positions))


def test_twenty_thousand_receipts_take_no_more_memory_than_a_few() -> None:
    def peak(count: int) -> int:
        content = io.BytesIO(ocr((100, receipt(n, 100)) for n in range(1, count + 1)))
        tracemalloc.start()
        found = sum(isinstance(one, Receipt) for one in reader.read(content))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == count
        return most

    assert peak(20_000) < 2 * peak(2_000) + 200_000
