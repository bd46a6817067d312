"""Payments, their lines, signatures and uploads; every row belongs to one company."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from django.db import models
from django.db.models import Case, Func, Q, Value, When
from django.db.models.functions import Collate, Lower
from django.utils.translation import gettext as _

from payments import lifecycle
from payments.compared import DailyCheck
from payments.invoices import PreApproval, PreApprovalSignature
from portal.access.models import new_public_id
from portal.access.tenancy import CompanyOwned
from portal.events import questions
from portal.events.lifecycle import Status
from portal.events.moves import Tracking

__all__ = [
    "DailyCheck",
    "PreApproval",
    "PreApprovalSignature",
]


class Upload(CompanyOwned):
    """What an ERP sent under one idempotency key, and the answer it got."""

    key = models.CharField(max_length=100)
    body_sha256 = models.BinaryField(max_length=32)
    media_type = models.CharField(max_length=60)
    message_id = models.CharField(max_length=70, blank=True)
    user = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    lines = models.IntegerField(default=0)
    answer = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "key"], name="upload_key_once")
        ]


class Payment(CompanyOwned):
    """Lines debited one account on one date. `totals` is {currency: amount as text}.

    `digest` is the Merkle root over its lines as received (payments.digest). `entered_by` are the
    ids of the people who typed it, or brought in its file by hand: they alone cannot approve it.
    """

    # What pages of several companies call it, where a number alone would not do.
    called_there = ""

    class Source(models.TextChoices):
        ERP = "erp", "erp"
        HAND = "hand", "hand"
        FILE = "file", "file"

    class Kind(models.TextChoices):
        SUPPLIER = "supplier", "supplier"
        SALARY = "salary", "salary"

    number = models.CharField(max_length=35)
    agreement = models.ForeignKey(
        "banking.BankAgreement", on_delete=models.PROTECT, related_name="payments", db_index=False
    )
    account = models.ForeignKey(
        "banking.BankAccount", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    due_date = models.DateField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SUPPLIER)
    urgent = models.BooleanField(default=False)
    upload = models.ForeignKey(
        Upload, on_delete=models.PROTECT, null=True, related_name="payments", db_index=False
    )
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ERP)
    entered_by = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    created_at = models.DateTimeField()
    line_count = models.IntegerField()
    totals = models.JSONField()
    digest = models.BinaryField(max_length=32)
    status = models.CharField(max_length=20, db_default=lifecycle.AWAITING)
    # Follows the status by itself, whoever writes it: the list's tabs are one index away.
    phase = models.GeneratedField(
        expression=Case(
            *[When(status__in=codes, then=Value(name)) for name, codes in lifecycle.PHASES.items()]
        ),
        output_field=models.CharField(max_length=10),
        db_persist=True,
    )
    line_counts = models.JSONField(default=dict)
    # Whether something of it went another way than planned, wherever the rest of it stands.
    deviates = models.GeneratedField(
        expression=Case(
            When(status__in=lifecycle.PHASES[lifecycle.DEVIATING], then=Value(True)),
            When(line_counts__has_any_keys=lifecycle.DEVIANT, then=Value(True)),
            default=Value(False),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    bank_file = models.ForeignKey(
        "banking.BankFile", on_delete=models.PROTECT, null=True, related_name="payments"
    )

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "number"], name="payment_number_once"),
            models.CheckConstraint(
                condition=Q(status__in=list(lifecycle.PAYMENT_STATUSES)), name="payment_status"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["company", "-due_date", "-id"], name="payment_by_date"),
            models.Index(
                fields=["company", "status", "-due_date", "-id"], name="payment_by_status"
            ),
            models.Index(fields=["company", "phase", "-due_date", "-id"], name="payment_by_phase"),
            models.Index(
                fields=["company", "account", "-due_date", "-id"], name="payment_by_account"
            ),
            models.Index(
                fields=["company", "agreement", "-due_date", "-id"], name="payment_by_agreement"
            ),
            models.Index(fields=["company", "-created_at", "-id"], name="payment_by_received"),
            # By code point, whatever the database sorts by: what a number begins with is a range.
            models.Index(
                models.F("company"), Collate("number", "C"), name="payment_by_number_start"
            ),
            # Salary is few among many: whoever sees it alone must not walk past the others.
            models.Index(
                fields=["company", "-due_date", "-id"],
                condition=Q(kind="salary"),
                name="payment_salary_by_date",
            ),
            models.Index(
                fields=["company", "-due_date", "-id"],
                condition=Q(deviates=True),
                name="payment_deviating_by_date",
            ),
            models.Index(
                fields=["company", "phase", "-due_date", "-id"],
                condition=Q(kind="salary"),
                name="payment_salary_by_phase",
            ),
            models.Index(
                fields=["company", "-due_date", "-id"],
                condition=Q(kind="salary", deviates=True),
                name="payment_salary_deviating",
            ),
            models.Index(
                fields=["company", "status", "-due_date", "-id"],
                condition=Q(kind="salary"),
                name="payment_salary_by_status",
            ),
        ]

    @property
    def state(self) -> Status:
        """The status with its words."""
        return lifecycle.PAYMENT_STATUSES[self.status]

    @property
    def called(self) -> str:
        """Its number, with the company before it on pages of several."""
        return self.called_there or self.number

    @property
    def kind_label(self) -> str:
        """Supplier or salary, and whether it is urgent."""
        kind = _("Salary") if self.kind == self.Kind.SALARY else _("Supplier")
        return _("%(kind)s, urgent") % {"kind": kind} if self.urgent else kind

    def __str__(self) -> str:
        return self.number


class PaymentLine(CompanyOwned):
    """One transfer to one payee, as the bank will get it. `reference` is its EndToEndId."""

    tracking: ClassVar[Tracking] = Tracking(
        lifecycle=lifecycle.LINE,
        subject="line",
        number="g.number",
        reference="r.reference",
        salary="g.kind = 'salary'",
        group="payments_payment",
        group_column="payment_id",
        group_subject="payment",
        derive=lifecycle.payment_status,
    )

    # The line that is paid instead of this one, where a page has looked for it.
    instead: PaymentLine | None = None

    class AccountKind(models.TextChoices):
        BBAN = "BBAN", "BBAN"
        IBAN = "IBAN", "IBAN"
        OTHER = "OTHER", "OTHER"

    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    position = models.IntegerField()
    reference = models.CharField(max_length=35)
    instruction_id = models.CharField(max_length=35, blank=True)
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3)
    payee_name = models.CharField(max_length=140)
    payee_address = models.JSONField(null=True)
    payee_account = models.CharField(max_length=34)
    payee_account_kind = models.CharField(max_length=5, choices=AccountKind.choices)
    payee_bic = models.CharField(max_length=11, blank=True)
    kid = models.CharField(max_length=35, blank=True)
    message = models.TextField(blank=True)
    documents = models.JSONField(null=True)
    extra = models.JSONField(null=True)
    status = models.CharField(max_length=20, db_default=lifecycle.AWAITING)
    reasons = models.JSONField(null=True)
    booked_date = models.DateField(null=True)
    bank_reference = models.CharField(max_length=35, blank=True)
    # The line that was not paid, and which this one is paid instead of.
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="corrected_by", db_index=False
    )
    # What the payee is known by among others: the letters and digits of the name alone.
    payee_key = models.GeneratedField(
        expression=Func(
            Lower("payee_name"),
            Value("[^[:alnum:]]+"),
            Value(""),
            Value("g"),
            function="regexp_replace",
            output_field=models.CharField(max_length=140),
        ),
        output_field=models.CharField(max_length=140),
        db_persist=True,
    )

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["payment", "reference"], name="line_reference_once"),
            models.UniqueConstraint(fields=["payment", "position"], name="line_position_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="line_amount_above_zero"),
            models.CheckConstraint(
                condition=Q(status__in=lifecycle.LINE.codes()), name="line_status"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["company", "payee_account", "-id"], name="line_by_payee_account"),
            models.Index(fields=["company", "payee_key", "-id"], name="line_by_payee"),
            models.Index(
                models.F("company"),
                models.F("payee_account"),
                Func(models.F("kid"), Value("0"), function="ltrim"),
                condition=~Q(kid=""),
                name="line_by_payee_kid",
            ),
            models.Index(
                fields=["corrects"], condition=Q(corrects__isnull=False), name="line_by_corrected"
            ),
        ]

    @property
    def state(self) -> Status:
        """The status with its words."""
        return lifecycle.LINE.statuses[self.status]

    @property
    def why(self) -> list[dict[str, Any]]:
        """The reasons for its status, explained in the language of the page."""
        return questions.explained(self.reasons)

    @property
    def may_hold(self) -> bool:
        return self.status in lifecycle.HOLD.sources

    @property
    def may_release(self) -> bool:
        return self.status in lifecycle.RELEASE.sources

    @property
    def may_cancel(self) -> bool:
        return self.status in lifecycle.CANCEL.sources

    @property
    def may_be_set(self) -> bool:
        """Whether it waits for word from the bank, which in the old format may never come."""
        return self.status in lifecycle.SET_SETTLED.sources

    def __str__(self) -> str:
        return self.reference


class Draft(CompanyOwned):
    """A payment that people write. `values` is what they have written, as it was written
    (payments.drafting); `writers` are the ids of all who have. `payment` is what came of it, by
    the idempotency key `key`: it is kept then, without what was written.

    `corrects` is the payment that went wrong, where the draft is to be paid instead of lines of it.
    """

    public_id = models.CharField(max_length=10, unique=True, default=new_public_id, editable=False)
    key = models.CharField(max_length=43, default=secrets.token_urlsafe, editable=False)
    author = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    writers = models.JSONField(default=list)
    salary = models.BooleanField(default=False)
    values = models.JSONField(default=dict)
    version = models.IntegerField(default=1)
    corrects = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, related_name="drafts"
    )
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, related_name="draft"
    )
    made_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["company", "-changed_at"], name="draft_by_change")
        ]

    def __str__(self) -> str:
        return self.public_id


class Ceremony(CompanyOwned):
    """One act of signing: which payments, by whom, with which proof; the receipt's row."""

    user = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    factor = models.CharField(max_length=20)
    device_id = models.BigIntegerField()
    # What ceremonies of several companies share that were one act; "" where it was of one.
    act = models.CharField(max_length=22, blank=True, db_default="")
    # A passkey's assertion over the nonce and the digest of all that was signed.
    evidence = models.JSONField(null=True)
    totals = models.JSONField()
    payment_count = models.IntegerField()
    line_count = models.IntegerField()

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["user", "act"], condition=~Q(act=""), name="ceremony_by_act")
        ]


