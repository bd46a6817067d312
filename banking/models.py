"""Channels, agreements, accounts, authorities and bank files; knows no payments."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from banking import lifecycle, profiles
from portal.access.crypto import SecretField
from portal.access.models import new_public_id
from portal.access.tenancy import CompanyOwned, CompanyQuerySet
from portal.events.lifecycle import Status
from portal.events.moves import Tracking


def _choices(cycle: Any) -> list[tuple[str, Any]]:
    return [(status.code, status.label) for status in cycle.statuses.values()]


class BankChannel(models.Model):
    """The portal's own way into one bank: SFTP with a key pair and a pinned host key."""

    bank = models.CharField(max_length=40, help_text="The bank's data file in banking/banks.")
    name = models.CharField(max_length=80)
    host = models.CharField(max_length=255)
    port = models.PositiveIntegerField(default=22)
    username = models.CharField(max_length=80)
    private_key = SecretField()
    host_key = models.TextField(help_text="The bank's public host key, as in known_hosts.")
    upload_folder = models.CharField(max_length=80, default="pain001")
    archive_folder = models.CharField(max_length=80, blank=True, default="archive")
    download_folders = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    last_contact_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["bank", "username"], name="channel_once_per_user")
        ]

    def __str__(self) -> str:
        return self.name


