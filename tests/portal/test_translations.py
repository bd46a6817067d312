"""The Norwegian catalogue is whole, and its own check finds what is not."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest
from babel.messages import pofile

from portal import translations

STATUSES = {
    "Awaiting approval": "Til godkjenning",
    "Partly approved": "Delvis godkjent",
    "Approved": "Godkjent",
    "Being sent to the bank": "Sendes til bank",
    "Sent to the bank": "Sendt til bank",
    "Received by the bank": "Mottatt av bank",
    "Pending at the bank": "Venter i bank",
    "Accepted by the bank": "Akseptert av bank",
    "Settled": "Avregnet",
    "Rejected": "Avvist",
    "Cancelled": "Opphevet",
    "Cancelled at the bank": "Kansellert i bank",
    "Returned": "Returnert",
    "Refused": "Avslått",
    "On hold": "På vent",
    "Stopped by checks": "Stoppet av kontroll",
    "Not delivered": "Ikke levert",
    "Unknown response": "Ukjent svar",
}
CODE = """
from django.utils.translation import gettext as _, gettext_lazy, ngettext, pgettext
TITLE = "Named far away"
_("Plain")
_("Put together"
  " from two")
gettext_lazy("Lazy")
ngettext("%(n)s cat", "%(n)s cats", 2)
pgettext("button", "Hold")
_(TITLE)
"""
PAGE = """{% load i18n %}
{% translate "Simple" %} {% translate 'Single (quoted), "in" it' as kept %}
{% blocktranslate trimmed with name=person.name %}
  Hello
  {{ name }}
{% endblocktranslate %}
{% blocktranslate trimmed count n=dogs|length with shown=dogs|length %}{{ shown }} dog{% plural %}
{{ shown }} dogs{% endblocktranslate %}
{% blocktranslate %}Don't trim {{ it }}{% endblocktranslate %}
{% translate "May" context "month" %} {{ value|default:_("Unset") }}
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project of its own, with one text of each kind."""
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "CATALOGUE", tmp_path / "nb" / "django.po")
    (tmp_path / "portal").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "portal" / "words.py").write_text(CODE)
    (tmp_path / "templates" / "page.html").write_text(PAGE)
    return tmp_path


def translate(**changes: object) -> None:
    """Brings the planted catalogue up to date, and gives every text itself as translation."""
    translations.update()
    catalogue = translations.catalogue()
    for message in catalogue:
        if message.id:
            message.string = message.id
            for name, value in changes.items():
                setattr(message, name, value)
    with translations.CATALOGUE.open("wb") as file:
        pofile.write_po(file, catalogue)


def test_every_text_is_translated() -> None:
    assert translations.missing() == []


def test_every_translation_keeps_the_placeholders_and_tags_of_its_text() -> None:
    assert translations.torn() == []


def test_no_translation_is_a_guess_and_every_plural_is_complete() -> None:
    catalogue = translations.catalogue()
    assert not catalogue.fuzzy
    assert catalogue.num_plurals == 2
    for message in catalogue:
        assert not message.fuzzy, message.id
        if message.id and not isinstance(message.id, str):
            assert isinstance(message.string, tuple), message.id
            assert len(message.string) == 2, message.id
            assert all(message.string), message.id


@pytest.mark.parametrize(("english", "norwegian"), STATUSES.items())
def test_statuses_have_the_names_of_the_trade(english: str, norwegian: str) -> None:
    found = translations.catalogue().get(english)
    assert found is not None
    assert found.string == norwegian


def test_norwegian_quotes_are_guillemets() -> None:
    odd = [
        message.string
        for message in translations.catalogue()
        if message.id and re.search(r"[“”„]", str(message.string))
    ]
    assert odd == []


@pytest.fixture(scope="session")
def extracted() -> list[tuple[str, int, object, str | None]]:
    """All there is to translate in the project: looking for it takes seconds."""
    return list(translations.messages())


def test_extraction_finds_every_tag_of_every_template(
    extracted: list[tuple[str, int, object, str | None]],
) -> None:
    found: dict[str, int] = {}
    for name, *_rest in extracted:
        found[name] = found.get(name, 0) + 1
    for path in translations.files():
        if path.suffix in (".html", ".txt"):
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"\{#.*?#\}|\{% comment .*?\{% endcomment %\}", "", text, flags=re.DOTALL)
            tags = len(re.findall(r"\{%\s*(?:block)?trans(?:late)?\s", text))
            # Of the API's own description, whose texts stand where its operations are declared.
            tags -= len(re.findall(r"\{% translate operation\.(?:summary|description) %\}", text))
            tags += len(re.findall(r"""[:=|\s]_\(["']""", text))
            assert found.get(str(path.relative_to(translations.ROOT)), 0) == tags, path


