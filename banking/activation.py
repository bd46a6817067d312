"""The bank's word that an agreement has been opened or closed, carried out.

The message is that of the simulated bank, docs/simbank.md; each bank has its own, or a letter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q

from banking import agreement_events, agreements, inbox, lifecycle, notices
from banking.iso20022 import xmlio
from banking.located import Place, Unreadable
from banking.models import BankAgreement, BankFile
from portal import clock, faults
from portal.access import actors, tenancy
from portal.access.models import Company
from portal.events import moves
from portal.people import changes

log = structlog.get_logger(__name__)
ROOT = "AgreementStatus"
ACTIVE, CLOSED = "ACTIVE", "CLOSED"
NEEDED = ("CustomerNumber", "AgreementId", "Status")


@dataclass(slots=True)
class Word:
    """What the message says; `accounts` are those that the agreement covers at the bank."""

    message_id: str = ""
    customer_number: str = ""
    agreement_id: str = ""
    status: str = ""
    accounts: list[str] = field(default_factory=list)


def parse(content: BinaryIO) -> Word:
    """The message as a value. Raises Unreadable: as xmlio.open_kind does, and missing, value."""
    guarded = xmlio.open_kind(content, kinds=("agreement-status",))
    word = Word()
    names = {
        "MessageId": "message_id",
        "CustomerNumber": "customer_number",
        "AgreementId": "agreement_id",
        "Status": "status",
    }
    for _event, element in xmlio.parse(
        guarded, tags=[f"{{*}}{name}" for name in (*names, "Account")]
    ):
        name, words = xmlio.local(element.tag), xmlio.text(element)
        if name == "Account":
            word.accounts.append(words)
        else:
            setattr(word, names[name], words)
    for name in NEEDED:
        if not getattr(word, names[name]):
            raise Unreadable(
                code="missing",
                problem=f"The message has no {name}.",
                cure="Ask the bank to send it again.",
                place=Place(1, ROOT),
                params={"element": ROOT, "expected": name},
            )
    if word.status not in (ACTIVE, CLOSED):
        raise xmlio.bad_value(what="status", value=word.status, place=Place(1, f"{ROOT}/Status"))
    return word


def read(file: BankFile, content: BinaryIO) -> None:
    """Activates the agreements that the message is about; raises Unreadable, NotOurs.

    One that is closed at the bank is not deactivated here, which would be final: people are warned
    wherever it matters, and written to.
    """
    word = parse(content)
    inbox.only_fetched(file)
    with transaction.atomic():
        owner, ids = _meant(file.channel_id, word)
        with tenancy.acting_for([owner], unclaimed=True):
            inbox.claim(file, company_id=owner, answers_to=None, salary=False)
            rows = BankAgreement.objects.select_for_update(of=("self",)).filter(pk__in=ids)
            remarks: list[dict[str, Any]] = []
            for row in rows.order_by("pk"):
                _carry_out(file, row, word, remarks)
            inbox.finish(file, message_id=word.message_id, transactions=len(ids), remarks=remarks)
    faults.point("activation.read")


# Of several agreements of a company on an account, the bank means the first that is there: a copy
# that waits to take over says nothing of the one in use.
MEANT_FIRST = (lifecycle.ACTIVE, lifecycle.ORDERED, lifecycle.DRAFT, lifecycle.DEACTIVATED)
# Each bank has its own names for its two numbers, as payments to it carry them: customer number and
# agreement id, or what takes the place of one or both.
NUMBERS = (
    ("customer_number", "agreement_id"),
    ("customer_number", "division"),
    ("signer_id", "agreement_id"),
    ("signer_id", "division"),
)


def _meant(bank_channel_id: int, word: Word) -> tuple[int, list[int]]:
    """The one company that has the agreement with this bank, and its rows here: one for each
    account. Those that others share are their owner's. Where two companies have written down the
    same numbers the word is neither's, however far each has come with its agreement."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = BankAgreement.objects.filter(channel_id=bank_channel_id, share=None)
        if word.accounts:
            rows = rows.filter(account_number__in=word.accounts)
        found: list[tuple[str, str, int, int]] = []
        for is_over in (False, True):
            for first, second in NUMBERS:
                named = rows.filter(**{first: word.customer_number, second: word.agreement_id})
                over = Q(status=lifecycle.DEACTIVATED)
                named = named.filter(over if is_over else ~over)
                found = found or list(
                    named.values_list("account_number", "status", "company_id", "pk")
                )
    owners = {company for _number, _status, company, _pk in found}
    if len(owners) != 1:
        raise inbox.NotOurs(
            "unknown-agreement",
            f"No one company has agreement {word.agreement_id} of customer {word.customer_number}.",
        )
    best: dict[str, tuple[int, int]] = {}
    for number, status, _company, pk in found:
        place = (MEANT_FIRST.index(status), -pk)
        best[number] = min(place, best.get(number, place))
    return owners.pop(), [-pk for _rank, pk in best.values()]


def _carry_out(
    file: BankFile, row: BankAgreement, word: Word, remarks: list[dict[str, Any]]
) -> None:
    if word.status == CLOSED:
        if row.status == lifecycle.ACTIVE:
            log.error("bank.agreement_closed", agreement=row.pk)
            remarks.append({"code": "bank-closed", "agreement": row.pk})
            if agreement_events.closed_by_bank(agreement=row, file=file.name, at=clock.now()):
                notices.bank_word(agreement=row, closed=True)
        return
    if row.status == lifecycle.DEACTIVATED:
        remarks.append({"code": "deactivated", "agreement": row.pk})
        notices.bank_word(agreement=row, closed=False)
        return
    if row.status == lifecycle.ACTIVE:
        by = actors.bank(file.channel.name)
        if agreement_events.open_again(agreement=row, by=by, at=clock.now(), file=file.name):
            remarks.append({"code": "bank-opened", "agreement": row.pk})
        elif agreement_events.confirmed(agreement=row, by=by, at=clock.now(), file=file.name):
            inbox.read_unknown_again(row.channel_id)
        else:
            remarks.append({"code": "already-active", "agreement": row.pk})
        return
    agreements.overrule(agreement=row, by=actors.bank(file.channel.name), at=clock.now())
    try:
        with transaction.atomic():
            moves.move(
                BankAgreement.objects.filter(pk=row.pk),
                lifecycle.ACTIVATE,
                by=actors.bank(file.channel.name),
                at=clock.now(),
                expected=1,
                detail={"file": file.name},
            )
            bank = file.channel.name
            agreements.log("agreement.activated", row, changes.By(None, bank, None, clock.now()))
            inbox.read_unknown_again(row.channel_id)
    except IntegrityError as fault:
        raise inbox.NotOurs(
            "another-active", "The account has an active agreement already."
        ) from fault
