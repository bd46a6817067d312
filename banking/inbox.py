"""Files from the bank: kept raw before anything else, read after, set aside when unreadable.

It owns the way in and knows no payments: whoever reads a kind of file asks here for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.utils import timezone

from banking import channel, filestore, lifecycle, notices, profiles, recognition
from banking.located import Unreadable
from banking.models import BankAgreement, BankChannel, BankFile, BankFilePart, ConnectionTest
from portal import clock, faults
from portal.access import actors, tenancy
from portal.access.actors import Actor
from portal.access.models import Company, User
from portal.events import moves
from portal.events.models import Event

log = structlog.get_logger(__name__)
# Why a file of an account belongs to nobody here: no agreement on it is, or was, active; the bank
# has not shown yet to know the one that is.
UNKNOWN, UNCONFIRMED = "unknown-account", "unconfirmed-account"
CONFIRMED = "agreement_confirmed"  # by the bank, of one that was active here already
READ_ATTEMPTS = 3
# Brought in by somebody and not carried out: perhaps it is another company's, or the bank's own
# copy will be. Such a file stands in nobody's way.
ASTRAY = Q(imported_by__isnull=False, status=lifecycle.SET_ASIDE)


class NotOurs(Exception):
    """The file speaks of a message or an account that is not known here."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code, self.problem = code, problem


class KnownAlready(Exception):
    """These bytes have come from this bank before; `file` when the company may know which it is."""

    def __init__(self, file: BankFile | None) -> None:
        super().__init__(file.name if file else "another company's")
        self.file = file


def poll(channel_id: int) -> int:
    """Fetches what lies in the bank's out folders; answers how many new files were kept.

    A file is removed at the bank only after its bytes are committed here; the same file again
    (name and hash) changes nothing. Run it outside any transaction.
    """
    kept = 0
    with channel.only_one(channel_id) as held, tenancy.acting_for((), unclaimed=True):
        if not held:
            return 0
        bank_channel = BankChannel.objects.get(pk=channel_id)
        try:
            with channel.connect(bank_channel) as bank:
                for folder in bank_channel.download_folders:
                    for name, _size in bank.listing(folder)[: settings.CHANNEL_FILES_PER_POLL]:
                        try:
                            kept += _take(bank, bank_channel, folder, name)
                        except channel.TooLarge as fault:
                            log.error("bank.file_too_large", file=name, detail=fault.detail)
        except channel.ChannelFault as fault:
            log.warning("bank.poll_failed", channel=bank_channel.name, code=fault.code)
            bank_channel.last_error = f"{fault.code}: {fault.detail}"
            bank_channel.save(update_fields=["last_error"])
            return kept
        bank_channel.last_contact_at, bank_channel.last_error = timezone.now(), ""
        bank_channel.save(update_fields=["last_contact_at", "last_error"])
    return kept


def _take(bank: channel.Session, bank_channel: BankChannel, folder: str, name: str) -> int:
    with filestore.spool() as content:
        bank.fetch(folder, name, content)
        faults.point("inbox.fetched")
        _file, new = keep(bank_channel=bank_channel, name=name, content=content)
    faults.point("inbox.kept")
    bank.remove(folder, name)
    return int(new)


def keep(*, bank_channel: BankChannel, name: str, content: BinaryIO) -> tuple[BankFile, bool]:
    """Stores a fetched file's bytes as they came; answers the file and whether it is new."""
    sha256, size = filestore.sha256_of(content)
    with transaction.atomic():
        everybody = Company.objects.values_list("pk", flat=True)
        with tenancy.acting_for(everybody, unclaimed=True):
            known = _known(bank_channel, sha256).filter(name=name).exclude(ASTRAY).first()
        if known is not None:
            return known, False
        return _store(bank_channel, name, content, sha256, size), True


def bring_in(
    *, company: Company, bank_channel: BankChannel, name: str, content: BinaryIO, user: User
) -> BankFile:
    """Keeps a file that a person downloaded from the net bank; it is read as a fetched one is, and
    for this company only. Raises KnownAlready when its bytes have come from this bank before.
    """
    sha256, size = filestore.sha256_of(content)
    with transaction.atomic():
        BankChannel.objects.select_for_update().get(pk=bank_channel.pk)  # one at a time
        everybody = Company.objects.values_list("pk", flat=True)
        with tenancy.acting_for(everybody, unclaimed=True):
            rows = _known(bank_channel, sha256).exclude(ASTRAY & ~Q(company=company))
            known = rows.order_by("-id").first()
        if known is not None:
            raise KnownAlready(known if known.company_id in (None, company.pk) else None)
        with tenancy.acting_for([company]):
            file = _store(bank_channel, name, content, sha256, size, company=company, user=user)
    log.info("bank.file_brought_in", file=file.pk, user=user.pk)
    return file


