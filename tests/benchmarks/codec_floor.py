"""The bare loops beside the codec: lxml, or slices of lines, and nothing around them.

No checks of the opening, no bounds, schema, types, sums or places; texts are touched as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from tests.benchmarks import codec_files
from tests.benchmarks.codec_files import Payment, Person

Text = str | None


def texts(path: Path, namespace: str, parts: tuple[str, ...]) -> Iterator[list[Text]]:
    """The texts of all elements, part by part; parts hold the local names of what is freed.

    Every element is met as it ends, by its name. (To ask a finished part for all of its texts at
    once takes little more than half as long, but nothing then tells a KID from a name.)
    """
    tags = {f"{{{namespace}}}{part}" for part in parts}
    found: list[Text] = []
    for _event, element in etree.iterparse(str(path)):
        found.append(element.text)
        if element.tag in tags:
            yield found
            found = []
            element.clear()
            previous = element.getprevious()
            if previous is not None and previous.tag == element.tag:
                previous.getparent().remove(previous)
    yield found


def write_pain001(path: Path, n: int, payments: list[Payment]) -> None:
    """The elements of codec_files' values as a pain.001.001.09.

    What is inside carries no namespace of its own: as text it is in the default one, and writing
    so is the quickest that lxml has.
    """
    head = codec_files.initiation(n)
    with (
        path.open("wb") as file,
        etree.xmlfile(file, encoding="UTF-8") as out,
        out.element("Document", xmlns=codec_files.PAIN001),
        out.element("CstmrCdtTrfInitn"),
    ):
        header = etree.Element("GrpHdr")
        _add(header, "MsgId", text=head.message_id)
        _add(header, "CreDtTm", text=head.created_at.isoformat())
        _add(header, "NbOfTxs", text=str(n))
        _add(header, "CtrlSum", text=str(head.declared_sum))
        _add(header, "InitgPty", "Nm", text=codec_files.OURS)
        out.write(header)
        for payment in payments:
            with out.element("PmtInf"):
                for child in _head(payment):
                    out.write(child)
                for number, person in codec_files.rows(payment.count, first=payment.first):
                    out.write(_transfer(payment.number, number, person))


def _add(parent: etree._Element, *names: str, text: str) -> None:
    for name in names:
        parent = etree.SubElement(parent, name)
    parent.text = text


def _head(payment: Payment) -> list[etree._Element]:
    head = etree.Element("PmtInf")
    _add(head, "PmtInfId", text=payment.number)
    _add(head, "PmtMtd", text="TRF")
    _add(head, "NbOfTxs", text=str(payment.count))
    _add(head, "CtrlSum", text=str(payment.total))
    kind = etree.SubElement(head, "PmtTpInf")
    _add(kind, "SvcLvl", "Cd", text="NURG")
    _add(kind, "CtgyPurp", "Cd", text="SUPP")
    _add(head, "ReqdExctnDt", "Dt", text=codec_files.DAY.isoformat())
    _add(head, "Dbtr", "Nm", text=codec_files.OURS)
    account = etree.SubElement(head, "DbtrAcct")
    number = etree.SubElement(etree.SubElement(account, "Id"), "Othr")
    _add(number, "Id", text=codec_files.ACCOUNT)
    _add(number, "SchmeNm", "Cd", text="BBAN")
    _add(account, "Ccy", text="NOK")
    _add(head, "DbtrAgt", "FinInstnId", "BICFI", text=codec_files.OUR_BIC)
    return list(head)


def _transfer(payment: str, number: int, person: Person) -> etree._Element:
    new, tx = etree.SubElement, etree.Element("CdtTrfTxInf")
    ids = new(tx, "PmtId")
    new(ids, "InstrId").text = f"I{number}"
    new(ids, "EndToEndId").text = f"{payment}-{number}"
    new(new(tx, "Amt"), "InstdAmt", Ccy="NOK").text = str(person.amount)
    payee = new(tx, "Cdtr")
    new(payee, "Nm").text = person.name
    address = new(payee, "PstlAdr")
    new(address, "StrtNm").text = person.street
    new(address, "PstCd").text = person.post_code
    new(address, "TwnNm").text = person.town
    new(address, "Ctry").text = "NO"
    account = new(new(new(tx, "CdtrAcct"), "Id"), "Othr")
    new(account, "Id").text = person.account
    new(new(account, "SchmeNm"), "Cd").text = "BBAN"
    told = new(tx, "RmtInf")
    if person.kid:
        reference = new(new(told, "Strd"), "CdtrRefInf")
        new(new(new(reference, "Tp"), "CdOrPrtry"), "Cd").text = "SCOR"
        new(reference, "Ref").text = person.kid
    else:
        new(told, "Ustrd").text = person.words
    return tx


def receipts(path: Path) -> Iterator[list[str]]:
    """The fields of each record of an OCR giro file that tells of a transaction."""
    with path.open(encoding="iso-8859-1") as file:
        for line in file:
            kind = line[6:8]
            if kind == "30":
                yield [
                    line[4:6],
                    line[8:15],
                    line[15:21],
                    line[21:23],
                    line[23:25],
                    line[25:26],
                    line[26:31],
                    line[31:32],
                    line[32:49],
                    line[49:74].strip(),
                ]
            elif kind == "31":
                yield [line[15:25], line[25:34], line[41:47], line[47:58]]
