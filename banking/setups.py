"""An agreement on its way through its form: kept step by step, judged again whole, then saved.

What a step was sent is kept as it was written, so nothing is lost on the way; only the last step
makes account, agreement and authorities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from banking import agreement_events, lifecycle, profiles
from banking.models import AgreementSetup as Setup
from banking.models import Authority, BankAccount, BankAgreement, BankChannel
from banking.setup_forms import AccountStep, BankStep, PayerStep, ServicesStep
from portal import clock
from portal.access import grants
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.people import changes, companies
from portal.people.templatetags import kvitt

STEPS = ("bank", "account", "payer", "services")
OVERVIEW = "overview"
ACCOUNT_FIELDS = ("iban", "bic", "currency", "tax_withholding")
AGREEMENT_FIELDS = (
    *profiles.IDENTIFIERS,
    "description",
    "approvers_required",
    "bank_approvers_required",
    "bank_approval",
    "two_factor_to_upload",
    "reject_mails",
    "approve_mails",
    "erp_name",
    "erp_system",
    "file_format",
    "pain_version",
    "remittance",
    "settlement_return",
    "incoming",
    "split_incoming",
    "card_transactions",
    "statements",
    "cut_over_date",
)


class Unfinished(Exception):
    """A step is not right yet; `step` is the first of them."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


class MovedOn(Exception):
    """The agreement is no draft any more, so its form changes nothing."""


class Saved(Exception):
    """The form has been saved already, as `agreement`."""

    def __init__(self, agreement: BankAgreement) -> None:
        super().__init__(str(agreement))
        self.agreement = agreement


def approvers(company: Company) -> list[User]:
    """Everybody who may approve payments in the company, supplier or salary, by name."""
    found = {
        user.pk: user
        for permission in (Permission.APPROVE_SUPPLIER, Permission.APPROVE_SALARY)
        for user in grants.holders(company=company, permission=permission)
    }
    return list(found.values())


def channel_of(setup: Setup) -> BankChannel | None:
    """The bank that is chosen, if it is still one that can be."""
    chosen = str(setup.values.get("bank", {}).get("channel", [""])[0])
    rows = BankChannel.objects.filter(is_active=True)
    return rows.filter(pk=chosen).first() if chosen.isascii() and chosen.isdigit() else None


def form(setup: Setup, step: str, data: Any = None) -> forms.Form:
    """The form of a step: with what is sent now, else with what was kept, else as it begins.

    Raises Unfinished where the bank is not chosen yet.
    """
    kept = setup.values.get(step)
    bound = data if data is not None else _posted(kept)
    channel = channel_of(setup)
    if step == "bank":
        return BankStep(bound)
    if channel is None:
        raise Unfinished("bank")
    profile = profiles.of(channel.bank)
    if step == "account":
        first = {"bic": profile.bics[0] if profile.bics else "", "currency": "NOK"}
        return AccountStep(bound, initial=first, profile=profile)
    if step == "payer":
        # Of an account that is paid from now, who holds authority is told and not asked.
        people = [] if live_of(setup) else approvers(setup.company)
        return PayerStep(bound, profile=profile, approvers=people)
    kept_payer = setup.values.get("payer", {})
    identifiers = {name: kept_payer.get(name, [""])[0] for name in profiles.IDENTIFIERS}
    return ServicesStep(bound, profile=profile, identifiers=identifiers, today=clock.today())


def _posted(kept: Mapping[str, list[str]] | None) -> QueryDict | None:
    """What was kept of a step, as a browser had sent it."""
    if kept is None:
        return None
    data = QueryDict(mutable=True)
    for name, values in kept.items():
        data.setlist(name, values)
    return data


def keep(setup: Setup, step: str, data: QueryDict) -> bool:
    """Keeps what was sent for a step, right or wrong, but for the token of the form. Whether what
    was written in other steps is let go, since another bank asks for other things."""
    values = {  # the database keeps no NUL, and no field of ours is named with one
        name: [text.replace("\0", "") for text in data.getlist(name)[:1]]
        for name in data
        if name not in ("csrfmiddlewaretoken", "go") and "\0" not in name
    }
    let_go = False
    if step == "bank" and setup.values.get("bank") not in (None, values):
        # What was written of the account is kept.
        dropped = [setup.values.pop(name, None) for name in ("payer", "services")]
        let_go = any(dropped)
    setup.values[step] = {name: [text[:5000] for text in texts] for name, texts in values.items()}
    setup.save(update_fields=["values", "changed_at"])
    return let_go


