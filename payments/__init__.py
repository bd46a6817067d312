"""THE MONEY: payments from intake to settled. Use cases import leftwards only:
digest < checks < intake < approval < sending < outcomes."""
