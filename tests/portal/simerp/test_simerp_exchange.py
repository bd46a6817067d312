"""The ERP as a process against the stand-in portal: upload, answers, events, batches."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

SETTLED, REJECTED, CANCELLED, TRANSFERRED = 5, 7, 4, 2


def propose(erp: Any, cast: SimpleNamespace) -> list[str]:
    status, told = erp.post("/propose", company=cast.COMPANY, due_date="2026-11-30")
    assert status == 200
    return [payment["number"] for payment in told["payments"]]


def uploaded(erp: Any, cast: SimpleNamespace, *invoices: Any, **more: Any) -> list[str]:
    """Set up, propose and upload; return the payment numbers."""
    assert erp.post("/setup", **cast.setup(*invoices, **more))[0] == 200
    numbers = propose(erp, cast)
    status, told = erp.post("/upload", company=cast.COMPANY)
    assert (status, told["uploads"][0]["state"]) == (200, "answered")
    return numbers


def sync(erp: Any, cast: SimpleNamespace) -> dict[str, Any]:
    status, told = erp.post("/sync", company=cast.COMPANY)
    assert status == 200
    return told["companies"][0]


def statuses(erp: Any) -> dict[str, str]:
    return {entry["number"]: entry["status"] for entry in erp.books()["invoices"]}


def test_the_connection_can_be_tested(erp: Any, portal: Any, cast: SimpleNamespace) -> None:
    erp.post("/setup", **cast.setup())
    status, told = erp.post("/ping", company=cast.COMPANY)
    assert (status, told["company"]) == (200, {"public_id": cast.COMPANY})


@pytest.mark.parametrize("kind", ["pain.001.001.03", "pain.001.001.09", "json"])
def test_an_upload_transfers_its_payments(
    erp: Any, portal: Any, cast: SimpleNamespace, kind: str
) -> None:
    invoices = [cast.invoice("1", "100.00"), cast.invoice("2", "200.00", due_date="2026-11-25")]
    numbers = uploaded(erp, cast, *invoices, format=kind)
    assert sorted(portal.payments) == sorted(numbers) and len(numbers) == 2
    assert portal.received[0].user == cast.USER
    assert portal.received[0].content_type == f"application/{'json' if kind == 'json' else 'xml'}"
    told = erp.books()
    assert [payment["erp_code"] for payment in told["payments"]] == [2, 2]
    assert {line["erp_code"] for payment in told["payments"] for line in payment["lines"]} == {2}
    assert statuses(erp) == {"1": "transferred", "2": "transferred"}
    # Nothing waits any more: a second upload sends nothing.
    assert erp.post("/upload", company=cast.COMPANY)[1]["uploads"] == []
    assert len(portal.received) == 1


def test_after_a_lost_answer_the_same_bytes_and_key_are_sent_again(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    def drop() -> None:
        raise cast.Dropped

    erp.post("/setup", **cast.setup(cast.invoice("1", "100.00")))
    (number,) = propose(erp, cast)
    portal.before_answer = drop
    status, told = erp.post("/upload", company=cast.COMPANY)
    assert (status, told["uploads"][0]["state"]) == (502, "open")
    payment = erp.books()["payments"][0]
    assert payment["erp_code"] == 1 and "svarte ikke" in payment["problem"]
    # It can be neither cancelled nor forgotten while nobody knows whether it arrived.
    portal.before_answer = None
    assert erp.post("/cancel", company=cast.COMPANY, payment=number, reason="nei")[0] == 409
    assert portal.cancelled == []
    assert erp.post("/upload", company=cast.COMPANY)[0] == 200
    first, second = portal.received
    assert (first.key, first.body) == (second.key, second.body)
    assert list(portal.payments) == [number]
    assert erp.books()["payments"][0]["erp_code"] == 2
    assert erp.books()["payments"][0]["problem"] == ""


def test_stopped_lines_give_3_and_10_with_problem_and_cure(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    portal.stopped = {"B2026-000001-00002", "B2026-000002-00001"}
    uploaded(
        erp,
        cast,
        cast.invoice("1", "100.00"),
        cast.invoice("2", "200.00"),
        cast.invoice("3", "300.00", due_date="2026-11-25"),
    )
    some, whole = erp.books()["payments"]
    assert (some["erp_code"], whole["erp_code"]) == (3, 10)
    assert [line["status"] for line in some["lines"]] == ["transferred", "stopped"]
    assert some["lines"][1]["reasons"][0]["cure"] == "Rett kontonummeret hos leverandøren"
    # Stopped is not final: the items stay bound, and nothing is proposed twice.
    assert set(statuses(erp).values()) == {"transferred"} and propose(erp, cast) == []
    # What the payment goes through is not said of the line that stands apart …
    portal.tell("approved", some["number"], TRANSFERRED)
    sync(erp, cast)
    lines = erp.books()["payments"][0]["lines"]
    assert [line["status"] for line in lines] == ["approved", "stopped"]
    # … until it is final, which frees its items.
    portal.tell("refused", some["number"], CANCELLED, reference="B2026-000001-00002")
    portal.tell("cancelled", whole["number"], CANCELLED)
    sync(erp, cast)
    assert statuses(erp) == {"1": "transferred", "2": "open", "3": "open"}
    assert [payment["erp_code"] for payment in erp.books()["payments"]] == [3, 4]
    assert propose(erp, cast) == ["B2026-000003", "B2026-000004"]


def test_a_refusal_keeps_the_problem_and_leaves_the_proposal(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    erp.post("/setup", **cast.setup(cast.invoice("1", "100.00")))
    (number,) = propose(erp, cast)
    portal.refusal = 422, cast.problem(422, "Ukjent konto")
    status, told = erp.post("/upload", company=cast.COMPANY)
    assert (status, told["uploads"][0]["state"]) == (409, "refused")
    payment = erp.books()["payments"][0]
    assert payment["erp_code"] == 1
    assert "Ukjent konto" in payment["problem"] and "Rett kontoen" in payment["problem"]
    portal.refusal = None
    # A quiet poll does not wipe out what was wrong with the upload.
    sync(erp, cast)
    assert "Ukjent konto" in erp.books()["last_error"]
    assert erp.post("/upload", company=cast.COMPANY)[0] == 200
    assert erp.books()["last_error"] == ""
    # Nothing was stored the first time, so this is a new upload of the same payment.
    assert portal.received[0].key != portal.received[1].key
    assert list(portal.payments) == [number]


def test_a_refused_sender_after_a_lost_answer_keeps_bytes_and_key(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    def drop() -> None:
        raise cast.Dropped

    erp.post("/setup", **cast.setup(cast.invoice("1", "100.00")))
    propose(erp, cast)
    portal.before_answer = drop
    erp.post("/upload", company=cast.COMPANY)
    portal.before_answer = None
    portal.refusal = 403, cast.problem(403, "Brukeren er ikke opplaster")
    assert erp.post("/upload", company=cast.COMPANY)[1]["uploads"][0]["state"] == "open"
    portal.refusal = None
    assert erp.post("/upload", company=cast.COMPANY)[0] == 200
    assert len({(entry.key, entry.digest) for entry in portal.received}) == 1


def test_a_refused_sender_at_first_frees_the_proposal(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    erp.post("/setup", **cast.setup(cast.invoice("1", "100.00")))
    (number,) = propose(erp, cast)
    portal.refusal = 403, cast.problem(403, "Brukeren er ikke opplaster")
    assert erp.post("/upload", company=cast.COMPANY)[1]["uploads"][0]["state"] == "refused"
    status, told = erp.post("/cancel", company=cast.COMPANY, payment=number, reason="feil")
    assert (status, told) == (200, {"number": number, "cancelled": 1, "local": True})
    assert portal.cancelled == []
    assert statuses(erp) == {"1": "open"}


def test_settled_lines_make_one_balanced_batch_and_close_the_items(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    one, two = uploaded(
        erp,
        cast,
        cast.invoice("1", "1000.00"),
        cast.invoice("K", "250.25", kind="credit_note"),
        cast.invoice("9", "77.00", supplier="50002"),
        cast.invoice("2", "5.00", due_date="2026-11-25"),
    )
    portal.page_limit = 1
    portal.tell("settled", one, SETTLED, reference=f"{one}-00001")
    portal.tell("settled", one, SETTLED, reference=f"{one}-00002")
    portal.tell("settled", two, SETTLED)
    assert sync(erp, cast)["events"] == 3
    told = erp.books()
    (batch,) = told["batches"]
    # Half past eleven at night in UTC is the next day in Norway.
    assert batch["date"] == "2026-11-25"
    assert (batch["debit_sum"], batch["credit_sum"]) == ("831.75", "831.75")
    sides = [(v["account"], v["supplier"], v["debit"], v["credit"]) for v in batch["vouchers"]]
    assert sides == [
        ("2400", "50001", "749.75", "0.00"),
        ("1920", None, "0.00", "749.75"),
        ("2400", "50002", "77.00", "0.00"),
        ("1920", None, "0.00", "77.00"),
        ("2400", "50001", "5.00", "0.00"),
        ("1920", None, "0.00", "5.00"),
    ]
    assert set(statuses(erp).values()) == {"settled"}
    assert {entry["remaining"] for entry in told["invoices"]} == {"0.00"}
    assert [payment["erp_code"] for payment in told["payments"]] == [5, 5]
    assert told["ledger"]["accounts"] == {"1920": "-831.75", "2400": "0.00", "4300": "831.75"}
    assert set(told["ledger"]["suppliers"].values()) == {"0.00"}


@pytest.mark.parametrize("code", [REJECTED, CANCELLED])
def test_rejected_and_cancelled_free_the_items_for_a_new_number(
    erp: Any, portal: Any, cast: SimpleNamespace, code: int
) -> None:
    (number,) = uploaded(erp, cast, cast.invoice("1", "100.00"), cast.invoice("2", "200.00"))
    reasons = [{"code": "AC03", "text": "x", "title": "Feil konto", "cure": "Rett kontoen"}]
    portal.tell("rejected", number, code, reference=f"{number}-00001", reasons=reasons)
    sync(erp, cast)
    told = erp.books()
    assert told["payments"][0]["lines"][0]["reasons"] == reasons
    assert told["payments"][0]["lines"][0]["erp_code"] == code
    assert told["batches"] == []
    assert statuses(erp) == {"1": "open", "2": "transferred"}
    assert propose(erp, cast) == ["B2026-000002"]
    # Final is final: the old line is not revived by a late word, the new one is untouched.
    portal.tell("settled", number, SETTLED, reference=f"{number}-00001")
    sync(erp, cast)
    assert erp.books()["payments"][0]["lines"][0]["erp_code"] == code
    assert erp.books()["batches"] == []
    assert statuses(erp) == {"1": "proposed", "2": "transferred"}


def test_the_same_event_again_changes_nothing(erp: Any, portal: Any, cast: SimpleNamespace) -> None:
    (number,) = uploaded(erp, cast, cast.invoice("1", "100.00"))
    first = portal.tell("settled", number, SETTLED)
    sync(erp, cast)
    before = erp.books()
    portal.tell("settled", number, SETTLED)
    portal.tell("rejected", number, REJECTED)
    portal.events.append({**first, "sequence": 4})
    portal.events.append({**first, "sequence": 4})
    assert sync(erp, cast) == {"company": cast.COMPANY, "events": 3, "batch": None, "error": ""}
    after = erp.books()
    for name in ("payments", "batches", "ledger", "invoices"):
        assert after[name] == before[name]
    assert [event["effect"] for event in after["messages"]] == [
        "1 linje til 5",
        *["uendret"] * 3,
    ]


def test_a_return_books_the_reverse_once_and_opens_the_items(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    (number,) = uploaded(erp, cast, cast.invoice("1", "100.00"))
    portal.tell("settled", number, SETTLED)
    sync(erp, cast)
    for _ in range(2):
        portal.tell("returned", number, None, reference=f"{number}-00001")
        sync(erp, cast)
    told = erp.books()
    assert len(told["batches"]) == 2
    assert told["ledger"]["accounts"] == {"1920": "0.00", "2400": "-100.00", "4300": "100.00"}
    line = told["payments"][0]["lines"][0]
    assert (line["erp_code"], line["returned"], line["status"]) == (5, True, "returned")
    assert propose(erp, cast) == ["B2026-000002"]


def test_unknown_events_and_fields_are_kept_and_change_nothing(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    (number,) = uploaded(erp, cast, cast.invoice("1", "100.00"))
    before = erp.books()["payments"]
    portal.tell("agreement_activated", None, None, surprise={"a": [1]})
    portal.tell("date_moved", number, None)
    portal.tell("teleported", number, 42)
    portal.tell("settled", "B1999-000001", SETTLED)
    sync(erp, cast)
    told = erp.books()
    assert told["payments"] == before
    assert told["messages"][0]["surprise"] == {"a": [1]}
    assert [event["effect"] for event in told["messages"]] == [
        "til opplysning",
        "til opplysning",
        "ukjent kode 42",
        "ukjent betaling eller linje",
    ]
    assert told["cursor"] == 4


def test_events_may_overtake_a_lost_answer(erp: Any, portal: Any, cast: SimpleNamespace) -> None:
    def drop() -> None:
        raise cast.Dropped

    portal.stopped = {"B2026-000001-00002"}
    erp.post("/setup", **cast.setup(cast.invoice("1", "1.00"), cast.invoice("2", "2.00")))
    (number,) = propose(erp, cast)
    portal.before_answer = drop
    erp.post("/upload", company=cast.COMPANY)
    portal.before_answer = None
    portal.tell("settled", number, SETTLED, reference=f"{number}-00001")
    portal.tell("refused", number, CANCELLED, reference=f"{number}-00002")
    sync(erp, cast)
    assert erp.post("/upload", company=cast.COMPANY)[0] == 200
    payment = erp.books()["payments"][0]
    assert (payment["erp_code"], [line["erp_code"] for line in payment["lines"]]) == (5, [5, 4])
    assert [line["status"] for line in payment["lines"]] == ["settled", "refused"]
    assert statuses(erp) == {"1": "settled", "2": "open"}
    assert propose(erp, cast) == ["B2026-000002"]


def test_cancelling_after_upload_asks_the_portal_and_waits_for_its_word(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    (number,) = uploaded(erp, cast, cast.invoice("1", "100.00"))
    status, told = erp.post("/cancel", company=cast.COMPANY, payment=number, reason="Feil vare")
    assert (status, told) == (200, {"number": number, "cancelled": 1, "asked": 0, "local": False})
    assert portal.cancelled == [{"number": number, "reason": "Feil vare"}]
    assert statuses(erp) == {"1": "transferred"}
    portal.tell("cancelled", number, CANCELLED)
    sync(erp, cast)
    assert statuses(erp) == {"1": "open"}
    portal.refusal = 409, cast.problem(409, "Allerede sendt")
    status, told = erp.post("/cancel", company=cast.COMPANY, payment=number, reason="igjen")
    assert status == 409 and "Allerede sendt" in told["error"]


def test_a_company_without_a_key_stops_no_other(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    other = {"public_id": "c-annen", "signing_key": "", "name": "Annen AS"}
    erp.post("/setup", **cast.setup(**other))
    (number,) = uploaded(erp, cast, cast.invoice("1", "100.00"))
    portal.tell("settled", number, SETTLED)
    status, told = erp.post("/sync")
    assert status == 502
    assert [bool(entry["error"]) for entry in told["companies"]] == [True, False]
    assert erp.books()["payments"][0]["erp_code"] == 5
    assert "signeringsnøkkel" in erp.books("c-annen")["last_error"]
    everybody = json.loads(erp.ask("GET", "/books")[1])["companies"]
    assert [entry["company"] for entry in everybody] == ["c-annen", cast.COMPANY]


def test_a_wrong_key_is_told_and_mended_by_setup(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    erp.post("/setup", **cast.setup(signing_key="feil"))
    assert erp.post("/sync", company=cast.COMPANY)[0] == 502
    assert "401" in erp.books()["last_error"]
    assert len(portal.signature_faults) == 1
    portal.signature_faults.clear()
    erp.post("/setup", **cast.setup())
    sync(erp, cast)
    assert erp.books()["last_error"] == ""


def test_the_control_address_refuses_what_it_does_not_know(erp: Any, cast: SimpleNamespace) -> None:
    assert erp.ask("GET", "/health")[0] == 200
    assert erp.ask("GET", "/nowhere")[0] == 404
    assert erp.ask("GET", "/books?company=c-ukjent")[0] == 404
    assert erp.post("/upload", company="c-ukjent")[0] == 404
    assert erp.post("/propose")[0] == 400
    assert erp.post("/propose", company=5)[0] == 400
    assert erp.ask("POST", "/setup", b"[")[0] == 400
    foreign = {"Origin": "http://evil.example"}
    assert erp.ask("POST", "/sync", b"{}", **foreign)[0] == 403


def test_the_page_shows_everything_and_its_forms_do_the_acts(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    company = f"company={cast.COMPANY}".encode()
    erp.post("/setup", **cast.setup(cast.invoice("<1>", "1234.50")))
    assert erp.ask("POST", "/propose", company + b"&due_date=", **form)[0] == 303
    assert erp.ask("POST", "/upload", company, **form)[0] == 303
    portal.tell("settled", "B2026-000001", SETTLED, status_text="Avregnet")
    assert erp.ask("POST", "/sync", company, **form)[0] == 303
    status, body = erp.ask("GET", "/")
    text = body.decode()
    assert status == 200
    for word in (
        *("Foreslå betalinger", "Send til Kvitt", "Hent meldinger nå", "Avregnet"),
        *("Bergen Rør &amp; Sønn AS", "&lt;1&gt;", "B2026-000001", "BU2026-000002"),
        "1\N{NO-BREAK SPACE}234,50",
    ):
        assert word in text
    assert "<1>" not in text and "<script" not in text and cast.KEY not in text
    status, body = erp.ask("POST", "/propose", b"company=c-ukjent", **form)
    assert status == 404 and "ikke satt opp" in body.decode()
    assert erp.ask("GET", "/style.css")[0] == 200
