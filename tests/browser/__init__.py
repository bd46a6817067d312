"""Kvitt in a real browser: journeys, and a crawler that looks at every page."""

FAILS = "/crawl/fails/"  # an address that fails, which the crawler's server adds to the real ones
