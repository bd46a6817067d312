"""What the page of signing shows, of one company or of all in which a person approves.

Also what its form proves, and why nothing was signed, in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest
from django.utils.translation import gettext as _

from banking import lifecycle as banking_lifecycle
from banking import stops
from payments import (
    approval,
    choice,
    guards,
    lifecycle,
    policy,
    queries,
    signable,
    timing,
)
from payments.models import Payment, PaymentLine
from payments.tables import PayeesTable, SigningTable
from payments.views import paging
from portal import clock
from portal.access import guard, passkeys, secondfactor, tenancy
from portal.access.acting import Acting, Everywhere
from portal.access.models import User
from portal.access.secondfactor import Proof
from portal.people.forms import SigningForm, told

LEFT_SHOWN = 10
OTHERS_SHOWN = 5
FINDINGS_SHOWN = 20
ACCOUNTS_SHOWN = COMPANIES_SHOWN = 20
NONCES = "signing_nonces"


@dataclass(frozen=True, slots=True)
class Looked:
    """A choice as it stands now: all that was chosen of it that may be `shown`, and the `rows` of
    it that this user may sign."""

    chosen: choice.Choice
    shown: list[signable.Shown]
    rows: list[signable.Shown]
    rights: dict[int, signable.Rights]


def acting_of(request: HttpRequest) -> Acting | Everywhere:
    """For whom the page acts: one company, or all in which the user approves."""
    here = guard.here_of(request)
    assert isinstance(here, Acting | Everywhere)
    return here


def looked(request: HttpRequest, chosen: choice.Choice) -> Looked:
    """Reads what was chosen, in a constant number of queries."""
    acting = acting_of(request)
    payments = chosen.payments(acting)
    shown = signable.shown(payments)
    rights = signable.rights(
        user=guard.user_of(request), places=acting.places.values(), at=clock.now()
    )
    return Looked(chosen, shown, signable.by(rights=rights, payments=shown), rights)


def nothing_to_sign(page: Looked) -> str:
    """Why none of what was chosen can be signed."""
    text = _("None of the chosen payments waits for your approval; you may have given it.")
    idle = [row for row in page.shown if row.payment.agreement.status != banking_lifecycle.ACTIVE]
    if idle:
        text = policy.without_agreement(idle[0].payment)
    beyond = signable.beyond_limit(page.rights, page.shown)
    if beyond:
        text = next(iter(beyond.values())).text
    off = [row for row in page.shown if not page.rights[row.payment.company_id].in_use]
    return policy.service_off() if off and len(off) == len(page.shown) else text


def form_with(faults: list[tuple[str, list[str]]]) -> SigningForm:
    """The form for the code, with what was wrong with the one that was sent."""
    if not faults:
        return SigningForm()
    form = SigningForm({"code": "-"})  # judged already; the field shows no value anyway
    for field, texts in faults:
        for text in texts:
            form.add_error(None if field == NON_FIELD_ERRORS else field, text)
    return form


def _nonce_for(request: HttpRequest, kept: str) -> str:
    """A new nonce, kept for the one signing of this choice."""
    nonce = passkeys.new_nonce()
    request.session[NONCES] = {kept: nonce}
    return nonce


def asked_of_passkey(request: HttpRequest, kept: str, digest: str) -> dict[str, Any]:
    """What a passkey is asked to sign: a new nonce with what has this digest."""
    user = guard.user_of(request)
    nonce = _nonce_for(request, kept)
    return passkeys.begin_signing(request, user, nonce=nonce, digest=digest)


def proof_of(
    request: HttpRequest, form: SigningForm, kept: str, digest: str
) -> tuple[Proof | None, dict[str, Any] | None]:
    """What the person has proved themselves with, and of a passkey the evidence that it signed what
    has this digest; None with the reason in the form."""
    if form.cleaned_data.get("passkey"):
        return _by_passkey(request, form, kept, digest)
    proof = form.verify(request.user)
    if proof is None and request.session.get(guard.FACTOR_KEY) not in secondfactor.SIGNING:
        form.add_error("code", _("Only the code from your authenticator app signs payments."))
    return proof, None


def _by_passkey(
    request: HttpRequest, form: SigningForm, kept: str, digest: str
) -> tuple[Proof | None, dict[str, Any] | None]:
    nonce = request.session.pop(NONCES, {}).get(kept, "")
    try:
        data = passkeys.read(form.cleaned_data["passkey"])
        if not nonce:
            raise passkeys.Refused
        proof = passkeys.verify_signing(
            request, guard.user_of(request), data, nonce=nonce, digest=digest
        )
    except passkeys.Refused:
        form.add_error(None, _("The passkey did not sign this. Nothing is approved; try again."))
    except secondfactor.TooManyTries as error:
        form.add_error(None, told(error))
    else:
        evidence = passkeys.evidence(data, nonce=nonce, digest=digest, device=proof.device)
        return proof, evidence
    return None, None


def changed() -> str:
    """What is told when what was sent is not what stands now."""
    return _(
        "The payments changed after the page was shown. Look through them again, then approve."
    )


def why_not(fault: approval.NotSigned) -> str:
    """Why nothing was signed in a company."""
    numbers = {"numbers": ", ".join(fault.numbers)}
    if isinstance(fault, approval.OverLimit):
        text = _("Nothing is approved: %(numbers)s would be beyond what you may approve.")
    elif isinstance(fault, approval.ServiceOff):
        text = policy.service_off()
    elif isinstance(fault, approval.NoAgreement):
        text = _("Nothing is approved: the agreement of %(numbers)s is not active any more.")
    elif isinstance(fault, approval.StoppedByCheck):
        text = _(
            "Nothing is approved: a check stops %(numbers)s until an administrator lets it pass."
        )
    elif isinstance(fault, approval.AlreadySigned):
        text = _("You have approved %(numbers)s already; another person must be the second.")
    elif isinstance(fault, approval.EnteredByThemselves):
        text = policy.own()
    elif isinstance(fault, approval.NotYours):
        text = _("Nothing is approved: your roles do not let you approve %(numbers)s any more.")
    else:
        text = changed()
    return text % numbers if "%(numbers)s" in text else text


def context(request: HttpRequest, page: Looked, form: SigningForm) -> dict[str, Any]:
    """What templates/payments/sign.html shows."""
    acting, user = acting_of(request), guard.user_of(request)
    rows = page.rows
    payments = [row.payment for row in rows]
    total = sum(row.lines for row in rows)
    payees = paging.of(request, total, "payees", others=["payments"])
    shown = paging.of(request, len(rows), "payments", others=["payees"])
    sums = _sums(rows)
    without = _without_authority(user, payments)
    return {
        "rows": rows,
        "table": SigningTable(shown.shown(rows), everywhere=isinstance(acting, Everywhere)),
        "payees": PayeesTable(_lines(payments, payees)),
        "payments_paging": shown,
        "payees_paging": payees,
        "pages": max(payees.pages, shown.pages),
        "line_total": total,
        "accounts": _by_account(rows),
        "companies": _by_company(acting, rows),
        "companies_shown": COMPANIES_SHOWN,
        "sums": {currency: str(amount) for currency, amount in sums.items()},
        "without_authority": without[:ACCOUNTS_SHOWN],
        "without_too": len(without[ACCOUNTS_SHOWN:]),
        "dates": timing.dates(payments, now=clock.now(), abroad=queries.abroad(payments)),
        "stopped": _stopped(acting, payments),
        "closed": _closed(payments),
        "seen": _seen(acting, rows),
        "withholding": [p.called for p in payments if p.account.tax_withholding],
        "findings": _findings(payments),
        "findings_most": FINDINGS_SHOWN,
        "beyond": _after_last_day(payments),
        "others": _others(acting, user, rows),
        "choice": page.chosen,
        "checked": _checked(page, sums),
        "form": form,
        "held": secondfactor.held(user),
    }


def added(totals: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Currency → the sum of all of these."""
    sums: dict[str, Decimal] = {}
    for one in totals:
        for currency, amount in one.items():
            sums[currency] = sums.get(currency, Decimal(0)) + Decimal(amount)
    return sums