def _known(bank_channel: BankChannel, sha256: bytes) -> QuerySet[BankFile]:
    """Files with these bytes from this bank, whoever's they are."""
    return BankFile.objects.filter(
        channel=bank_channel, direction=BankFile.Direction.IN, sha256=sha256
    )


def _store(
    bank_channel: BankChannel,
    name: str,
    content: BinaryIO,
    sha256: bytes,
    size: int,
    *,
    company: Company | None = None,
    user: User | None = None,
) -> BankFile:
    file = BankFile.objects.create(
        company=company,
        channel=bank_channel,
        direction=BankFile.Direction.IN,
        name=name,
        kind=_kind(content),
        sha256=sha256,
        size=size,
        status=lifecycle.FETCHED,
        created_at=clock.now(),
        imported_by=user,
    )
    filestore.write_parts(file, content)
    return file


def _kind(content: BinaryIO) -> str:
    content.seek(0)
    try:
        return recognition.recognise(content).kind
    except Unreadable:
        return ""
    finally:
        content.seek(0)


def read_again(file: BankFile, *, by: Actor) -> bool:
    """Lets a file that was set aside be read once more, in the caller's transaction; False when it
    does not lie aside any more."""
    moved = moves.move(
        BankFile.objects.filter(pk=file.pk),
        lifecycle.READ_AGAIN,
        by=by,
        at=clock.now(),
        sets={"attempts": 0},
    )
    return bool(moved.rows)


def waiting() -> list[int]:
    """Ids of the files that have been fetched and not read, oldest first; but word of agreements
    before what speaks of their accounts."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody, unclaimed=True):
        rows = BankFile.objects.filter(status=lifecycle.FETCHED)
        first = Case(When(kind="agreement-status", then=0), default=1)
        return list(rows.order_by(first, "id").values_list("pk", flat=True))


def read_unknown_again(channel_id: int, *codes: str) -> int:
    """Lets the files that belong to nobody because their account was unknown, or not confirmed by
    the bank, be read once more, in the caller's transaction: more is known now. `codes` narrows it
    to those that were set aside for these. Answers how many."""
    with tenancy.acting_for((), unclaimed=True):
        rows = BankFile.objects.filter(
            channel_id=channel_id,
            company=None,
            status=lifecycle.SET_ASIDE,
            error__code__in=codes or (UNKNOWN, UNCONFIRMED),
        )
        moved = moves.move(
            rows, lifecycle.READ_AGAIN, by=actors.CLOCK, at=clock.now(), sets={"attempts": 0}
        )
    return moved.rows


@contextmanager
def reaching(file_id: int, owner: int | None = None) -> Iterator[None]:
    """Acting for the company that a file was brought into, else for `owner`, and for files that
    are nobody's."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody, unclaimed=True):
        rows = BankFile.objects.filter(pk=file_id).values_list("company_id", flat=True)
        owner = rows.first() or owner
    with tenancy.acting_for([owner] if owner else (), unclaimed=True):
        yield


def take(file_id: int) -> BankFile | None:
    """A fetched file, locked in the caller's transaction; None when another worker has it."""
    return (
        BankFile.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("channel")
        .filter(pk=file_id, status=lifecycle.FETCHED)
        .first()
    )


def company_of_message(bank_channel_id: int, message_id: str) -> BankFile | None:
    """The file we sent under this MsgId on this channel, whoever's it is."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        return (
            BankFile.objects.filter(
                channel_id=bank_channel_id,
                direction=BankFile.Direction.OUT,
                message_id=message_id,
            )
            .select_related("company", "agreement")
            .first()
        )


def companies_of_messages(bank_channel_id: int, names: Iterable[str]) -> dict[str, int]:
    """MsgId → id of the company whose file we sent under it on this channel, of those we did."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = BankFile.objects.filter(
            channel_id=bank_channel_id,
            direction=BankFile.Direction.OUT,
            message_id__in=list(names),
            company__isnull=False,
        )
        return dict(rows.values_list("message_id", "company_id"))


