"""The door for machines: a signature (RFC 9421), a digest of the body (RFC 9530), no replays.

The caller is a company, known by its signing key, or a customer, known by its own; what changes
anything also names a user, whose roles are read anew each time.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from ninja.security import APIKeyHeader

from portal import clock
from portal.access import actors, grants, tenancy
from portal.access.actors import Actor
from portal.access.models import Company, Customer, CustomerKey, SigningKey, User
from portal.access.roles import NAMES, Permission, permissions_of, roles_with
from portal.erp import bodies, problems
from portal.erp.models import UsedCustomerNonce, UsedNonce

log = structlog.get_logger(__name__)
SANDBOX = "Kvitt-Sandbox"  # the header of a request that only tries
NONCE_LENGTH = (16, 100)
TITLE = "The request is not let in"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key signed, and the user that the request names."""

    company: Company
    user: User | None

    def actor(self) -> Actor:
        return actors.erp(self.user, company_name=self.company.name)


@dataclass(frozen=True, slots=True)
class CustomerCaller:
    """The customer whose key signed, and the user that the request names."""

    customer: Customer
    user: User | None


class _Message:
    """A Django request as the signature library reads it."""

    def __init__(self, request: HttpRequest) -> None:
        self.method = request.method
        # The address as it was sent, where the server tells: Django would write some of its
        # escapes in another way than the caller did, and the signature would not hold.
        sent = str(request.META.get("RAW_URI") or "")
        whole = request.build_absolute_uri()
        self.url = request.build_absolute_uri("/")[:-1] + sent if sent[:1] == "/" else whole
        self.headers = dict(request.headers.items())


class _Keys(HTTPSignatureKeyResolver):
    """Finds the living key of the owner that a key id names."""

    owners: Any
    keys: Any
    nonces: Any
    owned_by: str

    def __init__(self) -> None:
        self.owner: Any = None
        self.key_id = 0

    def resolve_public_key(self, key_id: str) -> bytes | None:
        self.owner = self.owners.objects.filter(public_id=key_id).first()
        if self.owner is None:
            return None
        with self.acting():
            key = self.keys.objects.filter(retired_at=None, **self.own()).first()
        if key is None:
            return None
        self.key_id = key.pk
        return str(key.secret).encode()

    def own(self) -> dict[str, Any]:
        """What tells the owner's rows."""
        return {self.owned_by: self.owner}

    def acting(self) -> AbstractContextManager[None]:
        """For whom the rows of the key are read."""
        raise NotImplementedError

    def cure(self) -> str:
        """How to sign, with %(parts)s."""
        raise NotImplementedError


class _CompanyKeys(_Keys):
    owners, keys, nonces, owned_by = Company, SigningKey, UsedNonce, "company"

    def acting(self) -> AbstractContextManager[None]:
        return tenancy.acting_for([self.owner])

    def cure(self) -> str:
        return _(
            "Sign these with the company's signing key: %(parts)s; with created (a clock that"
            " is right), a new nonce, and keyid = the company's public id."
        )


class _CustomerKeys(_Keys):
    owners, keys, nonces, owned_by = Customer, CustomerKey, UsedCustomerNonce, "customer"

    def acting(self) -> AbstractContextManager[None]:
        return tenancy.acting_for((), customers=[self.owner])

    def cure(self) -> str:
        return _(
            "Sign these with the customer's own key, not a company's: %(parts)s; with created (a"
            " clock that is right), a new nonce, and keyid = the customer's public id."
        )


class Signature(APIKeyHeader):
    """Lets in only requests signed with a company's living key."""

    param_name = "Signature"
    openapi_description = "RFC 9421, hmac-sha256, keyid = the company's public id."

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller:
        company, user = enter(request, _CompanyKeys())
        structlog.contextvars.bind_contextvars(company=company.public_id)
        return Caller(company, user)


class CustomerSignature(APIKeyHeader):
    """Lets in only requests signed with a customer's living key."""

    param_name = "Signature"
    openapi_description = "RFC 9421, hmac-sha256, keyid = the customer's public id."

    def authenticate(self, request: HttpRequest, key: str | None) -> CustomerCaller:
        customer, user = enter(request, _CustomerKeys())
        structlog.contextvars.bind_contextvars(customer=customer.public_id)
        return CustomerCaller(customer, user)


def enter(request: HttpRequest, keys: _Keys) -> tuple[Any, User | None]:
    """Checks the signature and spools the body: whose key it is, and the user that is named.

    Raises problems.Refused.
    """
    has_body = request.method in ("POST", "PUT", "PATCH")
    try:
        result = _verify(request, keys, has_body=has_body)
        if has_body:
            request.spooled = bodies.spool(request)  # type: ignore[attr-defined]
    except problems.Refused:
        bodies.drain(request, settings.UPLOAD_MAX_BYTES)
        raise
    assert keys.owner is not None
    nonce = str(result.nonce or "")
    with keys.acting():
        try:
            _use_nonce(keys, nonce)
        except problems.Refused:
            if has_body:
                request.spooled.file.close()  # type: ignore[attr-defined]
            raise
        user = _named_user(request)
        keys.keys.objects.filter(pk=keys.key_id).update(last_used_at=timezone.now())
    return keys.owner, user


