"""Lists of rows: keyset pages, filters in the address, saved views, selection, export."""
