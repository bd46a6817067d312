"""Writes a pain.001 from values as a stream of bytes; it decides nothing about what is paid.

Strings are joined by hand because that is several times faster than building elements; every text
passes one function that escapes it, and every written file is held to the official schema
afterwards (pain001.check_schema).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO

from banking.iso20022 import pain001_schema
from banking.iso20022.values import (
    Account,
    Document,
    Initiation,
    Instruction,
    Party,
    Place,
    Transfer,
)

IDENTIFIER_LENGTH = 35
AUTHORISATIONS = 2
CODE_LENGTH = 4
ADDITIONAL_PER_BLOCK = 3
PIECES_PER_WRITE = 500
_SPECIAL = re.compile(r"[&<>\r]|[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class InvalidOutput(Exception):
    """A file that must not be sent; code and params as in xmlio.Unreadable, place where it is.

    Codes: illegal-character, too-long, totals, value, and those of a check against the schema.
    """

    def __init__(
        self, *, code: str, problem: str, place: Place, params: dict[str, str] | None = None
    ) -> None:
        self.code = code
        self.problem = problem
        self.place = place
        self.params = dict(params or {})
        super().__init__(f"{problem} (line {place.line}, {place.path})")


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


def escape(value: str, place: Callable[[], Place]) -> str:
    """The text as XML content; InvalidOutput illegal-character where XML has no way to say it."""
    if _SPECIAL.search(value) is None:
        return value
    illegal = _ILLEGAL.search(value)
    if illegal is not None:
        raise InvalidOutput(
            code="illegal-character",
            problem=f"A text holds the character U+{ord(illegal[0]):04X}, which XML forbids.",
            place=place(),
            params={"character": f"U+{ord(illegal[0]):04X}"},
        )
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return value.replace("\r", "&#13;")


class _Writer:
    """Turns the values of one file into pieces of text."""

    def __init__(self, *, version: str, profile: WriterProfile) -> None:
        self._old = version == "03"
        self._bic = "BIC" if self._old else "BICFI"
        self._any_bic = "BICOrBEI" if self._old else "AnyBIC"
        self._scheme = "<SchmeNm><Cd>BBAN</Cd></SchmeNm>" if profile.account_scheme else ""
        self._profile = profile
        self._payment = 0
        self._position = 0

    def _place(self) -> Place:
        if not self._payment:
            return Place(0, "GrpHdr")
        path = f"PmtInf[{self._payment}]"
        return Place(0, f"{path}/CdtTrfTxInf[{self._position}]" if self._position else path)

    def _element(self, name: str, value: str) -> str:
        """<name>value</name>, or nothing for no value."""
        return f"<{name}>{escape(value, self._place)}</{name}>" if value else ""

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
                place=self._place(),
                params={
                    "declared": f"{declared_count}/{declared_sum}",
                    "found": f"{count}/{total}",
                },
            )

    def _identifier(self, name: str, value: str) -> str:
        if len(value) > IDENTIFIER_LENGTH:
            raise InvalidOutput(
                code="too-long",
                problem=f"{name} {value!r} is longer than {IDENTIFIER_LENGTH} characters.",
                place=self._place(),
                params={"element": name, "value": value},
            )
        return self._element(name, value)

    def _decimal(self, value: Decimal) -> str:
        if not value.is_finite() or value < 0:
            raise InvalidOutput(
                code="value",
                problem=f"{value} is no amount.",
                place=self._place(),
                params={"value": str(value)},
            )
        return f"{value:f}"

    def _header(self, initiation: Initiation) -> str:
        total = initiation.declared_sum
        marks = initiation.authorisations if self._profile.authorisations else ()
        if len(marks) > AUTHORISATIONS:
            raise InvalidOutput(
                code="value",
                problem=f"{len(marks)} authorisations; a file holds {AUTHORISATIONS} at most.",
                place=self._place(),
                params={"element": "Authstn", "value": str(len(marks))},
            )
        return "".join(
            [
                "<GrpHdr>",
                self._identifier("MsgId", initiation.message_id),
                f"<CreDtTm>{initiation.created_at.isoformat(timespec='seconds')}</CreDtTm>",
                *(f"<Authstn>{self._element('Prtry', mark)}</Authstn>" for mark in marks),
                f"<NbOfTxs>{initiation.declared_count}</NbOfTxs>",
                f"<CtrlSum>{self._decimal(total)}</CtrlSum>" if total is not None else "",
                self._party("InitgPty", initiation.initiator),
                "</GrpHdr>\n",
            ]
        )

    def _head(self, payment: Instruction) -> str:
        profile = self._profile
        pieces = [
            "<PmtInf>",
            self._identifier("PmtInfId", payment.number),
            self._element("PmtMtd", payment.method),
        ]
        if profile.batch_booking and payment.batch_booking is not None:
            pieces.append(f"<BtchBookg>{str(payment.batch_booking).lower()}</BtchBookg>")
        if profile.payment_totals and payment.declared_count is not None:
            pieces.append(f"<NbOfTxs>{payment.declared_count}</NbOfTxs>")
        if profile.payment_totals and payment.declared_sum is not None:
            pieces.append(f"<CtrlSum>{self._decimal(payment.declared_sum)}</CtrlSum>")
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
        bic = self._element(self._bic, payment.debtor_bic)
        currency = payment.debit_currency if profile.debit_currency else ""
        pieces += [
            f"<ReqdExctnDt>{date}</ReqdExctnDt>"
            if self._old
            else f"<ReqdExctnDt><Dt>{date}</Dt></ReqdExctnDt>",
            self._party("Dbtr", payment.debtor),
            f"<DbtrAcct>{self._account(payment.debit_account)}",
            f"{self._element('Ccy', currency)}</DbtrAcct>",
            f"<DbtrAgt><FinInstnId>{bic or '<Othr><Id>NOTPROVIDED</Id></Othr>'}",
            "</FinInstnId></DbtrAgt>",
            self._element("ChrgBr", payment.charge_bearer) if profile.charge_bearer else "",
            "\n",
        ]
        return "".join(pieces)

    def _payment_type(self, *, priority: str, level: str, category: str) -> str:
        inside = self._element("InstrPrty", priority)
        if level:
            inside += f"<SvcLvl>{self._code(level)}</SvcLvl>"
        if category:
            inside += f"<CtgyPurp>{self._code(category)}</CtgyPurp>"
        return f"<PmtTpInf>{inside}</PmtTpInf>" if inside else ""

    def _code(self, value: str) -> str:
        """A code of the external lists (four characters at most), else a proprietary word."""
        return self._element("Cd" if len(value) <= CODE_LENGTH else "Prtry", value)

    def _account(self, account: Account) -> str:
        if account.kind == "IBAN":
            return f"<Id>{self._element('IBAN', account.number)}</Id>"
        scheme = self._scheme if account.kind == "BBAN" else ""
        if account.kind == "OTHER" and account.scheme:
            scheme = f"<SchmeNm>{self._element('Prtry', account.scheme)}</SchmeNm>"
        return f"<Id><Othr>{self._element('Id', account.number)}{scheme}</Othr></Id>"

    def _party(self, name: str, party: Party) -> str:
        address = (
            self._element("StrtNm", party.street)
            + self._element("BldgNb", party.building)
            + self._element("PstCd", party.post_code)
            + self._element("TwnNm", party.town)
            + self._element("Ctry", party.country)
        )
        for line in party.address_lines:
            address += self._element("AdrLine", line)
        if address:
            address = f"<PstlAdr>{address}</PstlAdr>"
        identifiers = self._identifiers(party.identifiers) if party.identifiers else ""
        return f"<{name}>{self._element('Nm', party.name)}{address}{identifiers}</{name}>"

    def _identifiers(self, identifiers: tuple[tuple[str, str], ...]) -> str:
        """BIC first, then LEI, which .03 has no place for, then the rest as they come."""
        bic = lei = others = ""
        for scheme, value in identifiers:
            if not value:
                continue
            if scheme == "BIC":
                bic = self._element(self._any_bic, value)
            elif scheme == "LEI" and not self._old:
                lei = self._element("LEI", value)
            else:
                kind = f"<SchmeNm>{self._code(scheme)}</SchmeNm>" if scheme else ""
                others += f"<Othr>{self._identifier('Id', value)}{kind}</Othr>"
        inside = f"{bic}{lei}{others}"
        return f"<Id><OrgId>{inside}</OrgId></Id>" if inside else ""

    def _transfer(self, one: Transfer) -> str:
        profile = self._profile
        instruction_id = one.instruction_id if profile.instruction_ids else ""
        amount = f'Ccy="{one.currency}">{self._decimal(one.amount)}<'
        if not (one.currency.isascii() and one.currency.isalpha()):
            raise InvalidOutput(
                code="value",
                problem=f"{one.currency!r} is no currency.",
                place=self._place(),
                params={"element": "Ccy", "value": one.currency},
            )
        if one.transfer_currency:
            converted = self._element("CcyOfTrf", one.transfer_currency)
            money = f"<EqvtAmt><Amt {amount}/Amt>{converted}</EqvtAmt>"
        else:
            money = f"<InstdAmt {amount}/InstdAmt>"
        kind = ""
        if one.service_level or one.category:
            kind = self._payment_type(priority="", level=one.service_level, category=one.category)
        bearer = ""
        if one.charge_bearer and profile.charge_bearer:
            bearer = self._element("ChrgBr", one.charge_bearer)
        bank = self._agent(one) if one.payee_bic or one.clearing_id else ""
        account = ""
        if one.payee_account is not None:
            account = f"<CdtrAcct>{self._account(one.payee_account)}</CdtrAcct>"
        purpose = f"<Purp>{self._code(one.purpose)}</Purp>" if one.purpose else ""
        reports = "".join([self._report(*report) for report in one.regulatory])
        return (
            f"<CdtTrfTxInf><PmtId>{self._identifier('InstrId', instruction_id)}"
            f"{self._identifier('EndToEndId', one.end_to_end_id)}</PmtId>{kind}"
            f"<Amt>{money}</Amt>{bearer}{bank}{self._party('Cdtr', one.payee)}{account}"
            f"{purpose}{reports}{self._remittance(one)}</CdtTrfTxInf>\n"
        )

    def _agent(self, one: Transfer) -> str:
        clearing = ""
        if one.clearing_id:
            if one.clearing_system:
                # Clearing system codes have five letters (USABA), unlike other codes.
                word = "Cd" if len(one.clearing_system) <= CODE_LENGTH + 1 else "Prtry"
                clearing = f"<ClrSysId>{self._element(word, one.clearing_system)}</ClrSysId>"
            clearing += self._identifier("MmbId", one.clearing_id)
            clearing = f"<ClrSysMmbId>{clearing}</ClrSysMmbId>"
        bic = self._element(self._bic, one.payee_bic)
        return f"<CdtrAgt><FinInstnId>{bic}{clearing}</FinInstnId></CdtrAgt>"

    def _report(self, code: str, words: str) -> str:
        inside = self._element("Cd", code) + self._element("Inf", words)
        return f"<RgltryRptg><Dtls>{inside}</Dtls></RgltryRptg>" if inside else ""

    def _remittance(self, one: Transfer) -> str:
        """Free text, then the KID, then each document; AddtlRmtInf in the last block."""
        inside = "".join([self._element("Ustrd", line) for line in one.message])
        blocks: list[str] = [self._kid(one.kid)] if one.kid else []
        if one.documents:
            blocks += [self._document(document) for document in one.documents]
        if one.additional:
            if len(one.additional) > ADDITIONAL_PER_BLOCK:
                raise InvalidOutput(
                    code="value",
                    problem=f"{len(one.additional)} additional lines; "
                    f"a transfer holds {ADDITIONAL_PER_BLOCK} at most.",
                    place=self._place(),
                    params={"element": "AddtlRmtInf", "value": str(len(one.additional))},
                )
            blocks = blocks or [""]
            lines = [self._element("AddtlRmtInf", line) for line in one.additional]
            blocks[-1] += "".join(lines)
        inside += "".join([f"<Strd>{block}</Strd>" for block in blocks])
        return f"<RmtInf>{inside}</RmtInf>" if inside else ""

    def _kid(self, kid: str) -> str:
        return (
            "<CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>"
            f"{self._identifier('Ref', kid)}</CdtrRefInf>"
        )

    def _document(self, paper: Document) -> str:
        word = "CdtNoteAmt" if paper.kind == "CREN" else "RmtdAmt"
        number = self._identifier("Nb", paper.number)
        amount = ""
        if paper.amount is not None:
            amount = (
                f'<RfrdDocAmt><{word} Ccy="{escape(paper.currency, self._place)}">'
                f"{self._decimal(paper.amount)}</{word}></RfrdDocAmt>"
            )
        kid = self._kid(paper.kid) if paper.kid else ""
        return (
            f"<RfrdDocInf><Tp><CdOrPrtry><Cd>{paper.kind}</Cd></CdOrPrtry></Tp>{number}"
            f"</RfrdDocInf>{amount}{kid}"
        )
