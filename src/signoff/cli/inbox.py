"""`signoff inbox`."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from signoff import render
from signoff.cli.inbox_table import inbox_table
from signoff.cli.options import AsJson
from signoff.cli.output import console, print_json
from signoff.cli.session import open_desk, principal, run
from signoff.cli.sorting import Sort
from signoff.cli.watching import watch, watch_as_json
from signoff.clock import utcnow
from signoff.domain.policy import Priority
from signoff.domain.request import RequestState
from signoff.domain.thread import ThreadStatus
from signoff.front_desk import FrontDesk
from signoff.service import read
from signoff.service.read import RequestPage
from signoff.speech import number


def inbox(
    *,
    in_state: Annotated[
        list[RequestState] | None,
        typer.Option(
            "--state", help="Requests in this state, open by default; may be given several times."
        ),
    ] = None,
    all_states: Annotated[bool, typer.Option("--all", help="Requests in all states.")] = False,
    graph: Annotated[str | None, typer.Option(help="Of this graph.")] = None,
    node: Annotated[str | None, typer.Option(help="Asked by this node.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind of pause.")] = None,
    topic: Annotated[str | None, typer.Option(help="About this topic.")] = None,
    thread: Annotated[str | None, typer.Option(metavar="ID", help="Of this thread.")] = None,
    assignee: Annotated[
        str | None, typer.Option(metavar="NAME", help="For this person; `me` is whoever acts.")
    ] = None,
    priority: Annotated[Priority | None, typer.Option(help="Of this priority.")] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Open ones past their deadline.")
    ] = False,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With this in the title or the thread's id.")
    ] = None,
    sort: Sort = "-opened_at",
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many at most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where a page ended: its next_cursor.")
    ] = None,
    watched: Annotated[
        bool,
        typer.Option(
            "--watch", help="Stay, and show what changes; with --json, a line for each change."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the requests that wait for a decision, the newest first."""
    if watched and not as_json and not sys.stdout.isatty():
        raise typer.BadParameter("it needs a terminal, or --json", param_hint="--watch")
    filters = {
        "state": None if all_states else (in_state or [RequestState.OPEN]),
        "graph": graph,
        "node": node,
        "kind": kind,
        "topic": topic,
        "thread_id": thread,
        "assignee": assignee,
        "priority": priority,
        "overdue": overdue or None,
        "q": search,
        "sort": sort,
        "limit": limit,
        "cursor": cursor,
    }
    if watched:
        with suppress(KeyboardInterrupt):
            run(_watch(filters, as_json=as_json))
        return
    page, stuck = run(_inbox(filters))
    if as_json:
        print_json(
            {
                "items": [render.request_json(each) for each in page.items],
                "next_cursor": page.next_cursor,
                "total": page.total,
                "total_exact": page.total_exact,
            }
        )
    else:
        _print(page)
        if stuck:
            threads = number(stuck, "thread")
            print(f"\n{threads} cannot go on: see `signoff threads --status error`.")


async def _inbox(filters: dict[str, Any]) -> tuple[RequestPage, int]:
    """A page, and how many threads have come to an error."""
    async with open_desk() as desk:
        page = await desk.requests(**_of(desk, filters))
        _, stuck = await read.search_threads(desk.office, status=ThreadStatus.ERROR.value, limit=1)
        return page, stuck


async def _watch(filters: dict[str, Any], *, as_json: bool) -> None:
    async with open_desk() as desk:
        show = watch_as_json if as_json else watch
        await show(desk, _of(desk, filters))


def _of(desk: FrontDesk, filters: dict[str, Any]) -> dict[str, Any]:
    """The filters, with the name of whoever acts in the place of `me`."""
    me = filters["assignee"] == "me"
    return filters | {"assignee": principal(desk.settings, None)} if me else filters


def _print(page: RequestPage) -> None:
    if not page.items:
        print("Nothing here.")
        return
    console().print(inbox_table(page.items, utcnow()))
    if page.next_cursor is not None:
        total = page.total if page.total_exact else f"more than {page.total}"
        print(f"\n{len(page.items)} of {total}. More: --cursor {page.next_cursor}")
