"""Which code each address answers each role with: the table that the tests of access read."""

from __future__ import annotations

from portal.access.roles import Role

ROLES = {
    "nobody": [],
    "stranger": [],
    "customer": [Role.CUSTOMER_ADMINISTRATOR],
    "support": [Role.SUPPORT_USER],
    "admin": [Role.AUTOPAY_ADMINISTRATOR],
    "approver": [Role.APPROVER],
    "accountant": [Role.ACCOUNTANT],
    "payroll": [Role.PAYROLL_APPROVER],
    "payclerk": [Role.PAYROLL_ACCOUNTANT],
    "uploader": [Role.UPLOADER],
    "collector": [Role.COLLECTION_ADMINISTRATOR],
    "cases": [Role.COLLECTION_HANDLER],
    "reader": [Role.COLLECTION_VIEWER],
    "agency": [Role.AGENCY_CASE_HANDLER],
}
ALL = tuple(ROLES)
INSIDE = tuple(name for name in ALL if name not in ("nobody", "stranger"))


def codes(default: int, **others: int) -> dict[str, int]:
    """Codes by role: nobody is sent to sign in, a stranger finds nothing."""
    return {"nobody": 302, "stranger": 404} | dict.fromkeys(INSIDE, default) | others


def at_customer(default: int, **others: int) -> dict[str, int]:
    """Codes below a customer: whoever has no role of the customer's own finds nothing."""
    inside = {"nobody": 302, "stranger": 404} | dict.fromkeys(INSIDE, 404)
    return inside | {"customer": default, "support": default} | others


def at_all(default: int, **others: int) -> dict[str, int]:
    """Codes below /all/: whoever has no role anywhere lacks the one that it takes."""
    return {"nobody": 302, "stranger": 403} | dict.fromkeys(INSIDE, default) | others


def form(opens: dict[str, int], sent: int) -> dict[str, dict[str, int]]:
    """A page with a form: whoever opens it may send it, which answers `sent`; nobody else may."""
    return {"get": opens, "post": {r: sent if code == 200 else code for r, code in opens.items()}}


OUTSIDE_AUTOPAY = ("customer", "support", "collector", "cases", "reader", "agency")
APPROVERS = dict.fromkeys(("customer", "support", "approver", "payroll"), 200)
NAMERS = dict.fromkeys(("customer", "approver", "payroll"), 422)
SEERS = {"approver": 200, "accountant": 200, "payroll": 200, "payclerk": 200}
SUPPLIER_SEERS = {"approver": 200, "accountant": 200, "payroll": 404, "payclerk": 404}
SUPPLIER_ACTORS = {"approver": 302, "accountant": 302, "payroll": 404, "payclerk": 404}
AGREEMENT_SEERS = {
    "admin": 200, "approver": 200, "accountant": 200, "payroll": 200, "payclerk": 200,
    "uploader": 200,
}  # fmt: skip
ENDERS = ("approver", "accountant", "payroll", "payclerk")
FILE_SEERS = {"admin": 200, "uploader": 200}
EVERYBODY = dict.fromkeys(ALL, 200)
SIGNED_IN = EVERYBODY | {"nobody": 302}

