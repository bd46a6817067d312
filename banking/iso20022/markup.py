"""Pieces of XML that the writers of ISO 20022 messages share, as text.

Strings are joined by hand because that is several times faster than building elements; every text
passes one function that escapes it. It knows no message.
"""

import re
from collections.abc import Callable
from decimal import Decimal

from banking.iso20022.values import Account, Party
from banking.located import InvalidOutput, Place

IDENTIFIER_LENGTH = 35
CODE_LENGTH = 4
_SPECIAL = re.compile(r"[&<>\r]|[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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


class Markup:
    """Elements as text; old is for the first versions of messages, which name BICs otherwise.

    account_scheme: SchmeNm BBAN on Norwegian account numbers. Errors tell place().
    """

    def __init__(self, *, old: bool, account_scheme: bool = True) -> None:
        self.old = old
        self.bic = "BIC" if old else "BICFI"
        self.any_bic = "BICOrBEI" if old else "AnyBIC"
        self.scheme = "<SchmeNm><Cd>BBAN</Cd></SchmeNm>" if account_scheme else ""

    def place(self) -> Place:
        """Where the writing is."""
        return Place(0, "")

    def element(self, name: str, value: str) -> str:
        """<name>value</name>, or nothing for no value."""
        return f"<{name}>{escape(value, self.place)}</{name}>" if value else ""

    def identifier(self, name: str, value: str) -> str:
        """An element of at most 35 characters; InvalidOutput too-long."""
        if len(value) > IDENTIFIER_LENGTH:
            raise InvalidOutput(
                code="too-long",
                problem=f"{name} {value!r} is longer than {IDENTIFIER_LENGTH} characters.",
                place=self.place(),
                params={"element": name, "value": value},
            )
        return self.element(name, value)

    def decimal(self, value: Decimal) -> str:
        """An amount as it is; InvalidOutput value where it is none."""
        if not value.is_finite() or value < 0:
            raise InvalidOutput(
                code="value",
                problem=f"{value} is no amount.",
                place=self.place(),
                params={"value": str(value)},
            )
        return f"{value:f}"

    def code(self, value: str) -> str:
        """A code of the external lists (four characters at most), else a proprietary word."""
        return self.element("Cd" if len(value) <= CODE_LENGTH else "Prtry", value)

    def account(self, account: Account) -> str:
        """The Id of an account."""
        if account.kind == "IBAN":
            return f"<Id>{self.element('IBAN', account.number)}</Id>"
        scheme = self.scheme if account.kind == "BBAN" else ""
        if account.kind == "OTHER" and account.scheme:
            scheme = f"<SchmeNm>{self.element('Prtry', account.scheme)}</SchmeNm>"
        return f"<Id><Othr>{self.element('Id', account.number)}{scheme}</Othr></Id>"

    def party(self, name: str, party: Party) -> str:
        """A party with its address and identifiers."""
        address = (
            self.element("StrtNm", party.street)
            + self.element("BldgNb", party.building)
            + self.element("PstCd", party.post_code)
            + self.element("TwnNm", party.town)
            + self.element("Ctry", party.country)
        )
        for line in party.address_lines:
            address += self.element("AdrLine", line)
        if address:
            address = f"<PstlAdr>{address}</PstlAdr>"
        identifiers = self._identifiers(party.identifiers) if party.identifiers else ""
        return f"<{name}>{self.element('Nm', party.name)}{address}{identifiers}</{name}>"

    def _identifiers(self, identifiers: tuple[tuple[str, str], ...]) -> str:
        """BIC first, then LEI, which .03 has no place for, then the rest as they come."""
        bic = lei = others = ""
        for scheme, value in identifiers:
            if not value:
                continue
            if scheme == "BIC":
                bic = self.element(self.any_bic, value)
            elif scheme == "LEI" and not self.old:
                lei = self.element("LEI", value)
            else:
                kind = f"<SchmeNm>{self.code(scheme)}</SchmeNm>" if scheme else ""
                others += f"<Othr>{self.identifier('Id', value)}{kind}</Othr>"
        inside = f"{bic}{lei}{others}"
        return f"<Id><OrgId>{inside}</OrgId></Id>" if inside else ""
