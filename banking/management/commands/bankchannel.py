"""`manage.py bankchannel`: Kvitt's own ways into the banks, for operators."""

from __future__ import annotations

import argparse
import base64
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from banking import channel, profiles
from banking.models import BankChannel

HELP = """
A channel is Kvitt's own SFTP connection to a bank: every company's agreements with that bank go by
it. `add` makes a key pair, keeps the private key encrypted, and prints the public one, which the
bank registers; until it has, the connection is refused. Get the bank's host key from the bank
itself and not over the network.
"""
FIELDS = ("name", "host", "port", "upload_folder", "archive_folder")


class Command(BaseCommand):
    help = HELP

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        kwargs["formatter_class"] = argparse.RawDescriptionHelpFormatter
        return super().create_parser(*args, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="the channels, with their public keys")
        add = verbs.add_parser("add", help="a new channel, with a key of its own")
        add.add_argument("bank", choices=sorted(profiles.every()), help="its data file")
        add.add_argument("username", help="what the bank calls Kvitt")
        _options(add, required=True)
        change = verbs.add_parser("change", help="change a channel; what is not named stays")
        change.add_argument("id", type=int, help="as `list` tells it")
        _options(change, required=False)
        use = change.add_mutually_exclusive_group()
        use.add_argument("--on", action="store_true", help="take it into use")
        use.add_argument("--off", action="store_true", help="nothing is sent or fetched on it")
        attempt = verbs.add_parser("try", help="connect, and look into the folders")
        attempt.add_argument("id", type=int, help="as `list` tells it")

    def handle(self, *_args: Any, **options: Any) -> None:
        getattr(self, f"_{options['verb']}")(options)

    def _list(self, _options: dict[str, Any]) -> None:
        rows = list(BankChannel.objects.order_by("pk"))
        for row in rows:
            state = "in use" if row.is_active else "off"
            self.stdout.write(
                f"{row.pk}  {row.bank}  {row.name}  {row.username}@{row.host}:{row.port}  {state}"
            )
            self._tell_key(row)
        if not rows:
            self.stdout.write("There is no channel yet: see `bankchannel add --help`.")

    def _add(self, options: dict[str, Any]) -> None:
        row = BankChannel(
            bank=options["bank"], username=options["username"], private_key=channel.new_key()
        )
        self._write(row, options)
        self.stdout.write(f"Channel {row.pk} is made. Let the bank register this key:")
        self._tell_key(row)

    def _change(self, options: dict[str, Any]) -> None:
        row = _found(options["id"])
        if options["on"] or options["off"]:
            row.is_active = options["on"]
        self._write(row, options)
        self.stdout.write(f"Channel {row.pk} is changed.")

    def _try(self, options: dict[str, Any]) -> None:
        row = _found(options["id"])
        try:
            with channel.connect(row, passed=self._passed) as session:
                for folder in filter(
                    None, [row.upload_folder, row.archive_folder, *row.download_folders]
                ):
                    session.look(folder)
                    self.stdout.write(f"folder {folder}: found")
        except channel.ChannelFault as fault:
            raise CommandError(f"{fault.code}: {fault.detail}") from fault
        self.stdout.write("The bank can be reached.")

    def _passed(self, step: str) -> None:
        self.stdout.write(f"{step}: right")

    def _tell_key(self, row: BankChannel) -> None:
        key = channel.public_key(row)
        told = f"    {key.line}\n    {key.fingerprint}" if key else "    its key cannot be read"
        self.stdout.write(told)

    def _write(self, row: BankChannel, options: dict[str, Any]) -> None:
        for name in FIELDS:
            if options[name] is not None:
                setattr(row, name, options[name])
        if options["host_key"] is not None:
            row.host_key = _host_key(options["host_key"])
        if options["download_folder"] is not None:
            row.download_folders = options["download_folder"]
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError as error:
            told = f"{row.bank} has a channel for {row.username} already: see `bankchannel list`."
            raise CommandError(told) from error


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it cannot be empty")
    return text.strip()


def _options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--name", type=_words, required=required, help="what people call the bank")
    parser.add_argument("--host", type=_words, required=required)
    parser.add_argument("--port", type=_port, metavar="PORT")
    parser.add_argument(
        "--host-key",
        required=required,
        metavar="KEY",
        help='the bank\'s public host key: "ssh-ed25519 AAAA…", or its line of known_hosts',
    )
    parser.add_argument("--upload-folder", metavar="FOLDER", help="where payment files are laid")
    parser.add_argument(
        "--archive-folder",
        metavar="FOLDER",
        help='where the bank moves what it has taken; "" for a bank that has none',
    )
    parser.add_argument(
        "--download-folder",
        action="append",
        required=required,
        metavar="FOLDER",
        help="where the bank lays files; may be named several times",
    )


def _found(pk: int) -> BankChannel:
    row = BankChannel.objects.filter(pk=pk).first()
    if row is None:
        raise CommandError(f"There is no channel {pk}: see `bankchannel list`.")
    return row


def _host_key(text: str) -> str:
    """The kind and the key, of what may be a whole line of known_hosts."""
    words = [word for word in text.split() if not word.startswith("#")]
    for place, word in enumerate(words[:-1]):
        if word.startswith(("ssh-", "ecdsa-", "rsa-")):
            kind, key = word, words[place + 1]
            break
    else:
        raise CommandError('--host-key: write kind and key, as "ssh-ed25519 AAAA…".')
    try:
        inside = base64.b64decode(key, validate=True)
    except ValueError:
        inside = b""
    told = int.from_bytes(inside[:4], "big")
    if inside[4 : 4 + told] != kind.encode():
        raise CommandError(f"--host-key: this is no {kind} key; a part of it may be missing.")
    return f"{kind} {key}"
