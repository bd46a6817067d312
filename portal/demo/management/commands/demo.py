"""`manage.py demo load` fills the demo; `manage.py demo signins` tells who can sign in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.demo import cast, dataset


class Command(BaseCommand):
    help = "Loads the demo data, or prints the demo sign-ins."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("acts", nargs="+", choices=["load", "signins"], metavar="load|signins")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo needs KVITT_DEMO=1; it never mixes with real companies.")
        if "load" in options["acts"]:
            dataset.load()
        if "signins" in options["acts"]:
            self._signins()

    def _signins(self) -> None:
        write = self.stdout.write
        write(f"Sign in with one of these (password {cast.PASSWORD}):")
        for name, email, _language, roles, *_rest in cast.PEOPLE:
            held = ", ".join(sorted({role.value for rows in roles.values() for role in rows}))
            write(f"  {email:30} {name:15} {held}")
        write(f"Their codes, the mails sent, and the clock: {settings.BASE_URL}/demo/")
        write(
            f"The simulated ERP: {settings.SIMERP_URL}/   The bank: {settings.SIMBANK_CONTROL_URL}/"
        )
