"""Where the crawler goes: every page address that can be opened, and named states beside them.

Addresses come from the resolver by themselves; a new parameter needs a line in PARAMETERS, and
a state that no plain GET shows needs a line in STATES.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from banking.setups import OVERVIEW, STEPS
from tests import kit
from tests.architecture.access_table import TABLE
from tests.architecture.test_access_matrix import QUERIES, addresses
from tests.browser import FAILS, scene
from tests.browser.scene import NOBODY, Scene
from tests.browser.site import TOKEN, Site

KWARG = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)\}")
FORM_TOO_LARGE = 2 * 1024 * 1024 + 1
# What stands in an address → {label: value} of the scene; one page is opened for each.
PARAMETERS: dict[str, Callable[[Scene], Mapping[str, Any]]] = {
    "company": lambda known: {"": known.companies["main"]},
    "payment": lambda known: known.payments,
    "agreement": lambda known: known.agreements,
    "setup": lambda known: known.setups,
    "share": lambda _known: {"": 1},
    "step": lambda _known: {step: step for step in (*STEPS, OVERVIEW)},
    "file": lambda known: known.files,
    "finding": lambda known: known.findings,
    "draft": lambda known: known.drafts,
    "upload": lambda known: known.uploads,
    "invoice": lambda known: known.invoices,
    "ceremony": lambda known: known.ceremonies,
    "signature": lambda known: known.signatures,
    "signing": lambda _known: {scene.ALL: scene.ACT},
    "number": lambda known: {"": "M0001"},
    "job": lambda known: known.jobs,
    "letter": lambda known: known.letters,
    "kept": lambda _known: {"gone": "gone"},
    "customer": lambda known: {"": known.customer},
    "imported": lambda known: known.imports,
    "member": lambda known: known.members,
    "group": lambda known: known.groups,
    "token": lambda known: known.tokens,
    "way": lambda _known: {way: way for way in ("recovery", "sms", "support")},
    "passkey": lambda _known: {"": 1},
    "user": lambda known: known.users,
    "deputy": lambda _known: {"": 1},
}


@dataclass(frozen=True)
class Visit:
    """A page of the browser of one person in one language, and where it may go."""

    page: Any
    site: Site
    role: str
    language: str

    @property
    def scene(self) -> Scene:
        return self.site.scene

    def address(self, name: str, **words: Any) -> str:
        """The whole address of this name; the company is the main one if not told."""
        words = {
            "company": self.scene.companies["main"],
            "customer": self.scene.customer,
        } | words
        route = addresses()[name].replace("^", "").replace("$", "")
        return self.site.url + KWARG.sub(lambda found: str(words[found[1] or found[2]]), route)

    def goto(self, address: str) -> Any:
        return self.page.goto(address, wait_until="load")


Go = Callable[[Visit], Any]


@dataclass(frozen=True)
class Place:
    """A page to look at: the name of its address, what is special, and the way there.

    `status` is what the richest view is answered with, None for any: a state that is not reached
    is found. `apart` is for ways that change who is signed in: only nobody goes there, in a browser
    context of its own. `fleeting` is what closes when the focus leaves it: brought up anew for each
    look.
    """

    name: str
    label: str
    go: Go
    status: int | None = 200
    apart: bool = False
    fleeting: bool = False

    def __str__(self) -> str:
        return f"{self.name}[{self.label}]" if self.label else self.name

    def is_for(self, role: str) -> bool:
        return role == NOBODY or not self.apart


# Ways to a state, put together in one line each


def at(name: str, query: str = "", *, of: str = "main", **words: str) -> Go:
    """A plain GET, in one of the scene's companies; `words` are labels of its parameters."""

    def go(visit: Visit) -> Any:
        told = {key: PARAMETERS[key](visit.scene)[label] for key, label in words.items()}
        address = visit.address(name, **{"company": visit.scene.companies[of]} | told)
        return visit.goto(address + query)

    return go


def path_to(name: str, **words: str) -> Go:
    """A plain GET of an address below nothing."""
    return at(name, **words)


