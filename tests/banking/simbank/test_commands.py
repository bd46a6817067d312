"""Holds the command line and the page that people steer the bank by."""

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest

from banking.simbank.command import COMMANDS
from banking.simbank.scripts import KNOWN

from .conftest import ROOT

LINE = {"id": "E1", "amount": "100"}


@pytest.fixture
def run(bank):
    """A function that runs a command on the bank; its exit code, answer and errors."""

    def command(*words, **more):
        done = subprocess.run(
            [sys.executable, "-m", "banking.simbank", *words, "--data", str(bank.data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            **more,
        )
        return done.returncode, json.loads(done.stdout or "null"), done.stderr

    return command


def test_a_day_is_steered_from_the_command_line(bank, run, open_customer, order):
    who = open_customer(bank)
    code, script, _ = run("script", "park", "--customer", who.customer, "--times", "1")
    assert code == 0
    assert script["scope"] == {"customer": who.customer}
    assert run("scripts")[1] == {"scripts": [script]}
    bank.upload(who.user, "F.xml", order(who, "M1", [{"id": "P1", "lines": [LINE]}]))
    assert run("work")[1]["read"] == 1
    assert run("net-bank", who.customer, "P1", "approve")[0] == 0
    assert run("incoming", who.account, "12.50", "--kid", "2345676")[0] == 0
    done = run("work")[1]
    assert (done["booked"], done["received"]) == (1, 1)
    assert run("give-back", who.customer, "P1", "E1")[0] == 0
    assert run("activate", who.customer, "--close")[0] == 0
    before = run("clock")[1]["now"]
    assert run("clock", "--seconds", "60")[1]["now"] > before
    assert run("scripts", "--remove", "all")[1] == {"removed": 0}
    accounts = run("books", "accounts")[1]["accounts"]
    assert next(row for row in accounts if row["number"] == who.account)["balance"] == "99912.50"


def test_setup_is_read_from_stdin(run, bank):
    code, answer, _ = run("setup", "-", input=json.dumps({"seed": 3}))
    assert (code, answer) == (0, {"status": "ok"})
    assert run("setup", "-", input='{"sed": 3}')[0] == 2


def test_a_setup_that_cannot_be_used_is_told_as_one(run, bank):
    code, _, told = run("setup", "-", input="{")
    assert code == 2
    assert "It cannot be asked: Expecting property name" in told
    account = {"number": "15030000118"}
    customer = {"customer_number": "C", "name": "N", "channel": "nobody", "agreement_id": "A"}
    wanted = {"customers": [{**customer, "accounts": [account]}]}
    code, _, told = run("setup", "-", input=json.dumps(wanted))
    assert code == 2
    assert "customer C: no channel 'nobody' is set up" in told


def test_a_refusal_and_a_silent_bank_are_told(run, tmp_path):
    code, _, told = run("net-bank", "NOBODY", "P1", "approve")
    assert code == 2
    assert "no parked payment" in told
    code, _, told = run("scripts", "--remove", "abc")
    assert code == 2
    assert "'abc' is neither the number of a script nor all" in told
    done = subprocess.run(
        [sys.executable, "-m", "banking.simbank", "work", "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr


def test_the_help_tells_of_every_script():
    done = subprocess.run(
        [sys.executable, "-m", "banking.simbank", "script", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [name for name in KNOWN if f"  {name} " not in done.stdout] == []


def test_the_documentation_tells_of_every_script_and_command():
    told = (ROOT / "docs" / "simbank.md").read_text()
    assert [name for name in KNOWN if f"`{name}`" not in told] == []
    assert [name for name in COMMANDS if f"`{name}`" not in told] == []


# --- the page ----------------------------------------------------------------------------------


@pytest.fixture
def page(bank):
    """A function that posts one of the page's forms and gives the page that comes of it."""
    base = f"http://127.0.0.1:{bank.ready['control_port']}"

    def post(act, headers=None, **form):
        body = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{base}/do/{act}", body, headers or {})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()

    post.base = base
    return post


def test_each_form_of_the_page_does_what_it_says(bank, page, open_customer, order):
    who = open_customer(bank)
    shown = page("script", what="park", customer=who.customer, value="", times="1")
    assert "holds." in shown
    assert f"customer {who.customer}" in shown
    bank.upload(who.user, "F.xml", order(who, "M1", [{"id": "P1", "lines": [LINE]}]))
    assert "Refuse" in page("work")
    assert "approved" in page("net-bank", customer=who.customer, payment="P1", approve="yes")
    assert "Entered" in page("incoming", account=who.account, amount="5", type="10")
    assert "Let it come back" in page("work")
    assert "comes back" in page("give-back", customer=who.customer, payment="P1", line="E1")
    assert "at the bank" in page("clock", days="1")
    assert "closed" in page("activate", customer=who.customer, active="no")
    assert "taken away" in page("unscript", id="999")


def test_a_customer_is_registered_and_activated_from_the_page(bank, page, open_customer):
    channel = open_customer(bank).user
    form = {"customer_number": "NEW1", "name": "Ny & Co", "agreement_id": "A1", "people": "X1, X2"}
    form |= {"account": "15030000019", "channel": channel, "approvers_required": "2"}
    assert "fails its check digit" in page("customer", **form)
    wrong = form | {"account": "97104133219", "balance": "1 000,00"}
    assert "is no amount as 1000.00" in page("customer", **wrong)
    assert "Fill in customer number." in page("customer", name="Uten nummer")
    shown = page("customer", **form | {"account": "97104133219"})
    assert "Ny &amp; Co" in shown
    assert "not open" in shown
    assert "open" in page("activate", customer="NEW1", active="yes")
    # A second one of that number would rename and close the first.
    again = form | {"account": "97104133219", "name": "En annen"}
    assert "customer NEW1 is registered already" in page("customer", **again)
    (kept,) = [
        row for row in bank.get("/books/customers")["customers"] if row["customer_number"] == "NEW1"
    ]
    assert (kept["name"], bool(kept["active"])) == ("Ny & Co", True)


def test_what_a_form_cannot_do_is_told_on_the_page(page):
    assert 'role="alert"' in page("incoming", account="1", amount="5")
    assert 'role="alert"' in page("clock", to="2001-01-01T00:00")


def test_files_are_shown_as_they_are(bank, page, open_customer, order):
    who = open_customer(bank)
    text = order(who, "M1", [{"id": "P1", "lines": [LINE]}])
    bank.upload(who.user, "F.xml", text)
    bank.work()
    number = bank.get("/books/files")["files"][-1]["id"]
    with urllib.request.urlopen(f"{page.base}/file/in/{number}", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.read().decode() == text
    for wrong in ("/file/in/99999", "/file/x/1", "/file/in/..", "/do/work", "/do/nothing"):
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(page.base + wrong, timeout=20)
        assert told.value.code == 404


def test_another_sites_page_cannot_steer_the_bank(page):
    with pytest.raises(urllib.error.HTTPError) as told:
        page("work", headers={"Sec-Fetch-Site": "cross-site"})
    assert told.value.code == 403
