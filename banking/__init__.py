"""The wire: bank formats, identifiers and channels; it holds no payment rules."""
