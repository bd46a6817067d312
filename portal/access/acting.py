"""For whom a signed-in user acts on a page, and what they may do there: one company, a customer, or
all the user's companies at once.

All answer the same questions, so that lists, links and the frame need not know which it is.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from portal.access.models import Company, Customer
from portal.access.roles import Permission, Role

# The lists' own addresses stand below all; there Django knows them by this name.
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
    def places(self) -> Mapping[int, Acting]:
        """Company id → acting there: itself alone."""
        return {self.company.pk: self}

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


@dataclass(frozen=True)
class Everywhere:
    """Acting for all companies in which the user holds what the page is for, by company id."""

    places: Mapping[int, Acting]

    @property
    def owner(self) -> dict[str, Any]:
        """Whose what is kept here is, as fields of a row: the user's alone."""
        return {"company": None, "customer": None}

    @functools.cached_property
    def permissions(self) -> frozenset[Permission]:
        """What the user may do in at least one of the companies."""
        return frozenset().union(*(one.permissions for one in self.places.values()))

    def may(self, permission: Permission) -> bool:
        """Whether in at least one of the companies."""
        return permission in self.permissions

    def address(self, name: str, **words: Any) -> str:
        """The address of this name below /all/."""
        return reverse(f"all-{name}", kwargs=words)


Here = Acting | AtCustomer | Everywhere


def among(here: Here) -> Sequence[int] | None:
    """The companies whose rows are shown together, where these are several; else None."""
    return list(here.places) if isinstance(here, Everywhere) else None
