"""The second wall: which companies' rows the database shows to the work that runs now.

`acting_for` sets a PostgreSQL setting that row-level security checks on every company-owned
table; outside it a query sees nothing. The setting lives on the connection, so it is put back
on the way out and applied anew when a connection is reopened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from django.db import connection, migrations, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.expressions import RawSQL


@dataclass(frozen=True, slots=True)
class Scope:
    """Company ids that may be seen; the customers whose people and log may be seen; the user whose
    own grants may be seen; the unclaimed rows; the letters of everybody."""

    companies: tuple[int, ...] = ()
    customers: tuple[int, ...] = ()
    user: int | None = None
    unclaimed: bool = False
    letters: bool = False


NOBODY = Scope()
_scope: ContextVar[Scope] = ContextVar("tenancy_scope", default=NOBODY)


def current() -> Scope:
    """The scope that the running work stands in."""
    return _scope.get()


@contextlib.contextmanager
def acting_for(
    companies: Iterable[Any],
    *,
    user: Any = None,
    customers: Iterable[Any] = (),
    unclaimed: bool = False,
    letters: bool = False,
) -> Iterator[None]:
    """Shows the rows of these companies (models or ids), and of no other, to all work inside.

    `user` shows that user's own role grants and memberships. `customers` (models or ids) shows
    what belongs to these as customers: their members, grants and log. `unclaimed` shows bank files
    that no company owns yet; only the bank's inbox asks for it. `letters` shows the mail outbox,
    whosever the letters are; only `portal.mail` and the demo's mailbox ask for it. Inside a
    transaction it makes a savepoint, so that a failure cannot leave the wider scope behind.
    """
    scope = Scope(_ids(companies), _ids(customers), getattr(user, "pk", user), unclaimed, letters)
    before = _scope.get()
    token = _scope.set(scope)
    try:
        if connection.in_atomic_block:
            with transaction.atomic():
                _apply(connection, scope)
                yield
                _apply(connection, before)
        else:
            _apply(connection, scope)
            yield
    finally:
        _scope.reset(token)
        if not connection.in_atomic_block and connection.connection is not None:
            _restore(before)


def _ids(rows: Iterable[Any]) -> tuple[int, ...]:
    return tuple(sorted({getattr(row, "pk", row) for row in rows}))


def _restore(scope: Scope) -> None:
    try:
        _apply(connection, scope)
    except Exception:
        connection.close()  # a connection that cannot be put back must never be used again
        raise


def _apply(db: BaseDatabaseWrapper, scope: Scope) -> None:
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('kvitt.companies', %s, false),"
            " set_config('kvitt.user', %s, false), set_config('kvitt.unclaimed', %s, false),"
            " set_config('kvitt.letters', %s, false), set_config('kvitt.customers', %s, false)",
            [
                "{" + ",".join(map(str, scope.companies)) + "}",
                "" if scope.user is None else str(scope.user),
                "on" if scope.unclaimed else "",
                "on" if scope.letters else "",
                "{" + ",".join(map(str, scope.customers)) + "}",
            ],
        )


def _reopened(connection: BaseDatabaseWrapper, **_: Any) -> None:
    scope = _scope.get()
    if scope is not NOBODY:
        _apply(connection, scope)


connection_created.connect(_reopened, dispatch_uid="tenancy")


def ids(of: Iterable[int]) -> RawSQL:
    """Ids for an `__in` as one array: hundreds of them cost as little to write as one."""
    return RawSQL("SELECT unnest(%s::bigint[])", [list(of)])


class CompanyQuerySet(models.QuerySet[Any]):
    """The first wall: code names the company it reads for."""

    def of(self, company: Any) -> Self:
        return self.filter(company_id=getattr(company, "pk", company))


class CompanyOwned(models.Model):
    """A row that belongs to exactly one company; its table carries `wall()` in its migration."""

    company = models.ForeignKey("access.Company", on_delete=models.PROTECT, related_name="+")

    objects = CompanyQuerySet.as_manager()

    class Meta:
        abstract = True


FUNCTIONS = """
CREATE FUNCTION kvitt_companies() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(nullif(current_setting('kvitt.companies', true), ''), '{}')::bigint[]
$$;
CREATE FUNCTION kvitt_user() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT nullif(current_setting('kvitt.user', true), '')::bigint
$$;
CREATE FUNCTION kvitt_unclaimed() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(current_setting('kvitt.unclaimed', true), '') = 'on'
$$;
"""

CUSTOMERS = """
CREATE FUNCTION kvitt_customers() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(nullif(current_setting('kvitt.customers', true), ''), '{}')::bigint[]
$$;
"""
OF_COMPANIES = "company_id = ANY ((SELECT kvitt_companies())::bigint[])"
OF_CUSTOMERS = "customer_id = ANY ((SELECT kvitt_customers())::bigint[])"
# The customers of the companies that are acted for.
OF_THEIR_CUSTOMERS = (
    "customer_id IN (SELECT customer_id FROM access_company"
    " WHERE id = ANY ((SELECT kvitt_companies())::bigint[]))"
)


def wall(table: str, *, also: str = "", own: str = OF_COMPANIES) -> migrations.RunSQL:
    """Row-level security for a table that companies own, or whoever `own` says; `also` is a
    further SQL condition.

    The array is read in a subquery, so that it is computed once a statement, not once a row.
    """
    condition = f"({own}) OR ({also})" if also else own
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY company_wall ON {table} USING ({condition}) WITH CHECK ({condition});",
        f"DROP POLICY company_wall ON {table};"
        f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;"
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;",
    )
