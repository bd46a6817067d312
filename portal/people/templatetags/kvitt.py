"""How amounts, dates, numbers and statuses are shown; no logic beyond showing."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.events import questions

register = template.Library()
NARROW = "\u00a0"
STEPS = {"JPY": 0, "ISK": 0}
SIGNS = {"NOK": "kr"}
TONES = {"neutral": "neutral", "wait": "warning", "good": "success", "bad": "danger"}
_UNHEARD = SafeString('aria-hidden="true"')


@register.filter
def money(amount: Any, currency: str = "") -> str:
    """84300 → «84 300,00»; with the currency behind when given."""
    if amount is None or amount == "":
        return ""
    places = STEPS.get(currency, 2)
    number = f"{Decimal(str(amount)):,.{places}f}".replace(",", NARROW).replace(".", ",")
    return f"{number}{NARROW}{SIGNS.get(currency, currency)}" if currency else number


@register.filter
def totals(sums: Mapping[str, Any] | None) -> str:
    """{"NOK": "84300.00"} → «84 300,00 NOK»; several currencies with « + » between."""
    return " + ".join(money(amount, currency) for currency, amount in sorted((sums or {}).items()))


@register.filter
def amounts(sums: dict[str, str] | None) -> SafeString:
    """The same, each on a line of its own where there are several."""
    return format_html_join(
        SafeString("<br>"),
        '<span class="amount">{}</span>',
        ((money(amount, currency),) for currency, amount in sorted((sums or {}).items())),
    )


@register.filter
def account(number: str) -> str:
    """15034012345 → «1503 40 12345»; an IBAN in fours."""
    if len(number) == 11 and number.isdigit():
        return f"{number[:4]}{NARROW}{number[4:6]}{NARROW}{number[6:]}"
    if number[:2].isalpha():
        number = "".join(number.split()).upper()  # as somebody may have written it
        return " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    return number


@register.filter
def organisation(number: str) -> str:
    """999888777 → «999 888 777»."""
    return NARROW.join(number[i : i + 3] for i in range(0, len(number), 3))


@register.filter
def day(value: dt.date | None) -> SafeString | str:
    """22.11.2026, marked up as a time."""
    if value is None:
        return ""
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), f"{value:%d.%m.%Y}")


@register.filter
def iso_day(text: str) -> SafeString | str:
    """2026-11-22, as events keep it → 22.11.2026."""
    return day(dt.date.fromisoformat(text))


@register.filter
def moment(value: dt.datetime | None) -> SafeString | str:
    """22.11.2026 14:05 in Oslo, marked up as a time."""
    if value is None:
        return ""
    from django.utils import timezone

    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}">{}</time>', local.isoformat(), f"{local:%d.%m.%Y %H:%M}"
    )


@register.filter
def clock(value: dt.datetime) -> SafeString:
    """14:05 in Oslo, marked up as a time; for where the day stands above."""
    from django.utils import timezone

    local = timezone.localtime(value)
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), f"{local:%H:%M}")


@register.filter
def unlocal(value: float) -> str:
    """A figure for a drawing: with a point, whatever the language."""
    return f"{value:g}"


@register.filter
def own_words(reason: str) -> str:
    """A reason kept with an event or a void signature: our own codes in words, else as written."""
    return str(questions.own_reason.first(reason) or reason)


@register.filter
def from_bank(code: str) -> bool:
    """Whether a reason's code is a bank's, for people to quote; our own are for machines."""
    return code.isupper()


@register.simple_tag
def tag(status: Any) -> SafeString:
    """A status as a tag: text, and a tone that the stylesheet colours."""
    if not status:
        return SafeString("")
    return format_html(
        '<span class="ds-tag" data-color="{}">{}</span>', TONES[status.tone], status.label
    )


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A drawing of the sprite, sized by the stylesheet; decoration unless a label says what it is.

    The sprite holds the names that stand in quotes in this tag, or in code as `icon`'s.
    """
    about = format_html('role="img" aria-label="{}"', label) if label else _UNHEARD
    svg = '<svg class="icon" {} focusable="false"><use href="{}#{}"></use></svg>'
    return format_html(svg, about, _sprite(), name)


@functools.cache
def _sprite() -> str:
    return static("vendor/icons.svg")


@register.simple_tag(takes_context=True)
def link(context: Any, name: str, **kwargs: Any) -> str:
    """An address below the company, or the customer, that the page acts for."""
    return str(context["request"].acting.address(name, **kwargs))


@register.filter
def number(value: int | None) -> str:
    """4312 → «4 312»; for counts that may grow large."""
    return "" if value is None else f"{value:,}".replace(",", NARROW)


@register.filter
def at(rows: Any, place: int) -> Any:
    """The label of the row at this place, for tables with a column for each of several rows."""
    return rows[place][1]


@register.filter
def living(signatures: Iterable[Any]) -> int:
    """How many of these signatures are not void."""
    return sum(s.voided_at is None for s in signatures)


@register.simple_tag
def control(field: Any) -> SafeString:
    """The input of a bound field, dressed as the design system's."""
    classes = field.field.widget.attrs.get("class", "")
    # No maxlength: a browser would cut what is pasted, and nobody would know.
    attrs: dict[str, Any] = {"class": f"ds-input {classes}".strip(), "maxlength": False}
    if field.errors:
        told = [f"{field.auto_id}_helptext"] if field.help_text else []
        attrs["aria-describedby"] = " ".join([*told, f"{field.auto_id}_error"])
    return SafeString(field.as_widget(attrs=attrs))