class Signature(CompanyOwned):
    """A person's approval of one payment as it stood; `statement` is the exact text signed.

    `mac` binds the statement under a key that the database does not hold.
    """

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="signatures")
    ceremony = models.ForeignKey(Ceremony, on_delete=models.PROTECT, related_name="signatures")
    user = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField()
    statement = models.TextField()
    mac = models.BinaryField(max_length=32)
    # What was approved in kroner, as limits count it, and whose right it was when it was lent.
    amount = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    in_place_of = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    voided_at = models.DateTimeField(null=True)
    void_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["payment", "user"],
                condition=Q(voided_at__isnull=True),
                name="signature_two_different_people",
            )
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["user", "signed_at"], name="signature_of_day"),
            models.Index(
                fields=["in_place_of", "signed_at"],
                condition=Q(in_place_of__isnull=False),
                name="signature_in_place_of_day",
            ),
        ]


class CancellationAsk(CompanyOwned):
    """That a bank has been asked not to pay a line that it has got. `answer` is the bank's code:
    ACCR cancelled, RJCR not cancelled, PDCR it waits; open until `answered_at`."""

    line = models.ForeignKey(
        PaymentLine, on_delete=models.PROTECT, related_name="cancellation_asks", db_index=False
    )
    file = models.ForeignKey("banking.BankFile", on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    reason = models.CharField(max_length=200)
    answer = models.CharField(max_length=4, blank=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["line"],
                condition=Q(answered_at__isnull=True),
                name="cancellation_asked_once",
            )
        ]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["line"], name="cancellation_of_line")]


