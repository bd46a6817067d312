"""Holds what the tests of the simulated bank share: a real process, a real SFTP client, files."""

import base64
import datetime
import functools
import io
import itertools
import json
import re
import signal
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lxml import etree

from tests.bank_process import BankProcess

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT.parent / "shared" / "reference" / "xsd"
AGREEMENT = "CCM-1"


def make_account(place):
    """A valid account number for every place in the row."""
    for tail in range(place * 10, place * 10 + 10):
        ten = f"1503{tail:06d}"
        total = sum(
            weight * int(digit)
            for weight, digit in zip((5, 4, 3, 2, 7, 6, 5, 4, 3, 2), ten, strict=True)
        )
        if total % 11 != 1:
            return f"{ten}{(11 - total % 11) % 11}"
    raise AssertionError("no account in ten tries")


class Driver:
    """Starts one bank, speaks to both its doors, kills it."""

    def __init__(self, data, key, interval=3600):
        self.data = data
        self.key = key
        self.interval = interval
        self.process = None
        self.ready = {}
        self.lines = {}

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        arguments = ["--data", str(self.data), "--interval", str(self.interval)]
        arguments += ["--sftp-port", "0", "--control-port", "0"]
        self.process = BankProcess(arguments, self.data / "log")
        path = self.data / "ready.json"
        deadline = time.monotonic() + 15
        while True:
            if path.exists():
                ready = json.loads(path.read_text())
                if ready["pid"] == self.process.pid:
                    self.ready = ready
                    return self
            assert self.process.poll() is None, "the bank ended before it was ready"
            assert time.monotonic() < deadline, "the bank never became ready"
            time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)
        self.hang_up()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(5)
        self.hang_up()
        return code

    def ask(self, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ready['control_port']}{path}",
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as fault:
            return fault.code, json.loads(fault.read())

    def get(self, path):
        status, answer = self.ask(path)
        assert status == 200, answer
        return answer

    def post(self, path, body):
        status, answer = self.ask(path, body)
        assert status == 200, answer
        return answer

    def work(self):
        return self.post("/work", {})

    def now(self):
        return self.get("/clock")["now"]

    def transfers(self, **wanted):
        query = "&".join(f"{name}={text}" for name, text in wanted.items())
        return self.get(f"/books/transfers?limit=10000&{query}")["transfers"]

    def connect(self, user, key=None):
        client = paramiko.SSHClient()
        kind, blob = self.ready["host_key"].split()
        client.get_host_keys().add(
            f"[127.0.0.1]:{self.ready['sftp_port']}",
            kind,
            paramiko.PKey.from_type_string(kind, base64.b64decode(blob)),
        )
        client.connect(
            "127.0.0.1",
            port=self.ready["sftp_port"],
            username=user,
            pkey=key or self.key,
            look_for_keys=False,
            allow_agent=False,
            timeout=5,
        )
        return client, client.open_sftp()

    @contextmanager
    def sftp(self, user):
        """The user's open line; one that failed is hung up, so that the next is new."""
        if user not in self.lines:
            self.lines[user] = self.connect(user)
        try:
            yield self.lines[user][1]
        except BaseException:
            self.lines.pop(user)[0].close()
            raise

    def hang_up(self):
        for client, _ in self.lines.values():
            client.close()
        self.lines.clear()

    def upload(self, user, name, text, rename="rename"):
        with self.sftp(user) as sftp:
            sftp.putfo(io.BytesIO(text.encode()), f"pain001/{name}.part", confirm=False)
            getattr(sftp, rename)(f"pain001/{name}.part", f"pain001/{name}")

    def fetch_raw(self, user, folder):
        """All new files of a folder, oldest first, as names and bytes; removes them there."""
        with self.sftp(user) as sftp:
            names = sorted(sftp.listdir(f"out/{folder}"), key=number_of)
            found = []
            for name in names:
                with sftp.open(f"out/{folder}/{name}") as remote:
                    remote.prefetch()
                    found.append((name, remote.read()))
                sftp.remove(f"out/{folder}/{name}")
        return found

    def fetch(self, user, kind):
        """All new messages of a kind, oldest first, as trees; removes them from the bank."""
        found = []
        for name, raw in self.fetch_raw(user, kind):
            assert_valid(name, raw)
            found.append(Message(name, raw))
        return found

    def script(self, what, **more):
        return self.post("/scripts", {"what": what, **more})

    def next_days(self, days=1):
        self.post("/clock", {"advance_days": days})
        return self.work()


