"""What a signed request carries: its body, read to disk within bounds and held to its digest."""

from __future__ import annotations

import base64
import hashlib
import tempfile
import time
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import http_sf
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from portal.erp import problems

CHUNK = 256 * 1024
DRAIN_SECONDS = 30.0
TITLE = "The request is not let in"


@dataclass(frozen=True, slots=True)
class Body:
    """A body on disk, which whoever is done with it closes, and the digest of its bytes."""

    file: BinaryIO
    sha256: bytes


def spool(request: HttpRequest) -> Body:
    """Reads the body to a temporary file and checks its digest; raises problems.Refused."""
    limit = settings.UPLOAD_MAX_BYTES
    expected = _digests(request)
    hashers = {name: hashlib.new(name.replace("-", "")) for name in expected}
    # Closed by the operation that reads it.
    spooled = tempfile.SpooledTemporaryFile(settings.SPOOL_MEMORY_BYTES)  # noqa: SIM115
    size = 0
    while chunk := request.read(CHUNK):
        size += len(chunk)
        if size > limit:
            spooled.close()
            raise _too_large(limit)
        for hasher in hashers.values():
            hasher.update(chunk)
        spooled.write(chunk)
    for name, hasher in hashers.items():
        if hasher.digest() != expected[name]:
            spooled.close()
            raise problems.one(
                400,
                _(TITLE),
                code="digest",
                place="Content-Digest",
                problem=_("The body is not the one that was signed: its %(name)s differs.")
                % {"name": name},
                cure=_("Compute Content-Digest over the very bytes that are sent."),
            )
    spooled.seek(0)
    return Body(cast("BinaryIO", spooled), hashers["sha-256"].digest())


def _digests(request: HttpRequest) -> dict[str, bytes]:
    try:
        parsed: Any = http_sf.parse(
            request.headers.get("Content-Digest", "").encode(), tltype="dictionary"
        )
        values = {
            name: value[0] if isinstance(value, tuple) else value for name, value in parsed.items()
        }
        digests = {
            name: values[name]
            for name in ("sha-256", "sha-512")
            if isinstance(values.get(name), bytes)
        }
    except (ValueError, TypeError, AttributeError):
        digests = {}
    if "sha-256" not in digests:
        raise problems.one(
            400,
            _(TITLE),
            code="digest",
            place="Content-Digest",
            problem=_("There is no readable sha-256 digest of the body."),
            cure=_("Send Content-Digest: sha-256=:<base64 of the digest>: (RFC 9530)."),
        )
    return digests


def drain(request: HttpRequest, bound: int) -> None:
    """Reads on, within bounds, so that the client gets the answer and not a broken pipe."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while bound > 0 and time.monotonic() < deadline and (chunk := request.read(CHUNK)):
        bound -= len(chunk)


def _too_large(limit: int) -> problems.Refused:
    return problems.one(
        413,
        _("The file is too large"),
        code="too-large",
        place="Content-Length",
        problem=_("The body is larger than %(limit)s MB.") % {"limit": limit // 1024 // 1024},
        cure=_("Split the payments over several uploads."),
    )


def digest_header(body: bytes) -> str:
    """Content-Digest for a body, as the API's documentation shows it."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
