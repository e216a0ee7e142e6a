"""`signoff users password`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.session import principal, seated
from signoff.service.sessions import set_password
from signoff.service.users import get_user


def password(
    name: Annotated[str, typer.Argument(help="The name of a user.")],
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the password away: no more signing in with it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give a user a password to sign in with, or take it away. Their sessions end.

    It is asked for, or read as a line from standard input if that is no terminal.
    """
    with seated() as (runner, desk):
        runner.run(get_user(desk.office, name))  # Nobody types a password for somebody unknown.
        given, by = None if remove else _read(), principal(desk.settings, None)
        runner.run(set_password(desk.office, name, given, by=by))
    if as_json:
        print_json({"user": name, "password": not remove})
    else:
        print(plain(f"{name} signs in with {'no password' if remove else 'the new password'}."))


def _read() -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")
