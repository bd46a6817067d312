"""Deny by default: a page opens only if it is in PUBLIC, or says whom it is for.

Another company's object and a company without a role both answer 404: the guard tells nobody
what exists.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.access import grants, secondfactor, tenancy
from portal.access.acting import Acting, AtCustomer, Everywhere, Here
from portal.access.models import Company, Customer, User
from portal.access.roles import Permission, permissions_of, roles_with
from portal.access.secondfactor import SIGNING, Factor
from portal.access.sessions import BEGAN_KEY, SEEN_KEY

PUBLIC = (
    "people:sign-in",
    "people:sign-in-code",
    "people:sign-out",
    "people:language",
    "people:invitation",
    "people:another-way",
    "people:way",
    "people:passkey-begin",
    "people:passkey-finish",
    "people:forgotten",
    "people:password-reset",
    "people:email-confirm",
    "people:email-undo",
    "healthz",
    "erp-docs",
)
MACHINES = "erp"  # the namespace of the ERP's door, which checks a signature on every address
DEMO = "demo"  # open as a whole, and there only where settings say that this is the demo
SEEN_EVERY_SECONDS = 30

LOST = "lost"
TERMS = "people:terms"
ENROL = "people:authenticator"
FACTOR_KEY, PROVED_KEY, WITHOUT = "factor", "proved_at", "none"
AGAIN_KEY = "again"  # the password, beside a code by text message, from who has nothing better
# Who holds these decides over others' rights or the ERP's key: never on a password alone.
GRAVE = frozenset({Permission.MANAGE_CUSTOMER, Permission.MANAGE_KEYS, Permission.ISSUE_CODES})
BY_HTMX, LEFT_HEADER = "HX-Request", "Kvitt-Session-Left"

View = Callable[..., HttpResponseBase]


class Needs(PermissionDenied):
    """Refused for want of a role; carries the roles that would do, for the page to tell."""

    def __init__(self, permissions: tuple[Permission, ...]) -> None:
        super().__init__("needs " + ", ".join(permissions))
        self.roles = list(dict.fromkeys(r for p in permissions for r in roles_with(p)))


def user_of(request: HttpRequest) -> User:
    """The signed-in user of a guarded page."""
    assert isinstance(request.user, User)
    return request.user


def acting_of(request: HttpRequest) -> Acting:
    """For which company a page opened by `company` acts."""
    return cast("Acting", here_of(request))


def customer_of(request: HttpRequest) -> AtCustomer:
    """For which customer a page opened by `customer` acts."""
    return cast("AtCustomer", here_of(request))


def everywhere_of(request: HttpRequest) -> Everywhere:
    """For which companies a page opened by `everywhere` acts."""
    return cast("Everywhere", here_of(request))


def here_of(request: HttpRequest) -> Here:
    """For whom a page acts, whichever it is."""
    here: Here = request.acting  # type: ignore[attr-defined]
    return here


def verified(request: HttpRequest) -> bool:
    """Whether the user has shown both factors in this session."""
    user = getattr(request, "user", None)  # none where the request was refused before it was known
    return bool(user and user.is_authenticated and getattr(user, "otp_device", None) is not None)


def entered(request: HttpRequest) -> bool:
    """Whether signing in is finished: with a second factor, or by who has none and was let in."""
    user = getattr(request, "user", None)
    if not (user and user.is_authenticated):
        return False
    if verified(request):
        return True
    if request.session.get(FACTOR_KEY) != WITHOUT:
        return False
    assert isinstance(user, User)
    alone: bool | None = getattr(request, "alone", None)
    if alone is None:  # a factor that was set up meanwhile is asked for at once
        alone = request.alone = not secondfactor.has_any(user)  # type: ignore[attr-defined]
    return alone


def seconds_left(request: HttpRequest) -> int:
    """Until the session ends if nothing more happens in it; 0 when nobody is signed in."""
    if not entered(request):
        return 0
    now = time.time()
    idle = request.session.get(SEEN_KEY, now) + settings.SESSION_IDLE_SECONDS
    whole = request.session.get(BEGAN_KEY, now) + settings.SESSION_COOKIE_AGE
    return max(0, int(min(idle, whole) - now))


def began(request: HttpRequest) -> str:
    """When the session began, as a mark that changes with each signing in."""
    return f"{request.session.get(BEGAN_KEY, 0):.3f}"


def fresh(request: HttpRequest) -> bool:
    """Whether the person has proved themselves just now, with more than a text message: asked
    before their factors are changed."""
    proved = request.session.get(PROVED_KEY, 0)
    recent = time.time() - proved < settings.FACTOR_FRESH_SECONDS
    return recent and (
        request.session.get(FACTOR_KEY) != Factor.SMS or bool(request.session.get(AGAIN_KEY))
    )


def strong(request: HttpRequest) -> bool:
    """Whether the person has not long ago shown a factor that signs: asked before they change who
    may do what. A form that was opened in time may still be sent."""
    if not verified(request) or request.session.get(FACTOR_KEY) not in SIGNING:
        return False
    limit = settings.AUTHORITY_FRESH_SECONDS
    if request.method == "POST":
        limit += settings.SESSION_IDLE_SECONDS
    return time.time() - float(request.session.get(PROVED_KEY, 0)) < limit


def signed_in(view: View) -> View:
    """Opens a page to every signed-in user; it acts for no company."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs)

    guarded.guarded = True  # type: ignore[attr-defined]
    return guarded


