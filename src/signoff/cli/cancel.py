"""`signoff cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson, By
from signoff.cli.output import print_json
from signoff.cli.session import open_desk, principal, run
from signoff.domain.errors import RunNotFound
from signoff.domain.run import Run
from signoff.service import read


def cancel(
    thread: Annotated[str, typer.Argument(metavar="THREAD", help="The id of a thread.")],
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The id of its run; else the newest.")
    ] = None,
    *,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a thread's run, and withdraw what it asks."""
    cancelled = run(_cancel(thread, run_id, by))
    if as_json:
        print_json(render.run_json(cancelled))
    else:
        print(f"Run {cancelled.id} on thread {cancelled.thread_id} is {cancelled.status.value}.")


async def _cancel(thread_id: str, run_id: str | None, by: str | None) -> Run:
    async with open_desk() as desk:
        if run_id is None:
            newest = await read.list_runs(desk.office, thread_id, limit=1)
            if not newest:
                raise RunNotFound(f"Thread {thread_id} has no run.")
            run_id = newest[0].id
        return await desk.cancel(thread_id, run_id, by=principal(desk.settings, by))
