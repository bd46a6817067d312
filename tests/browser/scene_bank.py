"""What the bank says in the scene: status reports, debit advices, and files that cannot be read.

The messages are written here by hand, as a bank would send them, and go in by the inbox.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.sax.saxutils import escape

from banking import inbox, lifecycle, outbox
from banking.models import BankFile
from payments import lifecycle as lines_lifecycle
from payments import outcomes
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import actors, tenancy
from portal.events import moves
from tests.kit import Stage

Reasons = Sequence[tuple[str, str]]


@dataclass
class Said:
    """What the bank says of a payment as a whole, and of single lines by reference."""

    status: str = ""
    reasons: Reasons = ()
    lines: Mapping[str, tuple[str, Reasons]] = field(default_factory=dict)


class Booked(NamedTuple):
    """An entry on the account: a debit, or with `returned` the money coming back."""

    number: str
    reference: str
    amount: str
    returned: str = ""
    status: str = "BOOK"


def _reasons(reasons: Reasons) -> str:
    return "".join(
        f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>"
        + (f"<AddtlInf>{escape(text)}</AddtlInf>" if text else "")
        + "</StsRsnInf>"
        for code, text in reasons
    )


def status_report(
    message_id: str,
    *,
    group: str = "",
    reasons: Reasons = (),
    payments: Mapping[str, Said] | None = None,
) -> bytes:
    """A pain.002 on the file that was sent under this MsgId."""
    parts = [
        f"<Document><CstmrPmtStsRpt><GrpHdr><MsgId>P2-{message_id}-{group}</MsgId></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId>"
        "<OrgnlMsgNmId>pain.001</OrgnlMsgNmId>"
        + (f"<GrpSts>{group}</GrpSts>" if group else "")
        + _reasons(reasons)
        + "</OrgnlGrpInfAndSts>"
    ]
    for number, said in (payments or {}).items():
        parts.append(f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{number}</OrgnlPmtInfId>")
        parts.append(f"<PmtInfSts>{said.status}</PmtInfSts>" if said.status else "")
        parts.append(_reasons(said.reasons))
        for reference, (status, why) in said.lines.items():
            parts.append(
                f"<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId>"
                f"<TxSts>{status}</TxSts>{_reasons(why)}</TxInfAndSts>"
            )
        parts.append("</OrgnlPmtInfAndSts>")
    return "".join([*parts, "</CstmrPmtStsRpt></Document>"]).encode()


def debit_advice(account: str, entries: Iterable[Booked], *, day: str, batch: str = "") -> bytes:
    """A camt.054 on one account; `batch` books a whole payment «number amount» in one entry."""
    parts = [
        "<Document><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>C54</MsgId></GrpHdr><Ntfctn><Id>1</Id>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id></Acct>"
    ]
    for place, entry in enumerate(entries, 1):
        way = "CRDT" if entry.returned else "DBIT"
        why = f"<RtrInf><Rsn><Cd>{entry.returned}</Cd></Rsn></RtrInf>" if entry.returned else ""
        parts.append(
            f'<Ntry><Amt Ccy="NOK">{entry.amount}</Amt><CdtDbtInd>{way}</CdtDbtInd>'
            f"<Sts>{entry.status}</Sts><BookgDt><Dt>{day}</Dt></BookgDt>"
            f"<AcctSvcrRef>REF{place:09d}</AcctSvcrRef><NtryDtls><TxDtls><Refs>"
            f"<PmtInfId>{entry.number}</PmtInfId><EndToEndId>{entry.reference}</EndToEndId></Refs>"
            f'<AmtDtls><TxAmt><Amt Ccy="NOK">{entry.amount}</Amt></TxAmt></AmtDtls>{why}'
            "</TxDtls></NtryDtls></Ntry>"
        )
    if batch:
        number, amount = batch.split()
        parts.append(
            f'<Ntry><Amt Ccy="NOK">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'
            f"<BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>BATCH1</AcctSvcrRef><NtryDtls><Btch>"
            f"<PmtInfId>{number}</PmtInfId></Btch></NtryDtls></Ntry>"
        )
    return "".join([*parts, "</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"]).encode()


def hear(made: Stage, name: str, content: bytes) -> BankFile:
    """A file as it was fetched, carried out or set aside; the file as it then stands."""
    with tenancy.acting_for((), unclaimed=True):
        file, _new = inbox.keep(bank_channel=made.channel, name=name, content=io.BytesIO(content))
    outcomes.take_one(file.pk)
    with tenancy.acting_for([made.company], unclaimed=True):
        file.refresh_from_db()
    return file


def fetched(made: Stage, name: str, content: bytes) -> BankFile:
    """A file that nobody has read yet."""
    with tenancy.acting_for((), unclaimed=True):
        file, _new = inbox.keep(bank_channel=made.channel, name=name, content=io.BytesIO(content))
    return file


def claimed(made: Stage, file: BankFile) -> int:
    """Gives an unread or unreadable file to the company, so that its page can be opened; its id."""
    with tenancy.acting_for([made.company], unclaimed=True):
        inbox.claim(file, company_id=made.company.pk, answers_to=None, salary=False)
    return int(file.pk)


def under_way(made: Stage, file_id: int) -> None:
    """The upload has begun."""
    with made.scope():
        moves.move(
            BankFile.objects.filter(pk=file_id),
            lifecycle.UPLOAD,
            by=actors.CLOCK,
            at=clock.now(),
            sets={"attempts": 1, "last_attempt_at": clock.now()},
        )


def arrived(made: Stage, file_id: int, *, delivered: bool = True) -> str:
    """What the courier records when the file lies at the bank, or could not; its MsgId."""
    under_way(made, file_id)
    change = lines_lifecycle.SENT_TO_BANK if delivered else lines_lifecycle.NOT_DELIVERED
    with made.scope():
        if not delivered:
            BankFile.objects.filter(pk=file_id).update(
                error={"code": "no-connection", "detail": "[Errno 111] Connection refused"}
            )
        outbox.mark(file_id, delivered=delivered, at=clock.now())
        ids = list(Payment.objects.filter(bank_file_id=file_id).values_list("pk", flat=True))
        rows = PaymentLine.objects.filter(payment_id__in=ids)
        moves.move(rows, change, by=actors.CLOCK, at=clock.now(), within=ids)
        return str(BankFile.objects.get(pk=file_id).message_id)
