"""Holds docs/simbank.md to the word: its set-up is taken and its first payment is paid."""

import json
import re

from .conftest import ROOT

TEXT = (ROOT / "docs" / "simbank.md").read_text("utf-8")


def block(language):
    """The first block of the guide in this language."""
    return re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[1]


def test_the_guides_set_up_and_first_payment_work_as_they_stand(bank):
    form = json.loads(block("json"))
    (channel,) = form["channels"]
    key = bank.key  # whose private half the test has
    channel["public_key"] = f"{key.get_name()} {key.get_base64()}"
    bank.post("/setup", form)
    today = bank.get("/clock")["now"][:10]
    order = block("xml").replace("2027-01-04", today)
    bank.upload(channel["user"], "first.xml", order)
    bank.post("/work", {})
    told = [content for _name, content in bank.fetch_raw(channel["user"], "pain002")]
    assert any(b"ACTC" in content for content in told), told
    assert not any(b"RJCT" in content for content in told), told
    rows = bank.get("/books/transfers")["transfers"]  # others have used this bank before
    (row,) = [row for row in rows if row["payment"] == "P-1" and row["end_to_end_id"] == "L-1"]
    assert row["amount"] == "100.00"
    assert row["status"] in ("accepted", "booked"), row
