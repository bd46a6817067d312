"""Customers, companies, users and roles; knows nothing of payments or banks."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from portal.access import norwegian, sessions
from portal.access.crypto import SecretField
from portal.access.factors import (
    Authenticator,
    FactorTries,
    PhoneCode,
    RecoveryCode,
    RecoverySheet,
    SupportCode,
)
from portal.access.guesses import GuessWindow
from portal.access.roles import NAMES, Role
from portal.access.tenancy import CompanyOwned

__all__ = [
    "Authenticator",
    "Company",
    "Customer",
    "FactorTries",
    "GuessWindow",
    "Membership",
    "OneTimeLink",
    "PhoneCode",
    "RecoveryCode",
    "RecoverySheet",
    "RoleGrant",
    "ServiceActivation",
    "SigningKey",
    "SupportCode",
    "User",
    "UserGroup",
    "UserSession",
]
# A password of so many characters may stand alone (NIST SP 800-63B-4, section 3.1.1.2).
PASSWORD_ALONE = 15
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_public_id() -> str:
    """Ten characters (50 bits) that stand for a row in addresses and never change."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(10))


def new_signing_key() -> str:
    """256 random bits as text, as the ERP copies it."""
    return secrets.token_urlsafe(32)


class Customer(models.Model):
    """Who holds the contract: an ordinary company or an accounting bureau."""

    class Kind(models.TextChoices):
        ORDINARY = "ordinary", _("Company")
        BUREAU = "bureau", _("Accounting bureau")

    public_id = models.CharField(max_length=10, unique=True, default=new_public_id, editable=False)
    name = models.CharField(max_length=140)
    organisation_number = models.CharField(max_length=9)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.ORDINARY)
    # The version of the terms of service that was accepted last; who and when is in the log.
    accepted_terms = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Company(models.Model):
    """A company that payments are made for; the wall around its rows is its primary key."""

    public_id = models.CharField(max_length=10, unique=True, default=new_public_id, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="companies")
    name = models.CharField(max_length=140)
    # The name as it is sorted, for every server alike.
    name_key = models.GeneratedField(
        expression=norwegian.in_database("name"),
        output_field=models.CharField(max_length=140),
        db_persist=True,
    )
    organisation_number = models.CharField(max_length=9)
    address = models.CharField(max_length=140, blank=True)
    postal_code = models.CharField(max_length=10, blank=True)
    city = models.CharField(max_length=60, blank=True)
    # Signing always asks for a second factor; here it is asked for to open any page as well.
    two_factor_to_sign_in = models.BooleanField(default=False)
    # And for each upload a code from the app of the user that the ERP names.
    two_factor_to_upload = models.BooleanField(default=False)
    # Whether invoices may be approved before their payments come.
    pre_approval = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["customer", "organisation_number"], name="company_once_per_customer"
            )
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["customer", "name_key", "id"], name="company_by_name")
        ]

    def __str__(self) -> str:
        return self.name


class ServiceActivation(CompanyOwned):
    """A service that a company uses, from and to."""

    class Service(models.TextChoices):
        AUTOPAY = "autopay", "AutoPay"
        AUTOCOLLECT = "autocollect", "AutoCollect"

    service = models.CharField(max_length=20, choices=Service.choices)
    activated_at = models.DateTimeField()
    deactivated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["company", "service"],
                condition=Q(deactivated_at__isnull=True),
                name="service_active_once",
            )
        ]


class ErpKey(models.Model):
    """A key that an ERP signs its requests with: living until it is retired."""

    secret = SecretField()
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # Whom the ERP named when it used the key last, where it named anybody.
    last_used_by = models.ForeignKey(
        "access.User", on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        abstract = True


class SigningKey(CompanyOwned, ErpKey):
    """The one key that a company's ERP signs its requests with."""

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["company"],
                condition=Q(retired_at__isnull=True),
                name="signing_key_one_alive",
            )
        ]


