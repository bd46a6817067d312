"""Holds the writing of camt.054, camt.053 and camt.052 from the books; must not change any row."""

import itertools
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from .words import NOT_PROVIDED, Style, account_choice, identity, tag, value

DEBITS = (
    "SELECT s.id, s.payment_id, s.amount, s.currency, s.rate, s.booked_date, s.bank_reference,"
    " t.instruction_id, t.end_to_end_id, t.amount AS instructed, t.currency AS instructed_currency,"
    " t.creditor_account, t.creditor_name, t.kid, t.message, p.payment, p.batch_booked, p.salary,"
    " f.msg_id FROM postings s JOIN transfers t ON t.id = s.transfer_id"
    " JOIN payments p ON p.id = s.payment_id JOIN files f ON f.id = t.file_id"
    " WHERE {where} ORDER BY s.payment_id, s.id"
)
CREDITS = (
    "SELECT c.*, s.bank_reference AS paid_reference, t.instruction_id, p.payment, f.msg_id"
    " FROM credits c LEFT JOIN postings s ON s.id = c.posting_id"
    " LEFT JOIN transfers t ON t.id = s.transfer_id LEFT JOIN payments p ON p.id = s.payment_id"
    " LEFT JOIN files f ON f.id = t.file_id WHERE {where} ORDER BY c.booked_date, c.id"
)
# A batch-booked payment is one entry, every other transfer is one of its own.
DEBIT_TOTALS = (
    "SELECT COALESCE(SUM(s.amount), 0) AS total, COUNT(DISTINCT CASE p.batch_booked WHEN 1 THEN"
    " 'b' || p.id ELSE 't' || s.id END) AS entries"
    " FROM postings s JOIN payments p ON p.id = s.payment_id WHERE {where}"
)
CREDIT_TOTALS = (
    "SELECT COALESCE(SUM(amount * (direction = 'in')), 0) AS credited,"
    " COALESCE(SUM(amount * (direction = 'out')), 0) AS debited,"
    " COALESCE(SUM(direction = 'in'), 0) AS credits,"
    " COALESCE(SUM(direction = 'out'), 0) AS debits FROM credits c WHERE {where}"
)
FALSE_BY = 100


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of one account a block is about: SQL conditions on postings s and credits c."""

    account: str
    currency: str
    debits: str
    credits: str
    values: tuple[object, ...]


# --- the messages ------------------------------------------------------------------------------


def advice(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """A camt.054 of what was booked in one round: debits, or credits."""
    advised = source["like_id"] or source["id"]
    direction = json.loads(source["told"]).get("direction", "DEBT")
    yield "<BkToCstmrDbtCdtNtfctn>"
    yield _group_header(books, source, "C54", f"/{direction}/")
    table = "postings" if direction == "DEBT" else "credits"
    accounts = books.execute(
        f"SELECT DISTINCT account, currency FROM {table} WHERE advised_in = ? ORDER BY account",
        (advised,),
    ).fetchall()
    for account in accounts:
        mine = "advised_in = ? AND {0}.account = ?"
        nothing = "0 AND ? = ?"
        selection = Selection(
            account["account"],
            account["currency"],
            f"s.{mine.format('s')}" if direction == "DEBT" else nothing,
            f"c.{mine.format('c')}" if direction == "CRED" else nothing,
            (advised, account["account"]),
        )
        yield "<Ntfctn>"
        yield value("Id", f"{source['id']:010d}-{account['account']}")
        yield value("CreDtTm", source["created_at"])
        yield _account(selection)
        yield _summary(books, selection, style)
        yield from _entries(books, selection, style)
        yield "</Ntfctn>"
    yield "</BkToCstmrDbtCdtNtfctn>"


def statement(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """A camt.053 of one account and bank day, with its opening and closing balances."""
    row = books.execute(
        "SELECT s.*, a.currency FROM statements s JOIN accounts a ON a.number = s.account"
        " WHERE s.outgoing_id = ?",
        (source["id"],),
    ).fetchone()
    selection = Selection(
        row["account"],
        row["currency"],
        "s.account = ? AND s.booked_date = ?",
        "c.account = ? AND c.booked_date = ? AND c.status = 'booked'",
        (row["account"], row["day"]),
    )
    yield "<BkToCstmrStmt>"
    yield _group_header(books, source, "C53", "")
    yield "<Stmt>"
    yield value("Id", f"{row['account']}-{row['day']}")
    yield value("ElctrncSeqNb", str(row["number"]))
    yield value("LglSeqNb", str(row["number"]))
    yield value("CreDtTm", source["created_at"])
    yield tag(
        "FrToDt",
        value("FrDtTm", f"{row['day']}T00:00:00"),
        value("ToDtTm", f"{row['day']}T23:59:59"),
    )
    yield _account(selection)
    wrong = FALSE_BY if style.totals else 0
    yield _balance("OPBD", row["opening"], row["currency"], row["day"], style)
    yield _balance("CLBD", row["closing"] + wrong, row["currency"], row["day"], style)
    yield _summary(books, selection, style)
    yield from _entries(books, selection, style)
    yield "</Stmt></BkToCstmrStmt>"


def report(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """A camt.052 that answers a request with the account's balance now, and no entries."""
    told = json.loads(source["told"])
    yield "<BkToCstmrAcctRpt>"
    yield tag(
        "GrpHdr",
        value("MsgId", f"KVB-C52-{source['id']:010d}"),
        value("CreDtTm", source["created_at"]),
        tag("OrgnlBizQry", value("MsgId", told["msg_id"])),
    )
    yield "<Rpt>"
    yield value("Id", f"{source['id']:010d}-{told['account']}")
    yield value("CreDtTm", source["created_at"])
    selection = Selection(told["account"], told["currency"], "0", "0", ())
    yield _account(selection)
    yield _balance("ITAV", told["balance"], told["currency"], source["created_at"][:10], style)
    yield "</Rpt></BkToCstmrAcctRpt>"


