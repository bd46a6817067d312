"""Shapes in turns, texts with references among others, and parts too long to be remembered."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterable
from xml.sax.saxutils import escape

from banking.iso20022 import camt054
from banking.iso20022.values import Entry, EntryDetail

HEAD = '<Amt Ccy="NOK">5.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
NAMES = ("Berg & Sønn", "<Ås>", "&amp; som tekst", "Øye", "a\rb")


def advice(entries: Iterable[str]) -> io.BytesIO:
    inside = "".join(f"<Ntry>{entry}</Ntry>" for entry in entries)
    return io.BytesIO(
        f"<Document><BkToCstmrDbtCdtNtfctn><Ntfctn>{inside}</Ntfctn></BkToCstmrDbtCdtNtfctn>"
        "</Document>".encode()
    )


def written(text: str) -> str:
    return escape(text).replace("\r", "&#13;")


def detail(name: str, told: str) -> str:
    return (
        f"{HEAD}<NtryDtls><TxDtls><RltdPties><Dbtr><Nm>{written(name)}</Nm></Dbtr></RltdPties>"
        f"<RmtInf>{told}</RmtInf></TxDtls></NtryDtls>"
    )


def test_shapes_in_turns_keep_each_its_own_texts() -> None:
    kid = "<Strd><CdtrRefInf><Ref>{0}</Ref></CdtrRefInf></Strd>"
    line = "<Ustrd>{0}</Ustrd>"
    # The last two have equally many texts, and differ in what they are.
    forms = (kid, line, line + line, kid + line)
    cases = [
        (name, f"{number} {name}", form) for number in range(10) for name in NAMES for form in forms
    ]
    entries = [detail(name, form.format(written(word))) for name, word, form in cases]
    found = [one for one in camt054.read(advice(entries)) if isinstance(one, EntryDetail)]
    assert [(one.counterparty_name, one.kid, one.message) for one in found] == [
        (name, word if kid in form else None, "\n".join([word] * form.count(line)))
        for name, word, form in cases
    ]


def test_giant_entries_each_of_another_shape_take_little_memory() -> None:
    source = advice(HEAD + "<Xy>a</Xy>" * (10_000 + extra) for extra in range(20))
    tracemalloc.start()
    count = sum(isinstance(one, Entry) for one in camt054.read(source))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20
    assert peak < 2_000_000
