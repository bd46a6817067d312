"""Addresses of signing in, of the way to a company, and of administration."""

from django.urls import path
from django.views.i18n import set_language

from portal.people.views import (
    administration,
    companies,
    customer,
    groups,
    invitation,
    me,
    session,
    sign_in,
    start,
    support,
    two_factor,
    users,
)

app_name = "people"
_CUSTOMER = "customers/<slug:customer>/"
_COMPANY = "c/<slug:company>/"
_IMPORT = f"{_CUSTOMER}companies/import/"
_READ = f"{_IMPORT}<slug:imported>"

urlpatterns = [
    path("", start.start, name="start"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-in/code/", sign_in.code, name="sign-in-code"),
    path("sign-in/another-way/", sign_in.another_way, name="another-way"),
    path("sign-in/another-way/<slug:way>/", sign_in.way, name="way"),
    path("sign-in/passkey/", sign_in.passkey_begin, name="passkey-begin"),
    path("sign-in/passkey/finish/", sign_in.passkey_finish, name="passkey-finish"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("password/forgotten/", me.forgotten, name="forgotten"),
    path("password/<str:token>/", me.password_reset, name="password-reset"),
    path("email/<str:token>/", me.email_confirm, name="email-confirm"),
    path("email/<str:token>/undo/", me.email_undo, name="email-undo"),
    path("me/", me.details, name="me"),
    path("me/password/", me.password, name="password"),
    path("me/email/", me.email, name="email"),
    path("me/sessions/end/", me.end_session, name="session-end"),
    path("me/notifications/", me.notifications, name="notifications"),
    path("me/two-factor/", two_factor.index, name="two-factor"),
    path("me/prove/", two_factor.prove, name="prove"),
    path("me/two-factor/app/", two_factor.authenticator, name="authenticator"),
    path("me/two-factor/app/remove/", two_factor.remove_authenticator, name="app-remove"),
    path("me/two-factor/lost/", two_factor.lost, name="lost"),
    path("me/two-factor/recovery/", two_factor.recovery, name="recovery"),
    path("me/two-factor/phone/", two_factor.phone, name="phone"),
    path("me/two-factor/phone/remove/", two_factor.remove_phone, name="phone-remove"),
    path("me/two-factor/passkeys/new/", two_factor.passkey_new, name="passkey-new"),
    path("me/two-factor/passkeys/add/", two_factor.passkey_add, name="passkey-add"),
    path(
        "me/two-factor/passkeys/<int:passkey>/remove/",
        two_factor.passkey_remove,
        name="passkey-remove",
    ),
    path("session/", session.session, name="session"),
    path("language/", set_language, name="language"),
    path("shortcuts/", start.shortcuts, name="shortcuts"),
    path("invitation/<str:token>/", invitation.invitation, name="invitation"),
    # A customer
    path(f"{_CUSTOMER}companies/", companies.index, name="companies"),
    path(f"{_CUSTOMER}companies/new/", companies.new, name="company-new"),
    path(_IMPORT, companies.import_list, name="company-import"),
    path(f"{_IMPORT}empty/", companies.import_empty, name="company-import-empty"),
    path(f"{_READ}/", companies.import_check, name="company-import-check"),
    path(f"{_READ}/faults/", companies.import_faults, name="company-import-faults"),
    path(f"{_CUSTOMER}users/", users.index, name="users"),
    path(f"{_CUSTOMER}users/invite/", users.invite, name="invite"),
    path(f"{_CUSTOMER}users/<int:member>/", users.one, name="user"),
    path(f"{_CUSTOMER}users/<int:member>/change/", users.change, name="user-change"),
    path(f"{_CUSTOMER}users/<int:member>/roles/", users.roles, name="user-roles"),
    path(f"{_CUSTOMER}users/<int:member>/give/", users.give, name="user-give"),
    path(f"{_CUSTOMER}users/<int:member>/code/", support.code, name="support-code"),
    path(f"{_CUSTOMER}roles/", users.explained, name="roles"),
    path(f"{_CUSTOMER}groups/", groups.index, name="groups"),
    path(f"{_CUSTOMER}groups/new/", groups.new, name="group-new"),
    path(f"{_CUSTOMER}groups/<int:group>/", groups.one, name="group"),
    path(f"{_CUSTOMER}groups/<int:group>/change/", groups.change, name="group-change"),
    path(f"{_CUSTOMER}groups/<int:group>/people/", groups.people, name="group-people"),
    path(f"{_CUSTOMER}groups/<int:group>/roles/", groups.roles, name="group-roles"),
    path(f"{_CUSTOMER}groups/<int:group>/give/", groups.give, name="group-give"),
    path(f"{_CUSTOMER}log/", customer.log, name="log"),
    path(f"{_CUSTOMER}terms/", customer.terms_of_service, name="terms"),
    # A company
    path(_COMPANY, start.company, name="company"),
    path(f"{_COMPANY}search/", start.search, name="search"),
    path(f"{_COMPANY}administration/", administration.page, name="administration"),
    path(f"{_COMPANY}administration/edit/", administration.edit, name="company-edit"),
    path(f"{_COMPANY}administration/service/", administration.service, name="service"),
    path(f"{_COMPANY}administration/two-factor/", administration.two_factor, name="ask-two"),
    path(f"{_COMPANY}administration/key/", administration.key, name="key"),
    path(f"{_COMPANY}administration/key/new/", administration.key_new, name="key-new"),
    path(f"{_COMPANY}administration/log/", administration.log, name="company-log"),
]