def other(name: str, **words: str) -> Go:
    """A plain GET of what is not this company's; `words` are names of the scene's `others`."""

    def go(visit: Visit) -> Any:
        told = {key: visit.scene.others[label] for key, label in words.items()}
        return visit.goto(visit.address(name, **told))

    return go


def path(text: str) -> Go:
    """An address that has no name."""
    return lambda visit: visit.goto(visit.site.url + text)


def following(go: Go) -> Go:
    """The next page of a list: its link says rel=next. Without one there is nothing to look at."""

    def further(visit: Visit) -> Any:
        go(visit)
        link = visit.page.query_selector("a[rel=next]")
        return visit.goto(link.evaluate("link => link.href")) if link else None

    return further


def click(go: Go, selector: str) -> Go:
    """Opens what is folded on the page: clicks all that fits, of which there must be one."""

    def further(visit: Visit) -> Any:
        answer = go(visit)
        folded = visit.page.query_selector_all(selector)
        for one in folded:
            one.click()
        return answer if folded or answer.status >= 400 else None

    return further


def opened(go: Go, selector: str, place: int = 0) -> Go:
    """With a drop-down of the page open."""

    def further(visit: Visit) -> Any:
        answer = go(visit)
        drops = visit.page.query_selector_all(selector)
        if len(drops) > place:
            drops[place].evaluate("drop => { drop.open = true; }")
        return answer

    return further


def chosen(go: Go) -> Go:
    """With every row of the page chosen, where there are boxes."""

    def further(visit: Visit) -> Any:
        answer = go(visit)
        for box in visit.page.query_selector_all("td.pick input"):
            box.check()
        return answer

    return further


def pressed(go: Go, button: str, shows: str) -> Go:
    """With what a button of the frame opens, where there is such a button."""

    def further(visit: Visit) -> Any:
        answer = go(visit)
        if visit.page.query_selector(button):
            visit.page.click(button)
            visit.page.wait_for_selector(shows)
        return answer

    return further


def keyed(go: Go, keys: str, shows: str) -> Go:
    """With what a shortcut opens, where the page has the shortcuts."""

    def further(visit: Visit) -> Any:
        answer = go(visit)
        if visit.page.query_selector(shows.split(maxsplit=1)[0]):
            visit.page.keyboard.press(keys)
            visit.page.wait_for_selector(shows)
        return answer

    return further


def ending(go: Go, state: str) -> Go:
    """With the dialog about the session as it stands when this is nearly or wholly over."""

    def further(visit: Visit) -> Any:
        answer = go(visit)
        if visit.page.query_selector("#session"):
            visit.page.evaluate(SESSION, state)
        return answer

    return further


SESSION = """(state) => {
  const dialog = document.getElementById('session');
  for (const part of dialog.querySelectorAll('[data-while]')) {
    part.hidden = part.dataset.while !== state;
  }
  dialog.dataset.state = state;
  dialog.querySelector('[data-time]').textContent = '14:32';
  dialog.showModal();
}"""
FILTERS = "?number=M&status=awaiting&due_from=2026-01-01"
SUBMIT = """([action, fields]) => {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = action;
  for (const [name, value] of fields) {
    const field = document.createElement('textarea');
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  HTMLFormElement.prototype.submit.call(form);
}"""


def post(name: str, /, *, token: str = TOKEN, of: str = "main", **fields: Any) -> Go:
    """A form sent as a page would send it. `payment` and the like are labels, one or several."""

    def go(visit: Visit) -> Any:
        known = visit.scene
        rows = [("csrfmiddlewaretoken", token)]
        words: dict[str, Any] = {"company": known.companies[of]}
        for field, value in fields.items():
            labels = [value] if isinstance(value, str) else list(value)
            if field == "to":
                pairs = [labels] if isinstance(labels[0], str) else labels
                words |= {key: PARAMETERS[key](known)[label] for key, label in pairs}
            elif field in PARAMETERS:
                values = {**PARAMETERS[field](known), **known.others}
                rows += [(field, str(values[label])) for label in labels]
            else:
                rows += [(field, text) for text in labels]
        visit.goto(visit.site.url + "/healthz")
        with visit.page.expect_navigation(wait_until="load") as told:
            visit.page.evaluate(SUBMIT, [visit.address(name, **words), rows])
        return told.value

    return go


