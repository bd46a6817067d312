"""How things are shown: the tags that pages use."""

from __future__ import annotations

import re

from django.template import engines


def rendered(source: str, **context: object) -> str:
    return engines["django"].from_string(source).render(context)


def test_an_icon_is_a_drawing_of_the_sprite_that_nobody_hears() -> None:
    shown = rendered('{% icon "Bell" %}')
    found = re.fullmatch(
        r'<svg class="icon" aria-hidden="true" focusable="false"><use href="([^"]+)"></use></svg>',
        shown,
    )
    assert found
    assert re.fullmatch(r"/static/vendor/icons\.[0-9a-f]{12}\.svg#Bell", found[1])


def test_an_icon_with_a_label_is_an_image_that_says_it() -> None:
    shown = rendered('{% icon "Bell" label %}', label='Waits for "you"')
    assert shown.startswith('<svg class="icon" role="img" aria-label="Waits for &quot;you&quot;" ')
    assert "aria-hidden" not in shown
