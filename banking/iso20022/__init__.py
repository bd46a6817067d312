"""The ISO 20022 codec: bytes to values and back; it knows no database and no payment rules."""
