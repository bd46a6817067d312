"""Roles and what each may do: one table, pure; every page, API answer and test reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _


class Permission(StrEnum):
    """An act inside one company, or for a customer; supplier and salary are separate axes."""

    SEE_SUPPLIER = "payments.see_supplier"
    SEE_SALARY = "payments.see_salary"
    APPROVE_SUPPLIER = "payments.approve_supplier"
    APPROVE_SALARY = "payments.approve_salary"
    CANCEL_SUPPLIER = "payments.cancel_supplier"
    CANCEL_SALARY = "payments.cancel_salary"
    DECIDE_CHECKS = "payments.decide_checks"
    UPLOAD = "payments.upload"
    SEE_AGREEMENTS = "agreements.see"
    CHANGE_AGREEMENTS = "agreements.change"
    SEE_FILES = "files.see"
    MANAGE_KEYS = "keys.manage"
    SEE_COMPANY = "company.see"
    SEE_COLLECTION = "collection.see"
    HANDLE_CASES = "collection.handle"
    MANAGE_COLLECTION = "collection.manage"
    HANDLE_AT_AGENCY = "agency.handle"
    SEE_CUSTOMER = "customer.see"
    MANAGE_CUSTOMER = "customer.manage"
    ISSUE_CODES = "customer.issue_codes"


class Role(StrEnum):
    """The roles of the product; the first two belong to a customer, the others to a company."""

    CUSTOMER_ADMINISTRATOR = "customer_administrator"
    SUPPORT_USER = "support_user"
    AUTOPAY_ADMINISTRATOR = "autopay_administrator"
    APPROVER = "autopay_approver"
    ACCOUNTANT = "autopay_accountant"
    PAYROLL_APPROVER = "autopay_payroll_approver"
    PAYROLL_ACCOUNTANT = "autopay_payroll_accountant"
    UPLOADER = "autopay_uploader"
    COLLECTION_ADMINISTRATOR = "collection_administrator"
    COLLECTION_HANDLER = "collection_handler"
    COLLECTION_VIEWER = "collection_viewer"
    AGENCY_CASE_HANDLER = "agency_case_handler"


class Section(StrEnum):
    """What a role is for: the groups that the page of roles shows them in."""

    CUSTOMER = "customer"
    AUTOPAY = "autopay"
    AUTOCOLLECT = "autocollect"
    AGENCY = "agency"


@dataclass(frozen=True, slots=True)
class Facts:
    """A role in words, the section it stands in, and all that it may do there."""

    name: Any
    explained: Any
    section: Section
    permissions: frozenset[Permission]


_P = Permission


def _role(name: Any, explained: Any, section: Section, *permissions: Permission) -> Facts:
    return Facts(name, explained, section, frozenset({_P.SEE_COMPANY, *permissions}))


ROLES: dict[Role, Facts] = {
    Role.CUSTOMER_ADMINISTRATOR: _role(
        _("Customer administrator"),
        _(
            "Creates companies, switches services on, invites users and gives roles in every"
            " company of the customer. Sees no payments and no cases."
        ),
        Section.CUSTOMER,
        _P.SEE_CUSTOMER,
        _P.MANAGE_CUSTOMER,
    ),
    Role.SUPPORT_USER: _role(
        _("Support user"),
        _(
            "Looks at companies, users and roles, and issues one-time codes to those who cannot"
            " sign in. Changes nothing else."
        ),
        Section.CUSTOMER,
        _P.SEE_CUSTOMER,
        _P.ISSUE_CODES,
    ),
    Role.AUTOPAY_ADMINISTRATOR: _role(
        _("AutoPay Administrator"),
        _(
            "Sets up agreements with banks, holds the signing key, sees bank files, and lets"
            " supplier payments pass that a check stops."
        ),
        Section.AUTOPAY,
        _P.DECIDE_CHECKS,
        _P.SEE_AGREEMENTS,
        _P.CHANGE_AGREEMENTS,
        _P.SEE_FILES,
        _P.MANAGE_KEYS,
    ),
    Role.APPROVER: _role(
        _("AutoPay Approver"),
        _("Sees supplier payments, approves them with a second factor, and cancels them."),
        Section.AUTOPAY,
        _P.SEE_SUPPLIER,
        _P.APPROVE_SUPPLIER,
        _P.CANCEL_SUPPLIER,
        _P.SEE_AGREEMENTS,
    ),
    Role.ACCOUNTANT: _role(
        _("AutoPay Accountant"),
        _("Sees supplier payments and cancels them, but does not approve."),
        Section.AUTOPAY,
        _P.SEE_SUPPLIER,
        _P.CANCEL_SUPPLIER,
        _P.SEE_AGREEMENTS,
    ),
    Role.PAYROLL_APPROVER: _role(
        _("AutoPay Payroll Approver"),
        _("Sees salary payments, approves them with a second factor, and cancels them."),
        Section.AUTOPAY,
        _P.SEE_SALARY,
        _P.APPROVE_SALARY,
        _P.CANCEL_SALARY,
        _P.SEE_AGREEMENTS,
    ),
    Role.PAYROLL_ACCOUNTANT: _role(
        _("AutoPay Payroll Accountant"),
        _("Sees salary payments and cancels them, but does not approve."),
        Section.AUTOPAY,
        _P.SEE_SALARY,
        _P.CANCEL_SALARY,
        _P.SEE_AGREEMENTS,
    ),
    Role.UPLOADER: _role(
        _("AutoPay Uploader"),
        _(
            "Sends payments, writes them by hand or brings them in as a file, and fetches files."
            " The ERP's own user has this role."
        ),
        Section.AUTOPAY,
        _P.UPLOAD,
        _P.SEE_AGREEMENTS,
        _P.SEE_FILES,
    ),
    Role.COLLECTION_ADMINISTRATOR: _role(
        _("Collection Administrator"),
        _("Sets up the agreement with the collection agency and the profiles of customers."),
        Section.AUTOCOLLECT,
        _P.SEE_COLLECTION,
        _P.MANAGE_COLLECTION,
    ),
    Role.COLLECTION_HANDLER: _role(
        _("Collection Handler"),
        _("Handles reminders and collection cases."),
        Section.AUTOCOLLECT,
        _P.SEE_COLLECTION,
        _P.HANDLE_CASES,
    ),
    Role.COLLECTION_VIEWER: _role(
        _("Collection Viewer"),
        _("Sees reminders and collection cases, and changes nothing."),
        Section.AUTOCOLLECT,
        _P.SEE_COLLECTION,
    ),
    Role.AGENCY_CASE_HANDLER: _role(
        _("Agency case handler"),
        _("Works at the collection agency: handles its cases and settles them."),
        Section.AGENCY,
        _P.HANDLE_AT_AGENCY,
    ),
}

CUSTOMER_ROLES = frozenset(role for role in Role if ROLES[role].section == Section.CUSTOMER)
NAMES = {role: facts.name for role, facts in ROLES.items()}
TABLE = {role: facts.permissions for role, facts in ROLES.items()}

SEE_PAYMENTS = frozenset({_P.SEE_SUPPLIER, _P.SEE_SALARY})
APPROVE_PAYMENTS = frozenset({_P.APPROVE_SUPPLIER, _P.APPROVE_SALARY})
CANCEL_PAYMENTS = frozenset({_P.CANCEL_SUPPLIER, _P.CANCEL_SALARY})


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """All that these roles together may do in the company they were given in."""
    granted: set[Permission] = set()
    for role in roles:
        granted |= TABLE[role]
    return frozenset(granted)


def roles_with(permission: Permission) -> list[Role]:
    """The roles that hold a permission, for sentences such as «ask an AutoPay Approver»."""
    return [role for role, permissions in TABLE.items() if permission in permissions]
