"""The entry point: finds the command, and turns errors into a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from signoff.cli import errors
from signoff.domain.errors import SignoffError

COMMANDS = {
    "dev": "Serve the project in this folder while you work on it.",
    "serve": "Serve the API of the project in this folder, and leave runs to workers.",
    "worker": "Execute the runs of the project in this folder.",
    "migrate": "Bring the database to this version of Signoff.",
    "start": "Start a run of a graph.",
    "inbox": "List the requests that wait for a decision.",
    "show": "Show a request, and how to decide it.",
    "decide": "Decide a request.",
    "retry": "Deliver an outcome again whose delivery failed.",
    "cancel": "Cancel a thread's run, and withdraw what it asks.",
    "threads": "List threads, or show one.",
    "version": "Print the version.",
}
"""All commands, in the order of the help: each is a function in the module of its name."""


class Commands(TyperGroup):
    """The commands. The help knows them by a line each; what is called is loaded first."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        return name, None if found is None else load(str(name)), rest


def load(name: str) -> Any:
    """A command with its options."""
    function = getattr(import_module(f"signoff.cli.{name}"), name)
    single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    single.command(name)(function)
    return typer.main.get_command(single)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 if it was refused or failed, 2 for bad usage."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    group = Commands(
        name="signoff",
        help="The human sign-off desk for LangGraph.",
        no_args_is_help=True,
        commands=[TyperCommand(name, help=summary) for name, summary in COMMANDS.items()],
    )
    try:
        code = group.main(given, prog_name="signoff", standalone_mode=False)
        sys.stdout.flush()
    except SignoffError as error:
        return errors.refused(error, as_json="--json" in given)
    except typer.TyperException as error:
        return errors.misused(error, as_json="--json" in given)
    except BrokenPipeError:
        # Whoever read has seen enough. What is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.FAILED
    return code if isinstance(code, int) else errors.OK