def _sums(rows: list[signable.Shown]) -> dict[str, Decimal]:
    return added(row.totals for row in rows)


def _lines(payments: list[Payment], page: paging.Paging) -> list[PaymentLine]:
    """The lines of one page, each with its payment as it stands here."""
    known = {payment.pk: payment for payment in payments}
    rows = PaymentLine.objects.filter(
        payment__in=tenancy.ids(known), status__in=lifecycle.PHASES[lifecycle.OPEN]
    )
    rows = rows.order_by("payment__due_date", "payment_id", "position")
    lines = list(rows[page.rows])
    for line in lines:
        line.payment = known[line.payment_id]
    return lines


def _by_account(rows: list[signable.Shown]) -> list[dict[str, Any]]:
    """Each debit account with what it pays."""
    found: dict[int, list[signable.Shown]] = {}
    for row in rows:
        found.setdefault(row.payment.account_id, []).append(row)
    return [{"account": some[0].payment.account, "sums": _sums(some)} for some in found.values()]


def _by_company(acting: Acting | Everywhere, rows: list[signable.Shown]) -> list[dict[str, Any]]:
    """Each company with what it pays, the largest sums in kroner first; empty on a page of one."""
    if isinstance(acting, Acting):
        return []
    found = [
        {"company": acting.places[pk].company, "payments": len(some), "sums": _sums(some)}
        for pk, some in signable.by_company(rows).items()
    ]
    return sorted(found, key=lambda one: one["sums"].get(queries.HOME, Decimal(0)), reverse=True)


