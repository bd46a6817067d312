"""What a password must be: long, and none that is known to be used. No rules of composition.

Fifteen characters where it stands alone, twelve where a second factor is asked for as well
(NIST SP 800-63B-4, section 3.1.1.2).
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

ALONE, WITH_FACTOR = 15, 12
LONGEST = 200


def check(password: str, *, user: Any, alone: bool) -> list[str]:
    """Every reason why the password will not do, in sentences; none when it will."""
    faults = []
    least = ALONE if alone else WITH_FACTOR
    if len(password) < least:
        faults.append(too_short(alone=alone))
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        faults += error.messages
    return faults


def too_short(*, alone: bool) -> str:
    """How long it must be, and why."""
    if alone:
        text = _("Use at least %(n)s characters: you have no second factor yet.")
        return text % {"n": ALONE}
    return _("Use at least %(n)s characters.") % {"n": WITH_FACTOR}