FILL = """([field, values]) => {
  const form = field.form;
  for (const [name, value] of Object.entries(values)) {
    const [first, ...alike] = form.querySelectorAll(`[name=${name}]`);
    first.value = value;
    for (const one of alike) one.remove();
  }
  form.noValidate = true;
  form.requestSubmit();
}"""


def fill(go: Go, **values: str) -> Go:
    """Goes there, and sends the form that holds these fields. Where it is not shown: stays."""

    def further(visit: Visit) -> Any:
        if visit.role != NOBODY:
            scene.fresh_codes(visit.scene.people[visit.role])
        answer = go(visit)
        field = visit.page.query_selector(f"form [name={next(iter(values))}]")
        if field is None:
            return answer
        with visit.page.expect_navigation(wait_until="load") as told:
            visit.page.evaluate(FILL, [field, values])
        return told.value

    return further


def enter(email: str, password: str) -> Go:
    """The sign-in page with this e-mail and password sent."""
    return fill(at("people:sign-in"), email=email, password=password)


def locked_out() -> Go:
    """The sign-in page sent by somebody who has tried too often."""
    go = enter(scene.LOCKED, "feil")

    def further(visit: Visit) -> Any:
        scene.lock_out()
        return go(visit)

    return further


HALFWAY = enter(scene.HALFWAY, kit.PASSWORD)
BARE = enter(scene.BARE, kit.PASSWORD)


def then(go: Go, further: Go) -> Go:
    """First one way, then another: for pages that only open to who has come so far."""

    def both(visit: Visit) -> Any:
        go(visit)
        return further(visit)

    return both


WAITING = ("awaiting", "partly", "partly-mine", "urgent", "foreign", "netted", "settled")
OPEN = ("awaiting", "partly")
ONE = post("payments:sign", payment="awaiting")
SIGNING = post("payments:sign", payment=WAITING)
EVERYWHERE = post("all-payments:sign", payment=WAITING)
REFUSING = post("payments:refuse", payment=OPEN)
ASKING = post("payments:ask-bank", payment="accepted")
CANCELLING = post("payments:cancel", payment="partly")
CHANGE, DRAFT = "banking:agreement-change", ("agreement", "draft")
STEP = "banking:agreement-step"
BAD_STEPS = {
    "account": {"account_number": "123", "account_name": "Drift", "bic": "ikke-en-bic"},
    "payer": {
        "customer_number": "✓",
        "approvers_required": "1",
        "bank_approvers_required": "2",
        "reject_mails": "nei",
    },
    "services": {"split_incoming": "on", "cut_over_date": "31.02.2027"},
}

DETAIL, FOLDED = "payments:detail", "main details:not(.drop) > summary"

