"""The environment: everything that is missing or wrong is told at once, with the cure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kombu
import pytest
import redis
from cryptography.fernet import Fernet
from django.conf import settings as live

from portal import env

ROOT = Path(__file__).resolve().parents[2]
WHOLE = {
    "DATABASE_URL": "postgres://kvitt_app:x@localhost/kvitt",
    "REDIS_URL": "redis://localhost:6379/0",
    "SECRET_KEY": "Kx7-2mQp" * 8,
    "FIELD_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "SIGNATURE_KEY": "ab" * 32,
}
OURS = ("KVITT_", "SIMBANK_", "SIMERP_", "EMAIL_", "DATABASE_", "REDIS_")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that holds only what is required."""
    for name in list(os.environ):
        if name.startswith(OURS) or name in WHOLE:
            monkeypatch.delenv(name)
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refused() -> str:
    with pytest.raises(SystemExit) as told:
        env.read()
    return str(told.value)


def test_what_is_required_is_enough_and_safe() -> None:
    read = env.read()
    assert read.field_keys == (WHOLE["FIELD_KEYS"],)
    assert read.signature_key == bytes.fromhex("ab" * 32)
    assert (read.demo, read.debug, read.secure_cookies, read.trust_proxy) == (
        False,
        False,
        True,
        False,
    )
    assert read.allowed_hosts == ("localhost", "127.0.0.1")
    assert (read.bank_poll_seconds, read.receipt_window_seconds) == (60, 900)
    assert read.fault_point == ""


def test_all_that_is_missing_is_told_at_once(bare: pytest.MonkeyPatch) -> None:
    for name in WHOLE:
        bare.delenv(name)
    told = refused()
    assert all(f"  {name}: " in told for name in WHOLE), told
    assert "docs/settings.md" in told
    assert "Traceback" not in told


def test_what_is_missing_and_what_is_wrong_are_told_together(bare: pytest.MonkeyPatch) -> None:
    bare.delenv("SECRET_KEY")
    bare.setenv("KVITT_BANK_POLL_SECONDS", "often")
    bare.setenv("KVITT_DEMO", "perhaps")
    told = refused()
    assert all(name in told for name in ("SECRET_KEY", "KVITT_BANK_POLL_SECONDS", "KVITT_DEMO"))


@pytest.mark.parametrize("key", ["", "ab", "ab" * 31, "ab" * 33, "zz" * 32, " "])
def test_a_signature_key_that_is_too_weak_is_refused(key: str, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("SIGNATURE_KEY", key)
    assert "SIGNATURE_KEY: must be 64 hexadecimal characters" in refused()


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_what_is_required_may_not_be_empty(name: str, bare: pytest.MonkeyPatch) -> None:
    bare.setenv(name, "")
    assert f"  {name}: " in refused()


@pytest.mark.parametrize("keys", ["short", WHOLE["FIELD_KEYS"] + ",short"])
def test_a_field_key_that_cannot_encrypt_is_refused_at_the_start(
    keys: str, bare: pytest.MonkeyPatch
) -> None:
    bare.setenv("FIELD_KEYS", keys)
    told = refused()
    assert "  FIELD_KEYS: " in told
    assert "short" not in told, "secrets are never told"


def test_several_field_keys_are_read_in_order(bare: pytest.MonkeyPatch) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(3)]
    bare.setenv("FIELD_KEYS", ",".join(keys))
    assert env.read().field_keys == tuple(keys)


def test_the_demo_polls_often_and_needs_no_https(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("KVITT_DEMO", "1")
    read = env.read()
    assert (read.demo, read.secure_cookies, read.bank_poll_seconds) == (True, False, 5)


def test_the_host_of_the_base_address_is_the_only_one_allowed(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("KVITT_BASE_URL", "https://kvitt.example:8443/x")
    assert env.read().allowed_hosts == ("kvitt.example",)
    bare.setenv("KVITT_ALLOWED_HOSTS", "a.example,b.example")
    assert env.read().allowed_hosts == ("a.example", "b.example")


def test_the_mail_server_is_one_address_and_speaks_tls(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("EMAIL_URL", "submission://user:w%40rd@mail.example")
    read = env.read().mail_settings
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"], read["EMAIL_USE_TLS"]) == (
        "mail.example",
        587,
        True,
    )
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("user", "w@rd")
    assert "EMAIL_TIMEOUT" not in read, "the settings' own time-out stands"


def test_a_mail_server_that_would_be_spoken_to_in_the_clear_by_mistake_is_refused(
    bare: pytest.MonkeyPatch,
) -> None:
    bare.setenv("EMAIL_URL", "smtp+tls://user:word@mail.example:587")
    told = refused()
    assert "  EMAIL_URL: " in told
    assert "word" not in told


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("redis://localhost:6379/3", "redis://localhost:6379/3"),
        ("rediss://u:p@h:6380/0", "rediss://u:p@h:6380/0"),
        ("unix:///tmp/v/v.sock", "redis+socket:///tmp/v/v.sock"),
        ("unix:///tmp/v/v.sock?db=2", "redis+socket:///tmp/v/v.sock?virtual_host=2"),
    ],
)
def test_the_brokers_address_is_the_same_server(given: str, made: str) -> None:
    assert env.broker_url(given) == made


def test_the_broker_answers_at_that_address_in_the_same_database() -> None:
    wanted = redis.Redis.from_url(live.REDIS_URL)
    with kombu.Connection(env.broker_url(live.REDIS_URL)) as broker:
        client = broker.default_channel.client
        assert client.ping()
        used = client.connection_pool.connection_kwargs["db"]
    assert used == wanted.connection_pool.connection_kwargs.get("db", 0)


def test_a_start_without_an_environment_says_so_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("Kvitt cannot start:"), done.stderr[:500]
    assert all(name in done.stderr for name in WHOLE)
    assert "Traceback" not in done.stderr


def test_the_settings_that_keep_people_out() -> None:
    assert live.SESSION_IDLE_SECONDS == 900
    assert live.SESSION_COOKIE_AGE == 12 * 3600
    assert live.AXES_FAILURE_LIMIT == 10
    assert live.SESSION_COOKIE_HTTPONLY
    assert "portal.access.guard.GuardMiddleware" in live.MIDDLEWARE
    assert "unsafe-inline" not in str(live.CONTENT_SECURITY_POLICY)


def test_django_finds_nothing_to_say_about_a_real_deployment() -> None:
    whole = WHOLE | {
        "KVITT_BASE_URL": "https://kvitt.example",
        "PATH": os.environ["PATH"],
        "KVITT_DATA_DIR": "/tmp",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=whole,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_outside_the_demo_there_is_no_demo_and_passwords_are_hashed_slowly() -> None:
    code = (
        "import portal.settings as s;"
        " print('portal.demo' in s.INSTALLED_APPS, s.DEMO, s.PASSWORD_HASHERS[0], s.EMAIL_TIMEOUT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=WHOLE | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [
        "False",
        "False",
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "20",
    ]
