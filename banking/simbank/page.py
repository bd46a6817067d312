"""Holds the page that shows the books to people, and its forms; must not change anything."""

import datetime
import sqlite3
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from . import receiving, reports
from .scripts import KNOWN, SCOPES

MOST = 200
STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--page:#fff;--line:#d5dae0;--soft:#f3f5f7;--act:#0a5}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--page:#16191d;--line:#3a4149;--soft:#21262c;
--act:#4cc38a}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:80rem;margin:1.5rem auto;padding:0 1rem;
color:var(--ink);background:var(--page)}
h1{font-size:1.6rem;margin:0}h2{font-size:1.2rem;margin:2rem 0 .5rem}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:1rem 0}a{color:inherit}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.s{overflow-x:auto}.s:focus-visible,a:focus-visible,button:focus-visible,input:focus-visible,
select:focus-visible,summary:focus-visible{outline:3px solid var(--act);outline-offset:2px}
form{display:flex;flex-wrap:wrap;gap:.5rem .75rem;align-items:end;margin:.5rem 0}
td form{margin:0}
label{display:grid;grid-template-columns:minmax(0,1fr);max-width:100%;gap:.15rem;font-size:.9rem}
input,select,button{font:inherit;padding:.3rem .5rem;border:1px solid var(--line);
border-radius:.3rem;background:var(--soft);color:inherit;max-width:100%;min-height:2.25rem}
button{cursor:pointer;border-color:currentColor}
.told{padding:.6rem .8rem;border-left:.3rem solid var(--act);background:var(--soft)}
.fault{border-color:#d33}details{margin:.5rem 0}summary{cursor:pointer}
"""
NUMERIC = {"amount", "balance", "opening", "debited", "credited", "transactions", "lines", "size"}


def render(
    books: sqlite3.Connection,
    *,
    now: datetime.datetime,
    stands: bool,
    scripts: list[dict[str, Any]],
    done: str,
    fault: str,
) -> str:
    """The whole page: the clock, scripts, who banks here, and the last of what has happened."""
    sections = {
        "clock": ("Clock", _clock(now, stands)),
        "scripts": ("Scripts", _scripts(scripts)),
        "customers": ("Customers", _customers(books)),
        "accounts": ("Accounts", _accounts(books)),
        "parked": ("Waiting for the net bank", _parked(books)),
        "files": ("Files from customers", _files(books)),
        "messages": ("Messages to customers", _messages(books)),
        "transfers": (f"Transfers (the last {MOST})", _transfers(books)),
        "credits": (f"Money in (the last {MOST})", _credits(books)),
    }
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, (name, _) in sections.items())
    body = "".join(
        f'<section id="{key}"><h2>{escape(name)}</h2>{inside}</section>'
        for key, (name, inside) in sections.items()
    )
    told = f'<p class="told" role="status">{escape(done)}</p>' if done else ""
    told += f'<p class="told fault" role="alert">{escape(fault)}</p>' if fault else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>The simulated bank</title><style>{STYLE}</style></head><body><main>"
        "<h1>The simulated bank</h1><p>All of this is play money. What each script does, and how"
        " to do the same from a command line, is told in docs/simbank.md.</p>"
        f'{told}<nav aria-label="Parts of the page">{links}</nav>{body}</main></body></html>'
    )


# --- the parts -----------------------------------------------------------------------------------


def _clock(now: datetime.datetime, stands: bool) -> str:
    state = "stands" if stands else "goes"
    other = ("no", "Let it go on") if stands else ("yes", "Let it stand")
    return (
        f"<p>It is <strong>{now:%Y-%m-%d %H:%M:%S}</strong> in Oslo. The clock {state}.</p>"
        + _form("clock", _field("days", "Days on", "1", kind="number"), "Move the clock")
        + _form("clock", _field("to", "To", kind="datetime-local"), "Set the clock")
        + _form("clock", _hidden("stand", other[0]), other[1])
        + _form("work", "", "Do a round of work now")
    )


def _scripts(scripts: list[dict[str, Any]]) -> str:
    rows = [
        {
            "script": script["id"],
            "what": script["what"],
            "value": script["value"],
            "for": ", ".join(f"{key} {text}" for key, text in script["scope"].items())
            or "everybody",
            "times left": script["times"] or "always",
            "": _raw(_form("unscript", _hidden("id", script["id"]), "Take away")),
        }
        for script in reversed(scripts)
    ]
    choices = [(name, f"{name}: {kind.about}") for name, kind in KNOWN.items()]
    fields = _select("what", "What the bank shall do", choices)
    fields += _field("value", "Value (see docs)", required=False)
    fields += "".join(_field(scope, f"Only {scope}", required=False) for scope in SCOPES)
    fields += _field("times", "Times", required=False, kind="number")
    return (
        _table("scripts that hold", rows, "The bank behaves.")
        + f"<details><summary>Add a script</summary>{_form('script', fields, 'Add')}</details>"
    )


def _customers(books: sqlite3.Connection) -> str:
    rows = []
    for row in reports.customers(books):
        act = ("no", "Close") if row["active"] else ("yes", "Activate")
        hidden = _hidden("customer", row["customer_number"]) + _hidden("active", act[0])
        shown = {
            key: row[key]
            for key in (
                "customer_number",
                "name",
                "organisation_number",
                "agreement_id",
                "channel",
                "format",
                "approvers_required",
            )
        }
        shown["agreement"] = "open" if row["active"] else "not open"
        rows.append(shown | {"": _raw(_form("activate", hidden, act[1]))})
    channels = [(row[0], row[0]) for row in books.execute("SELECT user FROM channels ORDER BY 1")]
    fields = "".join(
        _field(name, label, required=required)
        for name, label, required in (
            ("customer_number", "Customer number", True),
            ("name", "Name", True),
            ("organisation_number", "Organisation number", False),
            ("agreement_id", "Agreement id", True),
            ("account", "Account (11 digits)", True),
            ("balance", "Balance", False),
            ("people", "Signers, with commas", False),
        )
    )
    fields += _select("channel", "Channel", channels)
    fields += _select("approvers_required", "Approvers", [("1", "1"), ("2", "2")])
    form = _form("customer", fields, "Register")
    return (
        _table("customers", rows, "Nobody banks here.")
        + f"<details><summary>Register a customer from a signed agreement</summary>{form}</details>"
    )


def _accounts(books: sqlite3.Connection) -> str:
    rows = reports.accounts(books)
    choices = [(row["number"], row["number"]) for row in rows]
    fields = _select("account", "Account", choices) + _field("amount", "Amount")
    fields += "".join(
        _field(name, label, required=False)
        for name, label in (
            ("kid", "KID"),
            ("message", "Text"),
            ("payer_name", "Payer"),
            ("payer_account", "Payer's account"),
        )
    )
    fields += _select("type", "Type", [(kind, kind) for kind in receiving.TYPES])
    form = _form("incoming", fields, "Let it come in")
    return (
        _table("accounts", rows, "No accounts.")
        + f"<details><summary>Let a payment come in</summary>{form}</details>"
    )


def _parked(books: sqlite3.Connection) -> str:
    rows = []
    for row in reports.parked(books):
        hidden = _hidden("customer", row["customer"]) + _hidden("payment", row["payment"])
        acts = "".join(
            _form("net-bank", hidden + _hidden("approve", answer), label)
            for answer, label in (("yes", "Approve"), ("no", "Refuse"))
        )
        rows.append(row | {"": _raw(acts)})
    return _table("parked payments", rows, "Nothing waits.")


def _files(books: sqlite3.Connection) -> str:
    shown = ("taken_at", "channel", "kind", "msg_id", "customer_number", "transactions", "status")
    rows = [
        {"file": _link("in", row["id"], row["name"])}
        | {name: row[name] for name in shown}
        | {"reason": f"{row['code']} {row['text']}".strip()}
        for row in reports.files(books)[-MOST:][::-1]
    ]
    return _table("files", rows, "None.")


def _messages(books: sqlite3.Connection) -> str:
    shown = ("created_at", "kind", "channel", "customer_number", "version", "group_status", "state")
    rows = [
        {"message": _link("out", row["id"], row["name"])}
        | {name: row[name] for name in shown}
        | {"reason": f"{row['code']} {row['text']}".strip()}
        for row in reports.messages(books)[-MOST:][::-1]
    ]
    return _table("messages", rows, "None.")


def _transfers(books: sqlite3.Connection) -> str:
    shown = (
        "customer",
        "payment",
        "end_to_end_id",
        "amount",
        "currency",
        "debit_account",
        "creditor_account",
        "creditor_name",
        "status",
        "reason_code",
        "booked_date",
    )
    rows = []
    for row in reports.latest(books, MOST):
        act = ""
        if row["status"] == "booked":
            hidden = _hidden("customer", row["customer"]) + _hidden("payment", row["payment"])
            hidden += _hidden("line", row["end_to_end_id"])
            act = _form("give-back", hidden, "Let it come back")
        rows.append({name: row[name] for name in shown} | {"": _raw(act)})
    return _table("transfers", rows, "None.")


def _credits(books: sqlite3.Connection) -> str:
    shown = (
        *("id", "account", "kind", "direction", "type", "amount", "currency", "kid", "message"),
        *("payer_name", "booked_date", "reason", "status"),
    )
    rows = [{name: row[name] for name in shown} for row in reports.credits(books)[-MOST:][::-1]]
    return _table("money in", rows, "None.")


# --- the words -----------------------------------------------------------------------------------


class _Raw(str):
    """Markup of the page's own."""


def _raw(markup: str) -> str:
    return _Raw(markup)


def _link(direction: str, row_id: int, name: str) -> str:
    return _Raw(f'<a href="/file/{direction}/{row_id}">{escape(name)}</a>')


def _form(act: str, fields: str, label: str) -> str:
    return (
        f'<form method="post" action="/do/{act}">{fields}'
        f'<button type="submit">{escape(label)}</button></form>'
    )


def _hidden(name: str, text: object) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(str(text))}">'


