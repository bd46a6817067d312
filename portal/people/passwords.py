"""What a password must be: long, and none that is known or guessed first. No rules of composition.

Fifteen characters where it stands alone, twelve where a second factor is asked for as well
(NIST SP 800-63B-4, section 3.1.1.2).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

from portal.access.models import PASSWORD_ALONE, Customer

ALONE, WITH_FACTOR = PASSWORD_ALONE, 12
LONGEST = 200
# zxcvbn's score of 0 to 4: 4 is beyond 10¹⁰ guesses. It looks at so many characters.
_PARTS = re.compile(r"[\s@.+-]+")
LEAST_SCORE, LOOKED_AT = 4, 72


def check(password: str, *, user: Any, alone: bool) -> list[str]:
    """Every reason why the password will not do, in sentences; none when it will."""
    faults = []
    least = ALONE if alone else WITH_FACTOR
    if len(password) < least:
        faults.append(too_short(alone=alone))
    if _guessed_first(password, user):
        faults.append(
            _(
                "It is among those that are guessed first: known words, names, repeats or keys in"
                " a row. Put together words that have nothing to do with each other."
            )
        )
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        faults += [
            _("It is too like your name, e-mail address or phone number.")
            if one.code == "password_too_similar"
            else str(next(iter(one)))
            for one in error.error_list
        ]
    return faults


# What Norwegians begin passwords with, beside the lists that zxcvbn brings along.
WORDS = tuple((Path(__file__).parent / "guessed_words.txt").read_text("utf-8").split())


def _guessed_first(password: str, user: Any) -> bool:
    """Whether known words, names of the person and their employers, repeats and the like make it
    easy to guess."""
    names = Customer.objects.filter(memberships__user=user).values_list("name", flat=True)
    texts = (user.email, user.name, user.phone, *names)
    own = {part for text in texts for part in _PARTS.split(text) if len(part) > 1}
    words = [*WORDS, *sorted(own)]
    return bool(zxcvbn(password[:LOOKED_AT], user_inputs=words)["score"] < LEAST_SCORE)


def too_short(*, alone: bool) -> str:
    """How long it must be, and why."""
    if alone:
        text = _("Use at least %(n)s characters: you have no second factor yet.")
        return text % {"n": ALONE}
    return _("Use at least %(n)s characters.") % {"n": WITH_FACTOR}
