"""Proposals and books: grouping, netting, numbers, opening balances and the guards."""

import ast
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portal.simerp import amounts, books, companies, proposals, report, vouchers


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with books.opened(data=tmp_path) as connection:
        yield connection


def propose(db: sqlite3.Connection, company: str, until: str | None = None) -> dict[str, Any]:
    return proposals.propose(db, company=company, due_date=until, pay_date=None)


def shape(told: dict[str, Any]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    return [
        (
            payment["due_date"],
            [(line["amount"], line["invoices"]) for line in payment["lines"]],
        )
        for payment in told["payments"]
    ]


def test_invoices_are_grouped_by_hint_and_else_by_due_date(
    db: sqlite3.Connection, cast: SimpleNamespace
) -> None:
    companies.setup(
        db,
        document=cast.setup(
            cast.invoice("1", "100.00"),
            cast.invoice("2", "200.00", due_date="2026-11-25"),
            cast.invoice("3", "300.00", payment="A"),
            cast.invoice("4", "400.00", payment="A", supplier="50002", due_date="2026-11-23"),
            cast.invoice("5", "500.00"),
        ),
    )
    told = propose(db, cast.COMPANY)
    assert shape(told) == [
        ("2026-11-23", [("400.00", ["4"]), ("300.00", ["3"])]),
        ("2026-11-24", [("100.00", ["1"]), ("500.00", ["5"])]),
        ("2026-11-25", [("200.00", ["2"])]),
    ]
    assert [payment["number"] for payment in told["payments"]] == [
        "B2026-000001",
        "B2026-000002",
        "B2026-000003",
    ]
    references = [line["reference"] for payment in told["payments"] for line in payment["lines"]]
    assert len(set(references)) == 5
    assert max(map(len, references)) <= 35
    assert propose(db, cast.COMPANY)["payments"] == []


def test_only_what_is_due_is_proposed(db: sqlite3.Connection, cast: SimpleNamespace) -> None:
    companies.setup(
        db,
        document=cast.setup(
            cast.invoice("1", "1.00"), cast.invoice("2", "2.00", due_date="2026-12-01")
        ),
    )
    assert shape(propose(db, cast.COMPANY, "2026-11-30")) == [("2026-11-24", [("1.00", ["1"])])]
    assert shape(propose(db, cast.COMPANY, "2026-12-01")) == [("2026-12-01", [("2.00", ["2"])])]


def test_a_pay_date_dates_all_payments(db: sqlite3.Connection, cast: SimpleNamespace) -> None:
    companies.setup(db, document=cast.setup(cast.invoice("1", "1.00")))
    told = proposals.propose(db, company=cast.COMPANY, due_date=None, pay_date="2026-11-30")
    assert told["payments"][0]["due_date"] == "2026-11-30"


def test_a_credit_note_is_netted_with_the_suppliers_invoices_only(
    db: sqlite3.Connection, cast: SimpleNamespace
) -> None:
    companies.setup(
        db,
        document=cast.setup(
            cast.invoice("1", "1000.00"),
            cast.invoice("2", "500.50"),
            cast.invoice("K", "250.25", kind="credit_note"),
            cast.invoice("9", "77.00", supplier="50002"),
        ),
    )
    told = propose(db, cast.COMPANY)
    assert shape(told) == [("2026-11-24", [("1250.25", ["1", "2", "K"]), ("77.00", ["9"])])]
    assert told["left"] == []


@pytest.mark.parametrize("credit", ["100.00", "100.01"])
def test_a_supplier_who_owes_us_is_paid_nothing(
    db: sqlite3.Connection, cast: SimpleNamespace, credit: str
) -> None:
    companies.setup(
        db,
        document=cast.setup(
            cast.invoice("1", "100.00"),
            cast.invoice("K", credit, kind="credit_note"),
            cast.invoice("9", "77.00", supplier="50002"),
        ),
    )
    told = propose(db, cast.COMPANY)
    assert shape(told) == [("2026-11-24", [("77.00", ["9"])])]
    assert told["left"] == ["1", "K"]
    assert propose(db, cast.COMPANY)["payments"] == []


def test_a_credit_note_that_25_documents_cannot_carry_waits(
    db: sqlite3.Connection, cast: SimpleNamespace
) -> None:
    invoices = [cast.invoice(str(number), "10.00") for number in range(30)]
    credits = [
        cast.invoice("K1", "240.00", kind="credit_note"),
        cast.invoice("K2", "5.00", kind="credit_note"),
    ]
    companies.setup(db, document=cast.setup(*invoices, *credits))
    told = propose(db, cast.COMPANY)
    assert told["payments"][0]["lines"][0]["amount"] == "235.00"
    assert told["left"] == ["K1"]


def test_no_more_than_25_documents_are_netted_in_one_line(
    db: sqlite3.Connection, cast: SimpleNamespace
) -> None:
    invoices = [cast.invoice(str(number), "10.00") for number in range(30)]
    companies.setup(
        db, document=cast.setup(*invoices, cast.invoice("K", "5.00", kind="credit_note"))
    )
    (payment,) = propose(db, cast.COMPANY)["payments"]
    assert [len(line["invoices"]) for line in payment["lines"]] == [25, 1, 1, 1, 1, 1, 1]


def test_setup_twice_books_the_opening_once(db: sqlite3.Connection, cast: SimpleNamespace) -> None:
    document = cast.setup(
        cast.invoice("1", "100.00"), cast.invoice("K", "30.00", kind="credit_note")
    )
    companies.setup(db, document=document)
    assert companies.setup(db, document=document)["companies"][0]["new_invoices"] == 0
    told = report.everything(db, company=cast.COMPANY)
    assert told["ledger"] == {
        "accounts": {"2400": "-70.00", "4300": "70.00"},
        "suppliers": {"50001": "-70.00"},
    }
    assert [entry["owed"] for entry in told["suppliers"]] == ["70.00", "0.00"]
    assert told["batches"] == []
    assert cast.KEY not in str(told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "1.005"},
        {"amount": 1.5},
        {"amount": "-1.00"},
        {"amount": "NaN"},
        {"amount": "0.00"},
        {"amount": "1 000.00"},
        {"kid": 1234},
        {"due_date": "24.11.2026"},
        {"supplier": "60000"},
        {"kind": "faktura"},
    ],
)
def test_setup_refuses_what_it_cannot_use_and_keeps_nothing(
    db: sqlite3.Connection, cast: SimpleNamespace, wrong: dict[str, Any]
) -> None:
    with pytest.raises(companies.Unusable):
        companies.setup(db, document=cast.setup({**cast.invoice("1", "1.00"), **wrong}))
    assert db.execute("SELECT count(*) FROM company").fetchone()[0] == 0


