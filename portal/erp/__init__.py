"""The one door for machines: signatures, idempotency, the event feed."""
