"""Holds the writing of pain.002 from rows in the books; must not change any row."""

import sqlite3
from collections.abc import Iterator

from .words import Style, identity, reason, tag, value


def render(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """The report in pieces: the file's own status, then payment by payment, all as was queued."""
    file = books.execute("SELECT * FROM files WHERE id = ?", (source["file_id"],)).fetchone()
    party = identity(books, source["customer_number"])
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
        value("OrgnlMsgNmId", style.message_name or file["message_name"] or "pain.001"),
        value("GrpSts", source["group_status"]),
        reason("StsRsnInf", source["code"], source["text"]),
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
        yield reason("StsRsnInf", payment["code"], payment["text"])
        rows = books.execute(
            "SELECT t.instruction_id, t.end_to_end_id, o.status, o.code, o.text"
            " FROM outgoing_transfers o JOIN transfers t ON t.id = o.transfer_id"
            " WHERE o.outgoing_id = ? AND t.payment_id = ? ORDER BY t.id",
            (source["id"], payment["payment_id"]),
        )
        for row in rows:
            yield tag(
                "TxInfAndSts",
                value("OrgnlInstrId", row["instruction_id"]),
                value("OrgnlEndToEndId", style.reference(row["end_to_end_id"])),
                value("TxSts", row["status"]),
                reason("StsRsnInf", row["code"], row["text"]),
            )
        yield "</OrgnlPmtInfAndSts>"
    yield "</CstmrPmtStsRpt>"
