"""The catalogues: `python -m portal.translations update|compile|check`.

English is the source text; Norwegian (nb) is the catalogue. Needs neither Django's settings nor
the gettext programs.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages import extract, mofile, pofile
from babel.messages.catalog import Catalog

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "portal" / "locale" / "nb" / "LC_MESSAGES" / "django.po"
FOLDERS = ("portal", "payments", "banking", "collections", "templates")
LEFT_OUT = ("simerp", "simbank", "migrations", "__pycache__")
KEYWORDS: dict[str, Any] = {
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
# What must be the same in a text and its translation: placeholders and tags.
PARTS = re.compile(r"%\(\w+\)[sd]|%[sd%]|</?[a-z]+>")


def files() -> Iterator[Path]:
    """Every file that texts are taken from."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".html", ".txt") and not set(path.parts) & set(LEFT_OUT):
                yield path


class Unreadable(Exception):
    """A text that is put together at run time cannot be translated."""


def messages() -> Iterator[tuple[str, int, object, str | None]]:
    """(file, line, message id or pair, context) of every text in code and templates."""
    for path in files():
        source = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT))
        if path.suffix == ".py":
            for line, message in _named(source, name):
                yield name, line, message, None
        else:
            source = _as_python(source)
        found = extract.extract("python", io.BytesIO(source.encode()), KEYWORDS)
        for line, text, _comments, context in found:
            yield name, line, text, context


def _named(source: str, name: str) -> Iterator[tuple[int, str]]:
    """Texts that stand in a constant of the module: _(TITLE); raises Unreadable for others."""
    tree = ast.parse(source)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called not in KEYWORDS:
            continue
        for place in _places(called):
            text = node.args[place] if place < len(node.args) else None
            if isinstance(text, ast.Constant):
                continue
            if called.startswith(("_", "gettext")) and getattr(text, "id", "") in constants:
                yield node.lineno, constants[text.id]  # type: ignore[union-attr]
            else:
                raise Unreadable(f"{name}:{node.lineno}: {ast.unparse(node)[:60]}")


def _places(called: str) -> list[int]:
    """Where among the arguments of this function its texts and context stand."""
    told = KEYWORDS[called] or (1,)
    return [(place[0] if isinstance(place, tuple) else place) - 1 for place in told]


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
    kept = catalogue()
    fresh = Catalog(
        locale="nb",
        charset="utf-8",
        header_comment="# Norwegian (bokmål) for Kvitt.",
        project="Kvitt",
        version="1",
        last_translator="Kvitt",
        language_team="nb",
        msgid_bugs_address="",
        # Not the time of this run: a run that finds nothing new changes nothing.
        creation_date=kept.creation_date,
        revision_date=kept.creation_date,
        fuzzy=False,
    )
    for name, _line, message, context in messages():
        fresh.add(message, locations=[(name, 0)], context=context)  # type: ignore[arg-type]
    for message in fresh:
        old = kept.get(message.id, context=message.context) if message.id else None
        if old is not None and isinstance(old.string, str) == isinstance(message.id, str):
            message.string = old.string
            message.flags |= old.flags & {"fuzzy"}
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    with CATALOGUE.open("wb") as file:
        pofile.write_po(
            file, fresh, sort_output=True, width=100, omit_header=False, include_lineno=False
        )
    return len(missing())


def missing() -> list[str]:
    """Texts that the catalogue does not translate, or only by a guess, each once."""
    kept = catalogue()
    lacking = {}
    for name, _line, text, context in messages():
        wanted = (text,) if isinstance(text, str) else tuple(text)  # type: ignore[arg-type]
        found = kept.get(wanted[0], context=context)
        given = _forms(found.string) if found is not None else ()
        if found is None or found.fuzzy or len(given) != len(wanted) or not all(given):
            lacking[wanted[0], context] = f"{name}: {wanted[0]}"
    return list(lacking.values())


def torn() -> list[str]:
    """Translations whose placeholders or tags are not those of their text."""
    return [
        f"{message.id}: {translated}"
        for message in catalogue()
        if message.id
        for text, translated in zip(_forms(message.id), _forms(message.string), strict=False)
        if translated and sorted(PARTS.findall(text)) != sorted(PARTS.findall(translated))
    ]


def _forms(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (str(text or ""),)


def compile_catalogue() -> None:
    """Writes the .mo file beside the .po file."""
    target = CATALOGUE.with_suffix(".mo")
    temporary = target.with_suffix(f".mo.{os.getpid()}")  # others may write it at this moment too
    with temporary.open("wb") as file:
        mofile.write_mo(file, catalogue())
    temporary.replace(target)


def main(arguments: list[str]) -> int:
    """The command line; exit 1 when `check` finds a text without a translation that fits."""
    act = arguments[0] if arguments else "check"
    if act == "update":
        print(f"{update()} texts are untranslated in {CATALOGUE.relative_to(ROOT)}")
    elif act == "compile":
        compile_catalogue()
    else:
        faults = [
            *(f"untranslated: {text}" for text in missing()),
            *(f"not the same placeholders: {text}" for text in torn()),
        ]
        print("\n".join(faults) or "every text is translated")
        return int(bool(faults))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