class BankAccount(CompanyOwned):
    """An account of the company's, as BBAN (11 digits) and IBAN."""

    number = models.CharField(max_length=11)
    iban = models.CharField(max_length=34, blank=True)
    bic = models.CharField(max_length=11, blank=True)
    currency = models.CharField(max_length=3, default="NOK")
    name = models.CharField(max_length=80)
    # Money withheld for tax: only tax is paid from it.
    tax_withholding = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "number"], name="account_once_per_company"),
            models.CheckConstraint(
                condition=Q(number__regex=r"^[0-9]{11}$"), name="account_eleven_digits"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class BankAgreement(CompanyOwned):
    """What lets the portal pay from an account: identifiers at the bank and who must approve."""

    class Approvers(models.IntegerChoices):
        ONE = 1, _("One approver")
        TWO = 2, _("Two approvers")

    class PainVersion(models.TextChoices):
        V09 = "pain.001.001.09", "pain.001.001.09"
        V03 = "pain.001.001.03", "pain.001.001.03"

    class Format(models.TextChoices):
        ISO = "iso20022", _("ISO 20022")
        NETS_ISO = "nets_iso", _("ISO 20022 by Nets")
        NETS = "nets", _("Direkte remittering (the old format)")

    class BankApproval(models.TextChoices):
        """What the bank does once the portal has approved."""

        NONE = "none", _("No: what is approved here is paid")
        NET_BANK = "net_bank", _("Yes: payments are approved once more in the net bank")
        ACCOUNTING = "accounting", _("Accounting-approved: the net bank shows them as approved")

    tracking: ClassVar[Tracking] = Tracking(
        lifecycle=lifecycle.AGREEMENT, subject="agreement", number="r.agreement_id"
    )

    channel = models.ForeignKey(BankChannel, on_delete=models.PROTECT, related_name="agreements")
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="agreements")
    account_number = models.CharField(max_length=11, editable=False)
    DESCRIPTION_LENGTH = 140
    description = models.CharField(max_length=DESCRIPTION_LENGTH, blank=True)
    # Which of these a bank wants is told by its data file (banking/banks).
    customer_number = models.CharField(max_length=35, blank=True)
    agreement_id = models.CharField(max_length=35, blank=True)
    division = models.CharField(max_length=35, blank=True)
    signer_id = models.CharField(max_length=35, blank=True)
    # The one ERP that the account is paid from.
    erp_name = models.CharField(max_length=80, blank=True)
    erp_system = models.CharField(max_length=80, blank=True)
    file_format = models.CharField(max_length=10, choices=Format.choices, default=Format.ISO)
    pain_version = models.CharField(
        max_length=20, choices=PainVersion.choices, default=PainVersion.V09
    )
    approvers_required = models.PositiveSmallIntegerField(
        choices=Approvers.choices, default=Approvers.TWO
    )
    bank_approvers_required = models.PositiveSmallIntegerField(
        choices=Approvers.choices, default=Approvers.ONE
    )
    bank_approval = models.CharField(
        max_length=12, choices=BankApproval.choices, default=BankApproval.NONE
    )
    two_factor_to_upload = models.BooleanField(default=False)
    # What the bank does on it, and how it hands over incoming money.
    remittance = models.BooleanField(default=True)
    settlement_return = models.BooleanField(default=True)
    incoming = models.BooleanField(default=False)
    split_incoming = models.BooleanField(default=False)
    card_transactions = models.BooleanField(default=False)
    statements = models.BooleanField(default=False)
    # Addresses that are mailed; being on a list gives no rights.
    reject_mails = models.JSONField(default=list)
    approve_mails = models.JSONField(default=list)
    # When another agreement takes over: nothing is paid on this one after that day.
    cut_over_date: Any = models.DateField(null=True)
    # The other company's share that lets this one pay from its account; null for an own account.
    share = models.ForeignKey(
        "banking.AgreementShare", on_delete=models.PROTECT, null=True, related_name="uses"
    )
    # When the bank said that it has closed it, while it is active here; null where it has not.
    closed_at = models.DateTimeField(null=True)
    status = models.CharField(
        max_length=20, choices=_choices(lifecycle.AGREEMENT), db_default=lifecycle.DRAFT
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            # By number, so that it holds across companies: an account has one owner here, and
            # whoever shares it has one agreement for it.
            models.UniqueConstraint(
                fields=["account_number"],
                condition=Q(status="active", share=None),
                name="agreement_one_active_per_account",
            ),
            models.UniqueConstraint(
                fields=["company", "account_number"],
                condition=Q(status="active"),
                name="agreement_one_active_per_company_and_account",
            ),
            models.UniqueConstraint(
                fields=["company", "share"],
                condition=~Q(status="deactivated"),
                name="agreement_one_use_of_a_share",
            ),
            models.CheckConstraint(
                condition=Q(share=None)
                | Q(settlement_return=False, incoming=False, statements=False),
                name="agreement_shared_for_payments_only",
            ),
            models.CheckConstraint(
                condition=Q(status__in=lifecycle.AGREEMENT.codes()), name="agreement_status"
            ),
            models.CheckConstraint(
                condition=Q(approvers_required__in=[1, 2])
                & Q(bank_approvers_required__in=[1, 2])
                & Q(approvers_required__gte=models.F("bank_approvers_required")),
                name="agreement_approvers_possible",
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.account_number = self.account.number
        super().save(*args, **kwargs)

    @property
    def state(self) -> Status:
        """The status with its words."""
        return lifecycle.AGREEMENT.statuses[self.status]

    @property
    def reference(self) -> str:
        """What the agreement is called on paper."""
        return f"KVITT-A{self.pk}"

    @property
    def identifiers(self) -> dict[str, str]:
        """What the bank knows the customer by, by field."""
        return {name: getattr(self, name) for name in profiles.IDENTIFIERS}

    def __str__(self) -> str:
        return self.description or f"{self.channel} {self.account.number}"


class AgreementShare(CompanyOwned):
    """That a company lets another, named by its organisation number, pay on an agreement; open
    until it is ended. `company` is the owner's."""

    agreement = models.ForeignKey(BankAgreement, on_delete=models.PROTECT, related_name="shares")
    organisation_number = models.CharField(max_length=9, db_index=True)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["agreement", "organisation_number"],
                condition=Q(ended_at=None),
                name="share_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.agreement_id} {self.organisation_number}"


class SendingStop(CompanyOwned):
    """That a person has stopped all sending: on one agreement, or with no agreement of the whole
    company; open until somebody starts it again."""

    agreement = models.ForeignKey(
        BankAgreement, on_delete=models.PROTECT, null=True, related_name="stops"
    )
    reason = models.CharField(max_length=200)
    stopped_at = models.DateTimeField()
    stopped_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    started_at = models.DateTimeField(null=True)
    started_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["company", "agreement"],
                condition=Q(started_at__isnull=True),
                nulls_distinct=False,
                name="sending_stopped_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.agreement_id or 'company'} {self.reason}"


class ConnectionTest(CompanyOwned):
    """One try of the way to the bank of an agreement; `steps` is [{step, ms, ok, code, detail}] of
    those that were come to, and `ended_at` is null while it is under way. Machine time."""

    agreement = models.ForeignKey(
        BankAgreement, on_delete=models.PROTECT, related_name="connection_tests"
    )
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    steps = models.JSONField(default=list)
    # The request whose answer is waited for; null for a bank that takes none.
    request = models.ForeignKey(
        "banking.BankFile", on_delete=models.PROTECT, null=True, related_name="connection_tests"
    )
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.agreement_id} {self.asked_at}"


class AgreementSetup(CompanyOwned):
    """An agreement on its way through the steps of its form; `values` is {step: {field: value}}.

    `agreement` is the draft that is being changed, null for a new one. `saved_as` is what came of
    it, once it is saved: it is kept, without what was written, so that whoever comes back to the
    form finds the agreement.
    """

    public_id = models.CharField(max_length=10, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    agreement = models.ForeignKey(
        BankAgreement, on_delete=models.PROTECT, null=True, related_name="setups"
    )
    saved_as = models.ForeignKey(
        BankAgreement, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    values = models.JSONField(default=dict)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.public_id


class Authority(CompanyOwned):
    """Who a user is at the bank, and whether the bank lets them dispose of the account."""

    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="authorities")
    user = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="+")
    bank_identity = models.CharField(max_length=35)
    holds_authority = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["account", "user"], name="authority_once")
        ]


