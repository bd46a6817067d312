"""Whether what was signed is still what it was, and was signed: checked from what is kept.

Nothing here changes anything. The seal is made with a key that the database does not hold; what a
passkey said is held to the key that it was made with, and to what the page showed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from payments import approval, digest
from payments.models import Ceremony, Payment, Signature
from portal.access import passkeys

PASSKEY = "passkey"


@dataclass(frozen=True, slots=True)
class Checked:
    """`sealed`: the text is the one that was signed. `same`: the payment is still what the text
    says. `shown` and `passkey`, of a signature by passkey alone: what it signed is what the page
    showed of this and all that was signed with it; it signed just that."""

    sealed: bool
    same: bool
    shown: bool | None = None
    passkey: bool | None = None

    @property
    def good(self) -> bool:
        """Whether it proves what it says; a payment that has changed since takes nothing away."""
        return self.sealed and self.shown is not False and self.passkey is not False


def check(signature: Signature) -> Checked:
    """Checks one signature; its payment with agreement and account, its user and its ceremony must
    be at hand. Run it while acting for the company."""
    ceremony, text = signature.ceremony, signature.statement
    sealed = digest.mac_holds(text, bytes(signature.mac), key=settings.SIGNATURE_KEY)
    same = sealed and _same(signature, signature.payment)
    if ceremony.factor != PASSKEY:
        return Checked(sealed, same)
    evidence = ceremony.evidence or {}
    own = evidence.get("own", evidence.get("digest", ""))
    leads = evidence.get("digest", "")
    if "own" in evidence:
        leads = digest.climb(own, evidence.get("path", ()))
    shown = own == _shown(ceremony) and leads == evidence.get("digest")
    return Checked(sealed, same, shown, passkeys.evidence_holds(evidence))


def _same(signature: Signature, payment: Payment) -> bool:
    """Whether the payment's head and lines are what the text says."""
    said = digest.facts(signature.statement)
    now = digest.statement(
        head=approval.head(payment),
        root=bytes(payment.digest),
        covered=said.covered,
        signer_id=signature.user_id,
        signer=signature.user.email,
        at=signature.signed_at,
    )
    return now == signature.statement


def _shown(ceremony: Ceremony) -> str:
    """The digest of what the page showed, made anew from the texts that were signed on it; "" where
    that cannot be done."""
    texts: Iterable[tuple[int, str]] = Signature.objects.filter(ceremony=ceremony).values_list(
        "payment_id", "statement"
    )
    try:
        return digest.shown({pk: digest.facts(text).fingerprint() for pk, text in texts})
    except ValueError:  # one of the texts is none
        return ""
