#!/usr/bin/env python3
"""Runs a management command of the portal."""

import os
import sys


def main() -> None:
    if sys.argv[1:3] == ["bankfile", "show"]:
        from banking import showing  # needs no settings

        sys.exit(showing.main(sys.argv[3:]))
    if sys.argv[1:] in (["bankfile"], ["bankfile", "--help"], ["bankfile", "-h"]):
        from banking import showing

        sys.exit(showing.usage(asked=len(sys.argv) > 2))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line

    import portal.celery  # tasks must find this app's broker, not a default one

    assert portal.celery.app
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
