"""The simulated bank: own process, own books, own XML; shares no code with the portal it judges."""
