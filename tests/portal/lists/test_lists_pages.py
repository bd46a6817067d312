"""What every list offers: filters in the address, chips, saved views, choosing all, exports."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from banking.models import BankAgreement
from payments import lifecycle
from payments.lists import PAYMENTS
from payments.models import Payment
from portal.access.roles import Role
from portal.jobs.models import Job
from portal.lists import export, spec
from portal.lists.models import SavedView
from tests import kit
from tests.kit import Stage
from tests.payments.test_pages import address_of, approve, base, browser, listed, text_of, unkeyed
from tests.portal.events.test_moves import go, lines_of, make


@pytest.fixture
def made(db: None) -> Any:
    stage = kit.stage()
    stage.users["lars"] = kit.person("lars", stage.company, Role.PAYROLL_APPROVER)
    with stage.scope():
        yield stage


@pytest.fixture
def anne(made: Stage) -> Client:
    return browser(made, "anne")


def due(payment: Payment, day: str) -> Payment:
    Payment.objects.filter(pk=payment.pk).update(due_date=dt.date.fromisoformat(day))
    return payment


# Filters


def test_filters_join_and_show_as_chips_that_lead_to_the_list_without_them(
    made: Stage, anne: Client
) -> None:
    one = due(make(made, "A1"), "2026-12-01")
    due(make(made, "A2"), "2026-12-05")
    due(make(made, "B1"), "2026-12-01")
    page = text_of(anne.get(base(made), {"number": "A", "due_to": "2026-12-02"}))
    assert listed(page) == [one.pk]
    chips = re.findall(r'<a class="ds-chip" href="([^"]+)" aria-label="([^"]+)"', page)
    assert [label for _address, label in chips] == [
        "Remove the filter Payment number begins with: A",
        "Remove the filter Due to: 02.12.2026",
    ]
    without = chips[0][0].replace("&amp;", "&")
    assert len(listed(text_of(anne.get(base(made) + without)))) == 2


def test_a_date_that_is_none_shows_nothing_and_names_the_filter(made: Stage, anne: Client) -> None:
    make(made, "A1")
    page = text_of(anne.get(base(made), {"due_from": "2026-02-31"}))
    assert listed(page) == []
    assert re.search(r"Due from: [^<]+date", page)


def test_tabs_count_what_stands_there_and_the_database_follows_the_status(
    made: Stage, anne: Client
) -> None:
    waiting, held = make(made, "P1"), make(made, "P2")
    go(lines_of(held), lifecycle.HOLD, held)
    assert Payment.objects.get(pk=held.pk).phase == lifecycle.DEVIATING
    page = text_of(anne.get(base(made), {"tab": "open"}))
    assert listed(page) == [waiting.pk]
    tabs = re.findall(
        r'<li><a href="[^"]*"(?: aria-current="true")?>([^<]+)(?:<span[^>]*>(\d+)</span>)?', page
    )
    assert [(name.strip(), count) for name, count in tabs] == [
        ("All", ""), ("To approve", "1"), ("On the way", ""), ("Deviations", "1"), ("Finished", ""),
    ]  # fmt: skip


def test_a_number_is_found_in_small_letters_too(made: Stage, anne: Client) -> None:
    upper, lower = make(made, "AB-1"), make(made, "ab-2")
    for typed, found in (("ab-", {upper.pk, lower.pk}), ("AB-", {upper.pk}), ("ab-1", {upper.pk})):
        assert set(listed(text_of(anne.get(base(made), {"number": typed})))) == found
    page = text_of(anne.get(f"/c/{made.company.public_id}/search/", {"q": "ab-1"}))
    assert "AB-1" in page


def test_a_payment_with_lines_that_went_another_way_is_among_the_deviations_too(
    made: Stage, anne: Client
) -> None:
    partly, other = make(made, "P1"), make(made, "P2")
    go(lines_of(partly).filter(position=1), lifecycle.HOLD, partly)
    for tab, shown in (("deviating", [partly.pk]), ("open", [other.pk, partly.pk])):
        assert sorted(listed(text_of(anne.get(base(made), {"tab": tab})))) == sorted(shown)
    page = text_of(anne.get(base(made)))
    assert re.search(r'Deviations <span class="count figure">1<', page)
    go(lines_of(partly).filter(position=1), lifecycle.RELEASE, partly)
    assert listed(text_of(anne.get(base(made), {"tab": "deviating"}))) == []


def test_every_status_has_a_phase() -> None:
    told = [code for codes in lifecycle.PHASES.values() for code in codes]
    assert sorted(told) == sorted(lifecycle.PAYMENT_STATUSES)
    assert set(lifecycle.PHASE_LABELS) == set(lifecycle.PHASES)


def test_a_column_head_sorts_and_says_so(made: Stage, anne: Client) -> None:
    rows = [make(made, number) for number in ("C", "A", "B")]
    page = text_of(anne.get(base(made), {"sort": "number"}))
    assert listed(page) == [rows[1].pk, rows[2].pk, rows[0].pk]
    assert re.search(r'aria-sort="ascending"><a href="\?sort=-number">', page)
    page = text_of(anne.get(base(made), {"sort": "-number"}))
    assert listed(page) == [rows[0].pk, rows[2].pk, rows[1].pk]
    assert 'aria-sort="descending"' in page
    assert text_of(anne.get(base(made), {"sort": "amount"})).count("aria-sort") == 1


# What waits for me


def test_the_approval_list_holds_what_waits_for_oneself_and_the_header_counts_it(
    made: Stage, anne: Client
) -> None:
    late, soon = due(make(made, "P1"), "2026-12-09"), due(make(made, "P2"), "2026-12-01")
    make(made, "S1", kind="salary")
    address = base(made).replace("outgoing", "approve")
    page = text_of(anne.get(address))
    assert listed(page) == [soon.pk, late.pk]
    assert "2 wait for you" in page
    lars = text_of(browser(made, "lars").get(address))
    assert len(listed(lars)) == 1
    assert "P1" not in unkeyed(lars)


# Saved views


def test_a_view_keeps_filters_for_its_owner_alone(made: Stage, anne: Client) -> None:
    make(made, "P1")
    save = base(made).replace("outgoing/", "lists/payments/views/")
    answer = anne.post(save, {"name": " Mine  first ", "query": "number=P&sort=number&x=1&after=9"})
    assert answer["Location"].endswith("/outgoing/?number=P&sort=number")
    view = SavedView.objects.get()
    assert (view.name, view.query) == ("Mine first", "number=P&sort=number")
    page = text_of(anne.get(answer["Location"]))
    assert '?number=P&amp;sort=number" aria-current="true">Mine first</a>' in page
    bjorn = browser(made, "bjorn")
    assert "Mine first" not in text_of(bjorn.get(base(made)))
    gone = f"/c/{made.company.public_id}/views/{view.pk}/delete/"
    assert bjorn.post(gone).status_code == 404
    anne.post(save, {"name": "Mine first", "query": "number=Q"})
    assert SavedView.objects.get().query == "number=Q"
    assert anne.post(gone).status_code == 302
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"name": "", "query": "number=P"}, "Write a name"),
        ({"name": "X", "query": ""}, "nothing to save"),
        ({"name": "X", "query": "after=1&select=all"}, "nothing to save"),
    ],
)
def test_a_view_without_name_or_content_is_refused(
    made: Stage, anne: Client, words: dict[str, str], said: str
) -> None:
    save = base(made).replace("outgoing/", "lists/payments/views/")
    assert said in text_of(anne.post(save, words, follow=True))
    assert not SavedView.objects.exists()


# Choosing all that match


def test_all_that_match_is_a_second_step_with_exact_sums(
    made: Stage, anne: Client, settings: Any
) -> None:
    settings.LIST_PAGE_SIZE = 3
    for n in range(7):
        make(made, f"P{n}", lines=1)
    make(made, "Q1", lines=1)
    first = text_of(anne.get(base(made), {"number": "P"}))
    assert "?number=P&amp;select=all" in first
    page = text_of(anne.get(base(made), {"number": "P", "select": "all"}))
    total = sum(Decimal(p.totals["NOK"]) for p in Payment.objects.filter(number__startswith="P"))
    assert "All 7 that match are chosen" in page
    assert f"{total:,.2f}".replace(",", "\u00a0").replace(".", ",") in page
    words = {"all": "1", "query": "number=P", "list": "payments"}
    signing = text_of(anne.post(base(made) + "sign/", words, follow=True))
    assert "Approve 7 payments" in signing
    assert "Q1" not in unkeyed(signing)


def test_too_many_to_choose_are_told_and_not_added_up(
    made: Stage, anne: Client, settings: Any
) -> None:
    settings.LIST_PAGE_SIZE, settings.LIST_SELECT_MAX = 2, 3
    for n in range(4):
        make(made, f"P{n}", lines=1)
    page = text_of(anne.get(base(made), {"select": "all"}))
    assert "More than 3 match" in page
    assert "Choose one by one instead" not in page
    assert "data-said" in page  # rows can still be chosen one by one
    assert 'name="all"' not in page


def test_choosing_all_leaves_out_what_is_final_and_what_one_may_not_see(
    made: Stage, anne: Client
) -> None:
    waiting, over = make(made, "P1", lines=1), make(made, "P2", lines=1)
    go(lines_of(over), lifecycle.CANCEL, over)
    make(made, "S1", kind="salary", lines=1)
    page = text_of(anne.post(base(made) + "cancel/", {"all": "1", "query": ""}, follow=True))
    assert waiting.number in page
    assert over.number not in unkeyed(page)
    assert "S1" not in unkeyed(page)


# Exports


def exported(client: Client, made: Stage, kind: str, query: str = "") -> bytes:
    address = base(made).replace("outgoing/", "lists/payments/export/")
    answer = client.post(address, {"format": kind, "query": query})
    assert answer.status_code == 200, answer.status_code
    assert "attachment" in answer["Content-Disposition"]
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_csv_holds_exactly_the_rows_and_order_of_the_view(made: Stage, anne: Client) -> None:
    for number in ("P2", "P1", "Q1"):
        make(made, number, lines=2)
    make(made, "P3", kind="salary")
    text = exported(anne, made, "csv", "number=P&sort=number").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [row["Payment"] for row in rows] == ["P1", "P2"]
    payment = Payment.objects.get(number="P1")
    assert rows[0]["Amount"] == payment.totals["NOK"].replace(".", ",")
    assert rows[0]["Debit account"] == made.agreement.account.number
    assert rows[0]["Due date"] == f"{payment.due_date:%d.%m.%Y}"
    assert rows[0]["Approvals"] == "0 of 2"  # «0/2» would open as a date


def test_excel_holds_numbers_as_numbers_and_accounts_as_text(made: Stage, anne: Client) -> None:
    make(made, "P1", lines=2)
    book = openpyxl.load_workbook(io.BytesIO(exported(anne, made, "xlsx")))
    head, row = list(book.active.iter_rows())  # type: ignore[union-attr]
    cells = {title.value: cell for title, cell in zip(head, row, strict=True)}
    payment = Payment.objects.get()
    assert Decimal(str(cells["Amount"].value)) == Decimal(payment.totals["NOK"])
    assert cells["Debit account"].value == made.agreement.account.number
    assert cells["Debit account"].data_type == "s"
    assert cells["Due date"].value.date() == payment.due_date


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_text_becomes_a_formula(made: Stage, anne: Client, evil: str) -> None:
    made.agreement.account.name = evil
    made.agreement.account.save(update_fields=["name"])
    make(made, "P1", lines=1)
    text = exported(anne, made, "csv").decode("utf-8-sig")
    name = next(csv.DictReader(io.StringIO(text), delimiter=";"))["Name of the account"]
    assert name == f"'{evil}"
    book = openpyxl.load_workbook(io.BytesIO(exported(anne, made, "xlsx")))
    assert all(cell.data_type != "f" for row in book.active.iter_rows() for cell in row)  # type: ignore[union-attr]


def test_a_large_export_is_a_job_that_writes_the_same_file(
    made: Stage, anne: Client, settings: Any
) -> None:
    for number in ("P1", "P2", "P3"):
        make(made, number, lines=1)
    make(made, "S1", kind="salary", lines=1)
    direct = exported(anne, made, "csv", "sort=number")
    settings.LIST_EXPORT_DIRECT = 2
    address = base(made).replace("outgoing/", "lists/payments/export/")
    answer = anne.post(address, {"format": "csv", "query": "sort=number"})
    assert answer.status_code == 302
    job = Job.objects.get()
    assert answer["Location"].endswith(f"/jobs/{job.public_id}/")
    from portal.jobs import work

    work.run(company_id=made.company.pk, job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.result["rows"]) == ("done", 3, 3)
    fetched = anne.get(f"{answer['Location']}file/")
    assert b"".join(fetched.streaming_content) == direct  # type: ignore[attr-defined]
    assert b"S1" not in direct


def test_more_than_an_export_may_hold_is_cut_and_said(made: Stage, settings: Any) -> None:
    settings.LIST_EXPORT_MAX = 2
    for number in ("P1", "P2", "P3"):
        make(made, number, lines=1)
    from django.http import QueryDict

    from portal.access.guard import Acting
    from portal.access.roles import permissions_of

    acting = Acting(made.company, frozenset(), permissions_of([Role.APPROVER]))
    file = io.BytesIO()
    told: list[int] = []
    count = export.write(
        spec=PAYMENTS,
        acting=acting,
        user=made.users["anne"],
        query=QueryDict(""),
        kind="csv",
        file=file,
        told=told.append,
    )
    assert count == 2
    assert told == [2]
    assert len(file.getvalue().decode("utf-8-sig").splitlines()) == 3


def test_a_list_that_one_may_not_open_cannot_be_exported_or_saved(made: Stage) -> None:
    made.users["kari"] = kit.person("kari", made.company, Role.UPLOADER)
    kari = browser(made, "kari")
    for name in ("payments", "to_approve"):
        address = f"/c/{made.company.public_id}/lists/{name}/export/"
        assert kari.post(address, {"format": "csv"}).status_code == 403
    assert kari.post(f"/c/{made.company.public_id}/lists/none/export/").status_code == 404


@pytest.mark.parametrize("name", spec.all_named())
def test_every_list_is_exported_from_its_own_page(name: str, made: Stage, anne: Client) -> None:
    found = spec.named(name)
    assert found is not None
    table = found.table([], acting=kit_acting(made))
    for column, _column in table.columns_shown():
        assert hasattr(table, f"render_{column}"), column
        assert hasattr(table, f"value_{column}"), f"{column} is on the page and not in the export"


def kit_acting(made: Stage) -> Any:
    from portal.access.guard import Acting

    return Acting(made.company, frozenset(), frozenset())


def test_an_empty_tab_says_so_and_leads_to_all(made: Stage, anne: Client) -> None:
    make(made, "P1")
    page = text_of(anne.get(base(made), {"tab": "deviating"}))
    assert "No payment stands like this now" in page
    assert "Remove all filters" not in page


def test_a_filter_that_cannot_be_leads_back_to_the_list(made: Stage, anne: Client) -> None:
    make(made, "P1")
    page = text_of(anne.get(base(made), {"due_from": "abc"}))
    assert "A filter could not be understood" in page
    assert f'href="{base(made)}">Remove all filters' in page
    assert "No payments yet" not in page


def test_tabs_count_nothing_that_their_address_would_not_show(made: Stage, anne: Client) -> None:
    make(made, "P1")
    make(made, "Q1")
    assert '<span class="count figure">2</span>' in text_of(anne.get(base(made)))
    assert '<span class="count figure">' not in text_of(anne.get(base(made), {"number": "Q"}))


def test_choosing_all_counts_what_can_be_chosen_and_buttons_say_it(
    made: Stage, anne: Client, settings: Any
) -> None:
    settings.LIST_PAGE_SIZE = 2
    for n in range(3):
        make(made, f"P{n}", lines=1)
    over = make(made, "DONE", lines=1)
    go(lines_of(over), lifecycle.CANCEL, over)
    assert "Choose all 3 that can be chosen" in text_of(anne.get(base(made)))
    assert "Choose all 3 that match" in text_of(anne.get(base(made), {"tab": "open"}))
    page = text_of(anne.get(base(made), {"select": "all"}))
    assert "All 3 that match are chosen" in page
    assert "Approve 3, 3,00\u00a0kr" in re.sub(r"<[^>]+>", "", page)
    assert "Cancel 3 …" in page


def test_more_than_may_be_handled_at_once_is_told_and_those_due_first_are_shown(
    made: Stage, anne: Client, settings: Any
) -> None:
    settings.SIGN_AT_ONCE_MAX = 2
    rows = [due(make(made, f"P{n}", lines=1), f"2026-12-0{n + 1}") for n in range(5)]
    under_way = due(make(made, "FIRST", lines=1), "2026-11-27")
    go(lines_of(under_way), lifecycle.APPROVE, under_way)
    page = text_of(anne.get(base(made), {"select": "all"}))
    assert "Approve the first 2 of 6 …" in page
    assert "Cancel the first 2 of 6 …" in page
    page = text_of(anne.post(f"{base(made)}sign/", {"all": "1", "query": ""}, follow=True))
    assert "You chose 6 payments. At most 2 are approved at a time" in page
    assert re.findall(r'name="seen" value="(\d+)\|', page) == [str(row.pk) for row in rows[:2]]
    assert "1 more payment does not wait for your approval." in page
    sums = re.findall(r"<dd><span class=\"amount\">([^<]+)</span></dd>", page)
    assert [text.replace("\u00a0", " ") for text in sums[:3]] == ["6,00 kr", "2,00 kr", "2,00 kr"]
    again = text_of(anne.post(address_of(page), {"code": "000000"}, follow=True))
    assert "You chose 6 payments." in again
    page = text_of(anne.post(f"{base(made)}cancel/", {"all": "1", "query": ""}, follow=True))
    assert "You chose 6. At most 2 are handled at a time" in page


def test_what_cannot_be_ended_is_left_out_with_the_reason_before_anybody_is_asked_why(
    made: Stage, anne: Client
) -> None:
    waiting, gone = make(made, "P1"), make(made, "P2")
    approve(gone)
    go(lines_of(gone), lifecycle.SEND, gone)
    both = {"payment": [waiting.pk, gone.pk]}
    answer: Any = anne.post(f"{base(made)}cancel/", both, follow=True)
    page = text_of(answer)
    assert "<strong>P2</strong>: It has gone to the bank." in page
    assert re.findall(r'name="seen" value="(\d+)"', page) == [str(waiting.pk)]
    done = {"seen": both["payment"], "reason": "Feil"}
    page = text_of(anne.post(answer.redirect_chain[0][0], done, follow=True))
    assert "Nothing was changed" in page
    waiting.refresh_from_db()
    assert waiting.status == "awaiting"
    page = text_of(anne.post(f"{base(made)}cancel/", {"payment": [gone.pk]}, follow=True))
    assert "It has gone to the bank." in page


def test_the_order_can_be_chosen_without_the_heads_of_the_columns(
    made: Stage, anne: Client
) -> None:
    due(make(made, "P1"), "2026-12-01")
    due(make(made, "P2"), "2026-12-02")
    page = text_of(anne.get(base(made), {"sort": "number", "status": "awaiting"}))
    control = re.search(r'<select name="sort".*?</select>', page, re.DOTALL)
    assert control is not None
    options = re.findall(r'value="([^"]*)"( selected)?>([^<]+)<', control[0])
    assert ("number", " selected", "Payment, A to Å") in options
    assert ("", "", "Due date, latest first") in options
    assert ("-due_date", "", "Due date, earliest first") in options
    for value, first, second in (("", "P2", "P1"), ("-due_date", "P1", "P2")):
        page = text_of(anne.get(base(made), {"sort": value, "status": "awaiting"}))
        assert page.index(f">{first}</a>") < page.index(f">{second}</a>")


def test_choosing_nothing_leads_back_to_the_list_as_it_was(made: Stage, anne: Client) -> None:
    make(made, "P1")
    posted = {"list": "payments", "query": "number=P&tab=open"}
    answer = anne.post(f"{base(made)}sign/", posted)
    assert answer["Location"] == f"{base(made)}?tab=open&number=P"
    assert "Choose at least one payment first." in text_of(anne.get(answer["Location"]))
    posted["list"] = "to_approve"
    assert "/approve/?number=P" in anne.post(f"{base(made)}sign/", posted)["Location"]


def test_a_view_too_long_or_with_odd_letters_does_no_harm(made: Stage, anne: Client) -> None:
    make(made, "P1")
    address = f"/c/{made.company.public_id}/lists/payments/views/"
    long = {"name": "Lang", "query": "number=" + "%C3%B8" * 300}
    assert "too long to be kept" in text_of(anne.post(address, long, follow=True))
    odd = {"name": "a\0b", "query": "tab=open"}
    assert "The view “a b” is saved." in text_of(anne.post(address, odd, follow=True))


def test_an_export_asks_as_many_questions_however_many_agreements(
    made: Stage, anne: Client
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as seen:
            exported(anne, made, "csv", "")
        return len(seen)

    make(made, "P0")
    asked()
    few = asked()
    for n in range(1, 5):
        agreement = BankAgreement.objects.get(pk=made.agreement.pk)
        agreement.pk, agreement.status, agreement.description = None, "draft", ""
        agreement.save()
        Payment.objects.filter(pk=make(made, f"P{n}").pk).update(agreement=agreement)
    assert asked() == few


@pytest.mark.parametrize(
    ("given", "shown"),
    [("2026-12-01", "01.12.2026"), ("1.12.2026", "1.12.2026"), ("nei", "nei")],
)
def test_a_date_in_the_filter_is_written_as_here_and_what_is_none_stays(
    given: str, shown: str, made: Stage, anne: Client
) -> None:
    page = text_of(anne.get(base(made), {"due_from": given}))
    assert f'name="due_from" value="{shown}"' in page
