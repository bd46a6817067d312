"""Every kind of letter in both languages: complete, plain, safe, and discreet in its subject."""

from __future__ import annotations

import ast
import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import gettext_lazy
from lxml import html as markup

from banking.unreadable import told
from payments.models import PaymentLine
from portal.events import questions
from portal.events.models import Event
from portal.mail import composing

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = ROOT / "templates" / "mail"
PAGE = "https://kvitt.example/c/abc/outgoing/?a=1&b=2"
EVIL = '<script>alert("x")</script>'
COMPANY = "Prøve & Sønn AS"
AT = dt.datetime(2026, 11, 26, 12, 0, tzinfo=dt.UTC)
TITLE = gettext_lazy("The password of your user is changed.")
# To those who run Kvitt: it leads to no page, but to a command.
TO_OPERATORS = "banking.unclaimed"
# About the person alone, whatever companies they work for.
OF_THE_PERSON = {
    TO_OPERATORS,
    "people.security",
    "people.factor_lost",
    "people.factor_new",
    "people.password_link",
    "people.email_confirm",
    "people.email_notice",
    "people.email_taken",
}


def _rejection(code: str) -> dict[str, Any]:
    return {
        "event": Event(
            number="LEV-1", reference="L2", reasons=[{"code": code, "text": "AVVIST <b>"}]
        ),
        "line": PaymentLine(payee_name=EVIL, amount=Decimal("98765.43"), currency="NOK"),
    }


# A context for each kind; a new kind needs one here.
SAMPLES: dict[str, dict[str, Any]] = {
    "people.invitation": {"inviter": EVIL, "customer": COMPANY, "days": 7, "page": PAGE},
    "people.roles_changed": {
        "customer": COMPANY,
        "group": "Regnskap",
        "by": EVIL,
        "given": ["AutoPay"],
        "taken": ["AutoCollect"],
        "companies": [COMPANY],
        "more": 3,
        "page": PAGE,
    },
    "people.security": {
        "title": TITLE,
        "who": "anne@example.org",
        "at": AT,
        "address": "192.0.2.1",
        "page": PAGE,
    },
    "people.factor_lost": {
        "title": TITLE,
        "name": EVIL,
        "email": "anne@example.org",
        "customer": COMPANY,
        "at": AT,
        "page": PAGE,
    },
    "people.factor_new": {
        "title": TITLE,
        "name": EVIL,
        "email": "anne@example.org",
        "customer": COMPANY,
        "factor": "passkey",
        "at": AT,
        "page": PAGE,
    },
    "people.deputy": {
        "absent": EVIL,
        "deputy": "Bjørn",
        "from_date": dt.date(2026, 12, 1),
        "to_date": dt.date(2026, 12, 9),
        "company_name": COMPANY,
        "page": PAGE,
    },
    "people.deputy_ended": {
        "absent": EVIL,
        "deputy": "Bjørn",
        "by": EVIL,
        "company_name": COMPANY,
        "page": PAGE,
    },
    "people.limit": {
        "company_name": COMPANY,
        "per_payment": Decimal("84300.00"),
        "per_day": None,
        "by": EVIL,
        "page": PAGE,
    },
    "people.membership": {"customer": COMPANY, "by": EVIL, "active": False, "page": PAGE},
    "people.email_taken": {"email": "anne@example.org", "page": PAGE},
    "people.password_link": {"email": "anne@example.org", "hours": 2, "page": PAGE},
    "people.email_confirm": {"old": "a@example.org", "new": "b@example.org", "page": PAGE},
    "people.email_notice": {"old": "a@example.org", "new": "b@example.org", "page": PAGE},
    "payments.to_approve": {"count": 2, "first_due": dt.date(2026, 11, 30), "page": PAGE},
    "payments.stopped": {"count": 2, "page": PAGE},
    "erp.push_fails": {
        "since": dt.datetime(2026, 11, 27, 14, 5, tzinfo=dt.UTC),
        "stopped": False,
        "page": PAGE,
    },
    "payments.differs": {
        "day": dt.date(2026, 11, 27),
        "late": 2,
        "odd": 1,
        "unfetched": 3,
        "page": PAGE,
    },
    "payments.list_to_approve": {
        "count": 2,
        "first_due": dt.date(2026, 11, 30),
        "page": PAGE,
        "listed": True,
    },
    "payments.rejected": {
        "told": [_rejection("AM04"), _rejection("XX99")],
        "more": True,
        "page": PAGE,
    },
    "payments.returned": {
        "told": [_rejection("AC04"), _rejection("XX99")],
        "more": True,
        "page": PAGE,
    },
    "banking.bank_word": {
        "closed": True,
        "agreement": EVIL,
        "bank": "Prøvebanken",
        "page": PAGE,
    },
    "banking.set_aside": {
        "bank": "Prøvebanken",
        "why": lambda: told({"code": "truncated"}),
        "page": PAGE,
    },
    "banking.unclaimed": {
        "bank": "Prøvebanken",
        "name": EVIL,
        "id": 7,
        "why": lambda: told({"code": "truncated", "problem": EVIL}),
        "page": PAGE,
    },
    "payments.sent_back": {
        "count": 2,
        "numbers": ["LEV-1", EVIL],
        "more": True,
        "why": lambda: questions.explained([{"code": "DU01", "text": "twice"}]),
        "page": PAGE,
    },
}
EVERY = [(kind, language) for kind in SAMPLES for language in ("nb", "en")]