def asks_by_itself(view: View) -> View:
    """A page that asks for this anew without anybody at the desk: no sign of life."""
    view.asks_by_itself = True  # type: ignore[attr-defined]
    return view


def company(*any_of: Permission) -> Callable[[View], View]:
    """Opens a page below /c/<company>/ to those who hold any of these permissions there.

    The view runs acting for that company and finds it in `request.acting`.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, company: str, **kwargs: Any) -> HttpResponseBase:
            found = Company.objects.select_related("customer").filter(public_id=company).first()
            if found is None:
                raise Http404
            with tenancy.acting_for([found], user=request.user):
                acting = _acting(request, found)
                used = acting.permissions & set(any_of)
                twice = found.two_factor_to_sign_in or (used and used <= GRAVE)
                if twice and not verified(request):
                    return _to_enrol(request, found.name)
                request.acting = acting  # type: ignore[attr-defined]
                if not used:
                    raise Needs(any_of)
                if used <= GRAVE and _terms_wait(found.customer, acting):
                    return redirect(reverse(TERMS, kwargs={"customer": found.customer.public_id}))
                return view(request, **kwargs)

        guarded.guarded = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def _to_enrol(request: HttpRequest, name: str) -> HttpResponse:
    """To the page that sets up a second factor, and back from there; it is told who asks for it."""
    if BY_HTMX in request.headers:
        return HttpResponse(status=401)
    text = _("%(name)s asks for two-factor. Set it up here, or add a passkey under My details.")
    messages.info(request, text % {"name": name})
    return redirect(f"{reverse(ENROL)}?{urlencode({'next': where(request)})}")


def customer(*any_of: Permission) -> Callable[[View], View]:
    """Opens a page below /customers/<customer>/ to those who hold any of these permissions there.

    The view acts for the customer and for all of its companies; it finds itself in
    `request.acting`. A customer whose terms are not accepted shows its administrators these
    first: a view that `before_terms` is the way to them.
    """

    def decorate(view: View) -> View:
        shown_before = getattr(view, "before_terms", False)

        @functools.wraps(view)
        def guarded(request: HttpRequest, customer: str, **kwargs: Any) -> HttpResponseBase:
            found = Customer.objects.filter(public_id=customer).first()
            if found is None:
                raise Http404
            companies = found.companies.values_list("pk", flat=True)
            with tenancy.acting_for(companies, user=request.user, customers=[found]):
                acting = _at_customer(request, found)
                if not verified(request):  # who gives others their roles proves themselves twice
                    return _to_enrol(request, found.name)
                request.acting = acting  # type: ignore[attr-defined]
                if not acting.permissions & set(any_of):
                    raise Needs(any_of)
                if not shown_before and _terms_wait(found, acting):
                    return redirect(acting.address(TERMS))
                return view(request, **kwargs)

        guarded.guarded = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def everywhere(*any_of: Permission) -> Callable[[View], View]:
    """Opens a page below /all/ to those who hold any of these permissions in some company.

    The view acts for all the companies in which they do, and finds these in `request.acting`.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            user = user_of(request)
            if not verified(request):  # some of the companies may ask for it
                return _to_enrol(request, _("All my companies"))
            with tenancy.acting_for(grants.companies_of(user), user=user):
                held = grants.roles_everywhere(user=user)
            places = {
                company.pk: acting
                for company, roles in held.items()
                if (acting := Acting(company, roles, permissions_of(roles))).permissions
                & set(any_of)
            }
            if not places:
                raise Needs(any_of)
            with tenancy.acting_for(places, user=user):
                request.acting = Everywhere(places)  # type: ignore[attr-defined]
                return view(request, **kwargs)

        guarded.guarded = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def _terms_wait(customer: Customer, acting: Here) -> bool:
    """Whether the terms stand before what an administrator of the customer does."""
    old = customer.accepted_terms != settings.TERMS_VERSION
    return old and acting.may(Permission.MANAGE_CUSTOMER)


