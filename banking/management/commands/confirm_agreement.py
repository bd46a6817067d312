"""`manage.py confirm_agreement`: writes down that the bank has confirmed an agreement to us.

For banks that send no word of it: until one has shown to know an agreement, files of its account
that name no customer are nobody's. Ask the bank itself, not the company.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from banking import agreement_events, inbox, lifecycle, numbers
from banking.models import BankAgreement
from portal import clock
from portal.access import actors, tenancy
from portal.access.models import Company


class Command(BaseCommand):
    help = "Writes down that the bank has confirmed whose account an active agreement is on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organisation_number", help="of the company, nine digits")
        parser.add_argument("account", help="account number, eleven digits")
        parser.add_argument("--told", required=True, help="who at the bank has said it, and when")

    def handle(self, *_args: Any, **options: Any) -> None:
        account = "".join(sign for sign in options["account"] if sign.isdigit())
        try:
            number = numbers.organisation_number(options["organisation_number"])
        except numbers.InvalidNumber as error:
            raise CommandError("This is no organisation number.") from error
        everybody = Company.objects.filter(organisation_number=number).values_list("pk", flat=True)
        with tenancy.acting_for(everybody), transaction.atomic():
            rows = BankAgreement.objects.filter(
                company__organisation_number=number,
                account_number=account,
                status=lifecycle.ACTIVE,
                share=None,
            )
            row = rows.select_related("channel", "company").first()
            if row is None:
                raise CommandError(f"{number} has no active agreement on the account {account}.")
            by = actors.bank(row.channel.name)
            told = options["told"]
            if not agreement_events.confirmed(agreement=row, by=by, at=clock.now(), file=told):
                raise CommandError("The bank has shown before that it knows this agreement.")
            again = inbox.read_unknown_again(row.channel_id)
        self.stdout.write(
            f"Confirmed for {row.company}. Files of unknown accounts to be read again: {again}."
        )
