"""SFTP to a bank: put (temporary name, then rename), look for a name, list, fetch, remove.

Every wait has a limit and the bank's host key is pinned. It opens its own connection for each
use, so nothing crosses a fork, and it knows nothing of what the files say.
"""

from __future__ import annotations

import contextlib
import io
import socket
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.conf import settings
from django.db import connection

from banking.models import BankChannel
from portal import faults

LOCK_CLASS = 0x4B76  # advisory locks of channels: (class, channel id)
PART = ".part"


class ChannelFault(Exception):
    """The bank could not be reached, or broke off. `code` is a stable slug, `detail` its words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class TooLarge(ChannelFault):
    """A file at the bank is larger than BANK_FILE_MAX_BYTES."""


class Session:
    """An open connection to one bank channel."""

    def __init__(self, channel: BankChannel, sftp: paramiko.SFTPClient) -> None:
        self.channel = channel
        self._sftp = sftp

    def put(self, name: str, content: BinaryIO) -> None:
        """Uploads under a temporary name and renames it; after a fault the outcome is unknown."""
        target = f"{self.channel.upload_folder}/{name}"
        with _told():
            with self._sftp.open(target + PART, "wb") as remote:
                remote.set_pipelined(True)
                while chunk := content.read(256 * 1024):
                    remote.write(chunk)
            faults.point("upload.written")
            self._sftp.posix_rename(target + PART, target)
            faults.point("upload.renamed")

    def lies_at_bank(self, name: str) -> bool:
        """Whether the bank has the file: in its upload folder, or already in its archive.

        The upload folder is asked first: the bank moves files from there to the archive, so one
        that was moved in between is found by the second question.
        """
        folders = [self.channel.upload_folder, self.channel.archive_folder]
        return any(self._exists(f"{folder}/{name}") for folder in folders if folder)

    def listing(self, folder: str) -> list[tuple[str, int]]:
        """Names and sizes of the finished files in a folder, oldest name first."""
        with _told():
            rows = [
                (row.filename, row.st_size or 0)
                for row in self._sftp.listdir_attr(folder)
                if stat.S_ISREG(row.st_mode or 0) and not row.filename.endswith(PART)
            ]
        return sorted(rows)

    def look(self, folder: str) -> None:
        """Whether the folder is there and may be read; raises ChannelFault that names it."""
        try:
            with _told():
                self._sftp.listdir_attr(folder)
        except ChannelFault as fault:
            raise ChannelFault(fault.code, f"{folder}: {fault.detail}") from fault

    def fetch(self, folder: str, name: str, into: BinaryIO) -> None:
        """Reads a file whole into `into`; raises TooLarge, ChannelFault."""
        with _told(), self._sftp.open(f"{folder}/{name}", "rb") as remote:
            size = remote.stat().st_size or 0
            if size > settings.BANK_FILE_MAX_BYTES:
                raise TooLarge("file-too-large", f"{name}: {size} bytes")
            remote.prefetch(size)
            while chunk := remote.read(256 * 1024):
                into.write(chunk)

    def remove(self, folder: str, name: str) -> None:
        """Removes a fetched file from the bank's out folder; a file already gone is as wished."""
        with _told(), contextlib.suppress(FileNotFoundError):
            self._sftp.remove(f"{folder}/{name}")

    def _exists(self, path: str) -> bool:
        with _told():
            try:
                self._sftp.stat(path)
            except FileNotFoundError:
                return False
            return True


# What is passed on the way to a session, in order.
HOST, HOST_KEY, KEY = "host", "host-key", "key"


@contextlib.contextmanager
def connect(
    channel: BankChannel, *, passed: Callable[[str], None] = lambda step: None
) -> Iterator[Session]:
    """A session with the bank; raises ChannelFault with a code that says what failed.

    `passed` hears of HOST, HOST_KEY and KEY when each is behind us.
    """
    limit = settings.CHANNEL_TIMEOUT_SECONDS
    try:
        sock = socket.create_connection((channel.host, channel.port), timeout=limit)
    except socket.gaierror as error:
        raise ChannelFault("host-unknown", f"{channel.host}: {error}") from error
    except OSError as error:
        raise ChannelFault("no-connection", str(error)) from error
    passed(HOST)
    transport = None
    try:
        with _told():
            transport = paramiko.Transport(sock)
            transport.banner_timeout = transport.auth_timeout = transport.handshake_timeout = limit
            kind, key = channel.host_key.split()[:2]
            transport.start_client(timeout=limit)
            shown = transport.get_remote_server_key()
            if (shown.get_name(), shown.get_base64()) != (kind, key):
                raise ChannelFault("host-key-changed", shown.get_name())
            passed(HOST_KEY)
            transport.auth_publickey(channel.username, _key(channel.private_key))
            sftp = paramiko.SFTPClient.from_transport(transport)
            if sftp is None:
                raise ChannelFault("no-sftp", "the bank offers no SFTP")
            sftp.get_channel().settimeout(limit)  # type: ignore[union-attr]
        passed(KEY)
        faults.point("upload.connected")
        yield Session(channel, sftp)
    finally:
        if transport is not None:
            transport.close()
        sock.close()


class PublicKey(NamedTuple):
    """A key as a bank registers it: the line of authorized_keys, and SHA256:… of it."""

    line: str
    fingerprint: str


def public_key(channel: BankChannel) -> PublicKey | None:
    """The public half of the channel's key; None where what is kept is no key."""
    try:
        key = _key(channel.private_key)
    except (paramiko.SSHException, ValueError):
        return None
    return PublicKey(f"{key.get_name()} {key.get_base64()}", str(key.fingerprint))


def new_key() -> str:
    """A private key (Ed25519) for a channel, as OpenSSH writes it."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()


def _key(text: str) -> paramiko.PKey:
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turns what the library and the network raise into a ChannelFault."""
    try:
        yield
    except ChannelFault:
        raise
    except paramiko.AuthenticationException as error:
        raise ChannelFault("key-refused", str(error)) from error
    except FileNotFoundError as error:
        raise ChannelFault("folder-missing", str(error)) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise ChannelFault("broken-off", f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def only_one(channel_id: int) -> Iterator[bool]:
    """Whether this worker now holds the channel alone; the lock dies with the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, channel_id])
        held = bool(cursor.fetchone()[0])
    try:
        yield held
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_CLASS, channel_id])
