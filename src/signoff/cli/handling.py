"""What the commands have in common that handle a request short of deciding it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from signoff import render
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.domain.request import Request
from signoff.front_desk import FrontDesk

RequestId = Annotated[str, typer.Argument(metavar="ID", help="The id of a request.")]

Handled = Callable[[FrontDesk, str], Awaitable[Request]]
"""What is done with a desk, by somebody."""


def handle(done: Handled, said: str, *, by: str | None, as_json: bool) -> None:
    """Do something with a request; what was `said` of it is printed after who did it."""
    acting, after = run(_handle(done, by))
    if as_json:
        print_json(render.request_json(after))
    else:
        print(f"{plain(acting)} {said}: {plain(after.title)}")


async def _handle(done: Handled, by: str | None) -> tuple[str, Request]:
    async with open_desk() as desk:
        acting = principal(desk.settings, by)
        return acting, await done(desk, acting)
