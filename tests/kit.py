"""What tests use to set the stage: a bank process, a company with people, signed requests."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import paramiko
import psycopg
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

from banking import calendar, numbers
from banking import channel as banking_channel
from banking import lifecycle as banking_lifecycle
from banking.models import Authority, BankAccount, BankAgreement, BankChannel
from payments.models import Payment, PaymentLine, Upload
from portal import clock
from portal.access import actors, guard, secondfactor, tenancy
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
from portal.demo.dataset import DOWNLOAD_FOLDERS
from portal.events import moves
from portal.events.models import Event
from portal.mail.models import Letter
from portal.people import entering
from tests.bank_process import BankProcess

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT.parent / "shared" / "reference"
PASSWORD = "correct horse battery"
API = "/api/erp/v1/"


def administer(*statements: str) -> None:
    """Runs statements as the role that may make databases."""
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"], autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement.encode())


def redis_url(worker: str) -> str:
    """Each test worker has a Redis database of its own."""
    number = 1 + int("".join(filter(str.isdigit, worker)) or 0)
    url = os.environ["REDIS_URL"]
    if url.startswith("unix:"):
        return f"{url.split('?', 1)[0]}?db={number}"
    return (
        url.rstrip("/").rsplit("/", 1)[0] + f"/{number}"
        if url.count("/") > 2
        else f"{url}/{number}"
    )


def soon() -> dt.date:
    """The next bank day: a bank that takes the file today has not booked it, whatever day it is."""
    return calendar.next_bank_day(clock.today())


def account(place: int) -> str:
    """A Norwegian account with a right check digit, another for every place."""
    for tail in range(place * 10, place * 10 + 10):
        for digit in "0123456789":
            try:
                return numbers.account(f"1503{tail:06d}{digit}")
            except numbers.InvalidNumber:
                continue
    raise AssertionError(place)


def organisation(place: int) -> str:
    """An organisation number with a right check digit, another for every place."""
    for tail in range(place * 10, place * 10 + 10):
        for digit in "0123456789":
            try:
                return numbers.organisation_number(f"91{tail:06d}{digit}")
            except numbers.InvalidNumber:
                continue
    raise AssertionError(place)


class Bank:
    """The simulated bank as a process, with its control address."""

    def __init__(self, data: Path, *, interval: float = 3600) -> None:
        self.data, self.interval = data, interval
        self.process: BankProcess | None = None
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, sftp_port: int = 0, control_port: int = 0) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        ready = self.data / "ready.json"
        ready.unlink(missing_ok=True)
        arguments = ["--data", str(self.data), "--interval", str(self.interval)]
        arguments += ["--sftp-port", str(sftp_port), "--control-port", str(control_port)]
        self.process = BankProcess(arguments, self.data / "log")
        deadline = time.monotonic() + 20
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.data / "log").read_text())
            time.sleep(0.02)
        self.ready = json.loads(ready.read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(10)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.ready['control_port']}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def pass_days(self, days: int = 5) -> None:
        """Moves the bank's clock at least so many days, on to a day when banks are open.

        A bank that takes a file on a closed day books it on the next open one, so a test that
        landed on a weekend would wait for a booking that is not yet due.
        """
        at = dt.datetime.fromisoformat(self.ask("/clock")["now"]).date()
        to = calendar.roll(at + dt.timedelta(days=days))
        self.ask("/clock", {"advance_days": (to - at).days})

    def work(self) -> dict[str, int]:
        """One round of the bank: take, answer, book, advise."""
        result: dict[str, int] = self.ask("/work", {})
        return result

    def transfers(self, **query: str) -> list[dict[str, Any]]:
        """Every transfer in the bank's books."""
        rows: list[dict[str, Any]] = []
        after = 0
        while True:
            words = "&".join(
                f"{k}={v}" for k, v in {**query, "after": after, "limit": 10000}.items()
            )
            page = self.ask(f"/books/transfers?{words}")
            rows += page["transfers"]
            if page["next"] is None:
                return rows
            after = page["next"]