class Finding(CompanyOwned):
    """Something about a line that looks like a mistake or a fraud, as it was found when the line
    came in (payments.guards). `other` is the line that it was compared with, if it was with one.
    One that stops is passed once, by somebody who says why (payments.deciding)."""

    class Severity(models.TextChoices):
        STOP = "stop", "stop"
        WARN = "warn", "warn"
        INFORM = "inform", "inform"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="findings")
    line = models.ForeignKey(
        PaymentLine, on_delete=models.PROTECT, related_name="findings", db_index=False
    )
    code = models.CharField(max_length=30)
    severity = models.CharField(max_length=6, choices=Severity.choices)
    other = models.ForeignKey(
        PaymentLine, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    facts = models.JSONField(default=dict)
    found_at = models.DateTimeField()
    passed_at = models.DateTimeField(null=True)
    passed_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    pass_reason = models.CharField(max_length=200, blank=True, db_default="")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["line", "code"], name="finding_once")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["company", "id"],
                condition=Q(severity="stop", passed_at__isnull=True),
                name="finding_that_stops",
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.line_id}"


class GuardSetting(CompanyOwned):
    """What a company has chosen that a check of payments.guards does; where it has chosen nothing,
    the check does what its words say."""

    code = models.CharField(max_length=30)
    severity = models.CharField(max_length=6, choices=Finding.Severity.choices)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "code"], name="guard_setting_once")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.severity}"