def cleaned(setup: Setup) -> dict[str, dict[str, Any]]:
    """Step → its values, every step judged anew. Raises Unfinished."""
    found = {}
    for step in STEPS:
        if step not in setup.values:
            raise Unfinished(step)
        one = form(setup, step)
        if not one.is_valid():
            raise Unfinished(step)
        found[step] = one.cleaned_data
    return found


def live_on(company: Company, number: str) -> BankAgreement | None:
    """The company's agreement that is active on the account, else one that is ordered from the
    bank; None where there is neither. What it says of the account stands."""
    rows = BankAgreement.objects.of(company).filter(
        account__number=number, status__in=[lifecycle.ACTIVE, lifecycle.ORDERED]
    )
    # "active" comes before "ordered".
    return rows.select_related("account", "channel").order_by("status", "pk").first()


def live_of(setup: Setup) -> BankAgreement | None:
    """The agreement that is active, or ordered, on the account that was written, if there is."""
    if "account" not in setup.values:
        return None
    try:
        one = form(setup, "account")
    except Unfinished:
        return None
    number = one.cleaned_data.get("account_number", "") if one.is_valid() else ""
    return live_on(setup.company, number) if number else None


@transaction.atomic
def save(setup: Setup, *, by: changes.By) -> BankAgreement:
    """The agreement, in draft; a setup that changes a draft changes that. The company's first one
    makes its pages ask for two factors.

    An account that payments are made from now, or that is ordered so, keeps its facts and its
    authorities: a draft must not change what holds, or what the bank was asked for.

    Raises Unfinished, MovedOn, Saved.
    """
    company = Company.objects.select_for_update().get(pk=setup.company_id)
    setup.refresh_from_db()
    if setup.saved_as is not None:
        raise Saved(setup.saved_as)
    values = cleaned(setup)
    if not BankAgreement.objects.of(company).exists():
        companies.set_two_factor(company=company, asked_for="sign-in", on=True, by=by)
    row = setup.agreement
    before = told(row) if row is not None else {}
    # Whoever became an approver since the step was sent was not asked about.
    asked = [one for one in approvers(company) if f"identity_{one.pk}" in setup.values["payer"]]
    account, is_free = _account(company, values["account"])
    facts = {
        name: value
        for step in ("account", "payer", "services")
        for name, value in values[step].items()
        if name in AGREEMENT_FIELDS
    }
    facts |= {"channel": values["bank"]["channel"], "account": account}
    if row is None:
        row = BankAgreement.objects.create(company=company, **facts)
        agreement_events.made(row, by=by.actor, at=by.at)
        changes.record(
            "agreement.made",
            by=by,
            customer=company.customer,
            company=company,
            name=str(row),
            after=told(row),
        )
    else:
        row = BankAgreement.objects.select_for_update().get(pk=row.pk)
        if row.status != lifecycle.DRAFT:
            raise MovedOn
        for name, value in facts.items():
            setattr(row, name, value)
        row.save()
        was, now = changes.differing(before, told(row))
        if now:
            changes.record(
                "agreement.changed",
                by=by,
                customer=company.customer,
                company=company,
                name=str(row),
                before=was,
                after=now,
            )
    if is_free:
        keep_authorities(account, asked, values["payer"], by)
    setup.saved_as, setup.values = row, {}
    setup.save(update_fields=["saved_as", "values", "changed_at"])
    return row


def begun(company: Company) -> QuerySet[Setup]:
    """The forms that are begun and not saved, the latest first."""
    rows = Setup.objects.of(company).filter(saved_as=None).select_related("user", "agreement")
    return rows.order_by("-changed_at")


def called(setup: Setup) -> str:
    """What a form is about, as far as it is written: bank and account."""
    channel = channel_of(setup)
    facts = setup.values.get("account", {})
    told = [facts.get(name, [""])[0].strip()[:42] for name in ("account_number", "iban")]
    number = kvitt.account(next((one for one in told if one), ""))
    name = facts.get("description", [""])[0] or facts.get("account_name", [""])[0]
    parts = [str(channel) if channel else "", number, name[:80]]
    return ", ".join(part for part in parts if part)


