"""Payments as JSON, read into the same values as a pain.001; streaming, so `lines` comes last.

The form is described on the API's page and in docs/erp-api.md.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import ijson
from django.utils.translation import gettext as _
from ijson.common import ObjectBuilder

from banking.iso20022 import xmlio
from banking.iso20022.values import Account, Document, Initiation, Instruction, Party, Transfer
from banking.located import Place, Unreadable

LINE = "payments.item.lines.item"
PAYMENT = "payments.item"
HEAD_FIELDS = frozenset({"number", "due_date", "debit_account", "kind", "urgent", "lines"})
LINE_FIELDS = frozenset(
    {
        "reference",
        "amount",
        "currency",
        "payee",
        "account",
        "bic",
        "kid",
        "message",
        "documents",
        "purpose",
        "clearing_id",
        "clearing_system",
        "charge_bearer",
    }
)
PAYEE_FIELDS = frozenset({"name", "street", "building", "post_code", "town", "country"})
# Who pays the banks' charges: all the payer, all the payee, each their own, as the scheme has it.
BEARERS = frozenset({"DEBT", "CRED", "SHAR", "SLEV"})
DOCUMENT_FIELDS = frozenset({"kind", "number", "amount", "kid"})
# What may stand outside the lines: path to its parser events, and to the keys of an object.
CONTAINERS = {
    "": ("start_map", "end_map"),
    "totals": ("start_map", "end_map"),
    "payments": ("start_array", "end_array"),
    PAYMENT: ("start_map", "end_map"),
    PAYMENT + ".lines": ("start_array", "end_array"),
}
KEYS = {"": {"totals", "payments"}, "totals": {"lines", "sum"}, PAYMENT: HEAD_FIELDS}
SCALARS = ("string", "number", "boolean", "null")
KINDS = {"supplier": "SUPP", "salary": "SALA"}
# A line's names here for the ISO paths that faults speak of.
NAMES = {
    "PmtInfId": "number",
    "DbtrAcct": "debit_account",
    "ReqdExctnDt": "due_date",
    "PmtId/EndToEndId": "reference",
    "Amt/InstdAmt": "amount",
    "InstdAmt/@Ccy": "currency",
    "CdtrAcct": "account",
    "Cdtr/Nm": "payee.name",
    "Cdtr/PstlAdr": "payee.town",
    "CdtrAgt/BICFI": "bic",
    "CdtrRefInf/Ref": "kid",
    "RmtInf/Ustrd": "message",
    "RmtInf/Strd": "documents",
    "Strd/CdtrRefInf/Ref": "documents",
}
LINE_EVENTS_MAX = 10_000
# The parser writes out the path of each event, and a whole buffer of them ahead: a body of
# brackets alone costs the square of the buffer, so it is small and a path is never long.
BUFFER_BYTES = 4096
RUN_MAX = 100
ENDLESS = re.compile(rb"[0-9]{%d}" % (RUN_MAX + 1))
# An escape, and what one that stands for half a character must be followed by.
ESCAPE = re.compile(
    rb"\\(?:(?P<high>u[dD][89abAB][0-9a-fA-F]{2})(?P<pair>\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    rb"|(?P<low>u[dD][c-fC-F][0-9a-fA-F]{2})|.?)",
    re.DOTALL,
)
ESCAPE_MAX = 12  # bytes
PATH_MAX = 200
DIGITS_MAX = 18
# What neither XML nor the database can carry.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def is_path(path: str) -> bool:
    """Whether a place's path is one of this format."""
    return path.startswith("payments[")


def name_of(field: str) -> str:
    """The name here of a field that is given by its ISO path."""
    return NAMES.get(field, field)


def read(source: BinaryIO, *, at: dt.datetime) -> Iterator[Initiation | Instruction | Transfer]:
    """Initiation, then each Instruction with its Transfers; totals are compared at the end.
    `at` stands in for the time of creation, which this format does not tell.

    Raises Unreadable with the place as a path such as payments[0].lines[3].amount.
    """
    if not source.read(1):
        raise _fault("empty", "body", _("The body is empty."), _("Send {totals, payments}."))
    source.seek(0)
    _refuse_endless_numbers(source)
    _refuse_half_characters(source)
    reader = _Reader(at)
    try:
        yield from reader.values(ijson.parse(source, use_float=False, buf_size=BUFFER_BYTES))
    except ijson.JSONError as error:
        words = _words(error)
        if "EOF" in words or "ncomplete" in words:
            raise _fault(
                "truncated",
                reader.path(),
                _("The JSON breaks off: %(why)s.") % {"why": words},
                _("Send the whole body again."),
            ) from error
        raise _fault(
            "not-json",
            reader.path(),
            _("The body is not JSON: %(why)s.") % {"why": words},
            _("Send valid JSON."),
        ) from error
    reader.compare_totals()


