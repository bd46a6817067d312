"""A mail server for tests that can refuse, put off, hang up and be slow; and senders that die."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Self

from django.core.mail.backends import smtp
from django.db import connection


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it on its way."""


class DiesBeforeSending(smtp.EmailBackend):
    def send_messages(self, email_messages: Any) -> int:
        raise Killed


class DiesAfterSending(smtp.EmailBackend):
    def send_messages(self, email_messages: Any) -> int:
        super().send_messages(email_messages)
        raise Killed


class Watched(smtp.EmailBackend):
    """Refuses to speak to the network inside a transaction."""

    def open(self) -> bool | None:
        assert not connection.in_atomic_block
        return super().open()

    def send_messages(self, email_messages: Any) -> int:
        assert not connection.in_atomic_block
        return super().send_messages(email_messages)


@dataclass
class Server:
    """What it does by address: `recipients` and `contents` are answers to RCPT and DATA,
    `hangs_up` drops the line in the middle of the content, `slow_seconds` delays the answer.
    """

    recipients: dict[str, str] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    hangs_up: set[str] = field(default_factory=set)
    slow_seconds: dict[str, float] = field(default_factory=dict)
    greeting: str = "220 test"
    sender: str = "250 ok"
    received: list[EmailMessage] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listens; on the same port as before when it is started again."""
        server = self

        class Conversation(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server.connections += 1
                server.converse(self)

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._listener = Listener(("127.0.0.1", self.port), Conversation)
        self.port = self._listener.server_address[1]
        threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def converse(self, line: Any) -> None:
        def say(text: str) -> None:
            line.wfile.write(text.encode() + b"\r\n")

        say(self.greeting)
        to = ""
        while command := line.rfile.readline().decode().strip():
            word = command[:4].upper()
            if word == "MAIL":
                say(self.sender)
            elif word == "RCPT":
                to = command.split("<", 1)[1].split(">", 1)[0]
                time.sleep(self.slow_seconds.get(to, 0))
                say(self.recipients.get(to, "250 ok"))
            elif word == "DATA":
                say("354 go on")
                if to in self.hangs_up:
                    line.rfile.readline()
                    return
                self._content(line.rfile, to, say)
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")

    def _content(self, lines: Any, to: str, say: Any) -> None:
        raw = b""
        while (row := lines.readline()) not in (b".\r\n", b""):
            raw += row[1:] if row.startswith(b"..") else row
        answer = self.contents.get(to, "250 taken")
        if answer.startswith("250"):
            message = email.message_from_bytes(raw, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.received.append(message)
        say(answer)

    def ids(self) -> list[str]:
        """The Message-IDs of what was taken, in order."""
        return [str(message["Message-ID"]) for message in self.received]

    def receivers(self) -> list[str]:
        return [str(message["To"]) for message in self.received]
