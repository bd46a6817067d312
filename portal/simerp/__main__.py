"""The way in for `python -m portal.simerp`; holds nothing but the call."""

import sys

from portal.simerp import cli

sys.exit(cli.main(sys.argv[1:]))