@dataclass
class Stage:
    """A company with an agreement at a bank, two approvers and an ERP user."""

    company: Company
    key: str
    channel: BankChannel
    agreement: BankAgreement
    users: dict[str, User] = field(default_factory=dict)

    def scope(self) -> Any:
        return tenancy.acting_for([self.company])


def person(name: str, company: Company, *roles: Role) -> User:
    """A user with roles in a company, an authenticator, and a fast password hash."""
    email = f"{name}-{company.public_id}@example.org"
    user = User.objects.create_user(email, PASSWORD, name=name.title())
    Authenticator.objects.create(user=user, name="test", confirmed=True)
    give(user, company, *roles)
    return user


def give(user: User, company: Company, *roles: Role) -> None:
    """Makes a user a member of the company's customer, with these roles in the company."""
    join(user, company.customer)
    with tenancy.acting_for([company]):
        for role in roles:
            RoleGrant.objects.create(user=user, company=company, role=role)


def give_at(user: User, customer: Customer, *roles: Role) -> None:
    """Makes a user a member of the customer, with these roles at the customer itself."""
    join(user, customer)
    for role in roles:
        RoleGrant.objects.create(user=user, customer=customer, role=role)


def join(user: User, customer: Customer) -> None:
    """Makes a user a member of the customer, if they are not yet."""
    now = timezone.now()
    with tenancy.acting_for((), customers=[customer]):
        Membership.objects.get_or_create(
            customer=customer, user=user, defaults={"invited_at": now, "accepted_at": now}
        )


def company(place: int = 1, name: str = "Prøve AS") -> Company:
    """A company with a customer of its own."""
    number = organisation(place)
    customer = Customer.objects.create(
        name=name, organisation_number=number, accepted_terms=settings.TERMS_VERSION
    )
    return Company.objects.create(
        customer=customer, name=name, organisation_number=number, city="OSLO", postal_code="0155"
    )


def channel(bank: Bank | None = None) -> BankChannel:
    """The portal's channel to the bank."""
    found = BankChannel.objects.filter(bank="simbank").first()
    if found is not None:
        return found
    ready = bank.ready if bank else {"sftp_port": 1, "host_key": "ssh-ed25519 AAAA"}
    return BankChannel.objects.create(
        bank="simbank",
        username="kvitt",
        name="Prøvebanken",
        host="127.0.0.1",
        port=ready["sftp_port"],
        host_key=ready["host_key"],
        private_key=banking_channel.new_key(),
        download_folders=list(DOWNLOAD_FOLDERS),
    )


def channel_of_bank(bank: str, name: str) -> BankChannel:
    """A channel to another bank, which nobody answers on."""
    return BankChannel.objects.create(
        bank=bank,
        username="kvitt",
        name=name,
        host="127.0.0.1",
        port=1,
        host_key="ssh-ed25519 AAAA",
        private_key=banking_channel.new_key(),
    )


def stage(
    bank: Bank | None = None,
    *,
    place: int = 1,
    approvers: int = 2,
    bank_approvers: int = 1,
    version: str = "pain.001.001.09",
    balance: str = "1000000.00",
) -> Stage:
    """A company that can pay: agreement active, people with authority, known at the bank."""
    owner = company(place, f"Prøve {place} AS")
    bank_channel = channel(bank)
    with tenancy.acting_for([owner]):
        ServiceActivation.objects.create(
            company=owner, service=ServiceActivation.Service.AUTOPAY, activated_at=timezone.now()
        )
        key = SigningKey.objects.create(company=owner, secret=new_signing_key())
        number = account(place)
        debit = BankAccount.objects.create(
            company=owner, number=number, iban=numbers.iban_of(number), name="Drift", bic="DNBANOKK"
        )
        agreement = BankAgreement.objects.create(
            company=owner,
            channel=bank_channel,
            account=debit,
            customer_number=f"CUST{place}",
            agreement_id=f"AGR{place}",
            approvers_required=approvers,
            bank_approvers_required=bank_approvers,
            pain_version=version,
        )
        moves.move(
            BankAgreement.objects.filter(pk=agreement.pk),
            banking_lifecycle.ACTIVATE,
            by=actors.BANK,
            at=timezone.now(),
        )
        agreement = BankAgreement.objects.select_related("account", "channel").get(pk=agreement.pk)
        users = {
            "anne": person("anne", owner, Role.APPROVER),
            "bjorn": person("bjorn", owner, Role.APPROVER),
            "erp": person("erp", owner, Role.UPLOADER),
        }
        for name in ("anne", "bjorn"):
            Authority.objects.create(
                company=owner,
                account=debit,
                user=users[name],
                bank_identity=f"{name}-{place}".upper(),
                holds_authority=True,
            )
    made = Stage(owner, str(key.secret), bank_channel, agreement, users)
    if bank is not None:
        tell(bank, made, balance=balance)
    return made


