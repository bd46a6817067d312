"""Holds the writing of camt.029, admi.002 and agreement messages; must not change any row."""

import json
import sqlite3
from collections.abc import Iterator
from xml.sax.saxutils import escape

from .words import Style, identity, reason, tag, value

AGREEMENT_URN = "urn:simbank:agreement-status:1"


def resolution(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """A camt.029: what became of each payment and transfer that a camt.055 asked about."""
    told = json.loads(source["told"])
    party = identity(books, source["customer_number"])
    bank = tag("Agt", tag("FinInstnId", tag("Othr", value("Id", "SIMBANK"))))
    yield "<RsltnOfInvstgtn>"
    yield tag(
        "Assgnmt",
        value("Id", f"KVB-C29-{source['id']:010d}"),
        tag("Assgnr", bank),
        tag("Assgne", tag("Pty", party or value("Nm", "Unknown"))),
        value("CreDtTm", source["created_at"]),
    )
    yield tag(
        "RslvdCase",
        value("Id", told["request"] or "NOTPROVIDED"),
        tag("Cretr", tag("Pty", party or value("Nm", "Unknown"))),
    )
    yield tag("Sts", value("Conf", told["confirmation"], 4))
    for group in told["groups"]:
        yield "<CxlDtls>"
        yield tag(
            "OrgnlGrpInfAndSts",
            value("OrgnlMsgId", group["msg_id"] or "NOTPROVIDED"),
            value("OrgnlMsgNmId", group["message_name"] or "pain.001"),
            value("GrpCxlSts", group.get("status", "")),
            reason("CxlStsRsnInf", group.get("code", ""), group.get("text", "")),
        )
        for payment in group["payments"]:
            yield tag(
                "OrgnlPmtInfAndSts",
                value("OrgnlPmtInfId", payment["payment"] or "NOTPROVIDED"),
                value("PmtInfCxlSts", payment["status"]),
                reason("CxlStsRsnInf", payment["code"], payment["text"]),
                *(
                    tag(
                        "TxInfAndSts",
                        value("OrgnlInstrId", line["instruction_id"]),
                        value("OrgnlEndToEndId", line["end_to_end_id"]),
                        value("TxCxlSts", line["status"]),
                        reason("CxlStsRsnInf", line["code"], line["text"]),
                    )
                    for line in payment["lines"]
                ),
            )
        yield "</CxlDtls>"
    yield "</RsltnOfInvstgtn>"


def rejection(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """An admi.002: a request that the bank does not take, and why."""
    told = json.loads(source["told"])
    yield tag(
        "admi.002.001.01",
        tag("RltdRef", value("Ref", told["msg_id"] or "NOTPROVIDED")),
        tag(
            "Rsn",
            value("RjctgPtyRsn", source["code"]),
            value("RjctnDtTm", source["created_at"]),
            value("RsnDesc", source["text"], 350),
        ),
    )


def agreement_status(books: sqlite3.Connection, source: sqlite3.Row) -> str:
    """The bank's own message that an agreement has been opened or closed; see docs/simbank.md."""
    told = json.loads(source["told"])
    row = books.execute(
        "SELECT * FROM customers WHERE customer_number = ?", (source["customer_number"],)
    ).fetchone()
    accounts = books.execute(
        "SELECT number FROM accounts WHERE customer_number = ? ORDER BY number",
        (source["customer_number"],),
    ).fetchall()
    return (
        f'<AgreementStatus xmlns="{AGREEMENT_URN}">\n'
        f"  <MessageId>KVB-AG-{source['id']:010d}</MessageId>\n"
        f"  <Created>{source['created_at']}</Created>\n"
        f"  <OrganisationNumber>{escape(row['organisation_number'])}</OrganisationNumber>\n"
        f"  <CustomerNumber>{escape(row['customer_number'])}</CustomerNumber>\n"
        f"  <AgreementId>{escape(row['agreement_id'])}</AgreementId>\n"
        + "".join(f"  <Account>{account[0]}</Account>\n" for account in accounts)
        + f"  <Status>{told['status']}</Status>\n</AgreementStatus>\n"
    )