class CustomerKey(ErpKey):
    """The one key that a bureau's ERP signs with when it makes companies for its customer."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["customer"],
                condition=Q(retired_at__isnull=True),
                name="customer_key_one_alive",
            )
        ]

    def __str__(self) -> str:
        return f"key of customer {self.customer_id}"


class UserManager(BaseUserManager["User"]):
    """Users by e-mail, whatever its case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Memberships, and those of them that hold now."""

    def living(self) -> MembershipQuerySet:
        return self.filter(accepted_at__isnull=False, ended_at__isnull=True)


class User(AbstractBaseUser):  # type: ignore[django-manager-missing]
    """A person; the e-mail is the user name."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=140)
    # The name as it is sorted and searched, for every server alike.
    name_key = models.GeneratedField(
        expression=norwegian.in_database("name"),
        output_field=models.CharField(max_length=140),
        db_persist=True,
    )
    phone = models.CharField(max_length=20, blank=True)
    language = models.CharField(max_length=5, default="nb")
    # Single keys as shortcuts: they can be turned off (WCAG 2.1.4).
    shortcuts = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    # Whether the password is long enough without a second factor; who has none of that length
    # keeps the last factor until there is one.
    password_alone = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case")
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def set_password(self, raw_password: str | None) -> None:
        """Sets it, unsaved: `password` and `password_alone`."""
        super().set_password(raw_password)
        self.password_alone = len(raw_password or "") >= PASSWORD_ALONE


class Membership(models.Model):
    """That a person belongs to a customer: invited, then accepted, until it is ended.

    Roles in a customer's companies hold only while the membership does, so ending it ends them
    all at once, and taking it up again brings them back. `invited_name` is what the inviter
    called the person: until they accept, nothing is told of an account they may have elsewhere.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    invited_name = models.CharField(max_length=140, blank=True)
    invited_at = models.DateTimeField()
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["customer", "user"], name="membership_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.customer_id}"


class UserSession(AbstractBaseSession):
    """A session in the browser of a person. Times are the machine's, in seconds since 1970."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True)
    began_at = models.FloatField(null=True)
    seen_at = models.FloatField(null=True)

    @classmethod
    def get_session_store_class(cls) -> Any:
        return sessions.SessionStore


class ApprovalLimit(CompanyOwned):
    """How much one person may approve in a company, in kroner: at a time, and on a day."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="limits")
    per_payment = models.DecimalField(max_digits=15, decimal_places=2, null=True)
    per_day = models.DecimalField(max_digits=15, decimal_places=2, null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "user"], name="approval_limit_once"),
            models.CheckConstraint(
                condition=(Q(per_payment__gte=0) | Q(per_payment=None))
                & (Q(per_day__gte=0) | Q(per_day=None)),
                name="approval_limit_not_negative",
            ),
        ]


class Deputy(CompanyOwned):
    """Who approves in somebody's place while they are away: both days counted, in business time.

    A deputy holds the absent person's roles of approval in the company, and no others.
    """

    absent = models.ForeignKey(User, on_delete=models.CASCADE, related_name="deputies")
    deputy = models.ForeignKey(User, on_delete=models.CASCADE, related_name="deputy_for")
    from_date = models.DateField()
    to_date = models.DateField()
    reason = models.CharField(max_length=140, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=Q(from_date__lte=models.F("to_date")), name="deputy_from_before_to"
            ),
            models.CheckConstraint(
                condition=~Q(absent=models.F("deputy")), name="deputy_is_another"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["company", "deputy"],
                condition=Q(ended_at__isnull=True),
                name="deputy_now",
            )
        ]


class OneTimeLink(models.Model):
    """A link that was mailed to a person and opens one thing once; only its digest is kept.

    Times are the machine's. `membership` is what an invitation accepts, `email` the new address
    that is to be confirmed.
    """

    class Purpose(models.TextChoices):
        INVITATION = "invitation"
        PASSWORD = "password"  # noqa: S105
        EMAIL = "email"
        EMAIL_UNDO = "email_undo"

    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    digest = models.BinaryField(max_length=32, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="links")
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, null=True, related_name="links"
    )
    email = models.EmailField(max_length=254, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.purpose} {self.pk}"


class UserGroup(models.Model):
    """Users who are given roles together, often in many companies."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="groups")
    name = models.CharField(max_length=140)
    members = models.ManyToManyField(User, related_name="user_groups", blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["customer", "name"], name="user_group_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class RoleGrant(models.Model):
    """One role, given to one user or one group, in one company or for one customer."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    group = models.ForeignKey(
        UserGroup, on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    company = models.ForeignKey(
        Company, on_delete=models.PROTECT, null=True, blank=True, related_name="grants"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="grants"
    )
    role = models.CharField(max_length=40, choices=[(role.value, NAMES[role]) for role in Role])
    granted_at = models.DateTimeField(auto_now_add=True)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=Q(user__isnull=True) ^ Q(group__isnull=True),
                name="grant_to_user_or_group",
            ),
            models.CheckConstraint(
                condition=Q(company__isnull=True) ^ Q(customer__isnull=True),
                name="grant_in_company_or_customer",
            ),
            models.UniqueConstraint(
                fields=["user", "group", "company", "customer", "role"],
                nulls_distinct=False,
                name="grant_once",
            ),
        ]