def composed(kind: str, language: str) -> composing.Composed:
    context = {"company": COMPANY, **SAMPLES[kind]}
    return composing.compose(kind=kind, language=language, context=context)


def kinds_posted() -> set[str]:
    """The kinds that the code names in `mail.post(kind=…)` and its like for lists."""
    found = set()
    for folder in ("portal", "payments", "banking", "collections"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                posting = ("mail.post", "mail.post_to_list", "mail.post_to_operators")
                if isinstance(node, ast.Call) and ast.unparse(node.func) in posting:
                    found |= {
                        ast.literal_eval(word.value) for word in node.keywords if word.arg == "kind"
                    }
    return found


def test_every_kind_that_is_posted_has_its_three_templates_and_a_sample() -> None:
    for ending in (".subject.txt", ".txt", ".html"):
        on_disk = {
            str(path.relative_to(TEMPLATES)).removesuffix(".subject.txt").replace("/", ".")
            for path in TEMPLATES.rglob("*.subject.txt")
            if path.with_name(path.name.removesuffix(".subject.txt") + ending).exists()
        }
        assert on_disk == set(SAMPLES) == kinds_posted(), ending


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_two_languages_say_it_in_their_own_words(kind: str) -> None:
    norwegian, english = composed(kind, "nb"), composed(kind, "en")
    for one, other in zip(norwegian, english, strict=True):
        assert one.strip()
        assert other.strip()
        assert one != other
    assert "Trenger du hjelp?" in norwegian.text
    assert "Need help?" in english.text


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_subject_is_one_line_and_tells_no_amount_and_no_payee(kind: str, language: str) -> None:
    subject = composed(kind, language).subject
    assert subject == " ".join(subject.split())
    assert COMPANY in subject or kind in OF_THE_PERSON
    assert not re.search(r"\d[\d\s.]*[,.]\d\d|\bkr\b|NOK", subject)
    for part in ("98", "script", "LEV-1"):
        assert part not in subject


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_text_is_plain_short_and_leads_to_the_page(kind: str, language: str) -> None:
    text = composed(kind, language).text
    assert (PAGE in text) == (kind != TO_OPERATORS)
    assert "Prøve & Sønn AS" in text
    assert "support@" in text
    assert not re.search(r"&\w+;|\n{3}|[{}]", text)
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_html_is_whole_safe_and_fetches_nothing(kind: str, language: str) -> None:
    letter = composed(kind, language)
    assert "<script" not in letter.html
    page = markup.document_fromstring(letter.html)
    assert page.get("lang") == language
    assert page.findtext(".//title") == letter.subject
    assert [h.text_content() for h in page.iter("h1")] == [letter.subject]
    assert [a.get("href") for a in page.iter("a") if a.get("class") == "button"] == (
        [PAGE] if kind != TO_OPERATORS else []
    )
    assert not list(page.iter("img", "script", "link", "form", "iframe"))
    assert "url(" not in letter.html
    assert "prefers-color-scheme: dark" in letter.html
    assert max(map(len, letter.html.splitlines())) < 998  # RFC 5322, section 2.1.1


@pytest.mark.parametrize("language", ["nb", "en"])
def test_a_rejection_tells_number_payee_amount_code_the_banks_words_and_the_cure(
    language: str,
) -> None:
    letter = composed("payments.rejected", language)
    (known,) = questions.explained([{"code": "AM04"}], language=language)
    for part in ("LEV-1", "L2", EVIL, "98\u00a0765,43\u00a0kr", "(AM04)", "AVVIST <b>"):
        assert part in letter.text
    assert known["title"] in letter.text
    assert known["cure"] in letter.text
    assert "(XX99)" in letter.text, "a code that nobody has explained is told all the same"
    shown = markup.document_fromstring(letter.html).text_content()
    for part in ("LEV-1", EVIL, "98\u00a0765,43\u00a0kr", "(AM04)", "AVVIST <b>", known["cure"]):
        assert part in shown


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("plain", "plain"),
        (" a\r\nBcc: x ", "a Bcc: x"),
        ("a\u2028b\u0085c\x0bd", "a b c d"),
        ("a\x00b\x1b[2J", "a b [2J"),
        ("a\u202eb", "a b"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_a_line_is_one_line_without_controls(given: str, made: str) -> None:
    assert composing.one_line(given) == made


def test_a_missing_template_is_loud() -> None:
    with pytest.raises(Exception, match="no/such"):
        composing.compose(kind="no.such", language="nb", context={})
