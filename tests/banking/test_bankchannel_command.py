"""`manage.py bankchannel`: a connection is made, told, tried and changed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from banking import channel
from banking.models import BankChannel
from tests import kit
from tests.kit import Bank

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2Xc9hF4sV0o2wXcI0Wv3w3mJm0uBqj3mQ9o3m9o3m9"
WORDS = (
    "dnb",
    "kvitt01",
    "--name",
    "DNB",
    "--host",
    "sftp.bank.example",
    "--download-folder",
    "ut",
)


def told(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("bankchannel", *words, stdout=out, **options)
    return out.getvalue()


def test_a_channel_is_made_with_a_key_of_its_own_that_is_kept_encrypted(db: None) -> None:
    said = told("add", *WORDS, "--host-key", f"sftp.bank.example {HOST_KEY} # from the bank")
    row = BankChannel.objects.get()
    assert (row.bank, row.username, row.host, row.port) == (
        "dnb",
        "kvitt01",
        "sftp.bank.example",
        22,
    )
    assert (row.host_key, row.download_folders, row.is_active) == (HOST_KEY, ["ut"], True)
    key = channel.public_key(row)
    assert key is not None
    assert key.line in said
    assert "PRIVATE" not in said
    assert key.fingerprint in told("list")


def test_what_is_not_named_stays_as_it_is(db: None) -> None:
    told("add", *WORDS, "--host-key", HOST_KEY)
    before = BankChannel.objects.get()
    told("change", str(before.pk), "--off", "--port", "2222", "--archive-folder", "")
    row = BankChannel.objects.get()
    assert (row.is_active, row.port, row.archive_folder) == (False, 2222, "")
    assert (row.host, row.host_key, row.private_key) == (
        before.host,
        before.host_key,
        before.private_key,
    )
    assert "  off" in told("list")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("AAAAC3NzaC1lZDI1NTE5", "write kind and key"),
        ("ssh-ed25519 AAAAB3NzaC1yc2E=", "no ssh-ed25519 key"),
        ("ssh-ed25519 æøå", "no ssh-ed25519 key"),
    ],
)
def test_a_host_key_that_is_none_is_refused(db: None, key: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        told("add", *WORDS, "--host-key", key)
    assert not BankChannel.objects.exists()


def test_the_same_user_at_the_same_bank_is_refused(db: None) -> None:
    told("add", *WORDS, "--host-key", HOST_KEY)
    with pytest.raises(CommandError, match="already"):
        told("add", *WORDS, "--host-key", HOST_KEY)
    with pytest.raises(CommandError, match="no channel 99999"):
        told("try", "99999")


def test_a_channel_is_tried_against_the_bank(own_database: str, bank: Bank) -> None:
    made = kit.stage(bank)
    said = told("try", str(made.channel.pk))
    assert "host-key: right" in said
    assert "The bank can be reached." in said
    told("change", str(made.channel.pk), "--download-folder", "finnes-ikke")
    with pytest.raises(CommandError, match="folder-missing"):
        told("try", str(made.channel.pk))


@pytest.mark.parametrize("port", ["0", "65536", "-1", "ssh"])
def test_a_port_that_is_none_is_refused(db: None, port: str) -> None:
    with pytest.raises(CommandError, match="--port.*a number from 1 to 65535"):
        told("add", *WORDS, "--port", port)
    assert not BankChannel.objects.exists()


@pytest.mark.parametrize(("option", "value"), [("--name", " "), ("--host", "")])
def test_a_name_or_a_host_that_is_empty_is_refused(db: None, option: str, value: str) -> None:
    with pytest.raises(CommandError, match="it cannot be empty"):
        told("add", *WORDS, option, value, "--host-key", HOST_KEY)
    assert not BankChannel.objects.exists()
