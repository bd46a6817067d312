"""The code of the named user that some requests carry, beside the key's signature."""

from __future__ import annotations

import structlog
from django.http import HttpRequest
from django.utils.translation import gettext as _

from portal.access import secondfactor
from portal.erp import door, problems

log = structlog.get_logger(__name__)


def must_show_code(caller: door.Caller, request: HttpRequest, *, asked: bool = False) -> None:
    """Takes the code in the header Kvitt-Code, where the company asks for one at upload, or `asked`
    says that something of it does. Raises as `take`.
    """
    if asked or caller.company.two_factor_to_upload:
        take(caller, request, why=_("The company asks for a code at upload."))


def take(caller: door.Caller, request: HttpRequest, *, why: str) -> None:
    """Takes the named user's code in the header Kvitt-Code; it works once. `why` is the sentence
    that says what asks for it. Raises problems.Refused. Runs outside any transaction that is
    undone with the request.
    """
    assert caller.user is not None
    code = request.headers.get("Kvitt-Code", "")
    cure = _("Send a fresh code from the user's authenticator app in the header Kvitt-Code.")
    try:
        if not code:
            raise _no_code("code-missing", why, cure)
        secondfactor.verify(user=caller.user, code=code)
    except secondfactor.NotEnrolled as error:
        cure = _("Let the user sign in to the portal and set one up, under My details.")
        problem = _("The user has no authenticator app.")
        raise _no_code("code-not-set-up", f"{why} {problem}", cure) from error
    except secondfactor.WrongCode as error:
        problem = _("The code is wrong, too old or already used.")
        raise _no_code("code-wrong", problem, cure) from error
    except secondfactor.TooManyTries as error:
        problem = _("There were too many wrong codes.")
        cure = _("Wait until %(until)s, and send a fresh code.") % {
            "until": error.until.isoformat()
        }
        raise _no_code("code-wait", problem, cure) from error


def _no_code(code: str, problem: str, cure: str) -> problems.Refused:
    log.warning("erp.code_refused", code=code)
    return problems.one(
        403,
        _("A code is needed"),
        code=code,
        place="Kvitt-Code",
        problem=problem,
        cure=cure,
    )