# --- their parts -------------------------------------------------------------------------------


def _group_header(books: sqlite3.Connection, source: sqlite3.Row, kind: str, more: str) -> str:
    party = identity(books, source["customer_number"])
    return tag(
        "GrpHdr",
        value("MsgId", f"KVB-{kind}-{source['id']:010d}"),
        value("CreDtTm", source["created_at"]),
        tag("MsgRcpt", party) if party else "",
        value("AddtlInf", more),
    )


def _account(selection: Selection) -> str:
    number = tag("Id", account_choice(selection.account))
    return tag("Acct", number, value("Ccy", selection.currency))


def _balance(code: str, minor: int, currency: str, day: str, style: Style) -> str:
    return tag(
        "Bal",
        tag("Tp", tag("CdOrPrtry", value("Cd", code))),
        style.money("Amt", abs(minor), currency),
        value("CdtDbtInd", "DBIT" if minor < 0 else "CRDT"),
        tag("Dt", value("Dt", day)),
    )


def _summary(books: sqlite3.Connection, selection: Selection, style: Style) -> str:
    debits = books.execute(DEBIT_TOTALS.format(where=selection.debits), selection.values).fetchone()
    credits = books.execute(
        CREDIT_TOTALS.format(where=selection.credits), selection.values
    ).fetchone()
    wrong = FALSE_BY if style.totals else 0
    debited = debits["total"] + credits["debited"] + wrong
    debit_count, credit_count = debits["entries"] + credits["debits"], credits["credits"]
    net = credits["credited"] - debited
    net_total, net_side = style.amount(abs(net)), "DBIT" if net < 0 else "CRDT"
    if style.is_old:
        net_block = value("TtlNetNtryAmt", net_total) + value("CdtDbtInd", net_side)
    else:
        net_block = tag("TtlNetNtry", value("Amt", net_total), value("CdtDbtInd", net_side))
    sides = [
        tag(name, value("NbOfNtries", str(count)), value("Sum", style.amount(total)))
        for name, count, total in (
            ("TtlCdtNtries", credit_count, credits["credited"]),
            ("TtlDbtNtries", debit_count, debited),
        )
        if count
    ]
    return tag(
        "TxsSummry",
        tag(
            "TtlNtries",
            value("NbOfNtries", str(debit_count + credit_count)),
            value("Sum", style.amount(debited + credits["credited"])),
            net_block,
        ),
        *sides,
    )


