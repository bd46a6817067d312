"""Cutting a file into parts must judge it exactly as the official schema judges the whole."""

import io
import random
from collections.abc import Callable
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from banking.iso20022 import pain001
from banking.located import InvalidOutput

Written = Callable[[str], bytes]


def official(version: str) -> etree.XMLSchema:
    file = resources.files("sepaxml") / "schemas" / f"pain.001.001.{version}.xsd"
    return etree.XMLSchema(etree.fromstring(file.read_bytes()))


OFFICIAL = {version: official(version) for version in pain001.VERSIONS}


def accepts(data: bytes, version: str) -> bool:
    try:
        pain001.check_schema(io.BytesIO(data), version=version)
    except InvalidOutput:
        return False
    return True


def mutate(root: etree._Element, chance: random.Random) -> None:
    """One change of the tree: something gone, doubled, moved, renamed, or text where none is."""
    every = list(root.iter())
    one = chance.choice(every[1:])
    parent = one.getparent()
    assert parent is not None
    act = chance.randrange(8)
    if act == 0:
        parent.remove(one)
    elif act == 1:
        copy = etree.fromstring(etree.tostring(one, with_tail=False))
        parent.insert(parent.index(one), copy)
    elif act == 2:
        chance.choice(every).append(one if one not in list(root) else etree.Element("x"))
    elif act == 3:
        one.tag = chance.choice(every).tag
    elif act == 4:
        chance.choice(every).tail = " words "
    elif act == 5:
        chance.choice(every).text = chance.choice(["", " ", "words", "1", "2026-01-01", "NOK"])
    elif act == 6:
        chance.choice(every).set("Ccy", chance.choice(["NOK", "x"]))
    else:
        parent.insert(chance.randrange(len(parent) + 1), chance.choice(every[1:]))


@pytest.mark.parametrize("version", pain001.VERSIONS)
def test_the_verdict_is_the_official_one_on_thousands_of_damaged_files(
    written: Written, version: str
) -> None:
    data = written(version)
    assert accepts(data, version)
    chance = random.Random(20261122)
    verdicts = {True: 0, False: 0}
    for _ in range(1500):
        root = etree.fromstring(data)
        for _ in range(chance.choice([1, 1, 2])):
            try:
                mutate(root, chance)
            except ValueError:
                continue
        damaged = etree.tostring(root, with_tail=False)
        expected = OFFICIAL[version].validate(etree.fromstring(damaged))
        assert accepts(damaged, version) == expected, damaged.decode()
        verdicts[expected] += 1
    assert min(verdicts.values()) > 50


@given(st.integers(0, 10_000), st.binary(max_size=3))
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_are_refused_in_words_or_read(at: int, junk: bytes) -> None:
    data = SMALL[: at % len(SMALL)] + junk + SMALL[at % len(SMALL) + 1 :]
    accepts(data, "09")


SMALL = (
    b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>'
    b"<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-23T09:15:00</CreDtTm><NbOfTxs>1</NbOfTxs>"
    b"<InitgPty/></GrpHdr><PmtInf><PmtInfId>P</PmtInfId><PmtMtd>TRF</PmtMtd><ReqdExctnDt>"
    b"<Dt>2026-11-24</Dt></ReqdExctnDt><Dbtr/><DbtrAcct><Id><Othr><Id>1</Id></Othr></Id>"
    b"</DbtrAcct><DbtrAgt><FinInstnId/></DbtrAgt><CdtTrfTxInf><PmtId><EndToEndId>E</EndToEndId>"
    b'</PmtId><Amt><InstdAmt Ccy="NOK">1</InstdAmt></Amt></CdtTrfTxInf></PmtInf>'
    b"</CstmrCdtTrfInitn></Document>"
)


def test_the_small_file_is_sound() -> None:
    assert accepts(SMALL, "09")


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b"</GrpHdr>", b"</GrpHdr><GrpHdr/>", "GrpHdr"),
        (b"</GrpHdr>", b"</GrpHdr><Foo/>", "Foo"),
        (b"</PmtInf>", b"<Foo/></PmtInf>", "PmtInf/Foo"),
        (b"</PmtInf>", b"</PmtInf><Foo/>", "Foo"),
        (b"</CstmrCdtTrfInitn>", b"</CstmrCdtTrfInitn><Foo/>", "Foo"),
        (b"<PmtInf>", b"words<PmtInf>", ""),
    ],
)
def test_what_stands_between_the_parts_is_placed_too(old: bytes, new: bytes, path: str) -> None:
    with pytest.raises(InvalidOutput) as caught:
        pain001.check_schema(io.BytesIO(SMALL.replace(old, new)), version="09")
    assert caught.value.code == "schema"
    assert caught.value.place.path == path


def test_another_version_than_asked_is_refused() -> None:
    with pytest.raises(InvalidOutput) as caught:
        pain001.check_schema(io.BytesIO(SMALL), version="03")
    assert caught.value.code == "wrong-namespace"
