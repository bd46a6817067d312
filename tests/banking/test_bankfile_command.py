"""`manage.py bankfile show`: what it prints for people and programs, and how it refuses."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from banking import showing

ROOT = Path(__file__).resolve().parents[2]
Written = Callable[[str], bytes]
KEYS = {
    "kind",
    "version",
    "message_id",
    "created",
    "parties",
    "number_of_transactions",
    "control_sum",
    "balances",
    "remarks",
    "transactions",
}
ROW = {
    "level",
    "number",
    "instruction_id",
    "end_to_end_id",
    "reference",
    "date",
    "amount",
    "currency",
    "direction",
    "debit_account",
    "credit_account",
    "name",
    "kid",
    "creditor_reference",
    "text",
    "status",
    "reasons",
    "line",
    "path",
}
REPORT = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>
<GrpHdr><MsgId>B1</MsgId><CreDtTm>2026-11-26T09:00:00+01:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>KVITT1</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>
<GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>P-1</OrgnlPmtInfId><TxInfAndSts>
<OrgnlEndToEndId>L-1</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>RR07</Cd></Rsn><AddtlInf>Ugyldig KID</AddtlInf></StsRsnInf></TxInfAndSts>
</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"""


def shown(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("bankfile", "show", str(path), *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.xml"
    path.write_text(REPORT, "utf-8")
    return path


def test_the_json_form_is_as_the_help_says(report: Path) -> None:
    told = json.loads(shown(report, "--json"))
    assert set(told) == KEYS
    assert (told["kind"], told["version"], told["message_id"]) == ("pain.002", "03", "B1")
    assert told["created"] == "2026-11-26T09:00:00+01:00"
    assert told["number_of_transactions"] == 1
    group, payment, line = told["transactions"]
    assert set(group) == set(payment) == set(line) == ROW
    assert (group["level"], group["status"], group["reference"]) == ("group", "PART", "KVITT1")
    assert (payment["level"], payment["number"]) == ("payment", "P-1")
    assert (line["level"], line["end_to_end_id"], line["amount"]) == ("transaction", "L-1", None)
    assert line["reasons"] == [{"code": "RR07", "proprietary": False, "text": "Ugyldig KID"}]
    for word in KEYS | ROW:
        assert word in showing.EPILOG


def test_a_payment_file_is_shown_with_its_money_and_parties(
    tmp_path: Path, written: Written
) -> None:
    path = tmp_path / "pain001.xml"
    path.write_bytes(written("09"))
    told = json.loads(shown(path, "--json"))
    assert told["kind"] == "pain.001"
    assert sum(float(one["amount"]) for one in told["control_sum"]) == sum(
        float(one["amount"]) for one in told["transactions"]
    )
    assert {one["direction"] for one in told["control_sum"]} == {"debit"}
    assert {one["role"] for one in told["parties"]} == {"InitgPty", "Dbtr"}
    kids = [one["kid"] for one in told["transactions"]]
    assert "1234567890128" in kids


def test_people_get_the_same_in_words(report: Path) -> None:
    text = shown(report)
    assert text.startswith("pain.002, version 03\nMessage id    B1\n")
    assert "The file as a whole  PART" in text
    assert "RR07 Ugyldig KID" in text


def test_it_reads_standard_input(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(report.read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin())
    assert "pain.002" in shown(Path("-"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (REPORT[:200], "line 3"),
        ("AH200TBII0708000001                   04BETFOR00", "Telepay"),
        ("", "The file is empty"),
        ("<AgreementStatus><Status>ACTIVE</Status></AgreementStatus>", "no transactions to list"),
        ("<Document><AcctRptgReq/></Document>", "no transactions to list"),
        ("<Document><admi.002.001.01/></Document>", "no transactions to list"),
    ],
)
def test_what_cannot_be_read_ends_with_2_place_and_cause(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "odd.xml"
    path.write_text(content)
    with pytest.raises(CommandError) as caught:
        shown(path, "--json")
    assert caught.value.returncode == 2
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_ends_with_1(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        shown(tmp_path / "nothing.xml")
    assert caught.value.returncode == 1


def test_a_file_is_shown_in_slices(tmp_path: Path, report: Path) -> None:
    """Nothing is told of a file whose end is wrong: it is read whole before a word is printed."""
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>L-{n}</OrgnlEndToEndId></TxInfAndSts>" for n in range(50)
    )
    path = tmp_path / "cut.xml"
    path.write_text(REPORT.replace("<TxInfAndSts>", rows + "<TxInfAndSts>", 1)[:-30])
    out: Any = io.StringIO()
    with pytest.raises(CommandError):
        call_command("bankfile", "show", str(path), stdout=out)
    assert out.getvalue() == ""


def run(*words: str, encoding: str = "utf-8", **options: Any) -> subprocess.CompletedProcess[str]:
    """manage.py with an environment that holds no setting of ours."""
    return subprocess.run(
        [sys.executable, "manage.py", "bankfile", "show", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": encoding},
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def test_it_needs_no_settings_and_no_database(report: Path, tmp_path: Path) -> None:
    done = run(str(report), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "pain.002"
    assert run("-", input=REPORT).stdout.startswith("pain.002, version 03")
    (tmp_path / "odd.xml").write_text(REPORT[:200])
    odd = run(str(tmp_path / "odd.xml"))
    assert (odd.returncode, odd.stdout) == (2, "")
    assert "line 3" in odd.stderr
    assert "Traceback" not in odd.stderr
    gone = run(str(tmp_path / "nothing.xml"))
    assert gone.returncode == 1
    assert "No such file" in gone.stderr
    assert run(str(tmp_path)).returncode == 1
    assert "control_sum" in run("--help").stdout


def test_a_terminal_that_knows_only_ascii_gets_question_marks(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT.replace("Ugyldig KID", "Ugyldig beløp"), "utf-8")
    done = run(str(path), encoding="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Ugyldig bel?p" in done.stdout
    assert "Ugyldig beløp" in run(str(path)).stdout


def test_a_payees_structured_reference_is_told(reference: Path) -> None:
    path = reference / "samples" / "postfinance_camt054_esr_batch.xml"
    assert "Payee ref.    ISR Reference 120000000000234478943216899" in shown(path)
    rows = json.loads(shown(path, "--json"))["transactions"]
    assert "ISR Reference 120000000000234478943216899" in [
        row["creditor_reference"] for row in rows
    ]


def test_whoever_reads_may_stop_reading(tmp_path: Path) -> None:
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>L-{n}</OrgnlEndToEndId></TxInfAndSts>" for n in range(20000)
    )
    path = tmp_path / "long.xml"
    path.write_text(REPORT.replace("<TxInfAndSts>", rows + "<TxInfAndSts>", 1))
    command = f"{sys.executable} manage.py bankfile show {path} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("pain.002, version 03\n", "", 0)


@pytest.mark.parametrize(("words", "code"), [([], 2), (["--help"], 0)])
def test_what_it_can_do_is_told_without_settings(words: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "bankfile", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout if words else done.stderr
    assert done.returncode == code
    assert [f"bankfile {word}" in told for word in ("show", "aside", "again")] == [True] * 3
