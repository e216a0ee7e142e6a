"""`signoff start`."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from signoff import render
from signoff.cli.errors import FAILED
from signoff.cli.options import AsJson, By, json_argument
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.cli.threads import describe
from signoff.desk import Signoff
from signoff.domain.request import Request
from signoff.domain.run import Run, RunStatus
from signoff.domain.thread import Thread, ThreadStatus
from signoff.service import read

PATIENCE = 5.0
"""Seconds after which `--wait` says that no worker has begun."""


def start(
    graph: Annotated[str, typer.Argument(metavar="GRAPH", help="The name of a graph.")],
    *,
    input: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="What the graph begins with; - reads it from standard input. Without it, a "
            "thread goes on from where it stands.",
        ),
    ] = None,
    thread: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The thread, made if it does not exist; else a new one."),
    ] = None,
    by: By = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the thread is paused or done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run of a graph.

    It is committed when this returns; a worker executes it. With `--wait`, the thread is printed
    once it is paused or done, and the exit code is 1 if its run failed.
    """
    given = None if input is None else json_argument(input, "--input")
    started, thread_after, waiting = run(_start(graph, given, thread, by, wait=wait))
    if thread_after is None:
        if as_json:
            print_json(render.run_json(started))
        else:
            print(f"Run {started.id} of {plain(graph)} is queued on thread {started.thread_id}.")
        return
    if as_json:
        print_json(render.thread_json(thread_after, waiting))
    else:
        describe(thread_after, waiting)
    if thread_after.status is ThreadStatus.ERROR:
        raise typer.Exit(FAILED)


async def _start(
    graph: str, given: Any, thread_id: str | None, by: str | None, *, wait: bool
) -> tuple[Run, Thread | None, list[Request]]:
    async with open_desk() as desk:
        started = await desk.start(
            graph, given, by=principal(desk.settings, by), thread_id=thread_id
        )
        if not wait:
            return started, None, []
        thread = await _waited(desk, started)
        waiting = await read.waiting(desk.office, [thread.id])
        return started, thread, waiting.get(thread.id, [])


async def _waited(desk: Signoff, started: Run) -> Thread:
    """The thread at rest; where no worker has begun after a while, that is said meanwhile."""
    waiting = asyncio.create_task(desk.wait(started.thread_id))
    done, _ = await asyncio.wait([waiting], timeout=PATIENCE)
    if not done:
        run_now = await read.get_run(desk.office, started.thread_id, started.id)
        if run_now.status is RunStatus.QUEUED:
            print(
                "No worker has begun this run yet; still waiting. `signoff dev` or `signoff "
                "worker` executes it.",
                file=sys.stderr,
            )
    return await waiting