def _without_authority(user: User, payments: list[Payment]) -> list[dict[str, Any]]:
    """By account: the payments' numbers, and whether the other approver's authority is enough."""
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for payment in signable.authority_warnings(user=user, payments=payments):
        agreement = payment.agreement
        enough = agreement.approvers_required == 2 and agreement.bank_approvers_required == 1
        group = groups.setdefault(
            (payment.account_id, enough),
            {"account": payment.account, "enough": enough, "numbers": []},
        )
        group["numbers"].append(payment.called)
    return list(groups.values())


def _stopped(acting: Acting | Everywhere, payments: list[Payment]) -> list[dict[str, Any]]:
    """What has stopped the sending of any of the payments, and in which company."""
    concerned = {payment.agreement_id for payment in payments}
    companies = {payment.company_id for payment in payments}
    return [
        {"stop": stop, "company": acting.places[company].company}
        for company, now in stops.now_in(companies).items()
        for stop in now.every()
        if stop.agreement_id is None or stop.agreement_id in concerned
    ]


def _after_last_day(payments: list[Payment]) -> list[str]:
    """Which payments would be paid after the last day of their agreement, so are not sent on it."""
    today = clock.today()
    return [
        payment.called
        for payment in payments
        if timing.after_last_day(payment.due_date, payment.agreement.cut_over_date, today=today)
    ]


def _closed(payments: list[Payment]) -> list[dict[str, Any]]:
    """The agreements that the bank says it has closed, with the numbers of their payments."""
    found: dict[int, dict[str, Any]] = {}
    for payment in payments:
        if payment.agreement.closed_at is not None:
            words = {"agreement": payment.agreement, "numbers": []}
            found.setdefault(payment.agreement_id, words)["numbers"].append(payment.called)
    return list(found.values())


def _findings(payments: list[Payment]) -> list[guards.Told]:
    """What checks warn of, each with its payment as it stands here; one more than are shown."""
    known = {payment.pk: payment for payment in payments}
    severities = [guards.STOP, guards.WARN]
    found = guards.of(payments, severities=severities, size=FINDINGS_SHOWN + 1)
    for one in found:
        one.row.payment = known[one.row.payment_id]
    return found


def _others(acting: Acting | Everywhere, user: User, rows: list[signable.Shown]) -> list[str]:
    """Who else may approve those that need another after this user; at most OTHERS_SHOWN, and none
    on a page of several companies, which have their own people."""
    if isinstance(acting, Everywhere):
        return []
    waiting = [row for row in rows if row.needed_after > 0]
    return signable.others(
        company=acting.company,
        payments=[row.payment for row in waiting],
        but=[user.pk, *(s.user_id for row in waiting for s in row.signed_by)],
        most=OTHERS_SHOWN,
    )


def _seen(acting: Acting | Everywhere, rows: list[signable.Shown]) -> list[str]:
    """What the form says was shown: of each payment its id and fingerprint, after its company on a
    page of several."""
    if isinstance(acting, Acting):
        return [f"{row.payment.pk}|{row.fingerprint()}" for row in rows]
    return [f"{row.payment.company.public_id}|{row.payment.pk}|{row.fingerprint()}" for row in rows]


def _checked(page: Looked, sums: dict[str, Decimal]) -> dict[str, Any]:
    """The sum of what was chosen, and of the lines that the bank file will hold, beside `sums`."""
    ids = [row.payment.pk for row in page.rows]
    file = queries.sums_to_send(payment_ids=ids)
    all_of_it = {currency: Decimal(amount) for currency, amount in page.chosen.sums.items()}
    beyond = signable.beyond_limit(page.rights, page.shown)
    chosen = set(ids)
    left = [
        (
            row.payment,
            policy.text_of(
                beyond.get(row.payment.pk) or page.rights[row.payment.company_id].refusal(row)
            ),
        )
        for row in page.shown
        if row.payment.pk not in chosen
    ]
    return {
        "file": {currency: str(amount) for currency, amount in file.items()},
        "agree": all_of_it == sums == file,
        "apart": sum(len(row.excluded) for row in page.rows),
        "left": left[:LEFT_SHOWN],
        "unnamed": max(
            0, page.chosen.count - page.chosen.beyond - len(page.rows) - len(left[:LEFT_SHOWN])
        ),
    }
