"""Only portal.events.moves writes a status; everybody else asks it to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from banking import lifecycle as banking_lifecycle
from payments import lifecycle
from portal.jobs import lifecycle as jobs_lifecycle

ROOT = Path(__file__).resolve().parents[2]
WRITER = ROOT / "portal" / "events" / "moves.py"
SIMULATORS = ("simbank", "simerp")
SET_STATUS = re.compile(r"\bSET\b[^;]*\bstatus\s*=", re.IGNORECASE)


def sources() -> list[Path]:
    return [
        path
        for folder in ("portal", "banking", "payments", "collections")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != WRITER and not set(path.parts) & {*SIMULATORS, "migrations"}
    ]


def writes(path: Path) -> list[str]:
    """Places in a file where a status is written: assignment, update(), SQL."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and target.attr == "status":
                    base = ast.unparse(target.value)
                    if base not in ("self", "response"):
                        found.append(f"line {node.lineno}: {base}.status = …")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("update", "update_or_create", "bulk_update"):
                if any(word.arg == "status" for word in node.keywords):
                    found.append(f"line {node.lineno}: {node.func.attr}(status=…)")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if SET_STATUS.search(node.value):
                found.append(f"line {node.lineno}: SQL")
    return found


def test_nobody_but_moves_writes_a_status() -> None:
    found = {str(path.relative_to(ROOT)): rows for path in sources() if (rows := writes(path))}
    assert found == {}


def test_the_check_sees_each_way_of_writing(tmp_path: Path) -> None:
    for text in (
        "line.status = 'sent'",
        "Line.objects.update(status='sent')",
        "cursor.execute('UPDATE payments_paymentline SET status = 1')",
    ):
        path = tmp_path / "m.py"
        path.write_text(text)
        assert writes(path), text


def test_moves_itself_is_seen_to_write() -> None:
    assert writes(WRITER)


@pytest.mark.parametrize(
    "cycle",
    [lifecycle.LINE, banking_lifecycle.FILE, banking_lifecycle.AGREEMENT, jobs_lifecycle.JOB],
)
def test_no_move_leaves_a_final_status_but_a_return(cycle: object) -> None:
    for move in cycle.moves.values():  # type: ignore[attr-defined]
        finals = [s for s in move.sources if cycle.statuses[s].final]  # type: ignore[attr-defined]
        assert not finals or move is lifecycle.RETURN, move.name


def test_every_status_can_be_reached() -> None:
    reached = {lifecycle.LINE.initial} | {m.target for m in lifecycle.LINE.moves.values()}
    assert reached == set(lifecycle.LINE.statuses)
