"""The bare floor: the same passes over the same data, with nothing around them.

An lxml pass, COPY, UPDATE and event rows on plain tables, by the owner's role, one connection;
no checks, digests, signatures, walls, schema or SFTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from lxml import etree

TABLES = """
DROP TABLE IF EXISTS floor_line, floor_event, floor_advice;
CREATE TABLE floor_line (id bigserial PRIMARY KEY, payment bigint, position int, reference text,
  instruction text, amount numeric(18,2), currency text, name text, town text, country text,
  account text, kid text, message text, status text DEFAULT 'awaiting', booked date);
CREATE TABLE floor_event (id bigserial PRIMARY KEY, sequence bigint, at timestamptz DEFAULT now(),
  event text, line bigint, number text, reference text, status text, code smallint);
CREATE UNLOGGED TABLE floor_advice (number text, reference text, amount numeric, booked date);
"""
COLUMNS = "payment, position, reference, instruction, amount, currency, name, town, country, account, kid, message"


def measure(n: int, url: str, folder: Path, in_child: Callable[[Any], Any]) -> dict[str, Any]:
    """Step name → (seconds, MiB), for the steps that the pipeline has too."""
    upload, sent, advice = (folder / f"{kind}-{n}.xml" for kind in ("upload", "sent", "advice"))
    with psycopg.connect(url) as db:
        db.execute(TABLES)
    _write_advice(advice, n)
    steps = {
        "upload → stored": lambda: _read_and_copy(url, upload),
        "first approval": lambda: _update(url, "partly"),
        "second approval": lambda: _update(url, "approved"),
        "bank file made": lambda: _write_file(url, sent),
        "file delivered": lambda: _update(url, "sent"),
        "pain.002 carried out": lambda: (_update(url, "received"), _update(url, "accepted")),
        "camt.054 carried out": lambda: _settle(url, advice),
        "ERP events read": lambda: _number_and_read(url),
    }
    measured = {}
    for name, work in steps.items():
        measured[name], _ = in_child(work)
    return measured


def _read_and_copy(url: str, path: Path) -> None:
    with (
        psycopg.connect(url) as db,
        db.cursor().copy(f"COPY floor_line ({COLUMNS}) FROM STDIN") as copy,
    ):
        for position, (_event, tx) in enumerate(
            etree.iterparse(str(path), events=("end",), tag="{*}CdtTrfTxInf"), 1
        ):
            get = tx.findtext
            amount = tx.find("{*}Amt/{*}InstdAmt")
            copy.write_row(
                (
                    1,
                    position,
                    get("{*}PmtId/{*}EndToEndId"),
                    get("{*}PmtId/{*}InstrId"),
                    amount.text,
                    amount.get("Ccy"),
                    get("{*}Cdtr/{*}Nm"),
                    get("{*}Cdtr/{*}PstlAdr/{*}TwnNm"),
                    get("{*}Cdtr/{*}PstlAdr/{*}Ctry"),
                    get("{*}CdtrAcct/{*}Id/{*}Othr/{*}Id"),
                    get("{*}RmtInf/{*}Strd/{*}CdtrRefInf/{*}Ref"),
                    get("{*}RmtInf/{*}Ustrd"),
                )
            )
            _clear(tx)


def _clear(element: Any) -> None:
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _update(url: str, status: str) -> None:
    with psycopg.connect(url) as db:
        db.execute("UPDATE floor_line SET status = %s", [status])
        db.execute(
            "INSERT INTO floor_event (event, number, status) VALUES ('m', 'P', %s)", [status]
        )


def _write_file(url: str, path: Path) -> None:
    with psycopg.connect(url) as db:
        with db.cursor("rows") as rows, path.open("wb") as file:
            rows.itersize = 5000
            rows.execute(f"SELECT {COLUMNS} FROM floor_line ORDER BY position")
            with etree.xmlfile(file, encoding="utf-8") as out, out.element("Document"):
                for row in rows:
                    out.write(_transfer(row))
        db.execute("UPDATE floor_line SET status = 'sending'")


def _transfer(row: Any) -> Any:
    tx = etree.Element("CdtTrfTxInf")
    ids = etree.SubElement(tx, "PmtId")
    etree.SubElement(ids, "InstrId").text = row[3]
    etree.SubElement(ids, "EndToEndId").text = row[2]
    amount = etree.SubElement(etree.SubElement(tx, "Amt"), "InstdAmt", Ccy=row[5])
    amount.text = str(row[4])
    payee = etree.SubElement(tx, "Cdtr")
    etree.SubElement(payee, "Nm").text = row[6]
    address = etree.SubElement(payee, "PstlAdr")
    etree.SubElement(address, "TwnNm").text = row[7]
    etree.SubElement(address, "Ctry").text = row[8]
    other = etree.SubElement(etree.SubElement(etree.SubElement(tx, "CdtrAcct"), "Id"), "Othr")
    etree.SubElement(other, "Id").text = row[9]
    remittance = etree.SubElement(tx, "RmtInf")
    if row[10]:
        reference = etree.SubElement(etree.SubElement(remittance, "Strd"), "CdtrRefInf")
        etree.SubElement(reference, "Ref").text = row[10]
    else:
        etree.SubElement(remittance, "Ustrd").text = row[11]
    return tx


def _write_advice(path: Path, n: int) -> None:
    with path.open("w") as file:
        file.write("<Document><BkToCstmrDbtCdtNtfctn><Ntfctn>")
        for i in range(n):
            file.write(
                f'<Ntry><Amt Ccy="NOK">{100 + i % 900}.{i % 100:02d}</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
                "<Sts>BOOK</Sts><BookgDt><Dt>2026-11-23</Dt></BookgDt><NtryDtls><TxDtls><Refs>"
                f"<MsgId>M</MsgId><PmtInfId>P{n}</PmtInfId><EndToEndId>P{n}-{i}</EndToEndId></Refs>"
                "</TxDtls></NtryDtls></Ntry>\n"
            )
        file.write("</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>")


def _settle(url: str, path: Path) -> None:
    with psycopg.connect(url) as db:
        with db.cursor().copy("COPY floor_advice FROM STDIN") as copy:
            for _event, entry in etree.iterparse(str(path), events=("end",), tag="{*}Ntry"):
                refs = entry.find("{*}NtryDtls/{*}TxDtls/{*}Refs")
                copy.write_row(
                    (
                        refs.findtext("{*}PmtInfId"),
                        refs.findtext("{*}EndToEndId"),
                        entry.findtext("{*}Amt"),
                        entry.findtext("{*}BookgDt/{*}Dt"),
                    )
                )
                _clear(entry)
        db.execute(
            "UPDATE floor_line l SET status = 'settled', booked = a.booked FROM floor_advice a"
            " WHERE l.reference = a.reference"
        )
        db.execute(
            "INSERT INTO floor_event (event, line, number, reference, status, code)"
            " SELECT 'settled', l.id, 'P', l.reference, 'settled', 5 FROM floor_line l"
        )


def _number_and_read(url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute("UPDATE floor_event SET sequence = id")
        with db.cursor("rows") as rows:
            rows.itersize = 5000
            rows.execute(
                "SELECT sequence, at, event, number, reference, status, code FROM floor_event"
            )
            while page := rows.fetchmany(5000):
                json.dumps([[str(value) for value in row] for row in page])
