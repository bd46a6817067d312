"""Roles and what each may do: one table, pure; every page, API answer and test reads it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.utils.translation import gettext_lazy as _


class Permission(StrEnum):
    """An act inside one company; supplier and salary are separate axes."""

    SEE_SUPPLIER = "payments.see_supplier"
    SEE_SALARY = "payments.see_salary"
    APPROVE_SUPPLIER = "payments.approve_supplier"
    APPROVE_SALARY = "payments.approve_salary"
    CANCEL_SUPPLIER = "payments.cancel_supplier"
    CANCEL_SALARY = "payments.cancel_salary"
    UPLOAD = "payments.upload"
    SEE_AGREEMENTS = "agreements.see"
    CHANGE_AGREEMENTS = "agreements.change"
    SEE_FILES = "files.see"
    MANAGE_KEYS = "keys.manage"
    SEE_COMPANY = "company.see"


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


CUSTOMER_ROLES = frozenset({Role.CUSTOMER_ADMINISTRATOR, Role.SUPPORT_USER})

NAMES = {
    Role.CUSTOMER_ADMINISTRATOR: _("Customer administrator"),
    Role.SUPPORT_USER: _("Support user"),
    Role.AUTOPAY_ADMINISTRATOR: _("AutoPay Administrator"),
    Role.APPROVER: _("AutoPay Approver"),
    Role.ACCOUNTANT: _("AutoPay Accountant"),
    Role.PAYROLL_APPROVER: _("AutoPay Payroll Approver"),
    Role.PAYROLL_ACCOUNTANT: _("AutoPay Payroll Accountant"),
    Role.UPLOADER: _("AutoPay Uploader"),
}

_P = Permission
TABLE: dict[Role, frozenset[Permission]] = {
    Role.CUSTOMER_ADMINISTRATOR: frozenset({_P.SEE_COMPANY}),
    Role.SUPPORT_USER: frozenset({_P.SEE_COMPANY}),
    Role.AUTOPAY_ADMINISTRATOR: frozenset(
        {_P.SEE_COMPANY, _P.SEE_AGREEMENTS, _P.CHANGE_AGREEMENTS, _P.SEE_FILES, _P.MANAGE_KEYS}
    ),
    Role.APPROVER: frozenset(
        {
            _P.SEE_COMPANY,
            _P.SEE_SUPPLIER,
            _P.APPROVE_SUPPLIER,
            _P.CANCEL_SUPPLIER,
            _P.SEE_AGREEMENTS,
        }
    ),
    Role.ACCOUNTANT: frozenset(
        {_P.SEE_COMPANY, _P.SEE_SUPPLIER, _P.CANCEL_SUPPLIER, _P.SEE_AGREEMENTS}
    ),
    Role.PAYROLL_APPROVER: frozenset(
        {_P.SEE_COMPANY, _P.SEE_SALARY, _P.APPROVE_SALARY, _P.CANCEL_SALARY, _P.SEE_AGREEMENTS}
    ),
    Role.PAYROLL_ACCOUNTANT: frozenset(
        {_P.SEE_COMPANY, _P.SEE_SALARY, _P.CANCEL_SALARY, _P.SEE_AGREEMENTS}
    ),
    Role.UPLOADER: frozenset({_P.SEE_COMPANY, _P.UPLOAD, _P.SEE_AGREEMENTS, _P.SEE_FILES}),
}

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