def _refuse_endless_numbers(source: BinaryIO) -> None:
    """Raises Unreadable for a run of digits that no amount has; the parser in C dies of it."""
    tail = b""
    while chunk := source.read(BUFFER_BYTES):
        if ENDLESS.search(tail + chunk):
            raise _fault(
                "value",
                "body",
                _("A number has more than %(most)s digits.") % {"most": RUN_MAX},
                _("Correct it as the API's description says."),
            )
        tail = chunk[-RUN_MAX:]
    source.seek(0)


def _refuse_half_characters(source: BinaryIO) -> None:
    """Raises Unreadable for an escape that stands for half a character, without its other half; the
    parser writes a question mark in its place."""
    rest = b""
    while chunk := source.read(BUFFER_BYTES):
        text = rest + chunk
        rest = b""
        for found in ESCAPE.finditer(text):
            if len(text) - found.start() < ESCAPE_MAX and len(chunk) == BUFFER_BYTES:
                rest = text[found.start() :]
                break
            _refuse_half(found)
    for found in ESCAPE.finditer(rest):
        _refuse_half(found)
    source.seek(0)


def _refuse_half(found: re.Match[bytes]) -> None:
    if found["low"] or (found["high"] and not found["pair"]):
        raise _fault(
            "value",
            "body",
            _("%(escape)s stands for half a character, and its other half is missing.")
            % {"escape": found[0].decode("ascii")},
            _("Write both halves, or leave it out."),
        )


def _words(error: Exception) -> str:
    """What the parser says, without the piece of the body that it quotes."""
    text = error.args[0] if error.args else ""
    words = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return words.partition("\n")[0].rstrip(" .")


def _fault(code: str, path: str, problem: str, cure: str, **params: str) -> Unreadable:
    return Unreadable(code=code, problem=problem, cure=cure, place=Place(0, path), params=params)


