"""Loads the demo: the cast into the portal, the bank's books and the ERP's; safe to run again."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import paramiko
from django.conf import settings
from django.utils import timezone

from banking import channel as channels
from banking import lifecycle, numbers
from banking.models import Authority, BankAccount, BankAgreement, BankChannel
from portal import clock
from portal.access import actors, tenancy
from portal.access.models import (
    Authenticator,
    Company,
    Customer,
    Membership,
    RoleGrant,
    ServiceActivation,
    SigningKey,
    User,
    new_signing_key,
)
from portal.access.roles import Role
from portal.demo import cast
from portal.erp.models import PushTarget
from portal.events import moves
from portal.people.models import TermsAcceptance
from portal.pushing import services

CHANNEL_USER = "kvitt"
DOWNLOAD_FOLDERS = (
    *("out/pain002", "out/camt054", "out/camt053", "out/camt052", "out/camt029"),
    *("out/nets", "out/agreement"),
)
WAIT_SECONDS = 30


def load() -> None:
    """The whole demo; what is there already stays."""
    channel = _channel()
    bureau, _made = Customer.objects.get_or_create(
        organisation_number=cast.BUREAU["organisation_number"],
        defaults={
            "name": cast.BUREAU["name"],
            "kind": Customer.Kind.BUREAU,
            "accepted_terms": settings.TERMS_VERSION,
        },
    )
    users = {email: _user(name, email, language) for name, email, language, *_ in cast.PEOPLE}
    with tenancy.acting_for((), customers=[bureau]):
        TermsAcceptance.objects.get_or_create(
            customer=bureau,
            version=settings.TERMS_VERSION,
            defaults={"user": users[cast.CUSTOMER_ADMINISTRATORS[0]], "at": timezone.now()},
        )
    companies = [_company(bureau, row, channel, users) for row in cast.COMPANIES]
    with tenancy.acting_for((), customers=[bureau]):
        for user in users.values():
            Membership.objects.get_or_create(
                customer=bureau,
                user=user,
                defaults={"invited_at": timezone.now(), "accepted_at": timezone.now()},
            )
    for emails, role in (
        (cast.CUSTOMER_ADMINISTRATORS, Role.CUSTOMER_ADMINISTRATOR),
        (cast.SUPPORT_USERS, Role.SUPPORT_USER),
    ):
        for email in emails:
            RoleGrant.objects.get_or_create(
                user=users[email], customer=bureau, company=None, role=role
            )
    tell_bank(channel)
    _tell_erp(companies[0])


def _channel() -> BankChannel:
    ready = json.loads((settings.DATA_DIR / "bank" / "ready.json").read_text())
    found = BankChannel.objects.filter(bank="simbank", username=CHANNEL_USER).first()
    if found is None:
        found = BankChannel(
            bank="simbank",
            username=CHANNEL_USER,
            name="Simulert bank",
            private_key=channels.new_key(),
        )
    found.host, found.port = "127.0.0.1", ready["sftp_port"]
    found.host_key = ready["host_key"]
    found.download_folders = list(DOWNLOAD_FOLDERS)
    found.save()
    return found


def _user(name: str, email: str, language: str) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, cast.PASSWORD, name=name, language=language)
    if not Authenticator.objects.filter(user=user).exists():
        Authenticator.objects.create(user=user, name="Demo", confirmed=True)
    return user


def _company(
    bureau: Customer, row: dict[str, Any], channel: BankChannel, users: dict[str, User]
) -> Company:
    fields = {name: row[name] for name in ("name", "address", "postal_code", "city")}
    company, _made = Company.objects.get_or_create(
        customer=bureau, organisation_number=row["organisation_number"], defaults=fields
    )
    # As saving its first agreement would have asked for.
    Company.objects.filter(pk=company.pk).update(two_factor_to_sign_in=True)
    with tenancy.acting_for([company]):
        ServiceActivation.objects.get_or_create(
            company=company,
            service=ServiceActivation.Service.AUTOPAY,
            deactivated_at=None,
            defaults={"activated_at": timezone.now()},
        )
        if not SigningKey.objects.of(company).filter(retired_at=None).exists():
            SigningKey.objects.create(company=company, secret=new_signing_key())
        for _name, email, _language, roles, _identity, _holds in cast.PEOPLE:
            for role in roles.get(row["organisation_number"], []):
                RoleGrant.objects.get_or_create(
                    user=users[email], company=company, customer=None, role=role
                )
        _agreement(company, row, channel, users)
    return company


def _agreement(
    company: Company, row: dict[str, Any], channel: BankChannel, users: dict[str, User]
) -> None:
    account, _made = BankAccount.objects.get_or_create(
        company=company,
        number=row["account"],
        defaults={
            "name": row["account_name"],
            "iban": numbers.iban_of(row["account"]),
            "bic": "DNBANOKK",
        },
    )
    for _name, email, _language, roles, identity, holds in cast.PEOPLE:
        if identity and row["organisation_number"] in roles:
            Authority.objects.get_or_create(
                company=company,
                account=account,
                user=users[email],
                defaults={"bank_identity": identity, "holds_authority": holds},
            )
    agreement, made = BankAgreement.objects.get_or_create(
        company=company,
        account=account,
        agreement_id=row["agreement_id"],
        defaults={
            "channel": channel,
            "customer_number": row["customer_number"],
            "approvers_required": row["approvers_required"],
            "bank_approvers_required": row["bank_approvers_required"],
            "description": f"{row['account_name']} {row['name']}",
        },
    )
    if made:
        moves.move(
            BankAgreement.objects.filter(pk=agreement.pk),
            lifecycle.ACTIVATE,
            by=actors.bank(channel.name),
            at=clock.now(),
        )


def tell_bank(channel: BankChannel) -> None:
    """What the simulated bank knows of our channel, its customers, people and payees."""
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(channel.private_key))
    customers = []
    for row in cast.COMPANIES:
        here = [p for p in cast.PEOPLE if p[4] and row["organisation_number"] in p[3]]
        customers.append(
            {
                "customer_number": row["customer_number"],
                "name": row["name"],
                "organisation_number": row["organisation_number"],
                "channel": CHANNEL_USER,
                "agreement_id": row["agreement_id"],
                "active": True,
                "approvers_required": row["bank_approvers_required"],
                "people": [{"id": person[4], "name": person[0]} for person in here],
                "accounts": [
                    {
                        "number": row["account"],
                        "currency": "NOK",
                        "balance": row["balance"],
                        "authorities": [person[4] for person in here if person[5]],
                    }
                ],
            }
        )
    public = f"{key.get_name()} {key.get_base64()}"
    ask_bank(
        "/setup",
        {
            "channels": [{"user": CHANNEL_USER, "public_key": public}],
            "customers": customers,
            "payees": cast.PAYEES,
        },
    )
    ask_bank("/clock", {"to": clock.now().isoformat()}, forgiving=True)


class Silent(Exception):
    """A simulator does not answer, or refuses what it was asked."""


def ask_bank(path: str, body: dict[str, Any] | None = None, *, forgiving: bool = False) -> Any:
    """A call to the simulated bank's control address; forgiving: a refusal is no fault."""
    return _ask(settings.SIMBANK_CONTROL_URL + path, body, forgiving=forgiving)


