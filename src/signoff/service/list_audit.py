"""List what has happened: to one thread or request, or everything that somebody may know of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signoff.db import audit_list, audit_scan, requests
from signoff.db.audit import Cursor
from signoff.db.audit_list import BEGINNING, END, Filter, Scanned
from signoff.db.pool import Connection
from signoff.domain.audit import ACCESS, POLICIES
from signoff.domain.errors import InvalidInput, RequestNotFound, ThreadNotFound
from signoff.domain.jsontext import check
from signoff.domain.principal import Principal, Role
from signoff.domain.thread import is_thread_id
from signoff.ids import is_id
from signoff.service import sight
from signoff.service.office import Office
from signoff.service.read import audit_entries

PART = 1000
"""Entries gone through at once where not all of them are wanted."""

PARTS = 10
"""Parts gone through for one page: it may then have fewer entries than were asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a list of entries is narrowed by; None lets everything through."""

    thread_id: str | None = None
    request_id: str | None = None
    events: Sequence[str] | None = None
    by: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, and where the next page begins; None at the end."""

    items: list[dict[str, Any]]
    next_cursor: str | None


async def list_audit(
    office: Office,
    principal: Principal,
    wanted: Wanted,
    *,
    limit: int,
    cursor: str | None = None,
    newest_first: bool = False,
) -> AuditPage:
    """A page of the entries that are wanted and that they may know of.

    Those of a thread or a request are in the order of its chain; all others in that of their
    transactions, and complete: what is not in a page yet is in a later one. A page with a cursor
    may have fewer entries than `limit`, or none.

    Raises:
        ThreadNotFound, RequestNotFound: Of such a thread or request nothing has ever happened, or
            it is not theirs to know of.
        InvalidInput: The cursor or a filter is not well formed.
    """
    for name, text in (("by", wanted.by), *(("event", each) for each in wanted.events or ())):
        check(text, where=name)
    thread_id = await _chain(office, principal, wanted)
    filter_ = Filter(
        request_id=wanted.request_id,
        events=wanted.events,
        since=wanted.since,
        sight=sight.sight_of(principal),
        beside=_may_see_all(principal),
    )
    sifted = wanted != Wanted(thread_id=thread_id) or filter_.sight is not None
    part = PART if sifted else limit
    place = _place(cursor, thread_id) or (END if newest_first else BEGINNING)
    found: list[dict[str, Any]] = []
    async with office.database.connection() as conn:
        first = BEGINNING
        if thread_id is None and wanted.since is not None:
            first = await audit_list.place_before(conn, wanted.since)
            place = max(place, first)
        for _ in range(PARTS):
            scanned = await _part(conn, thread_id, place, filter_, part, newest_first)
            for place, entry in scanned:
                if entry is not None and wanted.by in (None, entry["by"]):
                    found.append(entry)
                    if len(found) == limit:
                        return AuditPage(found, _cursor(place, thread_id))
            if len(scanned) < part or place < first:
                return AuditPage(found, None)
    return AuditPage(found, _cursor(place, thread_id))


async def _part(
    conn: Connection, thread_id: str | None, place: Cursor, wanted: Filter, limit: int, back: bool
) -> Scanned:
    """The entries next to a place: of one chain, or of all."""
    if thread_id is None:
        return await audit_list.everything(conn, place, wanted, limit=limit, backwards=back)
    return await audit_list.chain(conn, thread_id, place, wanted, limit=limit, backwards=back)


async def _chain(office: Office, principal: Principal, wanted: Wanted) -> str | None:
    """The thread whose chain is wanted, if they may know of it; None if it is all chains."""
    thread_id = wanted.thread_id
    if (request_id := wanted.request_id) is not None:
        async with office.database.connection() as conn:
            found = await audit_scan.thread_of(conn, request_id) if is_id(request_id) else None
            graph = None if found is None else await requests.graph_of(conn, request_id)
        if found is None or thread_id not in (None, found):
            raise RequestNotFound.of(request_id)
        if graph is not None:
            if not principal.sees(graph):
                raise RequestNotFound.of(request_id)
            return found
        thread_id = found
    if thread_id is None:
        return None
    if thread_id in (ACCESS, POLICIES) and _may_see_all(principal):
        return thread_id
    if not is_thread_id(thread_id):
        raise ThreadNotFound(f"There is no thread {thread_id}, and there never was.")
    await sight.check_audit(office, principal, thread_id)
    await audit_entries(office, thread_id=thread_id, limit=1)
    return thread_id


def _may_see_all(principal: Principal) -> bool:
    """Whether they may know of what is about no thread: users, keys, who signs in, policies."""
    return principal.role is Role.ADMIN and principal.graphs is None


_PLACE = re.compile(r"(?:(\d{1,18})-)?(\d{1,18})", re.ASCII)


def _place(cursor: str | None, thread_id: str | None) -> Cursor | None:
    if cursor is None or cursor == "0":
        return None
    found = _PLACE.fullmatch(cursor)
    if found is None or (found[1] is None) is (thread_id is None):
        raise InvalidInput.of("cursor", "is not one of this list")
    return Cursor(int(found[1] or 0), int(found[2]))


def _cursor(place: Cursor, thread_id: str | None) -> str:
    return f"{place.xact}-{place.number}" if thread_id is None else str(place.number)
