"""`signoff retry`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson, By
from signoff.cli.output import print_json
from signoff.cli.session import open_desk, principal, run
from signoff.domain.request import Request


def retry(
    request: Annotated[str, typer.Argument(metavar="ID", help="The id of a request.")],
    *,
    reask: Annotated[
        bool,
        typer.Option("--reask", help="Do not use its outcome, but ask the question anew."),
    ] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Deliver an outcome again whose delivery failed, or ask the question anew."""
    after = run(_retry(request, by, reask=reask))
    if as_json:
        print_json(render.request_json(after))
    elif reask:
        print(f"Thread {after.thread_id} asks anew.")
    else:
        print(f"The outcome of request {after.id} is delivered again.")


async def _retry(request_id: str, by: str | None, *, reask: bool) -> Request:
    async with open_desk() as desk:
        return await desk.retry(request_id, by=principal(desk.settings, by), reask=reask)
