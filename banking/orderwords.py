"""What the order form of an agreement says, in the reader's language.

It reads the agreement, its account, channel and authorities, and leaves the paper to
banking.orderform. Who is told by e-mail is no business of the bank's and stands nowhere on it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from banking import agreements, channel, labels, numbers, profiles, setup_forms
from banking.models import Authority, BankAgreement
from banking.orderform import Choice, Fact, Form, Party, Section, Table

SERVICES = (
    "remittance",
    "settlement_return",
    "incoming",
    "split_incoming",
    "card_transactions",
    "statements",
)


def of(agreement: BankAgreement, *, today: dt.date) -> Form:
    """The form of an agreement as it stands; two queries, however many people there are."""
    held = agreement.account.authorities.filter(holds_authority=True).select_related("user")
    people = list(held.order_by("user__name_key", "pk"))
    words = {"company": agreement.company.name, "bank": agreement.channel.name}
    organisation = numbers.format_organisation_number(agreement.company.organisation_number)
    numbered = {"reference": agreement.reference, "number": organisation, "date": _day(today)}
    return Form(
        language="nb" if (get_language() or "nb").startswith(("nb", "no")) else "en",
        title=_("Order form for a bank agreement"),
        subtitle=f"{words['company']} · {words['bank']}",
        made=today,
        marks=(
            (_("Reference"), agreement.reference),
            (_("The agreement was made"), _day(timezone.localdate(agreement.created_at))),
            (_("This form was made"), _day(today)),
            (_("Status in Kvitt"), str(agreement.state.label)),
        ),
        introduction=_(
            "The company asks the bank to open this agreement, so that Kvitt can exchange files"
            " with it for the company."
        ),
        asked=_("The bank is asked to"),
        tasks=(
            _("fill in what stands open in this form"),
            _("confirm the authority of each person in the list"),
            _("register the public key with the user name of the SFTP channel"),
            _("sign, and send the form back to the company"),
        ),
        sections=(
            _parties(agreement, organisation),
            _account(agreement),
            _identifiers(agreement),
            _services(agreement),
            _approval(agreement),
            _authority(agreement, people),
            _channel(agreement),
            _start(agreement),
        ),
        signing=_("Signatures"),
        signing_note=_(
            "The company orders the agreement as it stands here. The bank confirms it, filled in"
            " and ticked."
        ),
        parties=_signatures(words),
        footer=_("Order form %(reference)s · organisation number %(number)s · %(date)s") % numbered,
        page=_("Page {page} of {pages}"),
    )


def _day(date: dt.date) -> str:
    return f"{date:%d.%m.%Y}"


def _parties(agreement: BankAgreement, organisation: str) -> Section:
    company = agreement.company
    town = f"{company.postal_code} {company.city}".strip()
    address = ", ".join(part for part in (company.address, town) if part)
    facts = [
        Fact(_("Company"), company.name, span=8),
        Fact(_("Organisation number"), organisation, span=4),
        Fact(_("Address"), address, span=12),
        Fact(_("Bank"), agreement.channel.name, span=12),
    ]
    if agreement.description:
        facts[-1:] = [
            Fact(_("Bank"), agreement.channel.name),
            Fact(_("What the company calls the agreement"), agreement.description),
        ]
    return Section(_("The parties"), facts=tuple(facts))


def _account(agreement: BankAgreement) -> Section:
    account = agreement.account
    withheld = _("Yes: only tax is paid from it") if account.tax_withholding else _("No")
    return Section(
        _("The account"),
        facts=(
            Fact(_("Account number"), numbers.format_account(account.number), span=4),
            Fact(_("IBAN"), numbers.format_iban(account.iban), span=5),
            Fact(_("BIC"), account.bic, span=3),
            Fact(_("Name of the account"), account.name, span=5),
            Fact(_("Currency"), account.currency, span=2),
            Fact(_("Tax-withholding account"), withheld, span=5),
        ),
    )


def _identifiers(agreement: BankAgreement) -> Section:
    asked = profiles.of(agreement.channel.bank).identifiers
    fills, where_used = _("the bank fills in"), _("the bank fills in, where it is used")
    facts = [
        Fact(
            str(setup_forms.CALLED[one.field][0]),
            getattr(agreement, one.field),
            hint=fills if one.required else where_used,
        )
        for one in asked
    ]
    return Section(_("The company's identity at the bank"), facts=tuple(facts))


def _services(agreement: BankAgreement) -> Section:
    facts = [Fact(_("Format"), str(agreement.get_file_format_display()))]
    if agreement.file_format != BankAgreement.Format.NETS:
        facts.append(Fact(_("Version"), str(agreement.get_pain_version_display())))
    return Section(
        _("Services and format"),
        choices=tuple(
            Choice(str(labels.FIELDS[name]), getattr(agreement, name)) for name in SERVICES
        ),
        facts=tuple(facts),
    )


def _approval(agreement: BankAgreement) -> Section:
    portal, bank = agreement.approvers_required, agreement.bank_approvers_required
    if agreement.bank_approval == BankAgreement.BankApproval.NONE:
        afterwards = _("No: what is approved in Kvitt is paid")
    else:
        afterwards = str(agreement.get_bank_approval_display())
    return Section(
        _("Who approves payments"),
        note=agreements.approvers_sentence(portal, bank),
        facts=(
            Fact(_("Approvers in the portal"), str(agreement.get_approvers_required_display())),
            Fact(_("Approvers at the bank"), str(agreement.get_bank_approvers_required_display())),
            Fact(_("Approval in the net bank afterwards"), afterwards, span=12),
        ),
    )


def _authority(agreement: BankAgreement, people: Sequence[Authority]) -> Section:
    if people:
        note = ngettext(
            "%(n)s person is registered in Kvitt with authority. The bank ticks yes or no.",
            "%(n)s people are registered in Kvitt with authority. The bank ticks yes or no.",
            len(people),
        ) % {"n": len(people)}
    else:
        note = _("Nobody is registered in Kvitt yet. The bank writes who holds authority.")
    rows = [(str(row.user), row.bank_identity) for row in people]
    return Section(
        _("Authority on the account"),
        note=note,
        table=Table(
            headings=(_("Name"), _("Identity at the bank"), _("Holds authority")),
            rows=tuple(rows or [("", "")] * (agreement.bank_approvers_required + 1)),
            boxes=(_("Yes"), _("No")),
        ),
    )


def _channel(agreement: BankAgreement) -> Section:
    way = agreement.channel
    key = channel.public_key(way)
    return Section(
        _("The SFTP channel"),
        note=_("Only the public half of the key stands here. The private one never leaves Kvitt."),
        facts=(
            Fact(_("The bank's server"), way.host, span=6),
            Fact(_("Port"), str(way.port), span=2),
            Fact(_("User name"), way.username, span=4),
            Fact(_("The key's fingerprint"), key.fingerprint if key else "", span=12, code=True),
            Fact(
                _("The public key, to be registered on the user name"),
                key.line if key else "",
                span=12,
                code=True,
            ),
        ),
    )


def _start(agreement: BankAgreement) -> Section:
    other, where_used = agreements.another_active(agreement), _("where there is one")
    older = f"{other.reference} {other.description}".strip() if other else ""
    older_ends = other.cut_over_date if other else None
    ends = agreement.cut_over_date
    return Section(
        _("Start and cut-over"),
        facts=(
            Fact(_("Open at the bank from"), hint=_("the bank fills in"), span=4),
            Fact(_("Takes over from an older agreement"), older, hint=where_used, span=8),
            Fact(
                _("Last day of the older agreement"),
                _day(older_ends) if older_ends else "",
                hint=where_used,
                span=6,
            ),
            Fact(
                _("Last day of this agreement"),
                _day(ends) if ends else _("None is set: it runs until it is ended"),
                span=6,
            ),
        ),
    )


def _signatures(words: dict[str, str]) -> tuple[Party, Party]:
    name = _("Name in capital letters")
    rows = (
        (_("Place"), _("Date")),
        (_("Signature"),),
        (name,),
        (_("Second signature, where two sign together"),),
        (name,),
    )
    return (
        Party(_("For the company: whoever may sign for it"), words["company"], rows),
        Party(_("For the bank"), words["bank"], rows),
    )
