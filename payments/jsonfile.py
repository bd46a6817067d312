"""Payments as JSON, read into the same values as a pain.001; streaming, so `lines` comes last.

The form is described on the API's page and in docs/erp-api.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO

import ijson
from ijson.common import ObjectBuilder

from banking.iso20022.values import (
    Account,
    Document,
    Initiation,
    Instruction,
    Party,
    Place,
    Transfer,
)
from banking.iso20022.xmlio import Unreadable
from portal import clock

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
    }
)
PAYEE_FIELDS = frozenset({"name", "street", "building", "post_code", "town", "country"})
KINDS = {"supplier": "SUPP", "salary": "SALA"}


def read(source: BinaryIO) -> Iterator[Initiation | Instruction | Transfer]:
    """Initiation, then each Instruction with its Transfers; totals are compared at the end.

    Raises Unreadable with the place as a path such as payments[0].lines[3].amount.
    """
    reader = _Reader()
    try:
        yield from reader.values(ijson.parse(source, use_float=False))
    except ijson.IncompleteJSONError as error:
        raise _fault(
            "truncated", "", f"The JSON breaks off: {error}.", "Send the whole body again."
        ) from error
    except ijson.JSONError as error:
        raise _fault(
            "not-json", "", f"The body is not JSON: {error}.", "Send valid JSON."
        ) from error
    reader.compare_totals()


def _fault(code: str, path: str, problem: str, cure: str) -> Unreadable:
    return Unreadable(code=code, problem=problem, cure=cure, place=Place(0, path))


class _Reader:
    """Follows the parser's events, with one line in memory at a time."""

    def __init__(self) -> None:
        self.payment = -1
        self.position = 0
        self.lines = 0
        self.sum = Decimal(0)
        self.head: dict[str, Any] = {}
        self.totals: dict[str, Any] = {}

    def values(self, events: Any) -> Iterator[Initiation | Instruction | Transfer]:
        first = True
        builder: ObjectBuilder | None = None
        for prefix, event, value in events:
            if first:
                if event != "start_map":
                    raise _fault(
                        "shape", "", "The body is not a JSON object.", "Send {totals, payments}."
                    )
                first = False
                yield Initiation("", clock.now(), 0, None, Party(), (), "json")
            elif builder is not None:
                builder.event(event, value)
                if prefix == LINE and event == "end_map":
                    yield self._line(builder.value)
                    builder = None
            elif prefix == LINE:
                if event != "start_map":
                    raise self._wrong("lines", "Each line must be an object.")
                builder = ObjectBuilder()
                builder.event(event, value)
            else:
                yield from self._outside(prefix, event, value)

    def _outside(self, prefix: str, event: str, value: Any) -> Iterator[Instruction]:
        if prefix == PAYMENT and event == "start_map":
            self.payment += 1
            self.position, self.head = 0, {}
        elif prefix == PAYMENT and event == "map_key":
            if value not in HEAD_FIELDS:
                raise self._wrong(str(value), "This field is not known.")
            if "lines" in self.head:
                raise self._wrong(str(value), "Fields of a payment must stand before its lines.")
        elif prefix == PAYMENT + ".lines" and event == "start_array":
            self.head["lines"] = True
            yield self._instruction()
        elif prefix == PAYMENT and event == "end_map":
            if not self.position:
                raise self._wrong("lines", "The payment has no lines.")
        elif prefix.startswith(PAYMENT + ".") and event in ("string", "number", "boolean"):
            self.head[prefix.removeprefix(PAYMENT + ".")] = value
        elif prefix.startswith("totals.") and event in ("string", "number"):
            self.totals[prefix.removeprefix("totals.")] = value
        elif prefix == "" and event == "map_key" and value not in ("totals", "payments"):
            raise _fault("shape", str(value), "This field is not known.", "Leave it out.")

    def _instruction(self) -> Instruction:
        head = self.head
        kind = head.get("kind", "supplier")
        if kind not in KINDS:
            raise self._wrong("kind", "The kind is neither supplier nor salary.")
        return Instruction(
            number=self._text(head, "number", 35),
            execution_date=self._date(head),
            debtor=Party(),
            debit_account=_account(self._text(head, "debit_account", 34)),
            debit_currency="",
            debtor_bic="",
            category=KINDS[kind],
            service_level="URGP" if head.get("urgent") is True else "NURG",
            priority="NORM",
            batch_booking=kind == "salary",
            charge_bearer="",
            declared_count=None,
            declared_sum=None,
            place=Place(0, f"payments[{self.payment}]"),
        )

    def _date(self, head: dict[str, Any]) -> dt.date:
        text = self._text(head, "due_date", 10)
        try:
            return dt.date.fromisoformat(text)
        except ValueError as error:
            raise self._wrong("due_date", f"«{text}» is not a date (YYYY-MM-DD).") from error

    def _line(self, line: dict[str, Any]) -> Transfer:
        self.position += 1
        self.lines += 1
        self._known(line, LINE_FIELDS, "")
        payee = line.get("payee")
        if not isinstance(payee, dict):
            raise self._wrong("payee", "The payee is missing.")
        self._known(payee, PAYEE_FIELDS, "payee.")
        amount = self._amount(line)
        self.sum += amount
        currency = line.get("currency", "NOK")
        texts = {name: self._text(payee, name, 140, optional=True) for name in PAYEE_FIELDS}
        kid = line.get("kid")
        message = self._text(line, "message", 10_000, optional=True)
        if kid is not None and not isinstance(kid, str):
            raise self._wrong("kid", "A KID is text, never a number.")
        account = self._text(line, "account", 34, optional=True)
        return Transfer(
            position=self.position,
            instruction_id=str(self.position),
            end_to_end_id=self._text(line, "reference", 35, optional=True),
            amount=amount,
            currency=str(currency),
            payee=Party(
                name=texts["name"],
                street=texts["street"],
                building=texts["building"],
                post_code=texts["post_code"],
                town=texts["town"],
                country=texts["country"],
            ),
            payee_account=_account(account) if account else None,
            payee_bic=self._text(line, "bic", 11, optional=True),
            clearing_id="",
            kid=kid or None,
            message=(message,) if message else (),
            documents=tuple(self._documents(line, str(currency))),
            purpose=self._text(line, "purpose", 4, optional=True),
            place=Place(0, f"payments[{self.payment}].lines[{self.position - 1}]"),
        )

    def _amount(self, line: dict[str, Any], field: str = "amount") -> Decimal:
        value = line.get(field)
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self._wrong(field, "The amount is missing.")
        try:
            amount = Decimal(value)
        except InvalidOperation as error:
            raise self._wrong(field, f"«{value}» is not an amount.") from error
        if not amount.is_finite():
            raise self._wrong(field, f"«{value}» is not an amount.")
        return amount

    def _documents(self, line: dict[str, Any], currency: str) -> Iterator[Document]:
        documents = line.get("documents") or []
        if not isinstance(documents, list):
            raise self._wrong("documents", "Documents must be a list.")
        for document in documents:
            if not isinstance(document, dict) or document.get("kind") not in ("CINV", "CREN"):
                raise self._wrong("documents", "Each document is an object of kind CINV or CREN.")
            self._known(document, frozenset({"kind", "number", "amount", "kid"}), "documents.")
            yield Document(
                kind=document["kind"],
                number=self._text(document, "number", 35),
                amount=self._amount(document) if "amount" in document else None,
                currency=currency,
                kid=document.get("kid") or None,
            )

    def _text(self, where: dict[str, Any], field: str, most: int, *, optional: bool = False) -> str:
        value = where.get(field)
        if value is None and optional:
            return ""
        if not isinstance(value, str) or not (value.strip() or optional):
            raise self._wrong(field, "The field is missing, or is not text.")
        if len(value) > most:
            raise self._wrong(field, f"The text is longer than {most} characters.")
        return value.strip()

    def _known(self, where: dict[str, Any], fields: frozenset[str], path: str) -> None:
        unknown = sorted(where.keys() - fields)
        if unknown:
            raise self._wrong(path + unknown[0], "This field is not known.")

    def _wrong(self, field: str, problem: str) -> Unreadable:
        path = f"payments[{self.payment}]"
        if "lines" in self.head and self.position:
            path += f".lines[{self.position - 1}]"
        return _fault(
            "value", f"{path}.{field}", problem, "Correct it as the API's description says."
        )

    def compare_totals(self) -> None:
        """Raises Unreadable when totals are missing or differ from the lines."""
        try:
            lines, total = int(self.totals["lines"]), Decimal(self.totals["sum"])
        except (KeyError, ValueError, InvalidOperation) as error:
            raise _fault(
                "totals",
                "totals",
                "The number of lines and their sum are missing.",
                "Send totals: {lines, sum} over all payments.",
            ) from error
        if (lines, total) != (self.lines, self.sum):
            raise _fault(
                "totals",
                "totals",
                f"The totals say {lines} lines and {total}; the lines are {self.lines} and"
                f" {self.sum}.",
                "Send the whole file, with totals over all its lines.",
            )


def _account(text: str) -> Account:
    compact = text.replace(" ", "").replace(".", "")
    if compact[:2].isalpha():
        return Account("IBAN", compact.upper())
    return Account("BBAN", compact)
