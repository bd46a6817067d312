"""Bank files for operators: what one says, which lie aside, reading again."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from banking import inbox, lifecycle, showing, tasks
from banking.models import BankFile
from portal.access import actors, tenancy
from portal.access.models import Company


class Command(BaseCommand):
    help = "Bank files: what one says, which lie aside, reading again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        show = verbs.add_parser(
            "show",
            help="print a bank file",
            description=showing.HELP,
            epilog=showing.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        showing.add_arguments(show)

        verbs.add_parser("aside", help="list the files that were set aside, whoever's they are")
        again = verbs.add_parser("again", help="read files again after what stopped them is mended")
        again.add_argument("id", nargs="+", type=int, help="as `aside` tells them")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["verb"] == "show":
            self._show(options)
        elif options["verb"] == "aside":
            self._aside()
        else:
            self._again(options["id"])

    def _aside(self) -> None:
        told = False
        with tenancy.acting_for(_everybody(), unclaimed=True):
            rows = BankFile.objects.filter(status=lifecycle.SET_ASIDE).select_related(
                "channel", "company"
            )
            for row in rows.order_by("id").iterator():
                error = row.error or {}
                facts = (
                    row.pk,
                    row.created_at.isoformat(" ", "seconds"),
                    row.channel,
                    row.name,
                    row.company or "nobody",
                    f"{error.get('code', '')}: {error.get('problem', '')}",
                )
                self.stdout.write("  ".join(map(str, facts)))
                told = True
        if not told:
            self.stdout.write("No file lies aside.")

    def _again(self, ids: list[int]) -> None:
        for pk in ids:
            with inbox.reaching(pk), transaction.atomic():
                row = BankFile.objects.filter(pk=pk).first()
                done = row is not None and inbox.read_again(row, by=actors.CLOCK)
            told = "is read again within a minute" if done else "does not lie aside"
            self.stdout.write(f"{pk}  {told}")
        tasks.nudge_reading()

    def _show(self, options: dict[str, Any]) -> None:
        try:
            showing.show(options["file"], as_json=options["json"], write=self._write)
        except showing.NotShown as fault:
            raise CommandError(str(fault), returncode=fault.code) from fault

    def _write(self, piece: str) -> None:
        self.stdout.write(piece, ending="")


def _everybody() -> Any:
    return Company.objects.values_list("pk", flat=True)
