"""Holds the writing of pain.002 and camt.054 from rows in the books; must not change any row."""

import itertools
import sqlite3
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from . import numbers
from .books import amount_text

URN = "urn:iso:std:iso:20022:tech:xsd:"


def tag(name: str, *content: str) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def value(name: str, text: str, longest: int = 35) -> str:
    """An element with text, or nothing at all: empty elements break the schemas."""
    text = text[:longest].strip()
    return f"<{name}>{escape(text)}</{name}>" if text else ""


def money(name: str, minor: int, currency: str) -> str:
    return f"<{name} Ccy={quoteattr(currency)}>{amount_text(minor)}</{name}>"


def render(books: sqlite3.Connection, message: sqlite3.Row) -> Iterator[str]:
    """The text of one outgoing message in pieces; the same row always gives the same text."""
    source = books.execute(
        "SELECT * FROM outgoing WHERE id = ?", (message["source_id"] or message["id"],)
    ).fetchone()
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<Document xmlns="{URN}{source["version"]}">'
    if source["kind"] == "pain002":
        yield from _status_report(books, source)
    else:
        yield from _debit_advice(books, source)
    yield "</Document>\n"


def _identity(books: sqlite3.Connection, customer_number: str) -> str:
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


# --- pain.002 --------------------------------------------------------------------------------


def _reason(code: str, text: str) -> str:
    if not code:
        return ""
    return tag("StsRsnInf", tag("Rsn", value("Cd", code, 4)), value("AddtlInf", text, 105))


def _status_report(books: sqlite3.Connection, source: sqlite3.Row) -> Iterator[str]:
    file = books.execute("SELECT * FROM files WHERE id = ?", (source["file_id"],)).fetchone()
    party = _identity(books, source["customer_number"])
    yield "<CstmrPmtStsRpt>"
    yield tag(
        "GrpHdr",
        value("MsgId", f"KVB-P2-{source['id']:010d}"),
        value("CreDtTm", source["created_at"]),
        tag("InitgPty", party) if party else "",
    )
    yield tag(
        "OrgnlGrpInfAndSts",
        value("OrgnlMsgId", file["msg_id"] or "NOTPROVIDED"),
        value("OrgnlMsgNmId", file["message_name"] or "pain.001"),
        value("GrpSts", source["group_status"]),
        _reason(source["code"], source["text"]),
    )
    payments = books.execute(
        "SELECT o.*, p.payment FROM outgoing_payments o JOIN payments p ON p.id = o.payment_id"
        " WHERE o.outgoing_id = ? ORDER BY o.payment_id",
        (source["id"],),
    ).fetchall()
    for payment in payments:
        yield "<OrgnlPmtInfAndSts>"
        yield value("OrgnlPmtInfId", payment["payment"])
        yield value("PmtInfSts", payment["status"])
        yield _reason(payment["code"], payment["text"])
        yield from _transfer_statuses(books, source["id"], payment)
        yield "</OrgnlPmtInfAndSts>"
    yield "</CstmrPmtStsRpt>"


def _transfer_statuses(
    books: sqlite3.Connection, outgoing_id: int, payment: sqlite3.Row
) -> Iterator[str]:
    """Lists what was refused in this message, and all lines when their date was moved."""
    moved = payment["moved_to"]
    rows = books.execute(
        "SELECT instruction_id, end_to_end_id, code, text, told_in FROM transfers"
        " WHERE payment_id = ? AND (told_in = ? OR ?) ORDER BY id",
        (payment["payment_id"], outgoing_id, bool(moved)),
    )
    for row in rows:
        refused = row["told_in"] == outgoing_id
        yield tag(
            "TxInfAndSts",
            value("OrgnlInstrId", row["instruction_id"]),
            value("OrgnlEndToEndId", row["end_to_end_id"]),
            value("TxSts", "RJCT" if refused else "ACWC"),
            _reason(row["code"], row["text"])
            if refused
            else _reason("DT06", f"Execution date changed to {moved}"),
        )


# --- camt.054 --------------------------------------------------------------------------------


def _debit_advice(books: sqlite3.Connection, source: sqlite3.Row) -> Iterator[str]:
    party = _identity(books, source["customer_number"])
    yield "<BkToCstmrDbtCdtNtfctn>"
    yield tag(
        "GrpHdr",
        value("MsgId", f"KVB-C54-{source['id']:010d}"),
        value("CreDtTm", source["created_at"]),
        tag("MsgRcpt", party) if party else "",
        value("AddtlInf", "/DEBT/"),
    )
    accounts = books.execute(
        # A batch-booked payment is one entry, every other transfer is one of its own.
        "SELECT s.account, s.currency, SUM(s.amount) AS total, COUNT(DISTINCT CASE"
        " p.batch_booked WHEN 1 THEN 'b' || p.id ELSE 't' || s.id END) AS entries"
        " FROM postings s JOIN payments p ON p.id = s.payment_id WHERE s.advised_in = ?"
        " GROUP BY s.account ORDER BY s.account",
        (source["id"],),
    ).fetchall()
    for account in accounts:
        yield from _notification(books, source, account)
    yield "</BkToCstmrDbtCdtNtfctn>"


