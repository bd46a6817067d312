"""The environment, typed and read once; holds no settings of Django's and no defaults for secrets.

Every fault is collected, so that one start tells all that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from environs import Env, EnvValidationError

ROOT = Path(__file__).resolve().parent.parent
SIGNATURE_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Environment:
    """What the process was told from outside. Times in seconds, sizes in bytes."""

    database_url: str
    redis_url: str
    secret_key: str
    field_keys: tuple[str, ...]
    signature_key: bytes
    base_url: str
    data_dir: Path
    demo: bool
    debug: bool
    allowed_hosts: tuple[str, ...]
    log_level: str
    bank_poll_seconds: int
    push_private_networks: bool
    secure_cookies: bool
    trust_proxy: bool
    database_app_role: str
    receipt_window_seconds: int
    bank_days: Path | None
    fault_point: str
    simbank_control_url: str
    simbank_sftp_port: int
    simerp_url: str
    sms_gateway: str
    sms_url: str
    sms_token: str
    support_contact: str
    pwned_passwords: bool
    operators: tuple[str, ...]
    mail_from: str
    mail_settings: dict[str, Any]


def read() -> Environment:
    """Reads the environment; raises SystemExit with every fault named, and the cure."""
    env = Env(eager=False)
    demo = env.bool("KVITT_DEMO", False)
    base_url = env.str("KVITT_BASE_URL", "http://localhost:8000")
    values: dict[str, Any] = {
        "database_url": env.str("DATABASE_URL"),
        "redis_url": env.str("REDIS_URL"),
        "secret_key": env.str("SECRET_KEY"),
        "field_keys": tuple(env.list("FIELD_KEYS") or ()),
        "signature_key": env.str("SIGNATURE_KEY"),
        "base_url": base_url,
        "data_dir": Path(env.str("KVITT_DATA_DIR", str(ROOT / ".kvitt"))),
        "demo": demo,
        "debug": env.bool("KVITT_DEBUG", False),
        "allowed_hosts": tuple(env.list("KVITT_ALLOWED_HOSTS", _host_of(base_url))),
        "log_level": env.str("KVITT_LOG_LEVEL", "INFO"),
        "bank_poll_seconds": env.int("KVITT_BANK_POLL_SECONDS", 5 if demo else 60),
        "push_private_networks": env.bool("KVITT_PUSH_PRIVATE_NETWORKS", demo),
        "secure_cookies": env.bool("KVITT_SECURE_COOKIES", not demo),
        "trust_proxy": env.bool("KVITT_TRUST_PROXY", False),
        "database_app_role": env.str("DATABASE_APP_ROLE", "kvitt_app"),
        "receipt_window_seconds": env.int("KVITT_RECEIPT_WINDOW_SECONDS", 5 if demo else 900),
        "fault_point": env.str("KVITT_FAULT_POINT", ""),
        "bank_days": Path(days) if (days := env.str("KVITT_BANK_DAYS", "")) else None,
        "simbank_control_url": env.str("SIMBANK_CONTROL_URL", ""),
        "simbank_sftp_port": env.int("SIMBANK_SFTP_PORT", 0),
        "simerp_url": env.str("SIMERP_URL", ""),
        "sms_gateway": "demo" if demo else ("http" if env.str("KVITT_SMS_URL", "") else ""),
        "sms_url": env.str("KVITT_SMS_URL", ""),
        "sms_token": env.str("KVITT_SMS_TOKEN", ""),
        "support_contact": env.str("KVITT_SUPPORT_CONTACT", "support@kvitt.example"),
        "operators": tuple(env.list("KVITT_OPERATORS", []) or ()),
        "pwned_passwords": env.bool("KVITT_PWNED_PASSWORDS", not demo),
        "mail_from": env.str("KVITT_MAIL_FROM", "Kvitt <kvitt@localhost>"),
        "mail_settings": _mail(env.dj_email_url("EMAIL_URL", "smtp://localhost:25")),
    }
    if not values["operators"] and "@" in values["support_contact"]:
        values["operators"] = (values["support_contact"],)
    faults = _unfit(values)
    try:
        env.seal()
    except EnvValidationError as error:
        told = error.error_messages
        faults |= dict(told) if isinstance(told, Mapping) else {"environment": list(told)}
    if faults:
        raise SystemExit(_told(faults))
    values["signature_key"] = bytes.fromhex(values["signature_key"])
    return Environment(**values)


def _unfit(values: dict[str, Any]) -> dict[str, Any]:
    """What was given and cannot serve: empty texts, and keys that are none."""
    texts = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    faults: dict[str, Any] = {
        name: ["must not be empty"] for name in texts if not values[name.lower()]
    }
    try:
        strong = len(bytes.fromhex(values["signature_key"] or "")) == SIGNATURE_KEY_BYTES
    except ValueError:
        strong = False
    if not strong:
        faults["SIGNATURE_KEY"] = ["must be 64 hexadecimal characters"]
    try:
        MultiFernet([Fernet(key) for key in values["field_keys"]])
    except ValueError:
        faults["FIELD_KEYS"] = ["must be Fernet keys, with commas between"]
    if not (demo_contact := values["support_contact"].strip()) or "\n" in demo_contact:
        faults["KVITT_SUPPORT_CONTACT"] = ["must be an e-mail address or a phone number"]
    if values["sms_url"] and not values["sms_url"].startswith("https://"):
        faults["KVITT_SMS_URL"] = ["must begin with https://"]
    if "EMAIL_BACKEND" not in values["mail_settings"]:
        # An unknown scheme would be read as SMTP without TLS, and the password sent in the clear.
        faults["EMAIL_URL"] = ["must begin with smtp:// or submission://"]
    return faults


def broker_url(redis_url: str) -> str:
    """The same server as kombu writes it: a Unix socket has another scheme and parameter there."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")


def _mail(read: Any) -> dict[str, Any]:
    """Django's EMAIL_* settings from a URL such as submission://user:word@host:587 (TLS)."""
    kept = {name: value for name, value in dict(read or {}).items() if value is not None}
    kept.pop("EMAIL_FILE_PATH", None)
    return {name: value for name, value in kept.items() if name.startswith("EMAIL_")}


def _host_of(base_url: str) -> list[str]:
    host = base_url.split("//", 1)[-1].split("/", 1)[0].split(":", 1)[0]
    return [host, "127.0.0.1"] if host == "localhost" else [host]


def _told(faults: dict[str, Any]) -> str:
    told = "\n".join(f"  {name}: {'; '.join(map(str, texts))}" for name, texts in faults.items())
    return (
        "Kvitt cannot start: the environment is not complete.\n"
        f"{told}\nEvery variable is described in docs/settings.md; ./run sets them all for you."
    )
