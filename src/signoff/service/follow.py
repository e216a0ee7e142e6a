"""Follow what happens to requests, from now on or from where one was."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from signoff.db import audit
from signoff.db.audit import Cursor
from signoff.domain.errors import InvalidInput
from signoff.service.office import Office

LOOK_AGAIN = 2.0
"""Seconds after which entries are looked for without being told: some are not told of at once."""

GATHER = 0.05
"""Seconds for which more is waited for once something is told, so that a busy desk is read in
pages and not entry by entry."""

PAGE = 200
"""Entries read at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestEvent:
    """Something that happened to a request: an entry of the audit. `id` is where to go on."""

    id: str
    event: str
    entry: dict[str, Any]


async def newest_event(office: Office) -> Cursor:
    """The place behind which everything is that happens from now on."""
    async with office.database.connection() as conn:
        return await audit.now(conn)


async def follow_requests(
    office: Office, *, after: Cursor, graphs: Collection[str] | None = None
) -> AsyncGenerator[list[RequestEvent], None]:
    """What happens to all requests, in order and complete, in pages; an empty one now and then.

    With `graphs`, to those of these graphs. It goes on behind this place, until this process is
    about to stop.
    """
    place = after
    async with office.notices.of_anything() as told:
        while not office.notices.closing.is_set():
            told.clear()
            async with office.database.connection() as conn:
                entries = await audit.of_requests(conn, place, limit=PAGE, graphs=graphs)
            if entries:
                place = entries[-1][0]
            yield [
                RequestEvent(id=f"{at.xact}-{at.number}", event=entry["event"], entry=entry)
                for at, entry in entries
                if entry is not None
            ]
            if len(entries) < PAGE:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await told.wait()
                        await asyncio.sleep(GATHER)


def check_event_id(after: str) -> Cursor:
    """The place of the event with this id.

    Raises:
        InvalidInput: No event has such an id.
    """
    if re.fullmatch(r"\d{1,18}-\d{1,18}", after, re.ASCII) is None:
        raise InvalidInput(f"{after[:100]!r} is no id of an event")
    xact, number = after.split("-")
    return Cursor(int(xact), int(number))