def tell(
    bank: Bank,
    made: Stage,
    *,
    balance: str,
    payees: list[dict[str, Any]] | None = None,
    holders: Sequence[str] = ("anne", "bjorn"),
    unauthorised: str = "rejects",
) -> None:
    """Lets the bank know the channel, the company, its people, and who holds authority."""
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(made.channel.private_key))
    people = [
        (f"{name}-{made.agreement.agreement_id[3:]}".upper(), name) for name in ("anne", "bjorn")
    ]
    bank.ask(
        "/setup",
        {
            "channels": [{"user": "kvitt", "public_key": f"{key.get_name()} {key.get_base64()}"}],
            "customers": [
                {
                    "customer_number": made.agreement.customer_number,
                    "name": made.company.name,
                    "organisation_number": made.company.organisation_number,
                    "channel": "kvitt",
                    "agreement_id": made.agreement.agreement_id,
                    "active": True,
                    "approvers_required": made.agreement.bank_approvers_required,
                    "unauthorised": unauthorised,
                    "people": [{"id": pk, "name": name} for pk, name in people],
                    "accounts": [
                        {
                            "number": made.agreement.account.number,
                            "currency": "NOK",
                            "balance": balance,
                            "authorities": [pk for pk, name in people if name in holders],
                        }
                    ],
                }
            ],
            "payees": payees or [],
        },
    )


def code_of(user: User) -> str:
    """A fresh code: the device forgets earlier use, as if half a minute had passed."""
    device = Authenticator.objects.get(user=user, confirmed=True)
    Authenticator.objects.filter(pk=device.pk).update(
        last_step=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )
    totp = TOTP(bytes.fromhex(device.secret), 30, 0, 6, 0)
    totp.time = time.time()
    return f"{totp.token():06d}"


def signed_in(user: User) -> Client:
    """A browser's client that has passed both factors, without the pages that ask for them."""
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = "127.0.0.1"
    request.user = AnonymousUser()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    entering.begin(request, user, to="")
    entering.prove(request, secondfactor.verify(user=user, code=code_of(user)))
    guard.GuardMiddleware(lambda _request: HttpResponse())(request)  # its time begins
    client = Client()
    client.cookies.update(entering.speak(request, HttpResponse()).cookies)
    request.session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
    return client


class _Key(HTTPSignatureKeyResolver):
    def __init__(self, key: str) -> None:
        self.key = key.encode()

    def resolve_private_key(self, key_id: str) -> bytes:
        return self.key


class _Request:
    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers


@dataclass
class Erp:
    """An ERP as the API meets it: signs each request as the documentation says."""

    made: Stage
    client: Client = field(default_factory=Client)
    base: str = "http://testserver"
    # Whose key it signs with, where that is not the company's.
    key_id: str = ""
    secret: str = ""

    def headers(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        *,
        digest_of: bytes | None = None,
        key: str = "",
        nonce: str = "",
        created: dt.datetime | None = None,
    ) -> dict[str, str]:
        """All headers of a signed request; the last arguments spoil it for tests."""
        sent = dict(headers)
        covered = ["@method", "@target-uri"]
        if body is not None:
            told = hashlib.sha256(body if digest_of is None else digest_of).digest()
            sent["Content-Digest"] = f"sha-256=:{base64.b64encode(told).decode()}:"
            covered += ["content-digest", "content-type"]
        covered += [
            name
            for name in ("kvitt-user", "kvitt-code", "idempotency-key", "kvitt-sandbox")
            if name in map(str.lower, sent)
        ]
        request = _Request(method, self.base + API + path, sent)
        HTTPMessageSigner(
            signature_algorithm=algorithms.HMAC_SHA256,
            key_resolver=_Key(key or self.secret or self.made.key),
        ).sign(
            request,
            key_id=self.key_id or self.made.company.public_id,
            created=created or dt.datetime.now(dt.UTC),
            nonce=nonce or secrets.token_urlsafe(18),
            label="sig1",
            include_alg=True,
            covered_component_ids=tuple(covered),
            use_existing_digest=body is not None,
        )
        return sent

    def get(self, path: str, **spoil: Any) -> Any:
        headers = self.headers("GET", path, None, {}, **spoil)
        return self.client.get(API + path, headers=headers)

    def post(
        self,
        path: str,
        body: bytes,
        *,
        media_type: str = "application/xml",
        key: str | None = None,
        user: str | None = None,
        code: str = "",
        sandbox: str = "",
        **spoil: Any,
    ) -> Any:
        headers = {
            "Content-Type": media_type,
            "Kvitt-User": self.made.users["erp"].email if user is None else user,
            "Idempotency-Key": secrets.token_hex(8) if key is None else key,
        }
        headers |= {"Kvitt-Code": code} if code else {}
        headers |= {"Kvitt-Sandbox": sandbox} if sandbox else {}
        headers = self.headers("POST", path, body, headers, **spoil)
        content_type = headers.pop("Content-Type")
        return self.client.post(API + path, body, content_type=content_type, headers=headers)

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        answer = self.get(f"events?after={after}&limit=5000")
        assert answer.status_code == 200, answer.content
        rows: list[dict[str, Any]] = answer.json()["events"]
        return rows


@dataclass
class Line:
    """A line of a pain.001 for tests."""

    reference: str
    amount: str
    account: str
    kid: str = ""
    message: str = ""
    name: str = "Leverandør AS"
    currency: str = "NOK"
    invoice: str = ""

    def xml(self, position: int) -> str:
        remittance = ""
        if self.kid:
            remittance = (
                "<RmtInf><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>"
                f"<Ref>{self.kid}</Ref></CdtrRefInf></Strd></RmtInf>"
            )
        elif self.invoice:
            remittance = (
                "<RmtInf><Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CINV</Cd></CdOrPrtry></Tp>"
                f"<Nb>{self.invoice}</Nb></RfrdDocInf><RfrdDocAmt><RmtdAmt Ccy="
                f'"{self.currency}">{self.amount}</RmtdAmt></RfrdDocAmt></Strd></RmtInf>'
            )
        elif self.message:
            remittance = f"<RmtInf><Ustrd>{self.message}</Ustrd></RmtInf>"
        return (
            f"<CdtTrfTxInf><PmtId><InstrId>{position}</InstrId><EndToEndId>{self.reference}"
            f'</EndToEndId></PmtId><Amt><InstdAmt Ccy="{self.currency}">{self.amount}</InstdAmt></Amt>'
            f"<Cdtr><Nm>{self.name}</Nm><PstlAdr><TwnNm>OSLO</TwnNm><Ctry>NO</Ctry></PstlAdr></Cdtr>"
            f"<CdtrAcct><Id><Othr><Id>{self.account}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id>"
            f"</CdtrAcct>{remittance}</CdtTrfTxInf>\n"
        )