class BankFile(models.Model):
    """A file to or from a bank: exact bytes (in parts), hash, and what became of it.

    A fetched file belongs to nobody until it has been read and its company is known; one that a
    person brought in belongs to the company it was brought into.
    """

    class Direction(models.TextChoices):
        OUT = "out", _("To the bank")
        IN = "in", _("From the bank")

    tracking: ClassVar[Tracking] = Tracking(
        lifecycle=lifecycle.FILE,
        subject="bankfile",
        number="r.name",
        reference="r.message_id",
        salary="r.salary",
    )

    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    channel = models.ForeignKey(BankChannel, on_delete=models.PROTECT, related_name="files")
    agreement = models.ForeignKey(
        BankAgreement, on_delete=models.PROTECT, null=True, related_name="files"
    )
    direction = models.CharField(max_length=3, choices=Direction.choices)
    kind = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=200)
    message_id = models.CharField(max_length=70, blank=True)
    sha256 = models.BinaryField(max_length=32)
    size = models.BigIntegerField()
    salary = models.BooleanField(default=False)
    status = models.CharField(max_length=20, choices=_choices(lifecycle.FILE))
    created_at = models.DateTimeField()
    transactions = models.IntegerField(null=True)
    totals = models.JSONField(null=True)
    # What stopped it here (banking.unreadable), or {"refused": reasons} of the bank.
    error = models.JSONField(null=True)
    remarks = models.JSONField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    last_attempt_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    # Who brought it in by hand; null for what was fetched from the bank or made here.
    imported_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    answers_to = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="answers"
    )

    objects = CompanyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["channel", "direction", "name", "sha256"],
                condition=Q(imported_by=None),
                name="bank_file_once",
            ),
            models.UniqueConstraint(
                fields=["company", "channel", "sha256"],
                condition=Q(imported_by__isnull=False),
                name="bank_file_brought_in_once",
            ),
            models.UniqueConstraint(
                fields=["channel", "message_id"],
                condition=Q(direction="out"),
                name="bank_file_message_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=lifecycle.FILE.codes()), name="bank_file_status"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["company", "-id"], name="bank_file_of_company"),
            models.Index(
                fields=["id"],
                condition=Q(status__in=["stored", "uploading", "fetched"]),
                name="bank_file_waiting",
            ),
        ]

    @property
    def refusal(self) -> list[dict[str, str]]:
        """Why the bank refused the whole file, as reasons; empty where it did not."""
        return list((self.error or {}).get("refused", ()))

    @property
    def state(self) -> Status:
        """The status with its words."""
        return lifecycle.FILE.statuses[self.status]

    def __str__(self) -> str:
        return self.name


class BankFilePart(models.Model):
    """A slice of a file's bytes, deflated; in slices, so that no file is ever whole in memory."""

    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    file = models.ForeignKey(
        BankFile, on_delete=models.PROTECT, related_name="parts", db_index=False
    )
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["file", "position"], name="bank_file_part_once")
        ]
