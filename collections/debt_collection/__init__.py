"""Debt collection: claims, dunning, cases and settlement. Empty until its first use case."""
