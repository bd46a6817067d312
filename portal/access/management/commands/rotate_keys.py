"""`manage.py rotate_keys`: encrypts every secret anew with the first of FIELD_KEYS.

Put the new key first and leave the old ones behind it, restart everything, run this, then take the
old ones away. It can be stopped and run again: what is encrypted with the first key is left alone.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal.access import rotation


class Command(BaseCommand):
    help = "Encrypts every secret in the database anew with the first of FIELD_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        for place, changed, left in rotation.rotate():
            self.stdout.write(f"{place}: {changed} encrypted anew, {left} were already")