def before_terms(view: View) -> View:
    """A page of a customer's that opens before its terms are accepted."""
    view.before_terms = True  # type: ignore[attr-defined]
    return view


def here(*any_of: Permission) -> Callable[[View], View]:
    """Opens a page that stands below companies, customers and /all/, by whichever is told."""

    def decorate(view: View) -> View:
        below = {"company": company(*any_of)(view), "customer": customer(*any_of)(view)}
        at_all = everywhere(*any_of)(view)

        @functools.wraps(view)
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            opened = next((below[name] for name in below if name in kwargs), at_all)
            return opened(request, **kwargs)

        guarded.guarded = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def _at_customer(request: HttpRequest, found: Customer) -> AtCustomer:
    """What the user may do for a customer; no role there: as if it were not."""
    roles = grants.roles_at(user=user_of(request), customer=found)
    if not roles:
        raise Http404
    return AtCustomer(found, roles, permissions_of(roles))


def _acting(request: HttpRequest, found: Company) -> Acting:
    """What the user may do in a company that the work acts for; no role: as if it were not."""
    roles = grants.roles_in(user=request.user, company=found)  # type: ignore[arg-type]
    if not roles:
        raise Http404
    return Acting(found, roles, permissions_of(roles))


def where(request: HttpRequest) -> str:
    """Where to come back to after signing in: a form is not sent again, its page is opened."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    told = urlsplit(request.headers.get("Referer", ""))
    if told.netloc != request.get_host():
        return "/"
    return f"{told.path}?{told.query}".rstrip("?")


class GuardMiddleware:
    """Turns away whoever is not signed in with two factors, and every page nobody declared."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and self._over(request):
            logout(request)
        if not request.user.is_authenticated:
            return self.get_response(request)
        with tenancy.acting_for((), user=request.user):
            response = self.get_response(request)
        if BY_HTMX in request.headers:  # the page behind it hears how long its session lasts now
            response[LEFT_HEADER] = str(seconds_left(request))
        # What a company owns is never kept by a browser or a proxy.
        response.setdefault("Cache-Control", "no-store")
        return response

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or MACHINES in match.namespaces:
            return None
        if any("\0" in str(value) for value in kwargs.values()):
            raise Http404  # the database keeps no NUL, so nothing is called so
        if match.view_name in PUBLIC:
            return None
        if settings.DEMO and DEMO in match.namespaces:
            return None
        if not entered(request):
            if BY_HTMX in request.headers:
                return HttpResponse(status=401)  # no page for signing in within a page
            answer = redirect_to_login(where(request), reverse(settings.LOGIN_URL))
            if request.method not in ("GET", "HEAD"):
                answer["Location"] += f"&{LOST}=1"  # it was sent, and is told that it did nothing
            return answer
        if not getattr(view, "guarded", False):
            raise PermissionDenied(f"{match.view_name} does not say whom it is for")
        if not getattr(view, "asks_by_itself", False):
            self._live_on(request)
        return None

    @staticmethod
    def _over(request: HttpRequest) -> bool:
        """Whether the session has idled or lasted too long; each save would renew its cookie."""
        now = time.time()
        began = request.session.setdefault(BEGAN_KEY, now)
        seen = request.session.get(SEEN_KEY, now)
        if now - seen > settings.SESSION_IDLE_SECONDS or now - began > settings.SESSION_COOKIE_AGE:
            return True
        request.session.setdefault(SEEN_KEY, now)
        return False

    @staticmethod
    def _live_on(request: HttpRequest) -> None:
        """Somebody did something: the session idles from now; seldom, since each save costs."""
        now = time.time()
        if now - request.session.get(SEEN_KEY, 0) > SEEN_EVERY_SECONDS:
            request.session[SEEN_KEY] = now
