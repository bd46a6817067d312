"""What a signature binds: each line's digest, a payment's Merkle root, and the statement signed.

Pure but for the key, which is an argument. Hashing follows RFC 6962 section 2.1: leaves and
nodes are kept apart by a first byte, so that no list of lines can pass for another.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

FIELD = "\x1f"
TITLE = "Kvitt payment approval 1"
IN_ADVANCE = "Kvitt approval in advance 1"


@dataclass(frozen=True, slots=True)
class Head:
    """What all lines of a payment share. `account` is the debit account's BBAN."""

    agreement: str
    account: str
    number: str
    kind: str
    due_date: dt.date
    urgent: bool = False

    def prefix(self) -> str:
        """The part of each line's canonical text that comes from its payment."""
        return FIELD.join(
            (
                self.agreement,
                self.account,
                self.number,
                self.kind,
                self.due_date.isoformat(),
                "urgent" if self.urgent else "normal",
                "",
            )
        )


def canonical(
    *,
    position: int,
    reference: str,
    instruction_id: str,
    amount: Decimal,
    currency: str,
    payee_name: str,
    payee_address: Any,
    payee_account: str,
    payee_account_kind: str,
    payee_bic: str,
    kid: str,
    message: str,
    documents: Any,
    extra: Any,
) -> str:
    """A line as one text; structured parts as JSON with sorted keys, amounts with two places."""
    address = "" if not payee_address else json.dumps(payee_address, sort_keys=True)
    papers = "" if not documents else json.dumps(documents, sort_keys=True)
    more = "" if not extra else json.dumps(extra, sort_keys=True)
    return (
        f"{position}\x1f{reference}\x1f{instruction_id}\x1f{amount:.2f}\x1f{currency}\x1f"
        f"{payee_name}\x1f{address}\x1f{payee_account_kind}\x1f{payee_account}\x1f{payee_bic}\x1f"
        f"{kid}\x1f{message}\x1f{papers}\x1f{more}"
    )


class Tree:
    """Takes leaves one by one, in the order of their positions, and gives the Merkle root."""

    def __init__(self, head: Head) -> None:
        self._prefix = hashlib.sha256(b"\x00" + head.prefix().encode())
        self._stack: list[tuple[int, bytes]] = []

    def add(self, text: str) -> None:
        """Adds a line by its canonical text."""
        leaf = self._prefix.copy()
        leaf.update(text.encode())
        size, node = 1, leaf.digest()
        stack = self._stack
        while stack and stack[-1][0] == size:
            node = hashlib.sha256(b"\x01" + stack.pop()[1] + node).digest()
            size *= 2
        stack.append((size, node))

    def root(self) -> bytes:
        """32 bytes; the hash of nothing for no lines."""
        if not self._stack:
            return hashlib.sha256(b"").digest()
        node = self._stack[-1][1]
        for _size, left in reversed(self._stack[:-1]):
            node = hashlib.sha256(b"\x01" + left + node).digest()
        return node


def root_of(head: Head, texts: Iterable[str]) -> bytes:
    """The Merkle root over canonical texts in order."""
    tree = Tree(head)
    for text in texts:
        tree.add(text)
    return tree.root()


@dataclass(frozen=True, slots=True)
class Covered:
    """Which lines a signature is for: how many, their sums, and the positions left out."""

    lines: int
    totals: dict[str, Decimal]
    excluded: tuple[int, ...]


def statement(
    *, head: Head, root: bytes, covered: Covered, signer_id: int, signer: str, at: dt.datetime
) -> str:
    """The exact text that is signed; readable, one fact a line, no fact twice."""
    sums = ", ".join(f"{covered.totals[c]:.2f} {c}" for c in sorted(covered.totals))
    return "\n".join(
        (
            TITLE,
            f"agreement: {head.agreement}",
            f"account: {head.account}",
            f"payment: {head.number}",
            f"kind: {head.kind}",
            f"due: {head.due_date.isoformat()}",
            f"urgent: {'yes' if head.urgent else 'no'}",
            f"lines: {covered.lines}",
            f"left out: {','.join(map(str, covered.excluded)) or '-'}",
            f"sums: {sums}",
            f"root: {root.hex()}",
            f"signer: {signer_id} {' '.join(signer.split())}",
            f"at: {at.astimezone(dt.UTC).isoformat()}",
        )
    )