@pytest.mark.parametrize(
    "text",
    [
        "Outgoing payments",  # {% translate %}
        "Reason",  # {% translate … as label %}
        "%(given)s of %(needed)s",  # {% blocktranslate %}
        ("%(shown)s payment", "%(shown)s payments"),  # {% blocktranslate count %}
        "No payment has the number %(number)s.",  # gettext
        "Code from your authenticator app",  # gettext_lazy
        ("%(n)s line is on hold.", "%(n)s lines are on hold."),  # ngettext
        "The request is not let in",  # a constant of its module
    ],
)
def test_extraction_finds_a_known_text_of_each_kind(
    text: object, extracted: list[tuple[str, int, object, str | None]]
) -> None:
    assert text in {message for _name, _line, message, _context in extracted}


def test_extraction_finds_each_kind_that_is_planted(planted: Path) -> None:
    assert {(m, context) for _name, _line, m, context in translations.messages()} == {
        ("Plain", None),
        ("Put together from two", None),
        ("Lazy", None),
        (("%(n)s cat", "%(n)s cats"), None),
        ("Hold", "button"),
        ("Named far away", None),
        ("Simple", None),
        ('Single (quoted), "in" it', None),
        ("Hello %(name)s", None),
        (("%(shown)s dog", "%(shown)s dogs"), None),
        ("Don't trim %(it)s", None),
        ("May", "month"),
        ("Unset", None),
    }


def test_a_text_put_together_at_run_time_is_refused(planted: Path) -> None:
    (planted / "portal" / "more.py").write_text('_(f"{n} rows")\n')
    with pytest.raises(translations.Unreadable, match=r"portal/more\.py:1"):
        list(translations.messages())


def test_the_check_passes_when_all_is_translated(planted: Path) -> None:
    translate()
    assert translations.main(["check"]) == 0


def test_the_check_finds_an_untranslated_text(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    translate()
    (planted / "templates" / "new.html").write_text('{% load i18n %}{% translate "Brand new" %}')
    assert translations.main(["check"]) == 1
    assert "templates/new.html: Brand new" in capsys.readouterr().out
    assert translations.update() == 1


def test_the_check_finds_a_guess_and_update_keeps_it_one(planted: Path) -> None:
    translate(flags={"fuzzy"})
    assert translations.main(["check"]) == 1
    translations.update()
    assert translations.main(["check"]) == 1


def test_the_check_finds_half_a_plural(planted: Path) -> None:
    translate()
    text = translations.CATALOGUE.read_text()
    assert 'msgstr[1] "%(n)s cats"' in text
    translations.CATALOGUE.write_text(text.replace('msgstr[1] "%(n)s cats"', 'msgstr[1] ""'))
    assert translations.missing() == ["portal/words.py: %(n)s cat"]


def test_the_check_finds_a_lost_placeholder(planted: Path) -> None:
    translate()
    text = translations.CATALOGUE.read_text()
    wrong = text.replace('msgstr "Hello %(name)s"', 'msgstr "Hei %(navn)s"')
    assert wrong != text
    translations.CATALOGUE.write_text(wrong)
    assert translations.missing() == []
    assert translations.torn() == ["Hello %(name)s: Hei %(navn)s"]
    assert translations.main(["check"]) == 1


def test_update_keeps_translations_and_changes_nothing_when_nothing_is_new(planted: Path) -> None:
    translate()
    translations.update()
    before = translations.CATALOGUE.read_bytes()
    assert translations.update() == 0
    assert translations.CATALOGUE.read_bytes() == before


def test_a_compiled_catalogue_translates(planted: Path) -> None:
    translate()
    translations.compile_catalogue()
    with translations.CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert compiled.ngettext("%(n)s cat", "%(n)s cats", 1) == "%(n)s cat"
    assert compiled.ngettext("%(n)s cat", "%(n)s cats", 0) == "%(n)s cats"
    assert compiled.pgettext("button", "Hold") == "Hold"
