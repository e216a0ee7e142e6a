"""`signoff start`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from signoff import render
from signoff.cli import following
from signoff.cli.errors import FAILED
from signoff.cli.following import MODES, ForPeople, Printer
from signoff.cli.options import AsJson, By, json_argument
from signoff.cli.output import plain, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.cli.threads import describe
from signoff.domain.request import Request
from signoff.domain.run import Run, RunStatus
from signoff.domain.thread import Thread, ThreadStatus
from signoff.front_desk import FrontDesk
from signoff.service import read
from signoff.service.stream import newest_event
from signoff.service.wait import new_thread_id
from signoff.stopping import stopped

PATIENCE = 5.0
"""Seconds after which whoever waits is told that no worker has begun."""


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
    interrupt_before: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE",
            help="Stop before this node, in place of the graph's own breakpoints; may be repeated, "
            "and * is every node.",
        ),
    ] = None,
    interrupt_after: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="Stop after this node; as --interrupt-before."),
    ] = None,
    by: By = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the thread is paused or done.")
    ] = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Print what happens on the thread, and what to type at a pause, until it is done. "
            "Ctrl-C leaves the run going.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run of a graph.

    It is committed when this returns; a worker executes it. With `--wait`, the thread is printed
    once it is paused or done, and with `--follow` all that happens until it is done; the exit code
    is 1 if its run failed.
    """
    if wait and follow:
        raise typer.BadParameter("not together with --wait", param_hint="--follow")
    given = None if input is None else json_argument(input, "--input")
    wanted = _Wanted(graph, given, thread, by, _nodes(interrupt_before), _nodes(interrupt_after))
    if follow:
        _end(run(_followed(wanted, Printer() if as_json else ForPeople())))
        return
    started, thread_after, waiting = run(_start(wanted, wait=wait))
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
    _end(thread_after)


def _end(thread: Thread | None) -> None:
    if thread is not None and thread.status is ThreadStatus.ERROR:
        raise typer.Exit(FAILED)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The run that is to be started."""

    graph: str
    given: Any
    thread_id: str | None
    by: str | None
    interrupt_before: str | list[str]
    interrupt_after: str | list[str]

    async def start(self, desk: FrontDesk, **options: Any) -> Run:
        return await desk.start(
            self.graph,
            self.given,
            by=principal(desk.settings, self.by),
            interrupt_before=self.interrupt_before,
            interrupt_after=self.interrupt_after,
            **{"thread_id": self.thread_id, **options},
        )


def _nodes(names: list[str] | None) -> str | list[str]:
    return "*" if "*" in (names or ()) else names or []


async def _followed(wanted: _Wanted, printer: Printer) -> Thread | None:
    """The thread, once it is done; None if whoever followed it has left."""
    async with open_desk() as desk:
        thread_id = new_thread_id() if wanted.thread_id is None else wanted.thread_id
        after = await newest_event(desk.office, thread_id)
        started = await wanted.start(desk, thread_id=thread_id, stream=MODES, subgraphs=True)
        printer.begin(started)
        warning = asyncio.create_task(_warn(desk, started))
        try:
            done = await following.follow(desk, thread_id, after=after, printer=printer)
        except asyncio.CancelledError:  # Ctrl-C
            printer.leave(thread_id)
            return None
        finally:
            await stopped([warning])
        printer.end(done)
        return done


async def _start(wanted: _Wanted, *, wait: bool) -> tuple[Run, Thread | None, list[Request]]:
    async with open_desk() as desk:
        started = await wanted.start(desk)
        if not wait:
            return started, None, []
        thread = await _waited(desk, started)
        waiting = await read.waiting(desk.office, [thread.id])
        return started, thread, waiting.get(thread.id, [])


async def _waited(desk: FrontDesk, started: Run) -> Thread:
    """The thread at rest; where no worker has begun after a while, that is said meanwhile."""
    warning = asyncio.create_task(_warn(desk, started))
    try:
        return await desk.wait(started.thread_id)
    finally:
        await stopped([warning])


async def _warn(desk: FrontDesk, started: Run) -> None:
    await asyncio.sleep(PATIENCE)
    run_now = await read.get_run(desk.office, started.thread_id, started.id)
    if run_now.status is RunStatus.QUEUED:
        print(
            "No worker has begun this run yet; still waiting. `signoff dev` or `signoff "
            "worker` executes it.",
            file=sys.stderr,
        )
