"""Writes a pain.001 from values as a stream of bytes; it decides nothing about what is paid.

Every written file is held to the official schema afterwards (pain001.check_schema).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO

from banking.iso20022 import pain001_schema
from banking.iso20022.markup import CODE_LENGTH, Markup, escape
from banking.iso20022.values import Document, Initiation, Instruction, Transfer
from banking.located import InvalidOutput, Place

AUTHORISATIONS = 2
ADDITIONAL_PER_BLOCK = 3
PIECES_PER_WRITE = 500


@dataclass(frozen=True, slots=True)
class WriterProfile:
    """Which optional elements a bank wants; the defaults are what most Norwegian banks take.

    payment_totals: NbOfTxs and CtrlSum in PmtInf. charge_bearer: ChrgBr where the value has one.
    service_level, category: the elements at all; the defaults fill in where a payment has none
    ("" fills in nothing). account_scheme: SchmeNm BBAN on Norwegian account numbers.
    """

    payment_totals: bool = True
    charge_bearer: bool = True
    batch_booking: bool = True
    priority: bool = True
    service_level: bool = True
    default_service_level: str = "NURG"
    category: bool = True
    default_category: str = "SUPP"
    account_scheme: bool = True
    debit_currency: bool = True
    authorisations: bool = True
    instruction_ids: bool = True


def write(
    target: BinaryIO,
    *,
    initiation: Initiation,
    payments: Iterable[tuple[Instruction, Iterable[Transfer]]],
    version: str,
    profile: WriterProfile,
) -> None:
    """Writes one pain.001.001.<version> ("03" or "09"), UTF-8, in constant memory.

    Counts and sums are those of the values; they are compared with what was written. Places in
    the values are not used. Raises InvalidOutput, after which target holds half a file.
    """
    namespace = pain001_schema.namespace_of(version)
    writer = _Writer(version=version, profile=profile)
    pieces = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f'<Document xmlns="{namespace}"><CstmrCdtTrfInitn>\n',
    ]
    for piece in writer.pieces(initiation, payments):
        pieces.append(piece)
        if len(pieces) >= PIECES_PER_WRITE:
            target.write("".join(pieces).encode())
            pieces.clear()
    pieces.append("</CstmrCdtTrfInitn></Document>\n")
    target.write("".join(pieces).encode())


class _Writer(Markup):
    """Turns the values of one file into pieces of text."""

    def __init__(self, *, version: str, profile: WriterProfile) -> None:
        super().__init__(old=version == "03", account_scheme=profile.account_scheme)
        self._profile = profile
        self._payment = 0
        self._position = 0

    def place(self) -> Place:
        if not self._payment:
            return Place(0, "GrpHdr")
        path = f"PmtInf[{self._payment}]"
        return Place(0, f"{path}/CdtTrfTxInf[{self._position}]" if self._position else path)

    def pieces(
        self, initiation: Initiation, payments: Iterable[tuple[Instruction, Iterable[Transfer]]]
    ) -> Iterator[str]:
        """The message in pieces, one for each head and transfer."""
        yield self._header(initiation)
        all_count, all_sum = 0, Decimal(0)
        for instruction, transfers in payments:
            self._payment += 1
            self._position = 0
            yield self._head(instruction)
            count, total = 0, Decimal(0)
            for one in transfers:
                count += 1
                self._position = count
                total += one.amount
                yield self._transfer(one)
            self._position = 0
            self._totals(instruction.declared_count, instruction.declared_sum, count, total)
            all_count += count
            all_sum += total
            yield "</PmtInf>\n"
        self._payment = 0
        self._totals(initiation.declared_count, initiation.declared_sum, all_count, all_sum)

    def _totals(
        self, declared_count: int | None, declared_sum: Decimal | None, count: int, total: Decimal
    ) -> None:
        if count == 0 or declared_count not in (None, count) or declared_sum not in (None, total):
            raise InvalidOutput(
                code="totals",
                problem=f"{declared_count} transfers of {declared_sum} were announced, "
                f"{count} of {total} written.",
                place=self.place(),
                params={
                    "declared": f"{declared_count}/{declared_sum}",
                    "found": f"{count}/{total}",
                },
            )

    def _header(self, initiation: Initiation) -> str:
        total = initiation.declared_sum
        marks = initiation.authorisations if self._profile.authorisations else ()
        if len(marks) > AUTHORISATIONS:
            raise InvalidOutput(
                code="value",
                problem=f"{len(marks)} authorisations; a file holds {AUTHORISATIONS} at most.",
                place=self.place(),
                params={"element": "Authstn", "value": str(len(marks))},
            )
        return "".join(
            [
                "<GrpHdr>",
                self.identifier("MsgId", initiation.message_id),
                f"<CreDtTm>{initiation.created_at.isoformat(timespec='seconds')}</CreDtTm>",
                *(f"<Authstn>{self.element('Prtry', mark)}</Authstn>" for mark in marks),
                f"<NbOfTxs>{initiation.declared_count}</NbOfTxs>",
                f"<CtrlSum>{self.decimal(total)}</CtrlSum>" if total is not None else "",
                self.party("InitgPty", initiation.initiator),
                "</GrpHdr>\n",
            ]
        )

    def _head(self, payment: Instruction) -> str:
        profile = self._profile
        pieces = [
            "<PmtInf>",
            self.identifier("PmtInfId", payment.number),
            self.element("PmtMtd", payment.method),
        ]
        if profile.batch_booking and payment.batch_booking is not None:
            pieces.append(f"<BtchBookg>{str(payment.batch_booking).lower()}</BtchBookg>")
        if profile.payment_totals and payment.declared_count is not None:
            pieces.append(f"<NbOfTxs>{payment.declared_count}</NbOfTxs>")
        if profile.payment_totals and payment.declared_sum is not None:
            pieces.append(f"<CtrlSum>{self.decimal(payment.declared_sum)}</CtrlSum>")
        level = payment.service_level or profile.default_service_level
        category = payment.category or profile.default_category
        pieces.append(
            self._payment_type(
                priority=payment.priority if profile.priority else "",
                level=level if profile.service_level else "",
                category=category if profile.category else "",
            )
        )
        date = payment.execution_date.isoformat()
        bic = self.element(self.bic, payment.debtor_bic)
        currency = payment.debit_currency if profile.debit_currency else ""
        pieces += [
            f"<ReqdExctnDt>{date}</ReqdExctnDt>"
            if self.old
            else f"<ReqdExctnDt><Dt>{date}</Dt></ReqdExctnDt>",
            self.party("Dbtr", payment.debtor),
            f"<DbtrAcct>{self.account(payment.debit_account)}",
            f"{self.element('Ccy', currency)}</DbtrAcct>",
            f"<DbtrAgt><FinInstnId>{bic or '<Othr><Id>NOTPROVIDED</Id></Othr>'}",
            "</FinInstnId></DbtrAgt>",
            self.element("ChrgBr", payment.charge_bearer) if profile.charge_bearer else "",
            "\n",
        ]
        return "".join(pieces)

    def _payment_type(self, *, priority: str, level: str, category: str) -> str:
        inside = self.element("InstrPrty", priority)
        if level:
            inside += f"<SvcLvl>{self.code(level)}</SvcLvl>"
        if category:
            inside += f"<CtgyPurp>{self.code(category)}</CtgyPurp>"
        return f"<PmtTpInf>{inside}</PmtTpInf>" if inside else ""

    def _transfer(self, one: Transfer) -> str:
        profile = self._profile
        instruction_id = one.instruction_id if profile.instruction_ids else ""
        amount = f'Ccy="{one.currency}">{self.decimal(one.amount)}<'
        if not (one.currency.isascii() and one.currency.isalpha()):
            raise InvalidOutput(
                code="value",
                problem=f"{one.currency!r} is no currency.",
                place=self.place(),
                params={"element": "Ccy", "value": one.currency},
            )
        if one.transfer_currency:
            converted = self.element("CcyOfTrf", one.transfer_currency)
            money = f"<EqvtAmt><Amt {amount}/Amt>{converted}</EqvtAmt>"
        else:
            money = f"<InstdAmt {amount}/InstdAmt>"
        kind = ""
        if one.service_level or one.category:
            kind = self._payment_type(priority="", level=one.service_level, category=one.category)
        bearer = ""
        if one.charge_bearer and profile.charge_bearer:
            bearer = self.element("ChrgBr", one.charge_bearer)
        bank = self._agent(one) if one.payee_bic or one.clearing_id else ""
        account = ""
        if one.payee_account is not None:
            account = f"<CdtrAcct>{self.account(one.payee_account)}</CdtrAcct>"
        purpose = f"<Purp>{self.code(one.purpose)}</Purp>" if one.purpose else ""
        reports = "".join([self._report(*report) for report in one.regulatory])
        return (
            f"<CdtTrfTxInf><PmtId>{self.identifier('InstrId', instruction_id)}"
            f"{self.identifier('EndToEndId', one.end_to_end_id)}</PmtId>{kind}"
            f"<Amt>{money}</Amt>{bearer}{bank}{self.party('Cdtr', one.payee)}{account}"
            f"{purpose}{reports}{self._remittance(one)}</CdtTrfTxInf>\n"
        )

    def _agent(self, one: Transfer) -> str:
        clearing = ""
        if one.clearing_id:
            if one.clearing_system:
                # Clearing system codes have five letters (USABA), unlike other codes.
                word = "Cd" if len(one.clearing_system) <= CODE_LENGTH + 1 else "Prtry"
                clearing = f"<ClrSysId>{self.element(word, one.clearing_system)}</ClrSysId>"
            clearing += self.identifier("MmbId", one.clearing_id)
            clearing = f"<ClrSysMmbId>{clearing}</ClrSysMmbId>"
        bic = self.element(self.bic, one.payee_bic)
        return f"<CdtrAgt><FinInstnId>{bic}{clearing}</FinInstnId></CdtrAgt>"

    def _report(self, code: str, words: str) -> str:
        inside = self.element("Cd", code) + self.element("Inf", words)
        return f"<RgltryRptg><Dtls>{inside}</Dtls></RgltryRptg>" if inside else ""

    def _remittance(self, one: Transfer) -> str:
        """Free text, then the KID, then each document; AddtlRmtInf in the last block."""
        inside = "".join([self.element("Ustrd", line) for line in one.message])
        blocks: list[str] = [self._kid(one.kid)] if one.kid else []
        if one.documents:
            blocks += [self._document(document) for document in one.documents]
        if one.additional:
            if len(one.additional) > ADDITIONAL_PER_BLOCK:
                raise InvalidOutput(
                    code="value",
                    problem=f"{len(one.additional)} additional lines; "
                    f"a transfer holds {ADDITIONAL_PER_BLOCK} at most.",
                    place=self.place(),
                    params={"element": "AddtlRmtInf", "value": str(len(one.additional))},
                )
            blocks = blocks or [""]
            lines = [self.element("AddtlRmtInf", line) for line in one.additional]
            blocks[-1] += "".join(lines)
        inside += "".join([f"<Strd>{block}</Strd>" for block in blocks])
        return f"<RmtInf>{inside}</RmtInf>" if inside else ""

    def _kid(self, kid: str) -> str:
        return (
            "<CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>"
            f"{self.identifier('Ref', kid)}</CdtrRefInf>"
        )

    def _document(self, paper: Document) -> str:
        word = "CdtNoteAmt" if paper.kind == "CREN" else "RmtdAmt"
        number = self.identifier("Nb", paper.number)
        amount = ""
        if paper.amount is not None:
            amount = (
                f'<RfrdDocAmt><{word} Ccy="{escape(paper.currency, self.place)}">'
                f"{self.decimal(paper.amount)}</{word}></RfrdDocAmt>"
            )
        kid = self._kid(paper.kid) if paper.kid else ""
        return (
            f"<RfrdDocInf><Tp><CdOrPrtry><Cd>{paper.kind}</Cd></CdOrPrtry></Tp>{number}"
            f"</RfrdDocInf>{amount}{kid}"
        )
