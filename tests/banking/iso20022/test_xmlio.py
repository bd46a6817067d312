"""The safe opening of files: what is refused, and that it is refused at once."""

import io
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest

from banking.iso20022 import camt054, pain001, pain002, xmlio
from banking.located import Place, Unreadable

Read = Callable[[BinaryIO], Iterator[object]]
NS = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">
<CstmrCdtTrfInitn>&b;</CstmrCdtTrfInitn></Document>"""


def fault_of(data: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        list(pain001.read(io.BytesIO(data), schema=True))
    return caught.value


def test_an_entity_bomb_is_refused_with_its_line() -> None:
    fault = fault_of(BOMB)
    assert fault.code == "doctype-forbidden"
    assert fault.place.line == 2


def test_a_bomb_that_would_fill_the_memory_is_refused_in_no_time() -> None:
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"ha" * 1000)
        for n in range(20)
    )
    data = b"<!DOCTYPE x [" + entities + b"]><Document>&e19;</Document>"
    before = time.perf_counter()
    assert fault_of(data).code == "doctype-forbidden"
    assert time.perf_counter() - before < 0.5


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
        b'<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE Document PUBLIC "a" "http://127.0.0.1:1/x.dtd">',
        b"<!DOCTYPE Document>",
    ],
)
@pytest.mark.parametrize("read", [pain002.read, camt054.read])
def test_no_reader_takes_a_doctype(doctype: bytes, read: Read) -> None:
    data = doctype + b"<Document><CstmrPmtStsRpt/></Document>"
    with pytest.raises(Unreadable) as caught:
        list(read(io.BytesIO(data)))
    assert caught.value.code == "doctype-forbidden"


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-7", "cp037", "utf-32"])
def test_an_encoding_in_which_a_doctype_could_hide_is_refused(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{BOMB.decode()[22:]}'
    data = text.encode(encoding) if encoding == "UTF-16" else text.encode()
    assert fault_of(data).code == "encoding"


def test_utf16_without_a_declaration_is_refused() -> None:
    assert fault_of(BOMB[22:].decode().encode("utf-16-le")).code == "encoding"


@pytest.mark.parametrize("data", [b"", b"  \n\n ", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_an_empty_file_is_said_to_be_empty(data: bytes) -> None:
    assert fault_of(data).code == "empty"


@pytest.mark.parametrize("data", [b"NY000010", b"{}", b"<", b"\x00\x01\x02", b"<!-- only -->"])
def test_what_is_no_xml_is_refused(data: bytes) -> None:
    assert fault_of(data).code in ("not-xml", "encoding")


def test_an_opening_without_end_is_refused() -> None:
    assert fault_of(b"<!--" + b"x" * 200_000 + b"--><Document/>").code == "not-xml"


def test_an_undeclared_entity_further_down_is_a_fault_of_the_xml() -> None:
    data = f'<Document xmlns="{NS}"><CstmrCdtTrfInitn><GrpHdr>&foo;'.encode()
    assert fault_of(data + b"</GrpHdr></CstmrCdtTrfInitn></Document>").code == "not-xml"


def test_an_unknown_root_is_named() -> None:
    fault = fault_of(b"<html><body/></html>")
    assert (fault.code, fault.params) == ("unknown-message", {"element": "html, body"})


def test_leading_blanks_and_a_mark_are_tolerated_and_counted_in_lines() -> None:
    data = b"\n\n\xef\xbb\xbf\n" + f'<?xml version="1.0"?>\n<Document xmlns="{NS}">'.encode()
    fault = fault_of(data + b"\n<CstmrCdtTrfInitn>\n<GrpHdr>\n<X/></GrpHdr></CstmrCdtTrfInitn>")
    assert fault.code == "schema"
    assert fault.place == Place(8, "GrpHdr/X")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (f'<Document xmlns="{NS}"><CstmrCdtTrfInitn>', ("pain.001", "09", NS)),
        ("<Document><CstmrPmtStsRpt>", ("pain.002", "", "")),
        (
            '<d:Document xmlns:d="urn:x:camt.054.001.04"><d:BkToCstmrDbtCdtNtfctn>',
            ("camt.054", "04", "urn:x:camt.054.001.04"),
        ),
        (
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.01">'
            "<BkToCstmrDbtCdtNtfctnV01>",
            ("camt.054", "01", "urn:iso:std:iso:20022:tech:xsd:camt.054.001.01"),
        ),
        ("<E><Document><BkToCstmrStmt/>", ("camt.053", "", "")),
    ],
)
def test_sniffing_tells_kind_version_and_namespace_and_leaves_the_source(
    data: str, expected: tuple[str, str, str]
) -> None:
    source = io.BytesIO(b"skip" + data.encode())
    source.seek(4)
    root = xmlio.sniff(source)
    assert (root.kind, root.version, root.namespace) == expected
    assert source.tell() == 4


def test_every_reader_refuses_another_kind_by_name() -> None:
    data = b"<Document><CstmrPmtStsRpt/></Document>"
    assert fault_of(data).params["kind"] == "pain.002"
    with pytest.raises(Unreadable) as caught:
        camt054.read(io.BytesIO(data))
    assert caught.value.code == "wrong-message"


def test_broken_xml_and_a_cut_file_are_told_apart(written: Callable[[str], bytes]) -> None:
    data = written("09")
    assert fault_of(data[: len(data) // 2]).code == "truncated"
    assert fault_of(data[:-12]).code == "truncated"
    assert fault_of(data.replace(b"</InstrId>", b"</Instr>", 1)).code == "not-xml"


@pytest.mark.parametrize("text", ["1e5", "NaN", "", "1_0", "١", "1,5", "0x1", "Infinity", "--1"])
def test_only_plain_decimals_are_amounts(text: str) -> None:
    with pytest.raises(ValueError, match=".*"):
        xmlio.decimal(text)


@pytest.mark.parametrize("text", ["1", "1.", ".5", "+1.50", "-2", "0001.100"])
def test_amounts_are_kept_as_written(text: str) -> None:
    assert xmlio.decimal(text).as_tuple().exponent == -len(text.partition(".")[2])
