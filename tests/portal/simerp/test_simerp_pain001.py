"""The ERP's own pain.001, judged by the official schemas."""

import datetime
from pathlib import Path

import pytest
from lxml import etree

from portal.simerp import jsonfile, orders, pain001

SCHEMAS = Path(__file__).resolve().parents[4] / "shared" / "reference" / "xsd"
VERSIONS = ("pain.001.001.03", "pain.001.001.09")


def line(reference: str, ore: int, **more: object) -> orders.Line:
    fields = {
        "payee": "Ås & Øy <Rør> AS",
        "town": "Bergen",
        "country": "NO",
        "account": "86011117947",
        "kid": None,
        "message": None,
        "documents": (),
        **more,
    }
    return orders.Line(reference=reference, ore=ore, **fields)


PAYMENTS = [
    orders.Payment(
        number="B2026-000001",
        due_date="2026-11-24",
        debit_account="15032080119",
        lines=(
            line("B2026-000001-00001", 10050, kid="0012345-"),
            line("B2026-000001-00002", 1, message="Faktura 17 æøå", town=""),
            line(
                "B2026-000001-00003",
                70000,
                documents=(
                    orders.Document(kind="CINV", number="17", ore=100000, kid="0000123"),
                    orders.Document(kind="CREN", number="18", ore=30000, kid="0000456"),
                    orders.Document(kind="CINV", number="19", ore=0, kid=None),
                ),
            ),
        ),
    ),
    orders.Payment(
        number="B2026-000002",
        due_date="2026-11-25",
        debit_account="15032080119",
        lines=(
            line(
                "B2026-000002-00001",
                999,
                message="Invoice 1",
                account="SE4550000000058398257466",
                country="SE",
            ),
        ),
    ),
]


def written(version: str) -> bytes:
    return pain001.write(
        version=version,
        message_id="0" * 32,
        made_at=datetime.datetime(2026, 11, 20, 12, 0, tzinfo=datetime.UTC),
        initiator="Fjellvann AS",
        payments=PAYMENTS,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_the_file_is_valid_by_the_official_schema(version: str) -> None:
    path = SCHEMAS / f"{version}.xsd"
    if not path.exists():
        pytest.skip(f"the official schema {path} is not on this machine")
    etree.XMLSchema(file=str(path)).assertValid(etree.fromstring(written(version)))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_file_says_what_the_payments_say(version: str) -> None:
    body = written(version)
    root = etree.fromstring(body)
    assert root.tag == f"{{urn:iso:std:iso:20022:tech:xsd:{version}}}Document"
    assert b"ns0:" not in body
    texts = {
        "GrpHdr/NbOfTxs": "4",
        "GrpHdr/CtrlSum": "810.50",
        "GrpHdr/InitgPty/Nm": "Fjellvann AS",
        "PmtInf[1]/PmtInfId": "B2026-000001",
        "PmtInf[1]/NbOfTxs": "3",
        "PmtInf[1]/CtrlSum": "800.51",
        "PmtInf[1]/DbtrAcct/Id/Othr/Id": "15032080119",
        "PmtInf[1]/DbtrAcct/Id/Othr/SchmeNm/Cd": "BBAN",
        "PmtInf[1]/DbtrAgt/FinInstnId/Othr/Id": "NOTPROVIDED",
        "PmtInf[1]/CdtTrfTxInf[2]/PmtId/InstrId": "2",
        "PmtInf[1]/CdtTrfTxInf[2]/PmtId/EndToEndId": "B2026-000001-00002",
        "PmtInf[1]/CdtTrfTxInf[1]/Amt/InstdAmt": "100.50",
        "PmtInf[1]/CdtTrfTxInf[1]/Cdtr/PstlAdr/TwnNm": "Bergen",
        "PmtInf[1]/CdtTrfTxInf[1]/RmtInf/Strd/CdtrRefInf/Ref": "0012345-",
        "PmtInf[1]/CdtTrfTxInf[2]/RmtInf/Ustrd": "Faktura 17 æøå",
        "PmtInf[1]/CdtTrfTxInf[3]/RmtInf/Strd[1]/RfrdDocInf/Tp/CdOrPrtry/Cd": "CINV",
        "PmtInf[1]/CdtTrfTxInf[3]/RmtInf/Strd[1]/RfrdDocAmt/RmtdAmt": "1000.00",
        "PmtInf[1]/CdtTrfTxInf[3]/RmtInf/Strd[1]/CdtrRefInf/Ref": "0000123",
        "PmtInf[1]/CdtTrfTxInf[3]/RmtInf/Strd[2]/RfrdDocInf/Tp/CdOrPrtry/Cd": "CREN",
        "PmtInf[1]/CdtTrfTxInf[3]/RmtInf/Strd[2]/RfrdDocAmt/CdtNoteAmt": "300.00",
        "PmtInf[1]/CdtTrfTxInf[3]/RmtInf/Strd[2]/CdtrRefInf/Ref": "0000456",
        "PmtInf[2]/CdtTrfTxInf/CdtrAcct/Id/IBAN": "SE4550000000058398257466",
    }
    for path, text in texts.items():
        assert root.findtext("./*/" + "/".join(f"{{*}}{part}" for part in path.split("/"))) == text
    date = "{*}ReqdExctnDt/{*}Dt" if version == pain001.NEWER else "{*}ReqdExctnDt"
    assert root.findtext(f"./*/{{*}}PmtInf/{date}") == "2026-11-24"
    assert root.find(".//{*}CdtrAgt") is None


def test_json_leaves_out_what_is_not_there() -> None:
    body = jsonfile.write(payments=PAYMENTS).decode()
    assert '"totals":{"lines":4,"sum":"810.50"}' in body
    assert '"kid":"0012345-"' in body
    assert "null" not in body