STATES = [
    # Lists: other companies, nothing in them, filtered, further pages
    Place("payments:list", "second", at("payments:list", of="second")),
    Place("payments:list", "empty", at("payments:list", of="empty")),
    Place("payments:list", "filtered", at("payments:list", "?status=rejected")),
    Place("payments:list", "filtered-to-nothing", at("payments:list", "?status=sent", of="empty")),
    Place("payments:list", "next", following(at("payments:list"))),
    Place("payments:list", "past-the-end", at("payments:list", "?after=1,2000-01-01")),
    Place("payments:list", "last", at("payments:list", "?before=last")),
    Place("payments:list", "broken-place", at("payments:list", "?after=x")),
    Place("payments:list", "tab", at("payments:list", "?tab=deviating&sort=number")),
    Place("payments:list", "tab-of-none", at("payments:list", "?tab=way", of="empty")),
    Place(
        "payments:list",
        "filters-open",
        opened(at("payments:list", FILTERS), "#filters"),
        fleeting=True,
    ),
    Place(
        "payments:list",
        "views-open",
        opened(at("payments:list", FILTERS), ".drop", 1),
        fleeting=True,
    ),
    Place("payments:list", "export-open", opened(at("payments:list"), ".drop", 2), fleeting=True),
    Place("payments:list", "bad-filter", at("payments:list", "?due_from=nei&status=tull")),
    Place("payments:list", "all-chosen", at("payments:list", "?tab=open&select=all")),
    Place("payments:list", "some-chosen", chosen(at("payments:list", "?tab=open"))),
    Place("payments:approve", "empty", at("payments:approve", of="empty")),
    Place("payments:approve", "chosen", chosen(at("payments:approve"))),
    Place("overview:page", "empty", at("overview:page", of="empty")),
    Place("people:search", "found", at("people:search", "?q=M000")),
    Place("people:search", "nothing", at("people:search", "?q=finnes-ikke")),
    Place("people:start", "found", path("/?q=øst")),
    Place("people:start", "nothing", path("/?q=finnes-ikke")),
    Place(
        "frame",
        "switcher",
        pressed(at("payments:list"), ".acting", "#companies-found a"),
        fleeting=True,
    ),
    Place(
        "frame", "user", pressed(at("payments:list"), ".user-button", "#user form"), fleeting=True
    ),
    Place("frame", "palette", keyed(at("payments:list"), "Control+k", "#palette-found a")),
    Place("frame", "shortcuts", keyed(at("payments:list"), "?", "#keys form")),
    Place("frame", "session-ending", ending(at("payments:list"), "ending")),
    Place("frame", "session-ended", ending(at("payments:list"), "ended")),
    Place("jobs:list", "empty", at("jobs:list", of="empty")),
    Place("jobs:list", "past-the-end", at("jobs:list", "?before=1")),
    Place(
        "payments:draft",
        "faulty",
        pressed(
            at("payments:draft", draft="corrected"),
            "button[value=hand-in]",
            "ds-error-summary",
        ),
    ),
    Place("payments:draft", "unfolded", click(at("payments:draft", draft="empty"), FOLDED)),
    Place("payments:bring-in", "no-file", post("payments:bring-in"), 422),
    Place("payments:daily", "empty", at("payments:daily", of="second")),
    Place("payments:rejections", "a-week-without", at("payments:rejections", "?until=2020-01-05")),
    Place("payments:detail", "next-lines", following(at(DETAIL, payment="many-lines"))),
    Place("payments:detail", "unfolded", click(at(DETAIL, payment="sent-back"), FOLDED)),
    Place("banking:file", "unfolded", click(at("banking:file", file="stored"), FOLDED)),
    Place("banking:files", "empty", at("banking:files", of="empty")),
    Place("banking:files", "past-the-end", at("banking:files", "?after=1,1")),
    Place("banking:files", "filtered", at("banking:files", "?direction=in&kind=pain.002")),
    Place("banking:agreements", "empty", at("banking:agreements", of="empty")),
    Place("banking:file-bring-in", "no-file", post("banking:file-bring-in"), 422),
    Place("banking:file-bring-in", "no-bank", at("banking:file-bring-in", of="empty")),
    # Signing, refusing, cancelling
    Place("payments:sign", "one", ONE),
    Place("payments:sign", "many", SIGNING),
    Place("payments:sign", "wrong-code", fill(SIGNING, code="000000")),
    Place("payments:sign", "no-code", fill(SIGNING, code="")),
    Place("payments:sign", "changed", fill(ONE, seen="1|x", code="123456")),
    Place("all-payments:sign", "one", post("all-payments:sign", payment="awaiting")),
    Place("all-payments:sign", "many", EVERYWHERE),
    Place("all-payments:sign", "wrong-code", fill(EVERYWHERE, code="000000")),
    Place("all-payments:refuse", "many", post("all-payments:refuse", payment=OPEN)),
    Place(
        "all-payments:refuse",
        "no-reason",
        fill(post("all-payments:refuse", payment=OPEN), reason=""),
    ),
    Place("all-payments:cancel", "one", post("all-payments:cancel", payment="partly")),
    Place("payments:sign", "nothing-to-sign", post("payments:sign", of="second")),
    Place("payments:refuse", "one", post("payments:refuse", payment="awaiting")),
    Place("payments:refuse", "no-reason", fill(REFUSING, reason="")),
    Place("payments:refuse", "changed", fill(REFUSING, seen="1", reason="Betalt fra før")),
    Place("payments:refuse", "none-chosen", post("payments:refuse", of="second")),
    Place("payments:cancel", "many", post("payments:cancel", payment=WAITING)),
    Place("payments:cancel", "no-reason", fill(CANCELLING, reason="")),
    Place(
        "payments:cancel",
        "too-late",
        post("payments:cancel", of="second", payment="second-sending"),
    ),
    Place("payments:ask-bank", "one", ASKING),
    Place("payments:ask-bank", "no-reason", fill(ASKING, reason="")),
    Place(
        "payments:ask-bank",
        "not-there",
        post("payments:ask-bank", of="second", payment="second-sending"),
    ),
    Place("payments:update", "", post("payments:update", of="second")),
    Place("payments:withdraw", "not", post("payments:withdraw", to=("payment", "awaiting"))),
    Place("payments:note", "empty", post("payments:note", to=("payment", "sent"))),
    Place("payments:due-date", "open", at("payments:due-date", payment="awaiting")),
    Place(
        "payments:due-date",
        "wrong",
        post("payments:due-date", to=("payment", "awaiting"), due_date="1.1.2020", reason=""),
        422,
    ),
    Place("payments:due-date", "gone", at("payments:due-date", payment="sent")),
    Place("payments:checks", "wrong", post("payments:checks"), 422),
    Place("payments:let-pass", "no-reason", post("payments:let-pass", to=("finding", "stops"))),
    Place("payments:pre-approvals", "used", at("payments:pre-approvals", "?tab=used")),
    Place("payments:pre-approvals", "ended", at("payments:pre-approvals", "?tab=ended")),
    Place("payments:pre-approvals", "off", at("payments:pre-approvals", of="second")),
    Place("payments:pre-approval-new", "wrong", post("payments:pre-approval-new"), 422),
    Place(
        "payments:pre-approval-sign",
        "no-code",
        post("payments:pre-approval-sign", to=("invoice", "unsigned")),
        422,
    ),
    Place(
        "payments:pre-approval-end",
        "gone",
        post("payments:pre-approval-end", to=("invoice", "used")),
    ),
    Place("payments:lines", "none-chosen", post("payments:lines", to=("payment", "awaiting"))),
    Place("payments:send-again", "not", post("payments:send-again", to=("payment", "sent"))),
    # Agreements
    Place("banking:agreement-new", "empty-form", post("banking:agreement-new"), 422),
    *[
        Place(
            STEP, f"wrong-{step}", post(STEP, to=(("setup", "wrong"), ("step", step)), **wrong), 422
        )
        for step, wrong in BAD_STEPS.items()
    ],
    Place("banking:agreements", "stopped", at("banking:agreements", of="second")),
    Place("banking:sending", "stopped", at("banking:sending", of="second")),
    Place("banking:sending", "no-reason", post("banking:sending", act="stop"), 422),
    Place(
        "banking:agreement-amend",
        "wrong",
        fill(
            at("banking:agreement-amend", agreement="draft"),
            approve_mails="nei",
            cut_over_date="1.1.2020",
        ),
        422,
    ),
    Place(
        "banking:agreement-share",
        "wrong",
        post("banking:agreement-share", to=("agreement", "active")),
        422,
    ),
    Place(
        "banking:agreement-convert",
        "wrong",
        post("banking:agreement-convert", to=("agreement", "old"), agreement_id=""),
        422,
    ),
    Place("banking:agreement-offers", "nothing", at("banking:agreement-offers", of="empty")),
    Place("banking:agreement-mails", "wrong", post("banking:agreement-mails", act="add"), 422),
    Place("banking:agreement-mails", "nothing", at("banking:agreement-mails", of="empty")),
    Place(
        "banking:agreement-change",
        "not-confirmed",
        post(CHANGE, to=("agreement", "fit"), act="activate"),
    ),
    Place("banking:agreement-change", "unfit", post(CHANGE, to=DRAFT, act="activate")),
    Place("banking:agreement-change", "no-act", post(CHANGE, to=DRAFT)),
    Place(
        "banking:agreement-change",
        "before-the-end",
        post(CHANGE, to=("agreement", "active"), act="deactivate"),
    ),
    # A customer and its companies
    Place("people:companies", "unfinished", at("people:companies", "?tab=unfinished", customer="")),
    Place(
        "people:companies",
        "filtered-to-nothing",
        at("people:companies", "?text=finnes-ikke&service=autopay", customer=""),
    ),
    Place("people:users", "invited", at("people:users", "?tab=invited", customer="")),
    Place("people:users", "filtered", at("people:users", "?role=autopay_approver", customer="")),
    Place("people:invite", "wrong", post("people:invite", email="nei", phone="12"), 422),
    Place(
        "people:user-roles",
        "at-customer",
        at("people:user-roles", "?place=customer", customer="", member="active"),
    ),
    Place(
        "people:user-give", "nothing-chosen", post("people:user-give", to=("member", "active")), 422
    ),
    Place(
        "people:group",
        "unfolded",
        click(at("people:group", customer="", group="full"), "main details > summary"),
    ),
    Place("people:group-new", "taken", post("people:group-new", name="Lønn og regnskap"), 422),
    Place(
        "people:invitation",
        "short-password",
        fill(path_to("people:invitation", token="new"), password="kort"),
        422,
        apart=True,
    ),
    Place("people:log", "filtered", at("people:log", "?act=key.replaced", customer="")),
    Place("people:company-new", "wrong", post("people:company-new", organisation_number="9"), 422),
    Place("people:company-import", "no-file", post("people:company-import"), 422),
    Place("people:company-edit", "wrong", post("people:company-edit", postal_code="99"), 422),
    Place("people:administration", "empty", at("people:administration", of="empty")),
    Place(
        "people:administration",
        "service-missing",
        post("people:service", of="empty", service="autopay", act="on"),
    ),
    Place(
        "people:administration",
        "unfolded",
        click(at("people:administration", of="ready"), "main details > summary"),
    ),
    Place("people:deputies", "wrong", post("people:deputies", from_date="9.9.2026"), 422),
    Place(
        "people:limit", "wrong", post("people:limit", to=("user", "approver"), per_day="mye"), 422
    ),
    Place("push:page", "none", at("push:page", of="second")),
    Place("push:page", "secret", click(at("push:page"), ".secret > summary")),
    Place(
        "push:page", "wrong", post("push:page", address="http://erp.example.no", language="nb"), 422
    ),
    Place("push:messages", "waits", at("push:messages", "?tab=waits")),
    Place("push:messages", "given-up", at("push:messages", "?tab=given-up")),
    Place("push:messages", "since", click(at("push:messages"), "main > details > summary")),
    Place("push:messages", "none", at("push:messages", of="second")),
    Place("people:key", "shown", click(at("people:key"), ".secret > summary")),
    # Signing in
    Place("people:sign-in", "next", path("/sign-in/?next=/c/somewhere/outgoing/")),
    Place("people:sign-in", "empty-form", enter("", ""), 422, apart=True),
    Place("people:sign-in", "wrong-password", enter("ingen@example.org", "feil"), 422, apart=True),
    Place("people:sign-in", "locked-out", locked_out(), 429, apart=True),
    Place("people:sign-in-code", "after-password", HALFWAY, apart=True),
    Place("people:sign-in-code", "wrong-code", fill(HALFWAY, code="000000"), 422, apart=True),
    Place("people:sign-in-code", "no-code", fill(HALFWAY, code=""), 422, apart=True),
    Place(
        "people:another-way", "after-password", then(HALFWAY, at("people:another-way")), apart=True
    ),
    Place(
        "people:way", "recovery-open", then(HALFWAY, at("people:way", way="recovery")), apart=True
    ),
    Place("people:way", "sms-open", then(HALFWAY, at("people:way", way="sms")), apart=True),
    Place(
        "people:way",
        "wrong-code",
        fill(then(HALFWAY, at("people:way", way="support")), code="feil"),
        422,
        apart=True,
    ),
    Place("people:two-factor", "nothing", then(BARE, at("people:two-factor")), apart=True),
    Place("people:authenticator", "first", then(BARE, at("people:authenticator")), apart=True),
    Place(
        "people:authenticator",
        "wrong-code",
        fill(then(BARE, at("people:authenticator")), code="000000"),
        422,
        apart=True,
    ),
    Place("people:phone", "code", at("people:phone", "?sent=1")),
    Place("people:prove", "authority", path("/me/prove/?for=authority&sent=1&next=/me/")),
    Place("people:notifications", "found", at("people:notifications", "?text=øst")),
    Place(
        "people:customer-edit",
        "no-name",
        fill(at("people:customer-edit"), name=""),
        422,
    ),
    Place("people:password", "short", fill(at("people:password"), password="kort"), 422),
    Place("people:email", "wrong", fill(at("people:email"), email="nei"), 422),
    Place("people:forgotten", "sent", fill(at("people:forgotten"), email="x@example.org")),
    Place(
        "people:password-reset",
        "open",
        at("people:password-reset", token="password"),
        apart=True,
    ),
    Place("people:email-confirm", "open", at("people:email-confirm", token="email"), apart=True),
    Place("people:email-undo", "open", at("people:email-undo", token="undo"), apart=True),
    Place(
        "people:support-code",
        "no-reason",
        post("people:support-code", to=("member", "active")),
        422,
    ),
    Place(
        "people:support-code",
        "issued",
        post("people:support-code", to=("member", "active"), reason="Ringte tilbake"),
    ),
    # What goes wrong
    Place("400", "form-too-large", post("people:sign-in", email="x" * FORM_TOO_LARGE), 400),
    Place("403", "csrf", post("people:language", token="f" * 32, language="nb"), 403),
    Place("404", "no-such-address", path("/no/such/address/"), 404),
    Place("404", "another-company", at("payments:list", of="foreign"), 404),
    Place(
        "404", "another-companys-payment", other("payments:detail", payment="foreign-payment"), 404
    ),
    Place("405", "form-opened-as-page", at("payments:sign"), 405),
    Place("500", "", path(FAILS), 500),
]


