"""`signoff users sign-out`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.service.sessions import sign_out_user
from signoff.speech import number


def sign_out(
    name: Annotated[str, typer.Argument(help="The name of a user.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Sign a user out everywhere. They may sign in again; their API keys go on to open."""
    ended = run(_sign_out(name))
    if as_json:
        print_json({"user": name, "sessions_ended": ended})
    else:
        times = number(ended, "session") if ended else "no sessions"
        print(plain(f"{name} is signed out: {times} ended."))


async def _sign_out(name: str) -> int:
    async with open_desk() as desk:
        return await sign_out_user(desk.office, name, by=principal(desk.settings, None))