def ask_erp(path: str, body: dict[str, Any] | None = None) -> Any:
    """A call to the simulated ERP's control address."""
    return _ask(settings.SIMERP_URL + path, body, forgiving=True)


def _ask(url: str, body: dict[str, Any] | None, *, forgiving: bool) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if not forgiving:
            raise Silent(url) from error
        return {"error": error.read().decode(errors="replace")}
    except OSError as error:
        raise Silent(url) from error


def _tell_erp(company: Company) -> None:
    """The ERP's books, by its own command: it may not be running yet."""
    row = next(c for c in cast.COMPANIES if c["organisation_number"] == company.organisation_number)
    with tenancy.acting_for([company]):
        key = SigningKey.objects.of(company).get(retired_at=None).secret
    folder = settings.DATA_DIR / "erp"
    folder.mkdir(parents=True, exist_ok=True)
    secret = _push(company, fresh=not (folder / "told").exists())
    if (folder / "told").exists():
        return
    due = (clock.today() + dt.timedelta(days=1)).isoformat()
    books = {
        "companies": [
            {
                "public_id": company.public_id,
                "name": company.name,
                "signing_key": key,
                "erp_user": "erp@nordlys.example",
                "debit_account": row["account"],
                "format": "pain.001.001.09",
                "push_secret": secret,
                "suppliers": [{**supplier, "country": "NO"} for supplier in cast.SUPPLIERS],
                "invoices": [_invoice(*invoice, due=due) for invoice in cast.INVOICES],
            }
        ]
    }
    told = folder / "setup.json"
    told.touch(mode=0o600)
    told.write_text(json.dumps(books))
    command = [sys.executable, "-m", "portal.simerp", "setup", str(told), "--data", str(folder)]
    subprocess.run([*command, "--portal", settings.BASE_URL], check=True, cwd=settings.BASE_DIR)
    told.unlink()
    Path(folder / "told").touch()


def _push(company: Company, *, fresh: bool) -> str:
    """Where the company's events are pushed to: the simulated ERP, at the port that it has now. The
    secret that they are signed with, for an ERP whose books are `fresh`."""
    address = f"{settings.SIMERP_URL}/push/{company.public_id}"
    with tenancy.acting_for([company]):
        PushTarget.objects.of(company).update(address=address)
        if not fresh:
            return ""
        row, _made = PushTarget.objects.get_or_create(
            company=company,
            defaults={
                "address": address,
                "secret": services.new_secret(),
                "cursor": 0,
                "made_at": clock.now(),
                "next_try_at": clock.now(),
            },
        )
    return str(row.secret)


def _invoice(
    supplier: str,
    number: str,
    kind: str,
    amount: str,
    kid: str | None,
    message: str | None,
    payment: str,
    *,
    due: str,
) -> dict[str, Any]:
    return {
        "supplier": supplier,
        "number": number,
        "kind": kind,
        "amount": amount,
        "due_date": due,
        "kid": kid,
        "message": message,
        "payment": payment,
    }