class _Reader:
    """Follows the parser's events, with one line in memory at a time."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at
        self.payment = -1
        self.position = 0
        self.lines = 0
        self.sum = Decimal(0)
        self.head: dict[str, Any] = {}
        self.totals: dict[str, Any] = {}
        self.seen: dict[str, set[str]] = {}

    def values(self, events: Any) -> Iterator[Initiation | Instruction | Transfer]:
        builder: ObjectBuilder | None = None
        room = 0
        for prefix, event, value in events:
            if builder is not None:
                room -= 1
                if room < 0 or len(prefix) > PATH_MAX:
                    raise self._wrong("", _("The line holds more than any payment does."))
                if event == "map_key" and prefix == LINE:
                    self._once(prefix, value)
                builder.event(event, value)
                if prefix == LINE and event == "end_map":
                    yield self._line(builder.value)
                    builder = None
            elif prefix == LINE:
                self.position += 1
                if event != "start_map":
                    raise self._wrong("", _("Each line must be an object."))
                self.seen[LINE] = set()
                builder, room = ObjectBuilder(), LINE_EVENTS_MAX
                builder.event(event, value)
            else:
                if not self.seen:
                    if (prefix, event) != ("", "start_map"):
                        raise self._shape("body", _("The body is not a JSON object."))
                    yield Initiation("", self.at, 0, None, Party(), (), "json")
                yield from self._outside(prefix, event, value)

    def _outside(self, prefix: str, event: str, value: Any) -> Iterator[Instruction]:
        """What stands around the lines; anything unexpected is a fault, however deep it goes."""
        if event == "map_key" and prefix in KEYS:
            self._key(prefix, value)
        elif event in CONTAINERS.get(prefix, ()):
            yield from self._container(prefix, event)
        elif event in SCALARS and prefix.startswith(PAYMENT + "."):
            self.head[prefix.removeprefix(PAYMENT + ".")] = value
        elif event in SCALARS and prefix.startswith("totals."):
            self.totals[prefix.removeprefix("totals.")] = value
        else:
            count = self.payment + (prefix == PAYMENT or self.payment < 0)
            path = prefix[:PATH_MAX].replace(PAYMENT, f"payments[{count}]", 1)
            raise self._shape(path, "This is not the value that belongs here.")

    def _key(self, prefix: str, name: str) -> None:
        if name not in KEYS[prefix]:
            if prefix == PAYMENT:
                raise self._of_payment(name, "This field is not known.")
            raise self._shape(f"{prefix}.{name}".lstrip("."), _("This field is not known."))
        if prefix == PAYMENT and "lines" in self.seen[PAYMENT]:
            raise self._of_payment(name, "Fields of a payment must stand before its lines.")
        self._once(prefix, name)

    def _once(self, prefix: str, name: str) -> None:
        if name in self.seen[prefix]:
            path = (
                f"{self.path()}.{name}"
                if prefix.startswith(PAYMENT)
                else f"{prefix}.{name}".lstrip(".")
            )
            raise _fault("value", path, "This field stands twice.", "Leave one of them out.")
        self.seen[prefix].add(name)

    def _container(self, prefix: str, event: str) -> Iterator[Instruction]:
        if event == "start_map":
            self.seen[prefix] = set()
        if prefix == PAYMENT and event == "start_map":
            self.payment += 1
            self.position, self.head = 0, {}
        elif prefix == PAYMENT and event == "end_map" and not self.position:
            raise self._of_payment("lines", _("The payment has no lines."))
        elif prefix == PAYMENT + ".lines" and event == "start_array":
            yield self._instruction()
        elif prefix == PAYMENT and event == "end_map":
            self.position = 0

    def path(self) -> str:
        """How far the reading has come: a payment, or a line of it."""
        if self.payment < 0:
            return "body"
        line = f".lines[{self.position - 1}]" if self.position else ""
        return f"payments[{self.payment}]{line}"

    @staticmethod
    def _shape(path: str, problem: str) -> Unreadable:
        return _fault("shape", path, problem, _("Send {totals, payments} as the description says."))

    def _instruction(self) -> Instruction:
        head = self.head
        kind = head.get("kind", "supplier")
        if kind not in KINDS:
            raise self._wrong("kind", _("The kind is neither supplier nor salary."))
        urgent = head.get("urgent", False)
        if not isinstance(urgent, bool):
            raise self._wrong("urgent", _("Urgent is true or false."))
        return Instruction(
            number=self._text(head, "number", 35),
            execution_date=self._date(head),
            debtor=Party(),
            debit_account=account_of(self._text(head, "debit_account", 34)),
            debit_currency="",
            debtor_bic="",
            category=KINDS[kind],
            service_level="URGP" if urgent else "NURG",
            priority="NORM",
            batch_booking=kind == "salary",
            charge_bearer="",
            declared_count=None,
            declared_sum=None,
            place=Place(0, f"payments[{self.payment}]"),
        )

    def _date(self, head: dict[str, Any]) -> dt.date:
        text = self._text(head, "due_date", 10)
        wrong = self._wrong(
            "due_date", _("«%(text)s» is not a date (YYYY-MM-DD).") % {"text": text}
        )
        try:
            date = dt.date.fromisoformat(text)
        except ValueError as error:
            raise wrong from error
        if date.isoformat() != text:  # fromisoformat knows other ways to write a date too
            raise wrong
        return date

    def _line(self, line: dict[str, Any]) -> Transfer:
        self.lines += 1
        self._known(line, LINE_FIELDS, "")
        payee = line.get("payee")
        if not isinstance(payee, dict):
            raise self._wrong("payee", _("The payee is missing."))
        self._known(payee, PAYEE_FIELDS, "payee.")
        amount = self._amount(line)
        self.sum += amount
        currency = self._text(line, "currency", 3) if "currency" in line else "NOK"
        texts = {name: self._text(payee, name, 140, optional=True) for name in PAYEE_FIELDS}
        kid = self._kid(line, "kid")
        message = self._text(line, "message", 10_000, optional=True)
        account = self._text(line, "account", 34, optional=True)
        bearer = self._text(line, "charge_bearer", 4, optional=True)
        if bearer and bearer not in BEARERS:
            raise self._wrong("charge_bearer", _("This is none of DEBT, CRED, SHAR and SLEV."))
        return Transfer(
            position=self.position,
            instruction_id=str(self.position),
            end_to_end_id=self._text(line, "reference", 35, optional=True),
            amount=amount,
            currency=currency,
            payee=Party(
                name=texts["name"],
                street=texts["street"],
                building=texts["building"],
                post_code=texts["post_code"],
                town=texts["town"],
                country=texts["country"],
            ),
            payee_account=account_of(account, texts["country"]) if account else None,
            payee_bic=self._text(line, "bic", 11, optional=True),
            clearing_id=self._text(line, "clearing_id", 35, optional=True),
            kid=kid,
            message=(message,) if message else (),
            documents=tuple(self._documents(line, currency)),
            purpose=self._text(line, "purpose", 4, optional=True),
            clearing_system=self._text(line, "clearing_system", 35, optional=True),
            charge_bearer=bearer,
            place=Place(0, f"payments[{self.payment}].lines[{self.position - 1}]"),
        )

    def _amount(self, line: dict[str, Any], field: str = "amount", path: str = "") -> Decimal:
        value = line.get(field)
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self._wrong(path + field, _("The amount is missing."))
        amount = number(value)
        if amount is None:
            raise self._wrong(
                path + field, _("«%(text)s» is not an amount.") % {"text": str(value)[:40]}
            )
        return amount

    def _kid(self, where: dict[str, Any], field: str) -> str | None:
        value = where.get("kid")
        if value is not None and not isinstance(value, str):
            raise self._wrong(field, _("A KID is text, never a number."))
        return self._text(where, "kid", 35, optional=True) or None

    def _documents(self, line: dict[str, Any], currency: str) -> Iterator[Document]:
        documents = line.get("documents") or []
        if not isinstance(documents, list):
            raise self._wrong("documents", _("Documents must be a list."))
        for place, document in enumerate(documents):
            path = f"documents[{place}]."
            if not isinstance(document, dict) or document.get("kind") not in ("CINV", "CREN"):
                raise self._wrong(path[:-1], _("Each document is an object of kind CINV or CREN."))
            self._known(document, DOCUMENT_FIELDS, path)
            yield Document(
                kind=document["kind"],
                number=self._text(document, "number", 35, path=path),
                amount=self._amount(document, path=path) if "amount" in document else None,
                currency=currency,
                kid=self._kid(document, path + "kid"),
            )

    def _text(
        self,
        where: dict[str, Any],
        field: str,
        most: int,
        *,
        optional: bool = False,
        path: str = "",
    ) -> str:
        value = where.get(field)
        if value is None and optional:
            return ""
        if not isinstance(value, str) or not (value.strip() or optional):
            raise self._wrong(path + field, _("The field is missing, or is not text."))
        if len(value) > most:
            raise self._wrong(
                path + field, _("The text is longer than %(most)s characters.") % {"most": most}
            )
        if _FORBIDDEN.search(value):
            raise self._wrong(path + field, _("The text holds a character that no text may hold."))
        return value.strip()

    def _known(self, where: dict[str, Any], fields: frozenset[str], path: str) -> None:
        unknown = sorted(where.keys() - fields)
        if unknown:
            raise self._wrong(path + unknown[0], _("This field is not known."))

    def _wrong(self, field: str, problem: str) -> Unreadable:
        path = f"{self.path()}.{field}" if field else self.path()
        return _fault("value", path, problem, _("Correct it as the API's description says."))

    def _of_payment(self, field: str, problem: str) -> Unreadable:
        self.position = 0
        return self._wrong(field, problem)

    def compare_totals(self) -> None:
        """Raises Unreadable when totals are missing or differ from the lines."""
        lines, total = (number(self.totals.get(name)) for name in ("lines", "sum"))
        if lines is None or total is None:
            raise _fault(
                "totals",
                "totals",
                _("The number of lines and their sum are missing, or are no numbers."),
                _("Send totals: {lines, sum} over all payments."),
                missing="yes",
            )
        if lines != self.lines or total != self.sum:
            raise _fault(
                "totals",
                "totals",
                _(
                    "The totals say %(lines)s lines and %(total)s; the lines are %(found)s and"
                    " %(sum)s."
                )
                % {"lines": lines, "total": total, "found": self.lines, "sum": self.sum},
                _("Send the whole file, with totals over all its lines."),
                declared=f"{lines}; {total}",
                found=f"{self.lines}; {self.sum}",
            )


def number(value: Any) -> Decimal | None:
    """A number, or text of one in plain digits, as bounded as amounts are; None for all else."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        read = xmlio.decimal(value) if isinstance(value, str) else Decimal(value)
    except ValueError:
        return None
    return read if abs(read.adjusted()) <= DIGITS_MAX and len(read.as_tuple()[1]) < 30 else None


def account_of(text: str, country: str = "") -> Account:
    """An IBAN, a Norwegian account, or one of a payee abroad whose country has no IBAN."""
    compact = text.replace(" ", "").replace(".", "")
    if compact[:2].isalpha() and compact[2:4].isdigit():
        return Account("IBAN", compact.upper())
    if country.upper() in ("", "NO"):
        return Account("IBAN" if compact[:2].isalpha() else "BBAN", compact.upper())
    return Account("OTHER", compact)
