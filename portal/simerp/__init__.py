"""The simulated ERP: its own process and books; it knows the portal only as an address on HTTP."""