def told(row: BankAgreement) -> dict[str, str]:
    """An agreement as the change log tells it: every fact as text."""
    facts = {name: _text(getattr(row, name)) for name in AGREEMENT_FIELDS}
    account = BankAccount.objects.get(pk=row.account_id)  # as it stands, not as it was loaded
    of_account = {name: _text(getattr(account, name)) for name in ACCOUNT_FIELDS}
    of_account |= {"account": account.number, "account_name": account.name}
    return {"bank": str(row.channel)} | of_account | facts


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value)


def _account(company: Company, facts: Mapping[str, Any]) -> tuple[BankAccount, bool]:
    """The account, made or brought up to date, and whether it was free to be: where it is used, or
    ordered, it is as it was."""
    number = facts["account_number"]
    defaults = {"name": facts["account_name"]} | {name: facts[name] for name in ACCOUNT_FIELDS}
    if live_on(company, number) is not None:
        return BankAccount.objects.get(company=company, number=number), False
    account, _made = BankAccount.objects.update_or_create(
        company=company, number=number, defaults=defaults
    )
    return account, True


def keep_authorities(
    account: BankAccount, people: list[User], told: Mapping[str, Any], by: changes.By
) -> int:
    """Makes what is known of these people at the bank as a form tells it, identity_ and authority_
    of each, and logs it; answers how many differ. In the caller's transaction."""
    company = Company.objects.select_related("customer").get(pk=account.company_id)
    rows = {row.user_id: row for row in Authority.objects.filter(account=account)}
    changed = 0
    for user in people:
        identity = told.get(f"identity_{user.pk}", "")
        holds = bool(told.get(f"authority_{user.pk}"))
        row = rows.get(user.pk)
        was = _authority(row)
        if identity:
            row, _made = Authority.objects.update_or_create(
                company=company,
                account=account,
                user=user,
                defaults={"bank_identity": identity, "holds_authority": holds},
            )
        elif row is not None:
            row.delete()
            row = None
        before, after = changes.differing(was, _authority(row))
        if not after:
            continue
        changed += 1
        changes.record(
            "agreement.authority",
            by=by,
            customer=company.customer,
            company=company,
            about=user,
            name=user.name,
            before=before,
            after=after | {"account": account.number},
        )
    return changed


def _authority(row: Authority | None) -> dict[str, Any]:
    return {
        "identity": row.bank_identity if row else "",
        "authority": row.holds_authority if row else False,
    }


def begin(company: Company, user: User) -> Setup:
    """A new form."""
    return Setup.objects.create(company=company, user=user)


def begin_from(agreement: BankAgreement, user: User, *, copy: bool) -> Setup:
    """A form that begins with an agreement: to change a draft, or as a copy of any."""
    account = agreement.account
    held = {row.user_id: row for row in account.authorities.all()}
    payer: dict[str, str] = {}
    for pk, row in held.items():
        payer[f"identity_{pk}"] = row.bank_identity
        if row.holds_authority:
            payer[f"authority_{pk}"] = "on"
    for name in PayerStep.base_fields:
        payer |= _field(name, getattr(agreement, name))
    payer |= {name: value for name, value in agreement.identifiers.items() if value}
    services: dict[str, str] = {}
    for name in ServicesStep.base_fields:
        services |= _field(name, getattr(agreement, name))
    facts = {
        "account_number": account.number,
        "iban": account.iban,
        "account_name": account.name,
        "bic": account.bic,
        "currency": account.currency,
        "description": _copy_of(agreement.description) if copy else agreement.description,
    } | _field("tax_withholding", account.tax_withholding)
    steps = {
        "bank": {"channel": str(agreement.channel_id)},
        "account": facts,
        "payer": payer,
        "services": services,
    }
    return Setup.objects.create(
        company_id=agreement.company_id,
        user=user,
        agreement=None if copy else agreement,
        values={
            step: {name: [value] for name, value in told.items()} for step, told in steps.items()
        },
    )


def _copy_of(description: str) -> str:
    """A copy's own name, so that two agreements of one account can be told apart."""
    told = _("Copy of %(name)s") % {"name": description} if description else ""
    return told[: BankAgreement.DESCRIPTION_LENGTH]


def _field(name: str, value: Any) -> dict[str, str]:
    """A value as a form sends it; a box that is not ticked sends nothing."""
    if isinstance(value, bool):
        return {name: "on"} if value else {}
    if isinstance(value, list):
        return {name: "\n".join(value)}
    if hasattr(value, "strftime"):
        return {name: value.strftime("%d.%m.%Y")}
    return {name: "" if value is None else str(value)}
