"""Holds the bank's SFTP door: keys, one closed root per channel, faults; must not write books."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh

from .register import FOLDERS
from .scripts import Scripts

LONGEST_NAME = 180
FIXED_FOLDERS = {folder.encode() for folder in FOLDERS} | {b"out"}
UPLOADS, DOWNLOADS = b"pain001/", b"out/"
WRITING = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC


class Door(asyncssh.SSHServer):
    """Signs in by public key only; the key is looked up afresh, so that setup acts at once."""

    def __init__(self, books_path: Path) -> None:
        self._books_path = books_path

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        books = sqlite3.connect(f"file:{self._books_path}?mode=ro", uri=True)
        try:
            row = books.execute(
                "SELECT public_key FROM channels WHERE user = ?", (username,)
            ).fetchone()
        finally:
            books.close()
        return row is not None and asyncssh.import_public_key(row[0]) == key


class Room(asyncssh.SFTPServer):
    """One channel's own folders; the archive is the bank's, there the customer may only look."""

    def __init__(self, chan: Any, channels: Path, scripts: Scripts) -> None:
        self._user: str = chan.get_connection().get_extra_info("username")
        super().__init__(chan, chroot=os.fsencode(channels / self._user))
        self._scripts = scripts
        self._doomed: set[object] = set()

    def map_path(self, path: bytes) -> bytes:
        try:
            text = path.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise asyncssh.SFTPFailure("File names must be UTF-8") from fault
        if not text.isprintable() or any(len(part) > LONGEST_NAME for part in path.split(b"/")):
            raise asyncssh.SFTPFailure("File name is too long or not printable")
        return super().map_path(path)

    def _inside(self, path: bytes) -> bytes:
        """The path below the channel's root, without a leading slash."""
        assert self._chroot is not None
        return os.path.relpath(self.map_path(path), self._chroot)

    def _check_changeable(self, path: bytes) -> None:
        inside = self._inside(path)
        if inside in FIXED_FOLDERS or inside == b"." or inside.startswith(b"archive/"):
            raise asyncssh.SFTPPermissionDenied("The bank keeps this as it is")

    async def _pause(self) -> None:
        milliseconds = self._scripts.value("slow", channel=self._user)
        if milliseconds is not None:
            await asyncio.sleep(int(milliseconds) / 1000)

    def _strikes(self, what: str, inside: bytes) -> bool:
        """Whether the scripted fault hits this file."""
        name = os.path.basename(inside).decode(errors="replace")
        file = {name, name.removesuffix(".part")}
        return self._scripts.value(what, channel=self._user, file=file) is not None

    def _cut(self) -> asyncssh.SFTPError:
        self.channel.get_connection().abort()
        return asyncssh.SFTPConnectionLost("Cut by the bank")

    # --- files ---------------------------------------------------------------------------

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        await self._pause()
        if pflags & WRITING:
            self._check_changeable(path)
        opened = super().open(path, pflags, attrs)
        inside = self._inside(path)
        if pflags & WRITING:
            is_cut = inside.startswith(UPLOADS) and self._strikes("cut_upload", inside)
        else:
            is_cut = inside.startswith(DOWNLOADS) and self._strikes("cut_download", inside)
        if is_cut:
            self._doomed.add(opened)
        return opened

    def read(self, file_obj: object, offset: int, size: int) -> Any:
        data = super().read(file_obj, offset, size)
        if file_obj in self._doomed:
            if offset:
                raise self._cut()
            assert isinstance(data, bytes)
            # What is left is asked for again, and that is when the line is cut.
            return data[: max(1, len(data) // 2)]
        return data

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if file_obj in self._doomed:
            super().write(file_obj, offset, data[: len(data) // 2])
            raise self._cut()
        return super().write(file_obj, offset, data)

    def close(self, file_obj: object) -> Any:
        self._doomed.discard(file_obj)
        return super().close(file_obj)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._move(oldpath, newpath, replace=False)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._move(oldpath, newpath, replace=True)

    async def _move(self, oldpath: bytes, newpath: bytes, *, replace: bool) -> None:
        await self._pause()
        self._check_changeable(oldpath)
        self._check_changeable(newpath)
        if replace:
            super().posix_rename(oldpath, newpath)
        else:
            super().rename(oldpath, newpath)
        inside = self._inside(newpath)
        is_upload = inside.startswith(UPLOADS) and not inside.endswith(b".part")
        if is_upload and self._strikes("lose_reply", inside):
            raise self._cut()

    async def remove(self, path: bytes) -> None:
        await self._pause()
        self._check_changeable(path)
        super().remove(path)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Any:
        self._check_changeable(path)
        return super().setstat(path, attrs)

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Any:
        self._check_changeable(path)
        return super().lsetstat(path, attrs)

    # --- folders -------------------------------------------------------------------------

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        await self._pause()
        async for name in super().scandir(path):
            yield name

    async def stat(self, path: bytes) -> Any:
        await self._pause()
        return super().stat(path)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Any:
        self._check_changeable(path)
        return super().mkdir(path, attrs)

    def rmdir(self, path: bytes) -> Any:
        self._check_changeable(path)
        return super().rmdir(path)

    # Links could lead out of the channel's root.

    def symlink(self, oldpath: bytes, newpath: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("No links here")

    def link(self, oldpath: bytes, newpath: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("No links here")


def host_key(data: Path) -> asyncssh.SSHKey:
    """The bank's own key, made once: customers pin it."""
    path = data / "host_key"
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
        fresh.replace(path)
    return asyncssh.read_private_key(path)


async def listen(
    *, port: int, key: asyncssh.SSHKey, books_path: Path, channels: Path, scripts: Scripts
) -> asyncssh.SSHAcceptor:
    return await asyncssh.create_server(
        lambda: Door(books_path),
        "127.0.0.1",
        port,
        server_host_keys=[key],
        sftp_factory=lambda chan: Room(chan, channels, scripts),
        allow_scp=False,
        allow_pty=False,
        agent_forwarding=False,
        login_timeout=20,
    )
