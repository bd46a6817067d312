"""WHAT HAPPENED: lifecycles, moves and events."""