TOKENS = {"people:invitation": ("new", "dead")}
# No script runs in a letter's frame, not even the eye's: test_letters looks at these by themselves.
ELSEWHERE = {"demo:mail-html"}


def places(known: Scene) -> list[Place]:
    """Every page address with every object of the scene, then the states."""
    found = []
    # The way in leads on to other pages; these come last, so that a page bears its own name.
    for name, route in sorted(addresses().items(), key=lambda one: one[0].startswith("people:")):
        if "get" not in TABLE[name] or name in ELSEWHERE:
            continue
        wanted = [one[0] or one[1] for one in KWARG.findall(route)]
        missing = [word for word in wanted if word not in PARAMETERS]
        assert not missing, f"{name}: put {missing} into PARAMETERS in {__name__}"
        combinations: list[dict[str, str]] = [{}]
        for word in wanted:
            labels = PARAMETERS[word](known)
            if word == "token":  # a living one of its own kind stands among the states
                labels = {label: labels[label] for label in TOKENS.get(name, ("dead",))}
            combinations = [one | {word: label} for one in combinations for label in labels]
        for words in combinations:
            label = " ".join(filter(None, words.values()))
            own = words.get("ceremony", scene.ALL) == scene.ALL  # a receipt is only its signer's
            kept = name != "jobs:file" or words["job"] == "done"  # other jobs have no file
            alive = words.get("token") != "dead" and (
                name != "people:support-code" or words["member"] not in ("invited", "ended")
            )
            status = 200 if own and kept and alive and not name.startswith("erp:") else None
            query = QUERIES.get(name, "")
            found.append(Place(name, label, at(name, query, **words), status))
    return found + STATES


def few(all_of_them: list[Place], most: int, share: slice) -> list[Place]:
    """Of the objects at one address only so many, spread over all, and a share of the states."""
    groups: dict[str, list[Place]] = {}
    for place in all_of_them:
        if place not in STATES:
            groups.setdefault(place.name, []).append(place)
    kept = [place for rows in groups.values() for place in rows[:: -(-len(rows) // most)]]
    return kept + [place for place in all_of_them if place in STATES[share]]