def _verify(request: HttpRequest, keys: _Keys, *, has_body: bool) -> Any:
    needed = ['"@method"', '"@target-uri"']
    if has_body:
        needed += ['"content-digest"', '"content-type"']
    for header in ("kvitt-user", "kvitt-code", "idempotency-key", SANDBOX.lower()):
        if header in request.headers:
            needed.append(f'"{header}"')
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=keys)
    try:
        results = verifier.verify(
            _Message(request),
            max_age=dt.timedelta(seconds=settings.ERP_SIGNATURE_MAX_AGE_SECONDS),
            require_components=[name.strip('"') for name in needed],
        )
    except (InvalidSignature, HTTPMessageSignaturesException) as error:
        log.warning("erp.signature_refused", reason=str(error)[:200])
        raise problems.one(
            401,
            _(TITLE),
            code="signature",
            place="Signature",
            problem=_("The signature does not hold: %(reason)s.") % {"reason": str(error)[:200]},
            cure=keys.cure() % {"parts": " ".join(needed)},
        ) from error
    return results[0]


def _use_nonce(keys: _Keys, nonce: str) -> None:
    low, high = NONCE_LENGTH
    if not low <= len(nonce) <= high:
        raise problems.one(
            401,
            _(TITLE),
            code="nonce",
            place="Signature-Input",
            problem=_("The nonce is missing, too short or too long."),
            cure=_("Send a new random nonce of 16 to 100 characters with every request."),
        )
    try:
        with transaction.atomic():
            keys.nonces.objects.create(nonce=nonce, used_at=timezone.now(), **keys.own())
    except IntegrityError as error:
        raise problems.one(
            401,
            _(TITLE),
            code="replayed",
            place="Signature-Input",
            problem=_("This signed request was received before."),
            cure=_("Sign each request anew, with a new nonce; keep the Idempotency-Key."),
        ) from error


def _named_user(request: HttpRequest) -> User | None:
    email = request.headers.get("Kvitt-User")
    if email is None:
        return None
    return User.objects.filter(email=email.strip().lower(), is_active=True).first()


def caller_of(request: HttpRequest) -> Caller:
    """Whose key signed a request that the door has let in."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    return caller


def body_of(request: HttpRequest) -> bodies.Body:
    """The body of a request that the door has let in."""
    body: bodies.Body = request.spooled  # type: ignore[attr-defined]
    return body


def customer_of(request: HttpRequest) -> CustomerCaller:
    """Whose customer key signed a request that the door has let in."""
    caller: CustomerCaller = request.auth  # type: ignore[attr-defined]
    return caller


def also_for(request: HttpRequest, company: Company) -> AbstractContextManager[None]:
    """Acts for a company that the calling customer has just been given."""
    caller = customer_of(request)
    assert company.customer_id == caller.customer.pk
    return tenancy.acting_for([company], customers=[caller.customer], user=caller.user)


Check = Callable[[Caller, HttpRequest], None]


def acting(*, user_may: Permission | None = None, first: Check | None = None) -> Callable[..., Any]:
    """Runs an operation for the caller's company, in one unit of business time.

    With `user_may`, the request must name a user who may do that in the company now. `first` is
    asked before that unit begins, so that what it records is not undone with it.
    """

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(operation)
        def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            caller = caller_of(request)
            keys = SigningKey.objects.of(caller.company)
            work = functools.partial(operation, request, *args, **kwargs)
            try:
                with tenancy.acting_for([caller.company], user=caller.user):
                    return _carry_out(work, caller, request, keys, user_may, first)
            finally:
                if hasattr(request, "spooled"):
                    request.spooled.file.close()

        return inside

    return decorate


def _carry_out(
    work: Callable[[], Any],
    caller: Caller,
    request: HttpRequest,
    keys: QuerySet[Any],
    user_may: Permission | None,
    first: Check | None,
) -> Any:
    """The work in a unit of business time, after all that is asked before it."""
    if user_may is not None:
        _must_be_able(caller, request, user_may)
        keys.filter(retired_at=None).update(last_used_by=caller.user)
    if first is not None:
        first(caller, request)
    with clock.unit_of_work():
        if user_may is not None:
            _must_be_able(caller, request, user_may)
        return _tried(work) if sandbox(request) else work()


def sandbox(request: HttpRequest) -> bool:
    """Whether the ERP only tries: what it asks for is done, answered, and undone again. Raises
    problems.Refused for a header that says something else."""
    told = request.headers.get(SANDBOX)
    if told is None or request.method == "GET":
        return False
    if told.strip().lower() == "true":
        return True
    raise problems.one(
        400,
        _("The request is not valid"),
        code="sandbox",
        place=SANDBOX,
        problem=_("The header says neither that this is a try nor that it is not."),
        cure=_("Write “true” to try without consequences, or leave the header out."),
    )


def _tried(work: Callable[[], Any]) -> Any:
    """Does the work and undoes it: nothing is kept, sent or told of."""
    with transaction.atomic():
        answer = work()
        transaction.set_rollback(True)
    if isinstance(answer, HttpResponse):
        answer[SANDBOX] = "true"
    return answer


def at_company(*, user_may: Permission, first: Check | None = None) -> Callable[..., Any]:
    """Runs an operation for that company of the calling customer which `company` in its address
    names, as `acting` does: the operation finds a Caller of that company.

    Nothing is done for a customer whose terms are not accepted.
    """

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(operation)
        def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            customer, user = customer_of(request).customer, customer_of(request).user
            keys = CustomerKey.objects.filter(customer=customer)
            work = functools.partial(operation, request, *args, **kwargs)
            try:
                _must_have_accepted(customer)
                company = company_of(customer, kwargs["company"])
                caller = request.auth = Caller(company, user)  # type: ignore[attr-defined]
                with tenancy.acting_for([company], customers=[customer], user=user):
                    return _carry_out(work, caller, request, keys, user_may, first)
            finally:
                if hasattr(request, "spooled"):
                    request.spooled.file.close()

        return inside

    return decorate


def company_of(customer: Customer, public_id: str) -> Company:
    """The customer's company by its public id; raises problems.Refused where it has none such."""
    found = customer.companies.filter(public_id=public_id.replace("\0", "")).first()
    if found is not None:
        return found
    raise problems.one(
        404,
        _("Nothing found"),
        code="unknown-company",
        place="company",
        problem=_("The customer has no company with the id %(id)s.") % {"id": public_id},
        cure=_("Ask for the customer's companies, and use the public_id told there."),
    )


