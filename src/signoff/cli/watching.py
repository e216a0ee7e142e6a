"""The inbox as a live list in a terminal, or as lines of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import orjson
from rich.console import ConsoleRenderable, Group
from rich.live import Live
from rich.text import Text

from signoff import render
from signoff.cli.inbox_table import inbox_table
from signoff.cli.output import console
from signoff.clock import utcnow
from signoff.front_desk import FrontDesk
from signoff.service.follow import follow_requests, newest_event
from signoff.service.read import RequestPage
from signoff.speech import number


async def watch(desk: FrontDesk, filters: Mapping[str, Any]) -> None:
    """Show a page of requests, and show it anew whenever one of them may have changed."""
    out = console()
    with Live(console=out, auto_refresh=False, screen=True) as live:
        known: frozenset[str] | None = None
        fresh: frozenset[str] = frozenset()
        async for page, changed in _pages(desk, filters):
            ids = frozenset(each.id for each in page.items)
            if changed:
                fresh, known = ids - (ids if known is None else known), ids
            live.update(_screen(page, fresh, out.height), refresh=True)


async def watch_as_json(desk: FrontDesk, filters: Mapping[str, Any]) -> None:
    """Print the page as a line of JSON, and again whenever one of its requests may have changed."""
    async for page, changed in _pages(desk, filters):
        if changed:
            items = [render.request_json(each) for each in page.items]
            print(
                orjson.dumps(
                    {"items": items, "total": page.total, "total_exact": page.total_exact}
                ).decode(),
                flush=True,
            )


async def _pages(
    desk: FrontDesk, filters: Mapping[str, Any]
) -> AsyncIterator[tuple[RequestPage, bool]]:
    """The page as it stands, and whether it was looked up anew; every now and then."""
    after = await newest_event(desk.office)
    page = await desk.requests(**filters)
    yield page, True
    async with aclosing(follow_requests(desk.office, after=after)) as happenings:
        async for events in happenings:
            if events:
                page = await desk.requests(**filters)
            yield page, bool(events)


def _screen(page: RequestPage, fresh: frozenset[str], height: int) -> Group:
    now = utcnow()
    overdue = sum(each.deadline is not None and each.deadline < now for each in page.items)
    requests = number(page.total, "request")
    told = [requests if page.total_exact else f"more than {requests}"]
    told += [f"{overdue} overdue"] if overdue else []
    told += [f"{len(fresh)} new"] if fresh else []
    head = f"{', '.join(told)}   {now.astimezone():%H:%M:%S}   Ctrl-C leaves"
    shown = page.items[: max(1, height - 4)]
    parts: list[ConsoleRenderable] = [
        Text(head, "dim"),
        Text(),
        inbox_table(shown, now, fresh=fresh),
    ]
    if page.total > len(shown):
        more = f"{page.total - len(shown)} more" if page.total_exact else "more"
        parts.append(Text(f"and {more}", "dim"))
    return Group(*parts)
