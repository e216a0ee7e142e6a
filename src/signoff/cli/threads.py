"""`signoff threads`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from signoff import render
from signoff.cli.options import AsJson
from signoff.cli.output import (
    Column,
    console,
    lines_of,
    moment,
    plain,
    print_facts,
    print_json,
    print_table,
    state,
)
from signoff.cli.session import open_desk, run
from signoff.clock import utcnow
from signoff.domain.request import Request, RequestState
from signoff.domain.thread import Thread, ThreadStatus
from signoff.service import read
from signoff.speech import ago

Waiting = Mapping[str, Sequence[Request]]


def threads(
    thread: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this one.")] = None,
    *,
    status: Annotated[ThreadStatus | None, typer.Option(help="With this status.")] = None,
    graph: Annotated[str | None, typer.Option(help="Of this graph.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many at most.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many of the newest.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List threads, or show one.

    The newest come first. One thread is shown with its state, its error and what it waits for.
    """
    if thread is not None:
        found, waiting = run(_one(thread))
        if as_json:
            print_json(render.thread_json(found, waiting))
        else:
            describe(found, waiting)
        return
    page, total, waits = run(_several(status, graph, limit, offset))
    if as_json:
        print_json([render.thread_json(each, waits.get(each.id, ())) for each in page])
    else:
        _print(page, total, waits, offset)


async def _one(thread_id: str) -> tuple[Thread, Sequence[Request]]:
    async with open_desk() as desk:
        thread = await desk.thread(thread_id)
        waiting = await read.waiting(desk.office, [thread_id])
        return thread, waiting.get(thread_id, [])


async def _several(
    status: ThreadStatus | None, graph: str | None, limit: int, offset: int
) -> tuple[Sequence[Thread], int, Waiting]:
    async with open_desk() as desk:
        page, total = await read.search_threads(
            desk.office,
            status=None if status is None else status.value,
            metadata=None if graph is None else {"graph_id": graph},
            limit=limit,
            offset=offset,
        )
        return page, total, await read.waiting(desk.office, [each.id for each in page])


def _print(page: Sequence[Thread], total: int, waits: Waiting, offset: int) -> None:
    now = utcnow()
    if not page:
        print("Nothing here.")
        return
    print_table(
        [
            Column("THREAD"),
            Column("GRAPH", extra=True),
            Column("STATUS"),
            Column("UPDATED", extra=True),
            Column("WAITS FOR", wraps=True),
        ],
        [
            (
                each.id,
                each.graph or "",
                state(each.status.value),
                ago(each.updated_at, now),
                _waits_for(each, waits.get(each.id, ())),
            )
            for each in page
        ],
    )
    if offset + len(page) < total:
        print(f"\n{len(page)} of {total}. More: --offset {offset + len(page)}")


def describe(thread: Thread, waiting: Sequence[Request]) -> None:
    """Print one thread, its state and what it waits for."""
    out = console()
    print_facts(
        [
            ("thread", thread.id),
            ("graph", thread.graph or ""),
            ("status", state(thread.status.value)),
            ("updated", moment(thread.updated_at)),
        ]
    )
    if thread.error:
        out.print("\nError", style="bold")
        out.print(f"  {plain(thread.error)}", style="red")
    if waiting:
        out.print("\nWaits for", style="bold")
        print_facts((each.id, _standing(each)) for each in waiting)
    if thread.values:
        out.print("\nState", style="bold")
        out.print("\n".join(lines_of(thread.values, "  ")), soft_wrap=True)


def _waits_for(thread: Thread, waiting: Sequence[Request]) -> str:
    """The first line of its error, or what people have yet to decide."""
    if thread.error:
        return thread.error.split("\n", 1)[0]
    return ", ".join(each.title for each in waiting if _is_open(each))


def _is_open(request: Request) -> bool:
    """Whether somebody has yet to decide it."""
    return request.state is RequestState.OPEN


def _standing(request: Request) -> str:
    if _is_open(request):
        return request.title
    return f"{request.title} ({request.state.value}, delivery {request.delivery.value})"