def _entries(books: sqlite3.Connection, selection: Selection, style: Style) -> Iterator[str]:
    rows = books.execute(DEBITS.format(where=selection.debits), selection.values)
    groups = itertools.groupby(rows, key=lambda row: (row["payment_id"], row["batch_booked"]))
    for (_, batch_booked), members in groups:
        if batch_booked:
            yield from _batch(books, selection, members, style)
        else:
            for row in members:
                yield _debit_head(row, row["amount"], style)
                yield tag("NtryDtls", _debit_details(row, style))
                yield "</Ntry>"
    for row in books.execute(CREDITS.format(where=selection.credits), selection.values):
        yield _credit(row, style)


def _batch(
    books: sqlite3.Connection, selection: Selection, members: Iterator[sqlite3.Row], style: Style
) -> Iterator[str]:
    """One entry for all; the bank's reference of a batch is its first posting's."""
    first = next(members)
    count, total = books.execute(
        f"SELECT COUNT(*), SUM(s.amount) FROM postings s WHERE {selection.debits}"
        " AND s.payment_id = ?",
        (*selection.values, first["payment_id"]),
    ).fetchone()
    yield _debit_head(first, total, style)
    yield "<NtryDtls>"
    wrong = FALSE_BY if style.totals else 0
    yield tag(
        "Btch",
        value("MsgId", first["msg_id"]),
        value("PmtInfId", first["payment"]),
        value("NbOfTxs", str(count)),
        style.money("TtlAmt", total + wrong, first["currency"]),
        value("CdtDbtInd", "DBIT"),
    )
    if not style.no_details:
        for row in itertools.chain([first], members):
            yield _debit_details(row, style)
    else:
        for _ in members:
            pass
    yield "</NtryDtls></Ntry>"


def _head(
    style: Style,
    *,
    reference: str,
    amount: str,
    credit: bool,
    reversal: bool,
    day: str,
    bank_reference: str,
    family: str,
    sub_family: str,
) -> str:
    """An entry's own elements, up to its details."""
    status = value("Sts", style.status) if style.is_old else tag("Sts", value("Cd", style.status))
    return "<Ntry>" + "".join(
        (
            value("NtryRef", reference),
            amount,
            value("CdtDbtInd", "CRDT" if credit else "DBIT"),
            value("RvslInd", "true") if reversal else "",
            status,
            tag("BookgDt", value("Dt", day)),
            tag("ValDt", value("Dt", day)),
            value("AcctSvcrRef", bank_reference),
            tag(
                "BkTxCd",
                tag(
                    "Domn",
                    value("Cd", "PMNT"),
                    tag("Fmly", value("Cd", family), value("SubFmlyCd", sub_family)),
                ),
            ),
        )
    )


def _debit_head(row: sqlite3.Row, minor: int, style: Style) -> str:
    abroad = not row["creditor_account"].isdigit() and row["creditor_account"][:2] != "NO"
    return _head(
        style,
        reference=str(row["id"]),
        amount=style.money("Amt", minor, row["currency"]),
        credit=False,
        reversal=False,
        day=row["booked_date"],
        bank_reference=row["bank_reference"],
        family="ICDT",
        sub_family="SALA" if row["salary"] else "XBCT" if abroad else "DMCT",
    )


