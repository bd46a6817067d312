"""Holds the elements that all messages are written with; must not read any row but a customer's."""

import json
import sqlite3
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from . import numbers
from .books import amount_text

NOT_PROVIDED = "NOTPROVIDED"


@dataclass(frozen=True, slots=True)
class Style:
    """How one message is written: its version, and the oddities that were scripted for it."""

    version: str
    status: str = "BOOK"
    decimals: int = 2
    bom: bool = False
    not_provided: bool = False
    no_details: bool = False
    totals: bool = False
    kid_as_text: bool = False
    message_name: str = ""
    ocr_no_end: bool = False
    ocr_totals: bool = False

    @property
    def is_old(self) -> bool:
        """Of a camt: version 02 spells some elements otherwise."""
        return self.version.endswith(".001.02")

    def reference(self, end_to_end_id: str) -> str:
        """The EndToEndId as this message gives it."""
        return NOT_PROVIDED if self.not_provided else end_to_end_id

    def amount(self, minor: int) -> str:
        return amount_text(minor) + "0" * (self.decimals - 2)

    def money(self, name: str, minor: int, currency: str) -> str:
        return f"<{name} Ccy={quoteattr(currency)}>{self.amount(minor)}</{name}>"


def style(message: sqlite3.Row) -> Style:
    """What a message's row says of its style."""
    told = json.loads(message["told"])
    known = {name: told[name] for name in Style.__dataclass_fields__ if name in told}
    return Style(version=message["version"], **known)


def tag(name: str, *content: str) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def value(name: str, text: str, longest: int = 35) -> str:
    """An element with text, or nothing at all: empty elements break the schemas."""
    text = text[:longest].strip()
    return f"<{name}>{escape(text)}</{name}>" if text else ""


def reason(name: str, code: str, text: str) -> str:
    """A block with a code and a sentence, or nothing where there is no code."""
    if not code:
        return ""
    return tag(name, tag("Rsn", value("Cd", code, 4)), value("AddtlInf", text, 105))


def identity(books: sqlite3.Connection, customer_number: str) -> str:
    """The customer's organisation identifiers, or nothing for one that is not known."""
    row = books.execute(
        "SELECT agreement_id FROM customers WHERE customer_number = ?", (customer_number,)
    ).fetchone()
    if row is None:
        return ""
    others = [
        tag("Othr", value("Id", text), tag("SchmeNm", value("Cd", scheme)))
        for text, scheme in ((row[0], "BANK"), (customer_number, "CUST"))
        if text
    ]
    return tag("Id", tag("OrgId", *others))


def account_choice(number: str) -> str:
    if not number.isdigit() and numbers.iban_fits(number):
        return value("IBAN", number)
    return tag("Othr", value("Id", number, 34), tag("SchmeNm", value("Cd", "BBAN")))