def _notification(
    books: sqlite3.Connection, source: sqlite3.Row, account: sqlite3.Row
) -> Iterator[str]:
    total = amount_text(account["total"])
    count = str(account["entries"])
    if source["version"] == "camt.054.001.02":
        net = value("TtlNetNtryAmt", total) + value("CdtDbtInd", "DBIT")
    else:
        net = tag("TtlNetNtry", value("Amt", total), value("CdtDbtInd", "DBIT"))
    yield "<Ntfctn>"
    yield value("Id", f"{source['id']:010d}-{account['account']}")
    yield value("CreDtTm", source["created_at"])
    yield tag(
        "Acct",
        tag("Id", _account_choice(account["account"])),
        value("Ccy", account["currency"]),
    )
    yield tag(
        "TxsSummry",
        tag("TtlNtries", value("NbOfNtries", count), value("Sum", total), net),
        tag("TtlDbtNtries", value("NbOfNtries", count), value("Sum", total)),
    )
    rows = books.execute(
        "SELECT s.id, s.payment_id, s.amount AS debit, s.currency AS debit_currency, s.rate,"
        " s.booked_date, s.bank_reference, t.instruction_id, t.end_to_end_id, t.amount,"
        " t.currency, t.creditor_account, t.creditor_name, t.kid, t.message, p.payment,"
        " p.batch_booked, p.salary, f.msg_id"
        " FROM postings s JOIN transfers t ON t.id = s.transfer_id"
        " JOIN payments p ON p.id = s.payment_id JOIN files f ON f.id = t.file_id"
        " WHERE s.advised_in = ? AND s.account = ? ORDER BY s.payment_id, s.id",
        (source["id"], account["account"]),
    )
    groups = itertools.groupby(rows, key=lambda row: (row["payment_id"], row["batch_booked"]))
    for (_, batch_booked), members in groups:
        if batch_booked:
            yield from _batch_entry(books, source, members)
        else:
            for row in members:
                yield _entry_head(source, row, row["debit"])
                yield tag("NtryDtls", _details(source, row))
                yield "</Ntry>"
    yield "</Ntfctn>"


def _batch_entry(
    books: sqlite3.Connection, source: sqlite3.Row, members: Iterator[sqlite3.Row]
) -> Iterator[str]:
    first = next(members)
    count, total = books.execute(
        "SELECT COUNT(*), SUM(amount) FROM postings WHERE advised_in = ? AND payment_id = ?",
        (source["id"], first["payment_id"]),
    ).fetchone()
    yield _entry_head(source, first, total)
    yield "<NtryDtls>"
    yield tag(
        "Btch",
        value("MsgId", first["msg_id"]),
        value("PmtInfId", first["payment"]),
        value("NbOfTxs", str(count)),
        money("TtlAmt", total, first["debit_currency"]),
        value("CdtDbtInd", "DBIT"),
    )
    for row in itertools.chain([first], members):
        yield _details(source, row)
    yield "</NtryDtls></Ntry>"


def _entry_head(source: sqlite3.Row, row: sqlite3.Row, minor: int) -> str:
    """Everything up to the details; the bank's reference of a batch is its first posting's."""
    is_old = source["version"] == "camt.054.001.02"
    booked = value("Sts", "BOOK") if is_old else tag("Sts", value("Cd", "BOOK"))
    abroad = not row["creditor_account"].isdigit() and row["creditor_account"][:2] != "NO"
    sub_family = "SALA" if row["salary"] else "XBCT" if abroad else "DMCT"
    return "<Ntry>" + "".join(
        (
            value("NtryRef", str(row["id"])),
            money("Amt", minor, row["debit_currency"]),
            value("CdtDbtInd", "DBIT"),
            booked,
            tag("BookgDt", value("Dt", row["booked_date"])),
            tag("ValDt", value("Dt", row["booked_date"])),
            value("AcctSvcrRef", row["bank_reference"]),
            tag(
                "BkTxCd",
                tag(
                    "Domn",
                    value("Cd", "PMNT"),
                    tag("Fmly", value("Cd", "ICDT"), value("SubFmlyCd", sub_family)),
                ),
            ),
        )
    )


def _details(source: sqlite3.Row, row: sqlite3.Row) -> str:
    is_old = source["version"] == "camt.054.001.02"
    name = value("Nm", row["creditor_name"], 140)
    party = name if is_old or not name else tag("Pty", name)
    debit = money("Amt", row["debit"], row["debit_currency"])
    exchange = ""
    if row["rate"]:
        exchange = tag(
            "CcyXchg",
            value("SrcCcy", row["currency"]),
            value("TrgtCcy", row["debit_currency"]),
            value("UnitCcy", row["currency"]),
            value("XchgRate", row["rate"]),
        )
    remittance = _remittance(row)
    return tag(
        "TxDtls",
        tag(
            "Refs",
            value("MsgId", row["msg_id"]),
            value("AcctSvcrRef", row["bank_reference"]),
            value("PmtInfId", row["payment"]),
            value("InstrId", row["instruction_id"]),
            value("EndToEndId", row["end_to_end_id"]),
        ),
        "" if is_old else debit + value("CdtDbtInd", "DBIT"),
        tag(
            "AmtDtls",
            tag("InstdAmt", money("Amt", row["amount"], row["currency"])),
            tag("TxAmt", debit, exchange),
        ),
        tag(
            "RltdPties",
            tag("Cdtr", party) if party else "",
            tag("CdtrAcct", tag("Id", _account_choice(row["creditor_account"]))),
        ),
        tag("RmtInf", remittance) if remittance else "",
    )


def _remittance(row: sqlite3.Row) -> str:
    message = row["message"]
    texts = [value("Ustrd", message[at : at + 140], 140) for at in range(0, len(message), 140)]
    kind = tag("Tp", tag("CdOrPrtry", value("Cd", "SCOR")))
    kids = [
        tag("Strd", tag("CdtrRefInf", kind, value("Ref", kid)))
        for kid in row["kid"].split(",")
        if kid
    ]
    return "".join(texts + kids)


def _account_choice(number: str) -> str:
    if not number.isdigit() and numbers.iban_fits(number):
        return value("IBAN", number)
    return tag("Othr", value("Id", number, 34), tag("SchmeNm", value("Cd", "BBAN")))