def _field(
    name: str, label: str, text: str = "", *, required: bool = True, kind: str = "text"
) -> str:
    needed = " required" if required else ""
    return (
        f'<label>{escape(label)}<input type="{kind}" name="{name}" value="{escape(text)}"'
        f"{needed}></label>"
    )


def _select(name: str, label: str, choices: Iterable[tuple[str, str]]) -> str:
    options = "".join(
        f'<option value="{escape(key)}">{escape(text)}</option>' for key, text in choices
    )
    return f'<label>{escape(label)}<select name="{name}">{options}</select></label>'


def _table(caption: str, rows: list[Mapping[str, Any]] | list[dict[str, Any]], nothing: str) -> str:
    """Every row has the same keys."""
    if not rows:
        return f"<p>{escape(nothing)}</p>"
    columns = list(rows[0])
    head = "".join(
        f'<th scope="col">{escape(name.replace("_", " "))}</th>' if name else "<td></td>"
        for name in columns
    )
    body = "".join(
        "<tr>" + "".join(_cell(name, row[name]) for name in columns) + "</tr>" for row in rows
    )
    return (
        f'<div class="s" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(name: str, content: object) -> str:
    kind = ' class="n"' if name in NUMERIC else ""
    shown = (
        "" if content is None else content if isinstance(content, _Raw) else escape(str(content))
    )
    return f"<td{kind}>{shown}</td>"
