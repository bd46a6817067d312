"""Holds the plain page that shows the books to people; must not decide or change anything."""

from html import escape
from typing import Any

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;
color:#1b1f24;background:#fff}table{border-collapse:collapse;width:100%;margin:0 0 2rem}
caption{text-align:left;font-weight:600;font-size:1.2rem;padding:.5rem 0}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d5dae0;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}.s{overflow-x:auto}"""
NUMERIC = {"amount", "balance", "opening", "debited", "transactions", "control_sum", "sum", "size"}


def render(now: str, books: dict[str, list[dict[str, Any]]]) -> str:
    """`books` maps a heading to rows; every row of one table has the same keys."""
    tables = "".join(_table(heading, rows) for heading, rows in books.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>The simulated bank</title><style>{STYLE}</style></head><body>"
        f"<h1>The simulated bank</h1><p>The bank's clock: <strong>{escape(now)}</strong>. "
        f"All of this is play money.</p>{tables}</body></html>"
    )


def _table(heading: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return f"<h2>{escape(heading)}</h2><p>None.</p>"
    columns = list(rows[0])
    head = "".join(f'<th scope="col">{escape(name.replace("_", " "))}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(_cell(name, row[name]) for name in columns) + "</tr>" for row in rows
    )
    return (
        f'<div class="s"><table><caption>{escape(heading)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(name: str, content: object) -> str:
    kind = ' class="n"' if name in NUMERIC else ""
    return f"<td{kind}>{'' if content is None else escape(str(content))}</td>"