def invoice(
    *,
    company: int,
    number: int,
    payee: str,
    account: str,
    amount: Decimal,
    currency: str,
    kid: str,
    reference: str,
    valid_until: dt.date,
) -> str:
    """What is approved in advance, as one readable text, but for who signs it and when."""
    return "\n".join(
        (
            IN_ADVANCE,
            f"company: {company}",
            f"number: {number}",
            f"payee: {' '.join(payee.split())}",
            f"account: {account}",
            f"amount: {amount:.2f} {currency}",
            f"kid: {kid or '-'}",
            f"reference: {' '.join(reference.split()) or '-'}",
            f"until: {valid_until.isoformat()}",
        )
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a statement says was signed: the root of the lines, in hex, and which of them."""

    root: str
    covered: Covered

    def fingerprint(self) -> str:
        """As the page told it (signable.Shown.fingerprint)."""
        return fingerprint(self.root, self.covered)


def facts(text: str) -> Facts:
    """What a statement says; raises ValueError on a text that is not one."""
    lines = dict(line.partition(": ")[::2] for line in text.split("\n")[1:])
    if not {"sums", "root", "lines"} <= set(lines):
        raise ValueError("not a statement")
    totals = {}
    for part in filter(None, lines["sums"].split(", ")):
        amount, _space, currency = part.partition(" ")
        totals[currency] = Decimal(amount)
    return Facts(lines["root"], Covered(int(lines["lines"]), totals, left_out(text)))


def fingerprint(root: str, covered: Covered) -> str:
    """What a page showed of one payment, short: changes with a line, a sum, or what is left out."""
    sums = ",".join(f"{code}{covered.totals[code]:.2f}" for code in sorted(covered.totals))
    return f"{root}:{covered.lines}:{sums}:{','.join(map(str, covered.excluded))}"


def left_out(text: str) -> tuple[int, ...]:
    """The positions that a statement leaves out; raises ValueError on a text that is not one."""
    lines = dict(line.partition(": ")[::2] for line in text.split("\n")[1:])
    listed = lines.get("left out")
    if listed is None or not text.startswith(TITLE + "\n"):
        raise ValueError("not a statement")
    return () if listed == "-" else tuple(map(int, listed.split(",")))


def shown(fingerprints: Mapping[int, str]) -> str:
    """One digest, in hex, of what a page showed of one company: fingerprints by payment id."""
    text = "\n".join(f"{pk}|{fingerprints[pk]}" for pk in sorted(fingerprints))
    return hashlib.sha256(text.encode()).hexdigest()


def together(parts: Sequence[str]) -> str:
    """One digest, in hex, of those of several companies in their order: a Merkle root, so that each
    can be shown to be part of it without the others."""
    return _over([_leaf(part) for part in parts]).hex()


def path(parts: Sequence[str], place: int) -> list[tuple[str, str]]:
    """The way from the part at this place to the root: on which side stands which digest."""
    return [(side, node.hex()) for side, node in _way([_leaf(part) for part in parts], place)]


def climb(part: str, way: Iterable[Sequence[str]]) -> str:
    """The root to which the way leads from the part."""
    node = _leaf(part)
    for side, other in way:
        beside = bytes.fromhex(other)
        node = _node(beside, node) if side == LEFT else _node(node, beside)
    return node.hex()


LEFT, RIGHT = "left", "right"


def _leaf(part: str) -> bytes:
    return hashlib.sha256(b"\x00" + bytes.fromhex(part)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _half(nodes: Sequence[bytes]) -> int:
    """How many go to the left: the largest power of two that leaves some for the right."""
    return 1 << ((len(nodes) - 1).bit_length() - 1)


def _over(nodes: Sequence[bytes]) -> bytes:
    if len(nodes) == 1:
        return nodes[0]
    half = _half(nodes)
    return _node(_over(nodes[:half]), _over(nodes[half:]))


def _way(nodes: Sequence[bytes], place: int) -> list[tuple[str, bytes]]:
    if len(nodes) == 1:
        return []
    half = _half(nodes)
    left, right = nodes[:half], nodes[half:]
    if place < half:
        return [*_way(left, place), (RIGHT, _over(right))]
    return [*_way(right, place - half), (LEFT, _over(left))]


def mac(text: str, *, key: bytes) -> bytes:
    """HMAC-SHA256 of a statement under the signature key."""
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def mac_holds(text: str, given: bytes, *, key: bytes) -> bool:
    """Whether the statement is the one that was signed; in constant time."""
    return hmac.compare_digest(mac(text, key=key), bytes(given))
