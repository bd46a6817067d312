"""The smallest request to a bank, for an account's balance (camt.060), and what answers it.

The answer is an account report (camt.052) or a rejection (admi.002). It decides nothing about what
a rejection means. No package carries the schema of camt.060: it is written here as its message
definition has it, and the simulated bank reads it in tests.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lxml import etree

from banking.iso20022 import xmlio
from banking.iso20022.markup import Markup
from banking.iso20022.values import Account, Party
from banking.iso20022.xmlio import text
from banking.located import Place, Unreadable

VERSION = "camt.060.001.05"
ASKED_FOR = "camt.052.001.08"
NAMESPACE = f"urn:iso:std:iso:20022:tech:xsd:{VERSION}"
_HEAD = {"camt.052": "GrpHdr", "admi.002": "admi.002.001.01"}


@dataclass(frozen=True, slots=True)
class BalanceRequest:
    """Who asks, as the bank knows them, and for which account."""

    message_id: str
    created_at: datetime.datetime
    asker: Party
    account: Account
    currency: str


@dataclass(frozen=True, slots=True)
class Answer:
    """kind is "camt.052" or "admi.002"; request is the MsgId that it answers, "" where none is
    told; code and reason are those of a rejection."""

    kind: str
    message_id: str
    request: str
    code: str
    reason: str


def write(target: BinaryIO, request: BalanceRequest) -> None:
    """Writes a camt.060.001.05, UTF-8. Raises InvalidOutput: too-long, illegal-character."""
    made = _Writer(old=False)
    asker = made.party("Pty", request.asker)
    account = made.account(request.account)
    created = request.created_at.isoformat(timespec="seconds")
    target.write(
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Document xmlns="{NAMESPACE}"><AcctRptgReq>\n'
            f"<GrpHdr>{made.identifier('MsgId', request.message_id)}<CreDtTm>{created}</CreDtTm>"
            f"<MsgSndr>{asker}</MsgSndr></GrpHdr>\n"
            f"<RptgReq>{made.identifier('Id', request.message_id)}"
            f"<ReqdMsgNmId>{ASKED_FOR}</ReqdMsgNmId>"
            f"<Acct>{account}{made.element('Ccy', request.currency)}</Acct>"
            f"<AcctOwnr>{asker}</AcctOwnr></RptgReq>\n"
            "</AcctRptgReq></Document>\n"
        ).encode()
    )


class _Writer(Markup):
    def place(self) -> Place:
        return Place(0, "AcctRptgReq")


def read(source: BinaryIO) -> Answer:
    """What a camt.052 or an admi.002 answers; it is read no further than its head.

    Raises Unreadable as xmlio.open_kind does, and truncated, not-xml, missing.
    """
    guarded = xmlio.open_kind(source, kinds=tuple(_HEAD))
    kind = guarded.root.kind
    for _event, element in xmlio.parse(guarded, tags=[f"{{*}}{_HEAD[kind]}"]):
        found = {"/".join(path): words for path, words in _texts(element, ())}
        if kind == "admi.002":
            return Answer(
                kind,
                "",
                found.get("RltdRef/Ref", ""),
                found.get("Rsn/RjctgPtyRsn", ""),
                found.get("Rsn/RsnDesc", ""),
            )
        request = found.get("OrgnlBizQry/MsgId", "")
        return Answer(kind, found.get("MsgId", ""), request, "", "")
    raise Unreadable(
        code="missing",
        problem=f"The {kind} has no {_HEAD[kind]}.",
        cure="Ask for the file again.",
        place=Place(1, ""),
        params={"element": "Document", "expected": _HEAD[kind]},
    )


def _texts(
    element: etree._Element, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path below the element, text) of all that holds text and nothing else."""
    for child in element:
        path = (*above, xmlio.local(child.tag))
        if len(child):
            yield from _texts(child, path)
        else:
            yield path, text(child)
