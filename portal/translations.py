"""The catalogues: `python -m portal.translations update|compile|check`.

English is the source text; Norwegian (nb) is the catalogue. Needs neither Django's settings nor
the gettext programs.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import extract, mofile, pofile
from babel.messages.catalog import Catalog

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "portal" / "locale" / "nb" / "LC_MESSAGES" / "django.po"
FOLDERS = ("portal", "payments", "banking", "collections", "templates")
LEFT_OUT = ("simerp", "simbank", "migrations", "__pycache__")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def files() -> Iterator[Path]:
    """Every file that texts are taken from."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".html", ".txt") and not set(path.parts) & set(LEFT_OUT):
                yield path


def messages() -> Iterator[tuple[str, int, object, str | None]]:
    """(file, line, message id or pair, context) of every text in code and templates."""
    for path in files():
        source = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            source = _as_python(source)
        name = str(path.relative_to(ROOT))
        found = extract.extract("python", io.BytesIO(source.encode()), KEYWORDS)
        for line, message, _comments, context in found:
            yield name, line, message, context


def _as_python(template: str) -> str:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django.utils.translation.template import templatize

    made = templatize(template)
    # templatize leaves plain text as runs of X and S that are no Python: keep only the calls.
    calls = re.findall(
        r"""n?p?gettext\((?:[^()'"]|u?'(?:\\.|[^'\\])*'|u?"(?:\\.|[^"\\])*")*\)|_\((?:u?'(?:\\.|[^'\\])*'|u?"(?:\\.|[^"\\])*")\)""",
        made,
    )
    return "\n".join(calls)


def catalogue() -> Catalog:
    """The catalogue as committed; empty when there is none."""
    if not CATALOGUE.exists():
        return Catalog(locale="nb")
    with CATALOGUE.open("rb") as file:
        return pofile.read_po(file, locale="nb")


def update() -> int:
    """Brings the catalogue up to date with the texts; answers how many are untranslated."""
    fresh = Catalog(locale="nb", charset="utf-8", header_comment="# Norwegian (bokmål) for Kvitt.")
    for name, _line, message, context in messages():
        fresh.add(message, locations=[(name, 0)], context=context)  # type: ignore[arg-type]
    kept = catalogue()
    for message in fresh:
        if message.id:
            old = kept.get(message.id, context=message.context)
            if old is not None and old.string:
                message.string = old.string
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    with CATALOGUE.open("wb") as file:
        pofile.write_po(
            file, fresh, sort_output=True, width=100, omit_header=False, include_lineno=False
        )
    return len(missing())


def missing() -> list[str]:
    """Texts that the catalogue does not translate, or only by a guess."""
    kept = catalogue()
    lacking = []
    for name, _line, message, context in messages():
        key = message if isinstance(message, str) else message[0]  # type: ignore[index]
        found = kept.get(key, context=context)
        strings = found.string if found is not None else ""
        texts = strings if isinstance(strings, tuple | list) else (strings,)
        if found is None or found.fuzzy or not all(texts):
            lacking.append(f"{name}: {key}")
    return lacking


def compile_catalogue() -> None:
    """Writes the .mo file beside the .po file."""
    target = CATALOGUE.with_suffix(".mo")
    temporary = target.with_suffix(".mo.new")
    with temporary.open("wb") as file:
        mofile.write_mo(file, catalogue())
    temporary.replace(target)


def main(arguments: list[str]) -> int:
    """The command line; exit 1 when `check` finds untranslated texts."""
    act = arguments[0] if arguments else "check"
    if act == "update":
        print(f"{update()} texts are untranslated in {CATALOGUE.relative_to(ROOT)}")
    elif act == "compile":
        compile_catalogue()
    else:
        lacking = missing()
        print("\n".join(lacking) or "every text is translated")
        return int(bool(lacking))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
