"""My details: name, language, phone, e-mail, password, sessions and which mails one gets."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal import mail
from portal.access import grants, guard, links, secondfactor, sessions
from portal.people import lists, me, passwords
from portal.people.user_forms import LANGUAGES, PhoneField, one_line_name
from portal.people.views.prove import needs_proof

COMPANIES_SHOWN = 100


class DetailsForm(forms.Form):
    """What one is called, and how one is spoken to."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=140,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    phone = PhoneField(required=False)
    language = forms.ChoiceField(
        label=gettext_lazy("Language of pages and e-mail"), choices=LANGUAGES
    )
    shortcuts = forms.BooleanField(
        label=gettext_lazy("Single keys as shortcuts, such as j and k in lists"), required=False
    )

    def clean_name(self) -> str:
        return one_line_name(self.cleaned_data["name"])


class NewPasswordForm(forms.Form):
    """A new password, judged by how it will be used."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        max_length=passwords.LONGEST,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: Any, alone: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.alone = alone or not secondfactor.has_any(user)
        self.fields["password"].help_text = _(
            "%(least)s Words that have nothing to do with each other are good; no signs or digits"
            " are needed."
        ) % {"least": passwords.too_short(alone=self.alone)}

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        faults = passwords.check(password, user=self.user, alone=self.alone)
        if faults:
            raise forms.ValidationError(faults)
        return password


class EmailForm(forms.Form):
    """A new e-mail address."""

    email = forms.EmailField(
        label=gettext_lazy("New e-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


@never_cache
@require_http_methods(["GET", "POST"])
@guard.signed_in
def details(request: HttpRequest) -> HttpResponse:
    user = guard.user_of(request)
    names = (*me.FIELDS, "shortcuts")
    sent = request.POST if request.method == "POST" else None
    form = DetailsForm(sent, initial={name: getattr(user, name) for name in names})
    if request.method == "POST" and form.is_valid():
        changed = me.change_details(request, user=user, values=form.cleaned_data)
        with translation.override(form.cleaned_data["language"]):
            text = _("Your details are changed.") if changed else _("There was nothing to change.")
        messages.success(request, text)
        answer = redirect("people:me")
        answer.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            form.cleaned_data["language"],
            max_age=settings.LANGUAGE_COOKIE_AGE,
            secure=settings.SESSION_COOKIE_SECURE,
            samesite="Lax",
        )
        return answer
    context = {
        "form": form,
        "held": secondfactor.held(user),
        "sessions": me.open_sessions(request, user),
    }
    return render(request, "people/me.html", context, status=422 if form.is_bound else 200)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@guard.signed_in
@needs_proof
def password(request: HttpRequest) -> HttpResponse:
    user = guard.user_of(request)
    form = NewPasswordForm(request.POST or None, user=user, alone="alone" in request.GET)
    if request.method == "POST" and form.is_valid():
        me.change_password(request, user=user, password=form.cleaned_data["password"])
        _keep_session(request)
        messages.success(
            request, _("The password is changed, and all your other sessions have ended.")
        )
        return redirect("people:me")
    status = 422 if form.is_bound else 200
    return render(request, "people/password.html", {"form": form}, status=status)


def _keep_session(request: HttpRequest) -> None:
    """The session goes on under the new password, with a new id."""
    from django.contrib.auth import update_session_auth_hash

    row = guard.user_of(request)
    row.refresh_from_db()
    update_session_auth_hash(request, row)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.signed_in
@needs_proof
def email(request: HttpRequest) -> HttpResponse:
    user = guard.user_of(request)
    form = EmailForm(request.POST or None)
    if (
        request.method == "POST"
        and form.is_valid()
        and form.cleaned_data["email"].lower() == user.email
    ):
        form.add_error("email", _("This is your address already."))
    elif request.method == "POST" and form.is_valid():
        me.ask_for_email(user=user, email=form.cleaned_data["email"])
        text = _("A link is sent to %(email)s. The address is changed when you open it there.")
        messages.info(request, text % {"email": form.cleaned_data["email"]})
        return redirect("people:me")
    status = 422 if form.is_bound else 200
    return render(request, "people/email.html", {"form": form}, status=status)


@require_POST
@guard.signed_in
def end_session(request: HttpRequest) -> HttpResponse:
    """Ends one other session, or all the others."""
    user = guard.user_of(request)
    if request.POST.get("all"):
        ended = sessions.end_all(user=user, but=request.session.session_key or "")
        messages.success(request, _("All your other sessions have ended."))
    else:
        ended = me.end_session(request, user, request.POST.get("session", ""))
        if ended:
            messages.success(request, _("The session has ended."))
        else:
            messages.info(request, _("That session had ended already."))
    return redirect("people:me")


@never_cache
@require_http_methods(["GET", "POST"])
@guard.signed_in
def notifications(request: HttpRequest) -> HttpResponse:
    """Which mails the person gets, for all companies or one by one."""
    user = guard.user_of(request)
    text = " ".join(request.GET.get("text", "").split())[:140]
    mine = grants.companies_of(user)
    found = list(lists.named(mine, text)[: COMPANIES_SHOWN + 1])
    companies, more = found[:COMPANIES_SHOWN], len(found) > COMPANIES_SHOWN
    if request.method == "POST":
        kept = set(request.POST.getlist("wanted"))
        wanted = {
            (kind, place)
            for kind in mail.optional
            for place in ("", *(company.public_id for company in companies))
            if f"{kind}|{place}" not in kept
        }
        me.set_muted(user=user, companies=companies, wanted=wanted)
        messages.success(request, _("Saved."))
        return redirect(request.get_full_path())
    without = me.muted(user)
    rows = [
        (
            name,
            [(kind, (kind, place) in without, place) for kind in mail.optional],
        )
        for name, place in [(company.name, company.public_id) for company in companies]
    ]
    context = {
        "kinds": [(kind, label, (kind, "") in without) for kind, label in mail.optional.items()],
        "rows": rows,
        "text": text,
        "searched": more or bool(text),
        "more": more,
    }
    return render(request, "people/notifications.html", context)


# --- by a mailed link, without signing in --------------------------------------------------------


@never_cache
@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Asks for the address, and answers the same whoever has it."""
    form = EmailForm(request.POST or None)
    form.fields["email"].label = _("E-mail")
    if request.method == "POST" and form.is_valid():
        me.forgotten(email=form.cleaned_data["email"])
        return render(request, "people/forgotten_sent.html")
    status = 422 if form.is_bound else 200
    return render(request, "people/forgotten.html", {"form": form}, status=status)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password_reset(request: HttpRequest, token: str) -> HttpResponse:
    try:
        link = links.find(purpose=links.Purpose.PASSWORD, token=token)
        form = NewPasswordForm(request.POST or None, user=link.user)
        if request.method == "POST" and form.is_valid():
            me.reset_password(request, link=link, password=form.cleaned_data["password"])
            messages.success(request, _("The password is set. Sign in with it."))
            return redirect("people:sign-in")
    except links.Dead:
        return render(request, "people/link_dead.html", status=410)
    status = 422 if form.is_bound else 200
    context = {"form": form, "whose": link.user.email}
    return render(request, "people/password_reset.html", context, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
def email_confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The button that makes the new address the user name; a program that follows links cannot."""
    return _by_link(request, token, links.Purpose.EMAIL)


@never_cache
@require_http_methods(["GET", "POST"])
def email_undo(request: HttpRequest, token: str) -> HttpResponse:
    """The button, for whoever reads the former address, that takes the change back."""
    return _by_link(request, token, links.Purpose.EMAIL_UNDO)


def _by_link(request: HttpRequest, token: str, purpose: links.Purpose) -> HttpResponse:
    undo = purpose == links.Purpose.EMAIL_UNDO
    try:
        link = links.find(purpose=purpose, token=token)
        if request.method == "POST":
            act = me.undo_email if undo else me.confirm_email
            act(request, link=link)
            text = _("The address is %(email)s again, and all sessions have ended.")
            text = text if undo else _("Your user name is %(email)s now.")
            messages.success(request, text % {"email": link.email})
            return redirect("people:sign-in")
    except (links.Dead, me.Taken):
        return render(request, "people/link_dead.html", status=410)
    context = {"email": link.email, "undo": undo}
    return render(request, "people/email_by_link.html", context)
