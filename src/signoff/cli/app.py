"""The entry point: finds the command, and turns errors into a line and an exit code."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from signoff.cli import errors, garbage
from signoff.domain.errors import SignoffError

COMMANDS = {
    "dev": "Serve the project in this folder while you work on it.",
    "serve": "Serve the API of the project in this folder, and leave runs to workers.",
    "worker": "Execute the runs of the project in this folder.",
    "migrate": "Bring the database to this version of Signoff.",
    "encrypt": "Encrypt what is stored with the newest key.",
    "start": "Start a run of a graph.",
    "inbox": "List the requests that wait for a decision.",
    "review": "Step through the open requests, and decide each with a key.",
    "show": "Show a request, and how to decide it.",
    "decide": "Decide a request.",
    "take-back": "Take your vote on an open request back.",
    "claim": "Show that you work on a request.",
    "release": "Give up your claim on a request.",
    "delegate": "Hand a request on to a user or a group.",
    "comment": "Say something on a request.",
    "withdraw": "Take a request back, without an outcome.",
    "retry": "Deliver an outcome again whose delivery failed.",
    "cancel": "Cancel a thread's run, and withdraw what it asks.",
    "threads": "List threads, or show one.",
    "users": "Keep the people who may be asked, and their groups.",
    "users list": "List the users.",
    "users add": "Add a user, or add to one.",
    "users remove": "Remove a user.",
    "users groups": "List the groups with who is in them, or change those of a user.",
    "users away": "Say who stands in for a user, and when.",
    "users password": "Give a user a password to sign in with, or take it away.",
    "users sign-out": "Sign a user out everywhere.",
    "users unlink": "Forget who a user is at the OpenID provider.",
    "notifications": "See how people are told.",
    "notifications test": "Send a user a test message by each channel.",
    "keys": "Keep the API keys with which programs act.",
    "keys create": "Make an API key, and show it once.",
    "keys list": "List the API keys.",
    "keys revoke": "Revoke an API key.",
    "policy": "See what policies say, and would have said; apply them.",
    "policy check": "Check the policies, calendars and users of a file.",
    "policy test": "Say which policy a request would get.",
    "policy explain": "Say which policy a request has.",
    "policy reapply": "Have open requests take the policies that hold now.",
    "policy replay": "Say what other policies would have made of past requests.",
    "deliveries": "See to it that people and webhooks are told.",
    "deliveries list": "List messages to people and webhooks.",
    "deliveries show": "Show a message.",
    "deliveries redeliver": "Have messages that were given up sent again.",
    "audit": "See whether the record of what happened is as it was written.",
    "audit verify": "Find out whether the audit is as it was written.",
    "audit export": "Export what the audit says, to be verified without Signoff.",
    "audit anchor": "Sign how far the audit has come, now.",
    "audit key": "Print the public key that the audit is signed with.",
    "check": "Find mistakes with pauses in the source of graphs.",
    "version": "Print the version.",
}
"""All commands, in the order of the help.

Each is a function in the module of its name: that of `users add` is `add` in
`signoff.cli.users.add`, and `users` by itself is the group of those that begin so. A name that
means something else in Python has an underscore after it, and a hyphen is an underscore there.
"""


class Commands(TyperGroup):
    """The commands. The help knows them by a line each; what is called is loaded first."""

    prefix: str = ""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        command = None if found is None else load(f"{self.prefix}{name}")
        if not isinstance(command, Commands):
            garbage.look()
        return name, command, rest


def group(name: str | None, prefix: str, summary: str) -> Commands:
    """The commands whose names go on with one more word after a prefix."""
    words = {
        each.removeprefix(prefix): line
        for each, line in COMMANDS.items()
        if each.startswith(prefix) and " " not in each.removeprefix(prefix)
    }
    made = Commands(
        name=name,
        help=summary,
        no_args_is_help=True,
        commands=[TyperCommand(word, help=line) for word, line in words.items()],
    )
    made.prefix = prefix
    return made


def load(name: str) -> Any:
    """A command with its options, or a group of commands."""
    last = name.rpartition(" ")[2]
    if any(each.startswith(f"{name} ") for each in COMMANDS):
        return group(last, f"{name} ", COMMANDS[name])
    module = import_module(f"signoff.cli.{name.replace(' ', '.').replace('-', '_')}")
    attribute = f"{last}_" if hasattr(builtins, last) else last.replace("-", "_")
    function = getattr(module, attribute)
    single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    single.command(last)(function)
    return typer.main.get_command(single)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 if it was refused or failed, 2 for bad usage."""
    if arguments is None:
        garbage.leave()  # until the command is loaded
    given = sys.argv[1:] if arguments is None else list(arguments)
    commands = group("signoff", "", "The human sign-off desk for LangGraph.")
    try:
        code = commands.main(
            ["version", *given[1:]] if given[:1] == ["--version"] else given,
            prog_name="signoff",
            standalone_mode=False,
            help_option_names=["--help", "-h"],
        )
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
