"""What the codec is measured on: the same payments as values and as files of each kind.

Nothing here is random or measured. Files hold only what the readers carry, so that a bare loop
over them touches the same elements.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple, TextIO
from xml.sax.saxutils import escape

from banking.iso20022.values import Account, Initiation, Instruction, Party, Transfer
from banking.located import NOWHERE

URN = "urn:iso:std:iso:20022:tech:xsd:"
PAIN001, PAIN002 = f"{URN}pain.001.001.09", f"{URN}pain.002.001.10"
CAMT053, CAMT054 = f"{URN}camt.053.001.08", f"{URN}camt.054.001.08"
PEOPLE = 1000
PAYMENT_LINES = 5000
# The last 20 of each 100 transactions are one entry of the account.
HUNDRED, SINGLE = 100, 80
REJECTED_EVERY = 20
CREATED = dt.datetime(2026, 11, 23, 8, tzinfo=dt.timezone(dt.timedelta(hours=1)))
DAY = CREATED.date()
ACCOUNT, OUR_BIC, OURS = "15034040505", "DNBANOKK", "Fjære Bruk AS"
NAMES = (
    "Bjørn Åsnes",
    "Strøm & Nett AS",
    "Kjærstad Rør AS",
    "Øvre Årdal Regnskap",
    "Ærlig Bygg AS",
    "Sjøblom og Sønner",
    "Håkon Grønås",
)
TOWNS = ("OSLO", "TROMSØ", "ÅLESUND", "SÆBØVIK")


class Person(NamedTuple):
    """One who is paid or pays, how much, and for what: a KID, or "" and words."""

    name: str
    street: str
    post_code: str
    town: str
    account: str
    amount: Decimal
    kid: str
    words: str


class Payment(NamedTuple):
    """A payment of a pain.001: its number, the first of its lines from 1, their count and sum."""

    number: str
    first: int
    count: int
    total: Decimal


@functools.cache
def people() -> tuple[Person, ...]:
    """All whom the transactions are with; every second has a KID."""
    return tuple(
        Person(
            name=f"{NAMES[i % len(NAMES)]} {i}",
            street=f"Høgevegen {1 + i % 99}",
            post_code=f"{101 + i * 7:04d}",
            town=TOWNS[i % len(TOWNS)],
            account=f"9710{i * 6151:07d}",
            amount=Decimal(100 + i * 7919 % 9_999_900).scaleb(-2),
            kid=f"{i * 104_729:012d}" if i % 2 else "",
            words="" if i % 2 else f"Faktura {i}, forfalt i går: blåbær og rømmegrøt",
        )
        for i in range(PEOPLE)
    )


def rows(n: int, *, first: int = 1) -> Iterator[tuple[int, Person]]:
    """(number, person) of the transactions first … first + n - 1."""
    start = (first - 1) % PEOPLE
    return enumerate(islice(cycle(people()), start, start + n), first)


def payments(n: int) -> list[Payment]:
    """The payments that n transactions fall into."""
    return [
        Payment(f"P{first}", first, count, sum_of(count, first=first))
        for first in range(1, n + 1, PAYMENT_LINES)
        for count in [min(PAYMENT_LINES, n + 1 - first)]
    ]


def sum_of(n: int, *, first: int = 1) -> Decimal:
    """The sum of those transactions."""
    return sum((person.amount for _number, person in rows(n, first=first)), Decimal(0))


# --- as values ---------------------------------------------------------------------------------


def initiation(n: int) -> Initiation:
    """The head of a pain.001 of n transactions."""
    return Initiation("KVITT-1", CREATED, n, sum_of(n), Party(OURS), (), "09")


def instruction(payment: Payment) -> Instruction:
    """The head of a payment."""
    return Instruction(
        number=payment.number,
        execution_date=DAY,
        debtor=Party(OURS),
        debit_account=Account("BBAN", ACCOUNT),
        debit_currency="NOK",
        debtor_bic=OUR_BIC,
        category="SUPP",
        service_level="NURG",
        priority="",
        batch_booking=None,
        charge_bearer="",
        declared_count=payment.count,
        declared_sum=payment.total,
        place=NOWHERE,
    )


def transfers(payment: Payment) -> Iterator[Transfer]:
    """The lines of a payment, made as they are asked for."""
    for position, (number, person) in enumerate(rows(payment.count, first=payment.first), 1):
        yield Transfer(
            position=position,
            instruction_id=f"I{number}",
            end_to_end_id=f"{payment.number}-{number}",
            amount=person.amount,
            currency="NOK",
            payee=Party(person.name, person.street, "", person.post_code, person.town, "NO"),
            payee_account=Account("BBAN", person.account),
            payee_bic="",
            clearing_id="",
            kid=person.kid or None,
            message=() if person.kid else (person.words,),
            documents=(),
            purpose="",
            place=NOWHERE,
        )


# --- as files ----------------------------------------------------------------------------------


def write_camt(path: Path, n: int, *, statement: bool = False) -> None:
    """A camt.054, or with statement a camt.053, of n transactions: credits, and debits in batches."""
    message, part = ("BkToCstmrStmt", "Stmt") if statement else ("BkToCstmrDbtCdtNtfctn", "Ntfctn")
    with path.open("w", encoding="utf-8") as file:
        file.write(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{CAMT053 if statement else CAMT054}">'
            f"<{message}><GrpHdr><MsgId>KVB-1</MsgId><CreDtTm>{CREATED.isoformat()}</CreDtTm></GrpHdr>\n"
            f"<{part}><Id>1</Id><Acct><Id>{_account(ACCOUNT)}</Id><Ccy>NOK</Ccy></Acct>\n"
        )
        for kind in ("OPBD", "CLBD") if statement else ():
            file.write(
                f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>{_money('100.00')}"
                f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{DAY}</Dt></Dt></Bal>\n"
            )
        for first in range(1, n + 1, HUNDRED):
            _write_hundred(file, first, min(HUNDRED, n + 1 - first))
        file.write(f"</{part}></{message}></Document>\n")


def _write_hundred(file: TextIO, first: int, count: int) -> None:
    file.writelines(
        f"{_entry(number, person.amount, 'CRDT', 'RCDT')}<NtryDtls><TxDtls><Refs>"
        f"<AcctSvcrRef>B{number}</AcctSvcrRef><EndToEndId>NOTPROVIDED</EndToEndId></Refs>"
        f"{_money(person.amount)}<CdtDbtInd>CRDT</CdtDbtInd>{_party('Dbtr', person)}"
        "</TxDtls></NtryDtls></Ntry>\n"
        for number, person in rows(min(count, SINGLE), first=first)
    )
    if count <= SINGLE:
        return
    count, first = count - SINGLE, first + SINGLE
    total = sum_of(count, first=first)
    file.write(
        f"{_entry(first, total, 'DBIT', 'ICDT')}<NtryDtls><Btch><MsgId>KVITT-1</MsgId>"
        f"<PmtInfId>P{first}</PmtInfId><NbOfTxs>{count}</NbOfTxs>"
        f'<TtlAmt Ccy="NOK">{total}</TtlAmt></Btch>'
    )
    file.writelines(
        f"<TxDtls><Refs><MsgId>KVITT-1</MsgId><AcctSvcrRef>B{number}</AcctSvcrRef>"
        f"<PmtInfId>P{first}</PmtInfId><InstrId>I{number}</InstrId>"
        f"<EndToEndId>P{first}-{number}</EndToEndId></Refs>{_money(person.amount)}"
        f"<CdtDbtInd>DBIT</CdtDbtInd><AmtDtls><InstdAmt>{_money(person.amount)}</InstdAmt>"
        f"</AmtDtls>{_party('Cdtr', person)}</TxDtls>"
        for number, person in rows(count, first=first)
    )
    file.write("</NtryDtls></Ntry>\n")


def _entry(number: int, amount: Decimal, direction: str, family: str) -> str:
    return (
        f"<Ntry>{_money(amount)}<CdtDbtInd>{direction}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{DAY}</Dt></BookgDt><ValDt><Dt>{DAY}</Dt></ValDt>"
        f"<AcctSvcrRef>B{number}</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly>"
        f"<Cd>{family}</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
    )


def _party(role: str, person: Person) -> str:
    if person.kid:
        told = (
            "<Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>"
            f"<Ref>{person.kid}</Ref></CdtrRefInf></Strd>"
        )
    else:
        told = f"<Ustrd>{escape(person.words)}</Ustrd>"
    return (
        f"<RltdPties><{role}><Pty><Nm>{escape(person.name)}</Nm></Pty></{role}><{role}Acct><Id>"
        f"{_account(person.account)}</Id></{role}Acct></RltdPties><RmtInf>{told}</RmtInf>"
    )


def _money(amount: Decimal | str) -> str:
    return f'<Amt Ccy="NOK">{amount}</Amt>'


def _account(number: str) -> str:
    return f"<Othr><Id>{number}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr>"


def write_pain002(path: Path, n: int) -> None:
    """A pain.002 that accepts n transactions but for every twentieth."""
    with path.open("w", encoding="utf-8") as file:
        file.write(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{PAIN002}"><CstmrPmtStsRpt>'
            f"<GrpHdr><MsgId>KVB-2</MsgId><CreDtTm>{CREATED.isoformat()}</CreDtTm></GrpHdr>"
            "<OrgnlGrpInfAndSts><OrgnlMsgId>KVITT-1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09"
            "</OrgnlMsgNmId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>\n"
        )
        for payment in payments(n):
            file.write(
                f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{payment.number}</OrgnlPmtInfId>"
                "<PmtInfSts>PART</PmtInfSts>\n"
            )
            for number, _person in rows(payment.count, first=payment.first):
                rejected = number % REJECTED_EVERY == 0
                reason = (
                    "<StsRsnInf><Rsn><Cd>AC01</Cd></Rsn><AddtlInf>Kontoen finnes ikke på "
                    "øya</AddtlInf></StsRsnInf>"
                )
                file.write(
                    f"<TxInfAndSts><OrgnlInstrId>I{number}</OrgnlInstrId><OrgnlEndToEndId>"
                    f"{payment.number}-{number}</OrgnlEndToEndId>"
                    f"<TxSts>{'RJCT' if rejected else 'ACCP'}</TxSts>"
                    f"{reason if rejected else ''}</TxInfAndSts>\n"
                )
            file.write("</OrgnlPmtInfAndSts>\n")
        file.write("</CstmrPmtStsRpt></Document>\n")


def write_ocr(path: Path, n: int) -> None:
    """An OCR giro file of n receipts, all with a KID, in one assignment."""
    minor = int(sum_of(n).scaleb(2))
    day = f"{DAY:%d%m%y}"
    with path.open("w", encoding="iso-8859-1", newline="\r\n") as file:
        file.write(f"{'NY000010000080800000001' + '00008080':0<80}\n")
        file.write(f"{f'NY0900200010085660000001{ACCOUNT}':0<80}\n")
        for number, person in rows(n):
            cents = int(person.amount.scaleb(2))
            file.write(
                f"NY091030{number:07d}{day}01231{number % 10**5:05d}0{cents:017d}"
                f"{person.kid or number:>25}000000\n"
                f"NY091031{number:07d}{number:010d}{number:09d}0000000{day}{person.account}"
                f"{'':0<22}\n"
            )
        counts = f"{n:08d}{2 * n + 2:08d}{minor:017d}"
        file.write(f"{f'NY090088{counts}{day}{day}{day}':0<80}\n")
        counts = f"{n:08d}{2 * n + 4:08d}{minor:017d}"
        file.write(f"{f'NY000089{counts}{day}':0<80}\n")