def known_by_bank() -> Q:
    """Of agreements, those that the bank itself has shown to know: it has activated or confirmed
    them, has received a payment file on them, or has answered a test that the account is theirs.

    Who fills in a form may write any account into it, so that alone opens no file of the account's;
    nor does what somebody has brought in by hand, who may have written it too.
    """
    said = Event.objects.filter(
        subject="agreement",
        subject_id=OuterRef("pk"),
        group_id=None,
        event__in=[lifecycle.ACTIVATE.name, CONFIRMED],
        actor_kind=actors.ActorKind.BANK,
        actor_id=None,
    )
    receipt = Event.objects.filter(
        subject="bankfile",
        subject_id=OuterRef("pk"),
        group_id=None,
        event=lifecycle.RECEIVE.name,
        actor_kind=actors.ActorKind.BANK,
        actor_id=None,
    )
    received = BankFile.objects.filter(
        Exists(receipt),
        agreement=OuterRef("pk"),
        direction=BankFile.Direction.OUT,
        kind__startswith="pain.001",
        status=lifecycle.RECEIVED,
    )
    tested = ConnectionTest.objects.filter(
        agreement=OuterRef("pk"), steps__contains=[{"step": "account", "ok": True}]
    )
    return Q(Exists(said)) | Q(Exists(received)) | Q(Exists(tested))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A company that may have an account: by an active agreement, else by one that was active."""

    company_id: int
    active: bool
    known: bool
    names: frozenset[str]


def _candidates(bank_channel_id: int, number: str) -> list[_Candidate]:
    """By the agreements on this BBAN or IBAN that are active, or were. A draft, an account that is
    only written down, or one that another company shares makes nobody its owner."""
    once = Event.objects.filter(
        subject="agreement",
        subject_id=OuterRef("pk"),
        group_id=None,
        event=lifecycle.ACTIVATE.name,
    )
    rows = (
        BankAgreement.objects.filter(channel_id=bank_channel_id, share=None)
        .filter(Q(account__number=number) | Q(account__iban=number))
        .filter(Q(status=lifecycle.ACTIVE) | Q(Exists(once), status=lifecycle.DEACTIVATED))
        .alias(is_known=Case(When(known_by_bank(), then=True), default=False))
        .annotate(known=F("is_known"))
        .select_related("company", "channel")
    )
    return [
        _Candidate(
            row.company_id,
            row.status == lifecycle.ACTIVE,
            row.known,
            frozenset({row.company.organisation_number, *row.identifiers.values()}),
        )
        for row in rows
    ]


def owner_of_accounts(
    bank_channel_id: int,
    numbers: Iterable[str],
    addressed: Collection[tuple[str, str]] = (),
    *,
    answers: Collection[int] = (),
) -> int:
    """Id of the one company whose these accounts are. `addressed` are the (scheme, identifier) of
    whom the bank wrote the file to, `answers` the companies whose own payments it names. Raises
    NotOurs where there is none, or several, or where the file is written to another customer than
    the agreements on the accounts name.

    Of several that an account may be of, it is the one that the file is written to; where that is
    not told, one that the bank has shown to know, or shows now by its answer. An active agreement
    goes before one that was.
    """
    bank = BankChannel.objects.values_list("bank", flat=True).get(pk=bank_channel_id)
    # Banks write under one scheme what they ask for under another, so values count alone.
    schemes = {one.scheme for one in profiles.of(bank).identifiers}
    told = {value for scheme, value in addressed if scheme in schemes}
    owners: set[int] = set()
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        for number in sorted(set(numbers)):
            found = _candidates(bank_channel_id, number)
            if not found:
                raise NotOurs(UNKNOWN, f"No agreement at this bank has the account {number}.")
            known = [one for one in found if one.known or one.company_id in answers]
            fit = [one for one in found if one.names & told] if told else known
            fit = [one for one in fit if one in known] or fit
            if not fit and told:
                names = ", ".join(f"{scheme} {value}" for scheme, value in sorted(addressed))
                raise NotOurs("another-customer", f"The bank wrote it to {names}.")
            if not fit:
                raise NotOurs(UNCONFIRMED, f"Nothing from the bank shows whose {number} is.")
            owners |= {one.company_id for one in fit if one.active} or {
                one.company_id for one in fit
            }
    if len(owners) != 1:
        raise NotOurs("several-owners", "It speaks of no account, or of several companies'.")
    return owners.pop()


def speaker(file: BankFile) -> Actor:
    """Who says what a file from the bank says: the bank, with whoever brought it in by hand."""
    return actors.bank(file.channel.name, brought_in_by=file.imported_by_id)


def named(file: BankFile) -> dict[str, Any]:
    """The file as the detail of an Event that it brings about, with whoever brought it in."""
    if file.imported_by_id is None:
        return {"file": file.name}
    return {"file": file.name, "brought_in_by": str(file.imported_by)}


def only_fetched(file: BankFile) -> None:
    """Raises NotOurs for a file that was brought in by hand, where only the bank's own word counts:
    whoever brought it in may have written it."""
    if file.imported_by_id is not None:
        raise NotOurs("not-by-hand", "It was brought in by hand, and counts only when fetched.")


def claim(file: BankFile, *, company_id: int, answers_to: BankFile | None, salary: bool) -> None:
    """Gives a fetched file to its company, in the caller's transaction.

    Raises NotOurs when a person brought it into another company.
    """
    if file.company_id not in (None, company_id):
        raise NotOurs("another-company", "It is about another company than it was brought into.")
    file.company_id = company_id
    file.answers_to = answers_to
    file.salary = salary
    file.save(update_fields=["company", "answers_to", "salary"])
    BankFilePart.objects.filter(file=file).update(company_id=company_id)


def finish(
    file: BankFile, *, message_id: str, transactions: int, remarks: list[dict[str, Any]]
) -> None:
    """Marks a file as read, in the transaction that carried out what it says."""
    moves.move(
        BankFile.objects.filter(pk=file.pk),
        lifecycle.READ_OUT,
        by=actors.CLOCK,
        at=clock.now(),
        sets={"message_id": message_id[:70], "transactions": transactions},
    )
    file.remarks = remarks or None
    file.error = None
    file.save(update_fields=["remarks", "error"])


def failed(file_id: int, error: Exception, *, answers_to: BankFile | None) -> None:
    """Counts a fault of ours; after READ_ATTEMPTS the file is set aside, so it stops no other."""
    log.exception("bank.file_failed", file=file_id, error=str(error)[:500])
    with reaching(file_id):
        BankFile.objects.filter(pk=file_id).update(attempts=F("attempts") + 1)
        attempts = BankFile.objects.values_list("attempts", flat=True).get(pk=file_id)
    if attempts >= READ_ATTEMPTS:
        set_aside(
            file_id,
            code="internal",
            problem=f"It could not be carried out: {type(error).__name__}.",
            cure="Tell support; the file is kept and nothing of it was done.",
            answers_to=answers_to,
        )


def set_aside(
    file_id: int,
    *,
    code: str,
    problem: str,
    cure: str,
    place: str = "",
    answers_to: BankFile | None = None,
) -> None:
    """Puts a file that could not be carried out where people see it, and tells them; nothing of it
    was done. `answers_to` is the file of ours that it is known to answer, whose company gets it.
    """
    owner = answers_to.company_id if answers_to else None
    with reaching(file_id, owner), transaction.atomic():
        file = BankFile.objects.select_related("channel", "company").get(pk=file_id)
        if answers_to is not None and owner and file.company_id in (None, owner):
            claim(file, company_id=owner, answers_to=answers_to, salary=answers_to.salary)
        moved = moves.move(
            BankFile.objects.filter(pk=file_id),
            lifecycle.PUT_ASIDE,
            by=actors.CLOCK,
            at=clock.now(),
        )
        if not moved.rows:
            return
        file.error = {"code": code, "problem": problem, "cure": cure, "place": place}
        file.save(update_fields=["error"])
        if file.imported_by_id is None:  # whoever brought it in sits and looks at it
            notices.set_aside(file, file.company)
    log.error("bank.file_set_aside", file=file_id, code=code)


@contextmanager
def opened(file: BankFile) -> Iterator[BinaryIO]:
    """The exact bytes of a file, checked against its hash; raises filestore.Damaged."""
    content = filestore.open_content(file)
    try:
        yield content
    finally:
        content.close()
