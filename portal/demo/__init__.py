"""Stands Kvitt up on one machine for `./run` and `./test`; nothing here runs in production."""
