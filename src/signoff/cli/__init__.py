"""The command line: each command translates, calls one service, and prints."""

from signoff.cli.app import main

__all__ = ["main"]