def test_an_invoice_with_another_amount_is_not_taken_for_the_same(
    db: sqlite3.Connection, cast: SimpleNamespace
) -> None:
    companies.setup(db, document=cast.setup(cast.invoice("1", "100.00")))
    with pytest.raises(companies.InvoiceDiffers):
        companies.setup(db, document=cast.setup(cast.invoice("1", "200.00")))


def test_the_books_refuse_a_batch_that_does_not_balance(
    db: sqlite3.Connection, cast: SimpleNamespace
) -> None:
    companies.setup(db, document=cast.setup())
    batch = (
        "INSERT INTO batch (id, company, number, date, kind)"
        f" VALUES (1, '{cast.COMPANY}', 'BU1', '2026-11-24', 'payments')"
    )
    voucher = (
        "INSERT INTO voucher (batch, account, debit_ore, credit_ore, text, supplier)"
        " VALUES (1, ?, ?, ?, 't', ?)"
    )
    sides = [("2400", 100, 0, "50001"), ("1920", 0, 99, None)]

    with (
        pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"),
        books.transaction(db),
    ):
        db.execute(batch)
        db.executemany(voucher, sides)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"), books.transaction(db):
        db.execute(batch)
        db.executemany(voucher, sides)
        db.execute("INSERT INTO batch_seal VALUES (1, 100, 99)")
    with pytest.raises(sqlite3.IntegrityError, match="agree"), books.transaction(db):
        db.execute(batch)
        db.executemany(voucher, sides)
        db.execute("INSERT INTO batch_seal VALUES (1, 100, 100)")
    assert db.execute("SELECT count(*) FROM batch").fetchone()[0] == 0


def test_a_sealed_batch_never_changes(db: sqlite3.Connection, cast: SimpleNamespace) -> None:
    companies.setup(db, document=cast.setup(cast.invoice("1", "1.00")))
    for statement in (
        "UPDATE voucher SET text = 'x'",
        "DELETE FROM voucher",
        "DELETE FROM batch_seal",
        "UPDATE batch_seal SET debit_ore = 5, credit_ore = 5",
        "INSERT INTO voucher (batch, account, debit_ore, credit_ore, text) VALUES (1, 'x', 1, 0, 'x')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            db.execute(statement)


def test_an_empty_batch_cannot_be_booked(db: sqlite3.Connection, cast: SimpleNamespace) -> None:
    companies.setup(db, document=cast.setup())
    with pytest.raises(sqlite3.IntegrityError), books.transaction(db):
        vouchers.book(db, company=cast.COMPANY, kind="payments", date="2026-11-24", entries=[])


def test_books_of_another_edition_are_refused(tmp_path: Path) -> None:
    with books.opened(data=tmp_path) as made:
        made.execute("PRAGMA user_version = 1")
    with pytest.raises(books.OtherVersion), books.opened(data=tmp_path):
        pytest.fail("the books were opened")


def test_amounts_keep_every_ore() -> None:
    assert amounts.from_text("1234.5") == 123450
    assert amounts.to_text(123450) == "1234.50"
    assert amounts.to_norwegian(123450) == "1\N{NO-BREAK SPACE}234,50"


def test_the_erp_imports_only_the_standard_library_lxml_and_the_signatures(
    cast: SimpleNamespace,
) -> None:
    allowed = sys.stdlib_module_names | {
        "lxml",
        "http_message_signatures",
        "http_sf",
        "standardwebhooks",
    }
    for path in (cast.ROOT / "portal" / "simerp").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                ours = name == "portal.simerp" or name.startswith("portal.simerp.")
                assert ours or name.split(".")[0] in allowed, f"{path.name} imports {name}"
