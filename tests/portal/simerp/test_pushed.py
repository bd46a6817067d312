"""The simulated ERP takes events that are pushed to it, and believes none that is not signed."""

from __future__ import annotations

import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from portal.pushing.services import new_secret
from portal.simerp import acts, books, pushed, server

COMPANY = "c-prove"
SECRET = new_secret()


@pytest.fixture
def erp(tmp_path: Path) -> Iterator[server.Control]:
    control = server.Control(port=0, erp=acts.Erp(data=tmp_path, portal="http://127.0.0.1:9"))
    thread = threading.Thread(
        target=control.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    company = {
        "public_id": COMPANY,
        "name": "Prøve AS",
        "signing_key": "k",
        "erp_user": "erp@example.org",
        "debit_account": "15030012345",
        "format": "json",
        "push_secret": SECRET,
    }
    control.erp.setup({"companies": [company]})
    yield control
    control.shutdown()
    control.server_close()


def event(sequence: int, **more: Any) -> dict[str, Any]:
    told = {"sequence": sequence, "at": "2026-11-28T08:00:00+00:00", "event": "approved"}
    told |= {"number": "P1", "reference": None, "erp_code": 2, "company": COMPANY}
    return {"type": "payment.approved", "timestamp": told["at"], "data": told | more}


def post(
    erp: server.Control, document: Any, *, secret: str = SECRET, company: str = COMPANY
) -> tuple[int, Any]:
    import datetime as dt

    now, body = dt.datetime.now(dt.UTC), json.dumps(document)
    name = f"evt_{secrets.token_hex(4)}"
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, now, body),
    }
    request = urllib.request.Request(f"{erp.url}/push/{company}", body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def kept(tmp_path: Path) -> list[int]:
    with books.opened(data=tmp_path) as db:
        rows = db.execute("SELECT sequence FROM event WHERE effect IS NOT NULL ORDER BY sequence")
        return [row["sequence"] for row in rows]


def test_what_is_signed_is_kept_and_applied_once(erp: server.Control, tmp_path: Path) -> None:
    assert post(erp, event(7)) == (200, {"new": 1})
    assert post(erp, event(7)) == (200, {"new": 0})
    assert post(erp, event(9)) == (200, {"new": 1})
    assert post(erp, {"type": "test", "data": {}}) == (200, {"new": 0})
    assert kept(tmp_path) == [7, 9]
    with books.opened(data=tmp_path) as db:
        assert books.company_row(db, company=COMPANY)["cursor"] == 0, "the rest is still asked for"


def test_what_is_not_ours_is_refused(erp: server.Control, tmp_path: Path) -> None:
    assert post(erp, event(7), secret=new_secret())[0] == 401
    assert post(erp, event(7), company="c-annen")[0] == 404
    assert post(erp, event(7, company="c-annen"))[0] == 400
    assert post(erp, {"type": "payment.approved", "data": {"sequence": "7"}})[0] == 400
    assert post(erp, [1])[0] == 400
    with books.opened(data=tmp_path) as db:
        pushed.keep_secret(db, company=COMPANY, secret="")
    assert post(erp, event(7))[0] == 401
    assert kept(tmp_path) == []
