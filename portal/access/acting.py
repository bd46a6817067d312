"""For whom a signed-in user acts on a page, and what they may do there: one company, or a customer.

Both answer the same questions, so that lists, links and the frame need not know which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from portal.access.models import Company, Customer
from portal.access.roles import Permission, Role

# The lists' own addresses stand below both; there Django knows them by this name.
_BELOW_CUSTOMERS = {"lists": "customer-lists"}


@dataclass(frozen=True, slots=True)
class Acting:
    """Acting for one company."""

    company: Company
    roles: frozenset[Role]
    permissions: frozenset[Permission]

    @property
    def customer(self) -> Customer:
        return self.company.customer

    @property
    def owner(self) -> dict[str, Any]:
        """Whose what is kept here is, as fields of a row."""
        return {"company": self.company}

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def address(self, name: str, **words: Any) -> str:
        """The address of this name below the company."""
        return reverse(name, kwargs={"company": self.company.public_id, **words})


@dataclass(frozen=True, slots=True)
class AtCustomer:
    """Acting for a customer: its people and the directory of its companies."""

    customer: Customer
    roles: frozenset[Role]
    permissions: frozenset[Permission]

    @property
    def owner(self) -> dict[str, Any]:
        """Whose what is kept here is, as fields of a row."""
        return {"customer": self.customer, "company": None}

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def address(self, name: str, **words: Any) -> str:
        """The address of this name below the customer."""
        space, _colon, own = name.partition(":")
        space = _BELOW_CUSTOMERS.get(space, space)
        return reverse(f"{space}:{own}", kwargs={"customer": self.customer.public_id, **words})


Here = Acting | AtCustomer