def _debit_details(row: sqlite3.Row, style: Style) -> str:
    debit = style.money("Amt", row["amount"], row["currency"])
    exchange = ""
    if row["rate"]:
        exchange = tag(
            "CcyXchg",
            value("SrcCcy", row["instructed_currency"]),
            value("TrgtCcy", row["currency"]),
            value("UnitCcy", row["instructed_currency"]),
            value("XchgRate", row["rate"]),
        )
    return tag(
        "TxDtls",
        tag(
            "Refs",
            value("MsgId", row["msg_id"]),
            value("AcctSvcrRef", row["bank_reference"]),
            value("PmtInfId", row["payment"]),
            value("InstrId", row["instruction_id"]),
            value("EndToEndId", style.reference(row["end_to_end_id"])),
        ),
        "" if style.is_old else debit + value("CdtDbtInd", "DBIT"),
        tag(
            "AmtDtls",
            tag("InstdAmt", style.money("Amt", row["instructed"], row["instructed_currency"])),
            tag("TxAmt", debit, exchange),
        ),
        tag(
            "RltdPties",
            _party("Cdtr", row["creditor_name"], style),
            tag("CdtrAcct", tag("Id", account_choice(row["creditor_account"]))),
        ),
        _remittance(row["kid"].split(",") if row["kid"] else [], row["message"], style),
    )


def _credit(row: sqlite3.Row, style: Style) -> str:
    """An entry of its own for each: money in, an incoming payment undone, or what came back."""
    credit = row["direction"] == "in"
    amount = style.money("Amt", row["amount"], row["currency"])
    came_back = row["kind"] != "incoming"
    head = _head(
        style,
        reference=f"C{row['id']}",
        amount=amount,
        credit=credit,
        reversal=row["kind"] == "reversal" or not credit,
        day=row["booked_date"],
        bank_reference=row["bank_reference"] or "",
        family="ICDT" if came_back else "RCDT",
        sub_family="RRTN" if came_back else "DMCT",
    )
    side = value("CdtDbtInd", "CRDT" if credit else "DBIT")
    role = "Cdtr" if came_back else "Dbtr"
    account = row["payer_account"]
    parties = _party(role, row["payer_name"], style) + (
        tag(f"{role}Acct", tag("Id", account_choice(account))) if account else ""
    )
    returned = reason_of_return(row["reason"]) if row["kind"] == "return" else ""
    details = tag(
        "TxDtls",
        tag(
            "Refs",
            value("MsgId", row["msg_id"] or ""),
            value("AcctSvcrRef", row["bank_reference"] or ""),
            value("PmtInfId", row["payment"] or ""),
            value("InstrId", row["instruction_id"] or ""),
            value("EndToEndId", row["end_to_end_id"] or NOT_PROVIDED),
        ),
        "" if style.is_old else amount + side,
        tag("AmtDtls", tag("TxAmt", amount)),
        tag("RltdPties", parties) if parties else "",
        _remittance([row["kid"]] if row["kid"] else [], row["message"], style),
        returned,
    )
    return f"{head}{tag('NtryDtls', details)}</Ntry>"


def reason_of_return(code: str) -> str:
    return tag("RtrInf", tag("Rsn", value("Cd", code, 4)))


def _party(role: str, name: str, style: Style) -> str:
    words = value("Nm", name, 140)
    if not words:
        return ""
    return tag(role, words if style.is_old else tag("Pty", words))


def _remittance(kids: list[str], message: str, style: Style) -> str:
    if style.kid_as_text and kids:
        message, kids = " ".join([message, *(f"KID {kid}" for kid in kids)]).strip(), []
    texts = [value("Ustrd", message[at : at + 140], 140) for at in range(0, len(message), 140)]
    kind = tag("Tp", tag("CdOrPrtry", value("Cd", "SCOR")))
    references = [tag("Strd", tag("CdtrRefInf", kind, value("Ref", kid))) for kid in kids]
    inside = "".join(texts + references)
    return tag("RmtInf", inside) if inside else ""