# Address name → method → role → code. A 302 inside is an act's way back to its page; forms are
# sent as good as empty.
TABLE: dict[str, dict[str, dict[str, int]]] = {
    "healthz": {"get": EVERYBODY, "post": EVERYBODY},
    "erp-docs": {"get": EVERYBODY, "post": EVERYBODY},
    "erp:openapi-json": {"get": EVERYBODY, "post": EVERYBODY},
    "erp:api-root": form(dict.fromkeys(ALL, 404), 404),
    "erp:ping": {"get": dict.fromkeys(ALL, 401)},
    "erp:events": {"get": dict.fromkeys(ALL, 401)},
    "erp:upload": {"post": dict.fromkeys(ALL, 401)},
    "erp:ask": {"get": dict.fromkeys(ALL, 401)},
    "erp:cancel": {"post": dict.fromkeys(ALL, 401)},
    "erp:companies_of": form(dict.fromkeys(ALL, 401), 401),
    "erp:company_make": form(dict.fromkeys(ALL, 401), 401),
    "erp:service_on": {"post": dict.fromkeys(ALL, 401)},
    "erp:agreements_of": {"get": dict.fromkeys(ALL, 401)},
    "erp:agreement_one": {"get": dict.fromkeys(ALL, 401)},
    "erp:agreement_activate": {"post": dict.fromkeys(ALL, 401)},
    "erp:agreements_at_customer": {"get": dict.fromkeys(ALL, 401)},
    "erp:agreement_activate_at": {"post": dict.fromkeys(ALL, 401)},
    "people:start": {"get": dict.fromkeys(ALL, 302) | {"stranger": 200}},
    "people:sign-in": form(EVERYBODY, 422),
    "people:sign-in-code": form(dict.fromkeys(ALL, 302), 302),
    "people:sign-out": {"post": dict.fromkeys(ALL, 302)},
    "people:language": form(dict.fromkeys(ALL, 302), 302),
    "people:company": {"get": codes(302)},
    "people:customer": {"get": at_customer(200)},
    "people:customer-edit": form(at_customer(200, support=403), 422),
    "people:companies": {"get": at_customer(200)},
    "people:company-new": form(at_customer(200, support=403), 422),
    "people:company-import": form(at_customer(200, support=403), 422),
    "people:company-import-empty": {"get": at_customer(200, support=403)},
    "people:company-import-check": form(at_customer(200, support=403), 302),
    "people:company-import-faults": {"get": at_customer(200, support=403)},
    "people:users": {"get": at_customer(200)},
    "people:invite": form(at_customer(200, support=403), 422),
    "people:user": {"get": at_customer(200)},
    "people:user-change": {"post": at_customer(302, support=403)},
    "people:user-roles": form(at_customer(200, support=403), 302),
    "people:user-give": form(at_customer(200, support=403), 422),
    "people:roles": {"get": at_customer(200)},
    "people:groups": {"get": at_customer(200)},
    "people:group-new": form(at_customer(200, support=403), 422),
    "people:group": {"get": at_customer(200)},
    "people:group-change": {"post": at_customer(302, support=403)},
    "people:group-people": form(at_customer(200, support=403), 302),
    "people:group-roles": form(at_customer(200, support=403), 302),
    "people:group-give": form(at_customer(200, support=403), 422),
    "people:support-code": form(at_customer(403, support=200), 422),
    "people:invitation": form(dict.fromkeys(ALL, 410), 410),
    "people:another-way": {"get": dict.fromkeys(ALL, 302)},
    "people:way": form(dict.fromkeys(ALL, 302), 302),
    "people:passkey-begin": {"post": EVERYBODY},
    "people:passkey-finish": {"post": dict.fromkeys(ALL, 422)},
    "people:forgotten": form(EVERYBODY, 422),
    "people:password-reset": form(dict.fromkeys(ALL, 410), 410),
    "people:email-confirm": form(dict.fromkeys(ALL, 410), 410),
    "people:email-undo": form(dict.fromkeys(ALL, 410), 410),
    "people:me": form(SIGNED_IN, 422),
    "people:password": form(SIGNED_IN, 422),
    "people:email": form(SIGNED_IN, 422),
    "people:session-end": {"post": dict.fromkeys(ALL, 302)},
    "people:notifications": form(SIGNED_IN, 302),
    "people:two-factor": {"get": SIGNED_IN},
    "people:prove": form(SIGNED_IN, 422),
    "people:authenticator": form(SIGNED_IN, 422),
    "people:recovery": form(SIGNED_IN, 302),
    "people:phone": form(SIGNED_IN, 422),
    "people:lost": form(SIGNED_IN, 302),
    "people:passkey-new": {"post": SIGNED_IN},
    "people:passkey-add": {"post": dict.fromkeys(ALL, 422) | {"nobody": 302}},
    "people:passkey-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:phone-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:app-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:log": {"get": at_customer(200)},
    "people:customer-key": form(at_customer(200, support=403), 302),
    "people:terms": {"get": at_customer(200), "post": at_customer(302, support=403)},
    "customer-lists:save-view": {"post": at_customer(302)},
    "customer-lists:delete-view": {"post": at_customer(404)},
    "customer-lists:export": {"post": at_customer(200)},
    "all-lists:save-view": {"post": at_all(403, **dict.fromkeys(SEERS, 302))},
    "all-lists:delete-view": {"post": at_all(404)},
    "all-lists:export": {"post": at_all(403, **SEERS)},
    "all-payments:list": {"get": at_all(403, **SEERS)},
    "all-payments:approve": {"get": at_all(403, approver=200, payroll=200)},
    "all-payments:sign": {"post": at_all(403, approver=302, payroll=302)},
    "all-payments:sign-page": form(at_all(403, approver=302, payroll=302), 302),
    "all-payments:sign-passkey": {"post": at_all(403, approver=409, payroll=409)},
    "all-payments:refuse": {"post": at_all(403, approver=302, payroll=302)},
    "all-payments:refuse-page": form(at_all(403, approver=302, payroll=302), 302),
    "all-payments:cancel": {"post": at_all(403, **dict.fromkeys(ENDERS, 302))},
    "all-payments:cancel-page": form(at_all(403, **dict.fromkeys(ENDERS, 302)), 302),
    "all-payments:receipt": {"get": at_all(403, approver=404, payroll=404)},
    "people:administration": {"get": codes(200)},
    "people:company-edit": form(codes(403, customer=200), 422),
    "people:service": {"post": codes(403, customer=302)},
    "people:deputies": {"get": codes(403, **APPROVERS), "post": codes(403, **NAMERS)},
    "people:limit": form(codes(403, customer=200), 302),
    "people:deputy-end": {
        "post": codes(403, **dict.fromkeys(("customer", "approver", "payroll"), 404))
    },
    "people:ask-two": {"post": codes(403, customer=302)},
    "people:key": {"get": codes(403, admin=200)},
    "people:key-new": form(codes(403, admin=200), 302),
    "push:page": form(codes(403, admin=200), 422),
    "push:change": {"post": codes(403, admin=302)},
    "push:messages": {"get": codes(403, admin=200)},
    "push:again": {"post": codes(403, admin=302)},
    "push:since": {"post": codes(403, admin=302)},
    "people:company-log": {"get": codes(403, customer=200, support=200, admin=200)},
    "people:search": {"get": codes(200)},
    "people:session": {"get": SIGNED_IN},
    "people:shortcuts": form(SIGNED_IN, 302),
    "overview:page": {"get": codes(200, **dict.fromkeys(OUTSIDE_AUTOPAY, 403))},
    "lists:save-view": {"post": codes(403, **dict.fromkeys(SEERS, 302))},
    "lists:delete-view": {"post": codes(404)},
    "lists:export": {"post": codes(403, **SEERS)},
    "payments:list": {"get": codes(403, **SEERS)},
    "payments:approve": {"get": codes(403, approver=200, payroll=200)},
    "payments:update": {"post": codes(403, **dict.fromkeys(SEERS, 302))},
    "payments:sign": {"post": codes(403, approver=302, payroll=302)},
    "payments:sign-page": form(codes(403, approver=302, payroll=302), 302),
    "payments:sign-passkey": {"post": codes(403, approver=409, payroll=409)},
    "payments:refuse": {"post": codes(403, approver=302, payroll=302)},
    "payments:refuse-page": form(codes(403, approver=302, payroll=302), 302),
    "payments:cancel": {"post": codes(403, **dict.fromkeys(ENDERS, 302))},
    "payments:cancel-page": form(codes(403, **dict.fromkeys(ENDERS, 302)), 302),
    "payments:ask-bank": {"post": codes(403, **dict.fromkeys(ENDERS, 302))},
    "payments:ask-bank-page": form(codes(403, **dict.fromkeys(ENDERS, 302)), 302),
    "payments:receipt": {"get": codes(403, approver=404, payroll=404)},
    "payments:detail": {"get": codes(403, **SUPPLIER_SEERS)},
    "payments:proof": {"get": codes(403, **dict.fromkeys(SEERS, 404))},
    "payments:lines": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:withdraw": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:note": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:due-date": form(codes(403, **SUPPLIER_SEERS), 422),
    "payments:new": {"get": codes(403, uploader=200)},
    "payments:draft-begin": {"post": codes(403, uploader=302)},
    "payments:draft": form(codes(403, uploader=200), 302),
    "payments:draft-discard": {"post": codes(403, uploader=302)},
    "payments:bring-in": form(codes(403, uploader=200), 422),
    "payments:upload": {"get": codes(403, uploader=404)},
    "payments:correct": {"post": codes(403, uploader=404)},
    "payments:move-agreement": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:daily": {"get": codes(403, **SEERS)},
    "payments:rejections": {"get": codes(403, **SEERS)},
    "payments:pre-approvals": {
        "get": codes(403, approver=200, accountant=200),
    },
    "payments:pre-approval-new": form(codes(403, approver=200), 422),
    "payments:pre-approval": {"get": codes(403, approver=200, accountant=200)},
    "payments:pre-approval-sign": {"post": codes(403, approver=422)},
    "payments:pre-approval-passkey": {"post": codes(403, approver=409)},
    "payments:pre-approval-end": {"post": codes(403, approver=302)},
    "payments:pre-approval-switch": {"post": codes(403, admin=302)},
    "payments:checks": form(codes(403, admin=200), 422),
    "payments:let-pass": {"post": codes(403, admin=302)},
    "payments:send-again": {"post": codes(403, **SUPPLIER_ACTORS)},
    "banking:agreements": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:agreement-new": form(codes(403, admin=200), 422),
    "banking:agreement": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:agreement-change": {"post": codes(403, admin=302)},
    "banking:agreement-step": form(codes(403, admin=200), 422),
    "banking:agreement-amend": form(codes(403, admin=200), 302),
    "banking:agreement-mails": form(codes(403, admin=200), 422),
    "banking:agreement-convert": form(codes(403, admin=302), 302),
    "banking:agreement-share": form(codes(403, admin=200), 422),
    "banking:agreement-unshare": {"post": codes(403, admin=302)},
    "banking:agreement-offers": form(codes(403, admin=200), 302),
    "banking:agreement-begin": {"post": codes(403, admin=302)},
    "banking:agreement-discard": {"post": codes(403, admin=302)},
    "banking:connection": form(codes(403, admin=200), 302),
    "banking:connection-steps": {"get": codes(403, admin=302)},
    "banking:order-form": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:authority": form(codes(403, admin=200), 302),
    "banking:sending": form(codes(403, admin=200, approver=200, payroll=200), 200),
    "banking:file-bring-in": form(codes(403, admin=200), 422),
    "banking:file-again": {"post": codes(403, admin=302)},
    "banking:files": {"get": codes(403, **FILE_SEERS)},
    "banking:file": {"get": codes(403, **FILE_SEERS)},
    "banking:file-download": {"get": codes(403, **FILE_SEERS)},
    "jobs:list": {"get": codes(200)},
    "jobs:job": {"get": codes(404, accountant=200)},
    "jobs:progress": {"get": codes(404, accountant=302)},
    "jobs:stop": {"post": codes(404, accountant=302)},
    "jobs:again": {"post": codes(404, accountant=302)},
    "jobs:file": {"get": codes(404, accountant=200)},
    "demo:page": {"get": EVERYBODY},
    "demo:act": {"post": dict.fromkeys(ALL, 302)},
    "demo:mails": {"get": EVERYBODY},
    "demo:mail": {"get": EVERYBODY},
    "demo:mail-html": {"get": EVERYBODY},
}
