"""`manage.py create_customer`: a new customer, whose first administrator is invited by mail."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.utils import translation

from portal import clock
from portal.access.models import Customer
from portal.people import changes, customers
from portal.people.user_forms import LANGUAGES, one_line_name

COMMAND_LINE = "Kvitt"  # who invites, in mails and log


class Command(BaseCommand):
    help = "Makes a customer, and invites its first administrator by mail."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the customer's name")
        parser.add_argument("organisation_number", help="nine digits")
        parser.add_argument("--administrator", required=True, metavar="EMAIL")
        parser.add_argument("--called", required=True, metavar="NAME", help="the administrator")
        parser.add_argument("--kind", choices=Customer.Kind.values, default=Customer.Kind.ORDINARY)
        languages = [code for code, _label in LANGUAGES]
        parser.add_argument("--language", choices=languages, default="nb")

    def handle(self, *args: Any, **options: Any) -> None:
        email, called = options["administrator"].strip(), one_line_name(options["called"])
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"--administrator: {email} is no e-mail address.") from error
        if not called:
            raise CommandError("--called: write what the administrator is called.")
        values = {name: options[name] for name in customers.FIELDS}
        try:
            with translation.override("en"):
                customer, _member = customers.create(
                    values=values,
                    email=email,
                    name=called,
                    language=options["language"],
                    by=changes.By(None, COMMAND_LINE, None, clock.now()),
                )
        except customers.Unfit as error:
            faults = "\n".join(f"{fault.field}: {fault.text}" for fault in error.faults)
            raise CommandError(faults) from error
        self.stdout.write(
            f"{customer.name} is a customer now. An invitation is on its way to {email}; it opens"
            " for seven days, and asks for the terms of service next."
        )