def number_of(name):
    return int(re.match(r"[a-z0-9]+_([0-9]+)", name)[1])


class Message:
    """A fetched message, read by local names."""

    def __init__(self, name, raw):
        self.name = name
        self.root = etree.fromstring(raw)

    def all(self, path):
        return self.root.xpath(
            "//" + "/".join(f"*[local-name()='{step}']" for step in path.split("/"))
        )

    def texts(self, path):
        return [element.text for element in self.all(path)]

    def text(self, path):
        found = self.texts(path)
        return found[0] if found else None


@functools.cache
def load_schema(version):
    path = SCHEMAS / f"{version}.xsd"
    return etree.XMLSchema(file=str(path)) if path.exists() else None


def assert_valid(name, raw):
    tree = etree.fromstring(raw)
    schema = load_schema(tree.nsmap[None].rpartition(":")[2])
    assert schema is None or schema.validate(tree), f"{name}: {schema.error_log}"


def write_order(who, msg_id, payments, **changes):
    """A pain.001 of one or more payments; `changes` bend the header."""
    version = changes.get("version", "09")
    lines = [line for payment in payments for line in payment["lines"]]
    total = sum((Decimal(line["amount"]) for line in lines), Decimal(0))
    approvers = changes.get("approvers", ["P1"])
    parts = [
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.{version}">',
        f"<CstmrCdtTrfInitn><GrpHdr><MsgId>{msg_id}</MsgId><CreDtTm>2026-01-01T12:00:00</CreDtTm>",
        *(f"<Authstn><Prtry>{person}</Prtry></Authstn>" for person in approvers),
        f"<NbOfTxs>{changes.get('count', len(lines))}</NbOfTxs>",
        f"<CtrlSum>{changes.get('total', total)}</CtrlSum><InitgPty><Id><OrgId>",
        f"<Othr><Id>{changes.get('customer', who.customer)}</Id>",
        "<SchmeNm><Cd>CUST</Cd></SchmeNm></Othr>",
        f"<Othr><Id>{changes.get('agreement', AGREEMENT)}</Id>",
        "<SchmeNm><Cd>BANK</Cd></SchmeNm></Othr></OrgId></Id></InitgPty></GrpHdr>",
        *(write_payment(who, payment, version) for payment in payments),
        "</CstmrCdtTrfInitn></Document>",
    ]
    return "".join(parts)


def write_payment(who, payment, version):
    day = payment.get("date", who.today())
    salary = payment.get("salary", False)
    bic = "BIC" if version == "03" else "BICFI"
    return "".join(
        [
            f"<PmtInf><PmtInfId>{payment['id']}</PmtInfId><PmtMtd>TRF</PmtMtd>",
            f"<BtchBookg>{'true' if salary else 'false'}</BtchBookg>",
            "<PmtTpInf><SvcLvl><Cd>NURG</Cd></SvcLvl><CtgyPurp><Cd>",
            f"{'SALA' if salary else 'SUPP'}</Cd></CtgyPurp></PmtTpInf>",
            f"<ReqdExctnDt>{day if version == '03' else f'<Dt>{day}</Dt>'}</ReqdExctnDt>",
            "<Dbtr><Nm>Firma AS</Nm></Dbtr><DbtrAcct><Id><Othr>",
            f"<Id>{payment.get('account', who.account)}</Id>",
            "<SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id></DbtrAcct>",
            f"<DbtrAgt><FinInstnId><{bic}>KVBKNOKK</{bic}></FinInstnId></DbtrAgt>",
            *(write_line(line) for line in payment["lines"]),
            "</PmtInf>",
        ]
    )