def at_customer(*, user_may: Permission | None = None) -> Callable[..., Any]:
    """Runs an operation for the calling customer, in one unit of business time.

    With `user_may`, the request must name a user who may do that at the customer now. Nothing is
    done for a customer whose terms are not accepted.
    """

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(operation)
        def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            caller: CustomerCaller = request.auth  # type: ignore[attr-defined]
            customer = caller.customer
            companies = customer.companies.values_list("pk", flat=True)
            scope = tenancy.acting_for(companies, customers=[customer], user=caller.user)
            try:
                with scope, clock.unit_of_work():
                    _must_have_accepted(customer)
                    if user_may is not None:
                        _must_be_able_at(caller, request, user_may)
                        keys = CustomerKey.objects.filter(customer=customer, retired_at=None)
                        keys.update(last_used_by=caller.user)
                    work = functools.partial(operation, request, *args, **kwargs)
                    return _tried(work) if sandbox(request) else work()
            finally:
                if hasattr(request, "spooled"):
                    request.spooled.file.close()

        return inside

    return decorate


def _must_have_accepted(customer: Customer) -> None:
    if customer.accepted_terms == settings.TERMS_VERSION:
        return
    raise problems.one(
        403,
        _("The terms are not accepted"),
        code="terms",
        place="",
        problem=_("The customer has not accepted the present terms of service."),
        cure=_("Let a customer administrator sign in to the portal and accept them."),
    )


def _named(request: HttpRequest, cure: str) -> str:
    """The user that the request names, as it is written there."""
    if "Kvitt-User" in request.headers:
        return str(request.headers["Kvitt-User"])
    raise problems.one(
        400,
        _("No user is named"),
        code="user-missing",
        place="Kvitt-User",
        problem=_("The request does not name the user who sends it."),
        cure=cure,
    )


def _must_be_able_at(caller: CustomerCaller, request: HttpRequest, permission: Permission) -> None:
    named = _named(
        request,
        _("Send the header Kvitt-User with the e-mail of a customer administrator."),
    )
    user = caller.user
    roles = grants.roles_at(user=user, customer=caller.customer) if user else frozenset()
    if permission not in permissions_of(roles):
        problem = _("%(user)s is not an active administrator of this customer.")
        raise _may_not(named, permission, problem % {"user": named})


def _must_be_able(caller: Caller, request: HttpRequest, permission: Permission) -> None:
    needed = " / ".join(str(NAMES[role]) for role in roles_with(permission))
    cure = _("Send the header Kvitt-User with the e-mail of a user with the role %(role)s.")
    named = _named(request, cure % {"role": needed})
    user = caller.user
    roles = grants.roles_in(user=user, company=caller.company) if user else frozenset()
    if permission not in permissions_of(roles):
        problem = _("%(user)s is not an active user with the role %(role)s in this company.")
        raise _may_not(named, permission, problem % {"user": named, "role": needed})


def _may_not(named: str, permission: Permission, problem: str) -> problems.Refused:
    log.warning("erp.user_may_not", user=named, permission=permission)
    return problems.one(
        403,
        _("The user may not do this"),
        code="user-may-not",
        place="Kvitt-User",
        problem=problem,
        cure=_("Let a customer administrator give the role, or name another user in the ERP."),
    )


def forget_nonces(*, now: dt.datetime) -> int:
    """Removes nonces of signatures that are too old to be let in anyway."""
    oldest = now - dt.timedelta(seconds=2 * settings.ERP_SIGNATURE_MAX_AGE_SECONDS)
    return sum(
        model.objects.filter(used_at__lt=oldest).delete()[0]
        for model in (UsedNonce, UsedCustomerNonce)
    )
