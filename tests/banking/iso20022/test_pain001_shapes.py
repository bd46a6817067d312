"""A transfer read by its remembered shape must equal the one that was walked."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from banking.iso20022 import pain001

Written = Callable[[str], bytes]


@pytest.mark.parametrize("version", pain001.VERSIONS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b""),
        (b"<Cd>SCOR</Cd>", b"<Cd>RADM</Cd>"),
        (b"<Cd>SCOR</Cd>", b"<Prtry>QRR</Prtry>"),
        (b"<Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>", b""),
        (b"<Ref>1234567890128</Ref>", b"<Ref> </Ref>"),
        (b"<Ref>1234567890128</Ref>", b""),
        (b"<Cd>BBAN</Cd>", b"<Cd>CUID</Cd>"),
        (b"<Id>15034040505</Id>", b"<Id> </Id>"),
        (b"<Id>15034040505</Id>", b"<Id> 15034040505\n</Id>"),
        (b"<Nm>Str", b"<Nm>\n  Str"),
        (b"</CdtrAcct>", b"<Ccy>NOK</Ccy></CdtrAcct>"),
        (b"<CdtrAcct>", b"<!-- note --><CdtrAcct>"),
        (b"<Ustrd>Invoice 1</Ustrd>", b"<Ustrd><![CDATA[A & B]]></Ustrd>"),
    ],
)
def test_shape_and_walk_agree(written: Written, version: str, old: bytes, new: bytes) -> None:
    data = written(version)
    assert old in data
    changed = data.replace(old, new)
    by_shape = list(pain001.read(io.BytesIO(changed), schema=True))
    walked = list(pain001.read(io.BytesIO(changed), schema=False))
    assert by_shape == walked


def test_shape_and_walk_agree_on_every_sample(reference: Path) -> None:
    compared = 0
    for path in sorted((reference / "samples").rglob("*pain*001*.xml")):
        data = path.read_bytes()
        if b"<CstmrCdtTrfInitn>" not in data or b"YYYY-MM" in data or b"six-interbank" in data:
            continue
        by_shape = list(pain001.read(io.BytesIO(data), schema=True))
        assert by_shape == list(pain001.read(io.BytesIO(data), schema=False)), path.name
        compared += 1
    assert compared == 8
