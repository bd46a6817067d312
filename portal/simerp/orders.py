"""Payments as values, read from the books for the file writers; holds no file format."""

import sqlite3
from dataclasses import dataclass

CURRENCY = "NOK"
DOCUMENT_KINDS = {"invoice": "CINV", "credit_note": "CREN"}


@dataclass(frozen=True, kw_only=True)
class Document:
    """One invoice (CINV) or credit note (CREN) inside a netted line; øre is positive in both."""

    kind: str
    number: str
    ore: int
    kid: str | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One transfer to one payee: a KID, a message, or the documents that make up the net."""

    reference: str
    ore: int
    payee: str
    town: str
    country: str
    account: str
    kid: str | None
    message: str | None
    documents: tuple[Document, ...]


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One payment: one number, one date, one debit account."""

    number: str
    due_date: str
    debit_account: str
    lines: tuple[Line, ...]

    @property
    def ore(self) -> int:
        """The sum of the lines in øre."""
        return sum(line.ore for line in self.lines)


def waiting(db: sqlite3.Connection, *, company: sqlite3.Row) -> list[Payment]:
    """Return the company's proposals that are in no upload, by number."""
    numbers = db.execute(
        "SELECT id, number, due_date FROM payment"
        " WHERE company = ? AND erp_code = 1 AND upload IS NULL ORDER BY id",
        (company["public_id"],),
    ).fetchall()
    return [
        Payment(
            number=row["number"],
            due_date=row["due_date"],
            debit_account=company["debit_account"],
            lines=_lines(db, company=company["public_id"], payment=row["id"]),
        )
        for row in numbers
    ]


def _lines(db: sqlite3.Connection, *, company: str, payment: int) -> tuple[Line, ...]:
    documents: dict[int, list[Document]] = {}
    for row in db.execute(
        "SELECT line_item.line, invoice.kind, invoice.number, invoice.amount_ore, invoice.kid"
        " FROM line JOIN line_item ON line_item.line = line.id"
        " JOIN invoice ON invoice.id = line_item.invoice"
        " WHERE line.payment = ? ORDER BY invoice.kind DESC, invoice.id",
        (payment,),
    ):
        documents.setdefault(row["line"], []).append(
            Document(
                kind=DOCUMENT_KINDS[row["kind"]],
                number=row["number"],
                ore=row["amount_ore"],
                kid=row["kid"],
            )
        )
    rows = db.execute(
        "SELECT line.*, supplier.name, supplier.town, supplier.country, supplier.account"
        " FROM line JOIN supplier ON supplier.company = ? AND supplier.number = line.supplier"
        " WHERE line.payment = ? ORDER BY line.position",
        (company, payment),
    )
    return tuple(
        Line(
            reference=row["reference"],
            ore=row["amount_ore"],
            payee=row["name"],
            town=row["town"],
            country=row["country"],
            account=row["account"],
            kid=row["kid"],
            message=row["message"],
            documents=_netted(documents[row["id"]]),
        )
        for row in rows
    )


def _netted(documents: list[Document]) -> tuple[Document, ...]:
    # A line of one invoice says its KID or message directly; only a net has to be explained.
    return tuple(documents) if len(documents) > 1 else ()