def write_line(line):
    account = line.get("to", make_account(99_000))
    identity = (
        f"<IBAN>{account}</IBAN>"
        if account[:1].isalpha()
        else (f"<Othr><Id>{account}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr>")
    )
    remittance = "<Ustrd>Faktura 1</Ustrd>"
    if "kid" in line:
        remittance = (
            "<Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>"
            f"<Ref>{line['kid']}</Ref></CdtrRefInf></Strd>"
        )
    address = ""
    if account[:1].isalpha() and not account.startswith("NO"):
        address = f"<PstlAdr><TwnNm>BERLIN</TwnNm><Ctry>{account[:2]}</Ctry></PstlAdr>"
    return (
        f"<CdtTrfTxInf><PmtId><InstrId>I-{line['id']}</InstrId>"
        f"<EndToEndId>{line['id']}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="{line.get("currency", "NOK")}">{line["amount"]}</InstdAmt></Amt>'
        f"<Cdtr><Nm>Strøm &amp; Nett AS</Nm>{address}</Cdtr><CdtrAcct><Id>{identity}</Id></CdtrAcct>"
        f"<RmtInf>{remittance}</RmtInf></CdtTrfTxInf>"
    )


@pytest.fixture(scope="session")
def make_key():
    """A function that makes a fresh key pair for a channel."""

    def make():
        raw = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        return paramiko.Ed25519Key.from_private_key(io.StringIO(raw.decode()))

    return make


@pytest.fixture(scope="session")
def key(make_key):
    return make_key()


@pytest.fixture(scope="session")
def shared_bank(tmp_path_factory, key):
    """One process for all tests that do not kill it; it works only when told to."""
    driver = Driver(tmp_path_factory.mktemp("bank"), key).start()
    move_to_a_quiet_day(driver)
    yield driver
    if driver.process.poll() is None:
        driver.stop()


def move_to_a_quiet_day(driver):
    """A Tuesday in February: no holiday near, whatever day the tests are run on."""
    day = datetime.datetime.fromisoformat(driver.now()).replace(month=2, day=1, hour=9)
    day = day.replace(year=day.year + 1)
    day += datetime.timedelta(days=(1 - day.weekday()) % 7)
    driver.post("/clock", {"to": day.isoformat()})


@pytest.fixture
def bank(shared_bank):
    """The shared bank on a Tuesday or Wednesday morning: the next is a bank day too."""
    now = datetime.datetime.fromisoformat(shared_bank.now())
    if now.weekday() not in (1, 2):
        day = now + datetime.timedelta(days=(1 - now.weekday()) % 7)
        shared_bank.post("/clock", {"to": day.replace(hour=9, minute=0).isoformat()})
    yield shared_bank
    shared_bank.post("/scripts/remove", {})


@pytest.fixture
def own_bank(tmp_path, key):
    """A function that starts a bank of the test's own."""
    started = []

    def start(interval=3600):
        driver = Driver(tmp_path / "bank", key, interval).start()
        started.append(driver)
        return driver

    yield start
    for driver in started:
        if driver.process.poll() is None:
            driver.kill()


PLACES = itertools.count(1)


@pytest.fixture
def open_customer(key):
    """A function that registers a new customer with its own channel and account."""

    def register(driver, balance="100000.00", **changes):
        place = next(PLACES)
        who = SimpleNamespace(
            user=f"user{place}",
            customer=f"C{place}",
            account=make_account(place),
            today=lambda: driver.now()[:10],
        )
        customer = {
            "customer_number": who.customer,
            "name": "Firma AS",
            "organisation_number": "974760673",
            "channel": who.user,
            "agreement_id": AGREEMENT,
            "active": True,
            "approvers_required": 1,
            "people": [{"id": person, "name": person} for person in ("P1", "P2", "P3")],
            "accounts": [
                {
                    "number": who.account,
                    "currency": "NOK",
                    "balance": balance,
                    "authorities": ["P1", "P2"],
                }
            ],
            **changes,
        }
        public_key = f"ssh-ed25519 {key.get_base64()}"
        who.setup = {
            "channels": [{"user": who.user, "public_key": public_key}],
            "customers": [customer],
        }
        driver.post("/setup", who.setup)
        return who

    return register


@pytest.fixture
def order():
    return write_order


@pytest.fixture
def account_number():
    return make_account


@pytest.fixture
def schemas():
    if not SCHEMAS.is_dir():
        pytest.skip(f"the official schemas are not at {SCHEMAS}")
    return SCHEMAS
