"""What happens while a page is open, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from signoff.answering import Desk
from signoff.authentication import Reader
from signoff.db.inbox import Line
from signoff.domain.errors import SignoffError
from signoff.domain.principal import Principal
from signoff.service import inbox, read
from signoff.service.follow import RequestEvent, follow_requests, newest_event
from signoff.service.sight import check_thread
from signoff.text import plainly
from signoff.web import words
from signoff.web.headers import PAGE
from signoff.web.route import PageRoute, Visit

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LOOK_AGAIN = 15.0
"""Seconds after which a thread is looked at without being told; keeps the connection alive too."""

AT_MOST_EVERY = 0.3
"""Seconds between two events of a list, however much happens."""

OPENED = {"request.opened", "request.revised"}
CLOSED = {
    "request.decided": None,
    "request.expired": "closed by its deadline just now",
    "request.withdrawn": "withdrawn just now",
    "request.superseded": "closed just now, as the thread went on",
}


ASKED = {"request.opened", "request.revised", "request.escalated", "request.delegated"}
"""After these, a request may be for somebody for whom it was not before."""


@router.get("/inbox/live")
async def live(visit: Visit, thread: str | None = None, mine: bool = False) -> Response:
    """Events for a page that is open: of one thread, of all requests for lists, or of those that
    are for whoever looks, by name or as one of a group."""
    if mine:
        events = _of_mine(visit.desk, visit.principal)
    elif thread is None:
        events = _of_lists(visit.desk, visit.principal.graphs)
    else:
        await check_thread(visit.office, visit.principal, thread)
        await read.get_thread(visit.office, thread)
        events = _of_thread(visit.desk, thread)
    return StreamingResponse(
        _while_allowed(Reader(visit.request, visit.principal), events),
        headers={**PAGE, "x-accel-buffering": "no"},
        media_type="text/event-stream",
    )


async def _while_allowed(reader: Reader, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """These events, until their reader has signed out or may see something else by now."""
    async for each in events:
        try:
            await reader.check()
        except SignoffError:
            return
        yield each


async def _of_lists(desk: Desk, graphs: Collection[str] | None) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    after = await newest_event(desk.office)
    async for page in follow_requests(desk.office, after=after, graphs=graphs):
        news = _news(page)
        if news["opened"] or news["closed"]:
            yield _event("list", news)
            await asyncio.sleep(AT_MOST_EVERY)
        else:
            yield b":\n\n"  # whoever is gone is noticed by this


async def _of_mine(desk: Desk, principal: Principal) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    after = await newest_event(desk.office)
    async for page in follow_requests(desk.office, after=after, graphs=principal.graphs):
        asked = {each.entry["request_id"] for each in page if each.event in ASKED}
        mine: list[Line] = []
        if asked:
            mine = await inbox.for_somebody(
                desk.office, asked, by=principal.name, graphs=principal.graphs
            )
        if mine:
            items = [{"id": each.id, "title": plainly(each.title)} for each in mine]
            yield _event("asked", {"items": items})
            await asyncio.sleep(AT_MOST_EVERY)
        else:
            yield b":\n\n"  # whoever is gone is noticed by this


def _news(page: list[RequestEvent]) -> dict[str, Any]:
    closed = []
    for each in page:
        if each.event in CLOSED:
            said = CLOSED[each.event] or _decided(each.entry)
            closed.append({"id": each.entry["request_id"], "said": said})
    return {"opened": any(each.event in OPENED for each in page), "closed": closed}


def _decided(entry: dict[str, Any]) -> str:
    action = str(((entry.get("data") or {}).get("outcome") or {}).get("action", ""))
    return f"{words.PAST.get(action, 'decided')} by {entry['by']} just now"


async def _of_thread(desk: Desk, thread_id: str) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    seen = None
    async with desk.notices.of_thread(thread_id) as changed:
        while not desk.notices.closing.is_set():
            changed.clear()
            stamp = await inbox.stamp(desk.office, thread_id)
            if stamp is None:
                return
            yield _event("changed", {}) if seen not in (None, stamp) else b":\n\n"
            seen = stamp
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN):
                    await changed.wait()


def _event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {orjson.dumps(data).decode()}\n\n".encode()