def pain001(
    payments: dict[str, list[Line]],
    *,
    account: str,
    due: dt.date,
    version: str = "09",
    category: str = "SUPP",
    totals: tuple[int, Decimal] | None = None,
) -> bytes:
    """A pain.001 as an ERP writes it."""
    lines = [line for rows in payments.values() for line in rows]
    count, total = totals or (len(lines), sum((Decimal(line.amount) for line in lines), Decimal(0)))
    date = f"<Dt>{due}</Dt>" if version == "09" else str(due)
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.{version}">'
        "<CstmrCdtTrfInitn><GrpHdr><MsgId>ERP-1</MsgId><CreDtTm>2026-11-22T10:00:00+01:00</CreDtTm>"
        f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
        "<InitgPty><Nm>Firma AS</Nm></InitgPty></GrpHdr>\n"
    ]
    for number, rows in payments.items():
        parts.append(
            f"<PmtInf><PmtInfId>{number}</PmtInfId><PmtMtd>TRF</PmtMtd><PmtTpInf><CtgyPurp>"
            f"<Cd>{category}</Cd></CtgyPurp></PmtTpInf><ReqdExctnDt>{date}</ReqdExctnDt>"
            f"<Dbtr><Nm>Firma AS</Nm></Dbtr><DbtrAcct><Id><Othr><Id>{account}</Id><SchmeNm>"
            "<Cd>BBAN</Cd></SchmeNm></Othr></Id></DbtrAcct><DbtrAgt><FinInstnId><Othr>"
            "<Id>NOTPROVIDED</Id></Othr></FinInstnId></DbtrAgt>\n"
        )
        parts += [line.xml(position) for position, line in enumerate(rows, 1)]
        parts.append("</PmtInf>\n")
    parts.append("</CstmrCdtTrfInitn></Document>\n")
    return "".join(parts).encode()


def stored(made: Stage) -> dict[str, int]:
    """How many uploads, payments, lines and events the company has: all that intake may write."""
    with made.scope():
        rows = (Upload, Payment, PaymentLine, Event)
        return {model.__name__: model.objects.of(made.company).count() for model in rows}


def refusal(answer: Any, status: int, code: str, *, place: str = "") -> dict[str, Any]:
    """The first problem of a refusal, after checking that it tells all that an ERP needs."""
    assert answer.status_code == status, (answer.status_code, answer.content[:2000])
    assert answer["Content-Type"] == "application/problem+json"
    told = json.loads(answer.content)
    assert told["status"] == status
    assert told["title"]
    assert told["instance"] == answer["X-Request-Id"]
    for problem in told["problems"]:
        assert set(problem) - {"existing"} == {"code", "place", "problem", "cure"}
        assert problem["problem"]
        assert problem["cure"]
        assert problem["place"], problem
    first: dict[str, Any] = told["problems"][0]
    assert first["code"] == code, told
    assert place in first["place"], told
    assert first["cure"] in told["detail"]
    return first


def environment(database: str, **more: str) -> dict[str, str]:
    """What a process of ours needs to work on a test's own database."""
    from urllib.parse import urlsplit, urlunsplit

    from django.conf import settings

    url = urlsplit(os.environ["DATABASE_URL"])
    return {
        **os.environ,
        "DATABASE_URL": urlunsplit(url._replace(path=f"/{database}")),
        "REDIS_URL": settings.REDIS_URL,
        **more,
    }


class Worker:
    """A real Celery worker on a test's own database; `solo`, so that killing it kills the task.

    `options` are further ones of Celery's own, `more` is further environment.
    """

    def __init__(
        self, database: str, log: Path, *, options: tuple[str, ...] = (), **more: str
    ) -> None:
        command = [sys.executable, "-m", "celery", "-A", "portal.celery", "worker", "-P", "solo"]
        command += [
            *options,
            "-Q",
            "default,bank,jobs",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*command, "--loglevel", "INFO"],
                cwd=ROOT,
                env=environment(database, **more),
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def dies(self, *, seconds: float = 60) -> bool:
        """Whether it was killed by SIGKILL within the time."""
        try:
            return self.process.wait(seconds) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False


def until(true: Any, *, seconds: float = 30, what: str = "it") -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


def letters(**which: Any) -> list[Letter]:
    """The letters in the outbox, whosever they are, oldest first."""
    with tenancy.acting_for((), letters=True):
        return list(Letter.objects.filter(**which).order_by("pk"))
