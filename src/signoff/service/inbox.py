"""What one person's inbox shows: its lists, their counts, and what comes before and after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from signoff import acting
from signoff.db import inbox, request_lists, requests
from signoff.db.inbox import Line
from signoff.db.pool import Connection
from signoff.db.request_lists import CLOSED, MOST, SORTS, Filter
from signoff.domain.admission import Reviewer
from signoff.domain.errors import FieldError, Forbidden, InvalidInput
from signoff.domain.jsontext import check
from signoff.domain.policy import PRIORITIES, rank
from signoff.domain.principal import GROUP
from signoff.domain.request import Request
from signoff.ids import is_id
from signoff.service.office import Office
from signoff.service.read import decode_cursor, encode_cursor
from signoff.service.reviewers import as_reviewer

VIEWS = ("mine", "groups", "open", "overdue", "decided")
"""The lists: what is for one by name, for one's groups, all that is open or overdue, and what is
closed."""


COUNTED = VIEWS[:4]
"""Those that say how many requests they have: what is closed only grows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A list, and what it is narrowed down to."""

    view: str = "open"
    graph: str | None = None
    node: str | None = None
    kind: str | None = None
    topic: str | None = None
    priority: str | None = None
    person: str | None = None
    q: str | None = None
    sort: str | None = None

    @property
    def narrowed(self) -> dict[str, str]:
        """The filters that are set."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {n: v for n, v in named.items() if v is not None and n not in ("view", "sort")}

    @property
    def order(self) -> str:
        """What it is sorted by: the latest first, but first what is overdue for the longest."""
        return self.sort or {"decided": "-closed_at", "overdue": "deadline"}.get(
            self.view, "-opened_at"
        )

    def check(self) -> None:
        """Return if it can be looked for.

        Raises:
            InvalidInput: A part of it is not well formed; with an error for each.
        """
        wrong = []
        if self.view not in VIEWS:
            wrong.append(FieldError("/view", f"is one of {', '.join(VIEWS)}"))
        if self.sort is not None and self.sort not in SORTS:
            wrong.append(FieldError("/sort", f"is one of {', '.join(SORTS)}"))
        if self.priority is not None and self.priority not in PRIORITIES:
            wrong.append(FieldError("/priority", f"is one of {', '.join(PRIORITIES)}"))
        for name, text in self.narrowed.items():
            check(text, where=name)
        if wrong:
            said = "; ".join(f"{each.pointer[1:]} {each.message}" for each in wrong)
            raise InvalidInput(said, wrong)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inbox:
    """A page of a list, what else there is, and what it can be narrowed down to.

    Counts above `MOST` only say that there are more. Titles that are encrypted cannot be searched.
    """

    lines: list[Line]
    next_cursor: str | None
    counts: Mapping[str, int]
    places: Mapping[str, list[str]]
    searches_titles: bool = True


async def look(
    office: Office, search: Search, *, by: str, cursor: str | None = None, limit: int = 50
) -> Inbox:
    """A page of an inbox.

    Raises:
        InvalidInput: The search or the cursor is not well formed.
    """
    search.check()
    after = decode_cursor(cursor, search.order)
    at = office.now()
    async with office.database.connection() as conn:
        person = await as_reviewer(conn, by, at=at)
        other = await _reviewer(conn, search.person, at)
        shown = _filter(search, person, other, at)
        lines, following, total = await inbox.page(
            conn, shown, sort=search.order, limit=limit, after=after
        )
        others = {
            view: _filter(Search(view=view), person, None, at)
            for view in COUNTED
            if search.narrowed or view != search.view
        }
        counts = {search.view: total} | await request_lists.counts(conn, others, MOST)
        places = await _places(conn) if cursor is None else {}
    return Inbox(
        lines=lines,
        next_cursor=encode_cursor(following, search.order),
        counts={view: counts[view] for view in COUNTED},
        places=places,
        searches_titles=office.database.sealer is None,
    )


async def count_since(office: Office, search: Search, since: datetime, *, by: str) -> int:
    """How many requests a list has that were opened after that moment; at most `MOST` and one."""
    search.check()
    at = office.now()
    async with office.database.connection() as conn:
        person = await as_reviewer(conn, by, at=at)
        other = await _reviewer(conn, search.person, at)
        shown = replace(_filter(search, person, other, at), opened_after=since)
        return await request_lists.count(conn, shown, MOST)


async def for_somebody(
    office: Office, ids: Collection[str], *, by: str, graphs: Collection[str] | None
) -> list[Line]:
    """Those of these requests that are open and for somebody: by name, as one of a group, or in
    the place of who is away; of these graphs, if they are given."""
    at = office.now()
    async with office.database.connection() as conn:
        person = await as_reviewer(conn, by, at=at)
        shown = replace(_filter(Search(), person, person, at), ids=ids, graphs=graphs)
        lines, _, _ = await inbox.page(conn, shown, sort="-opened_at", limit=len(ids), after=None)
    return lines


async def following(office: Office, search: Search, request: Request, *, by: str) -> str | None:
    """The request to look at after this one: the next one in its list that is open, else the first.

    Of what one may not decide nothing is proposed.
    """
    search.check()
    at = office.now()
    key = _key_of(request, search.order)
    async with office.database.connection() as conn:
        person = await as_reviewer(conn, by, at=at)
        other = await _reviewer(conn, search.person, at)
        shown = _filter(search, person, other, at)
        for after in ([key] if key else []) + [None]:
            place = None if after is None else (after, request.id)
            lines, _, _ = await inbox.page(conn, shown, sort=search.order, limit=20, after=place)
            ids = [each.id for each in lines if each.state == "open" and each.id != request.id]
            found = {each.id: each for each in await requests.several(conn, ids)}
            for id_ in ids:
                if id_ in found and is_admitted(found[id_], person):
                    return id_
    return None


async def previous(office: Office, request: Request) -> Request | None:
    """What the same node of the same thread asked before, if it did; the latest of these."""
    async with office.database.connection() as conn:
        earlier = request.revises or await inbox.previous(conn, request)
        return await requests.get(conn, earlier) if earlier else None


async def of_thread(office: Office, thread_id: str) -> list[Line]:
    """All requests of a thread as lines, the newest first; no more than 200."""
    async with office.database.connection() as conn:
        lines, _, _ = await inbox.page(
            conn,
            Filter(thread_id=thread_id, graphs=acting.graphs()),
            sort="-opened_at",
            limit=200,
            after=None,
        )
    return lines


async def stamp(office: Office, thread_id: str) -> str | None:
    """A text that differs whenever something on a thread's pages does; None if it is gone."""
    async with office.database.connection() as conn:
        return await inbox.stamp(conn, thread_id)


async def several(office: Office, ids: Sequence[str]) -> list[Request]:
    """These requests, in this order; those that there are not are left out."""
    known = [each for each in dict.fromkeys(ids) if is_id(each)]
    async with office.database.connection() as conn:
        found = {each.id: each for each in await requests.several(conn, known)}
    graphs = acting.graphs()
    return [
        found[each]
        for each in known
        if each in found and (graphs is None or found[each].graph in graphs)
    ]


async def lines_of(office: Office, ids: Sequence[str]) -> list[Line]:
    """These requests as lines."""
    async with office.database.connection() as conn:
        return await inbox.lines(conn, [each for each in ids if is_id(each)])


async def reviewer_of(office: Office, request: Request, by: str) -> Reviewer:
    """Who somebody is to a request."""
    async with office.database.connection() as conn:
        return await as_reviewer(conn, by, at=office.now(), request=request)


def is_admitted(request: Request, person: Reviewer) -> bool:
    """Whether somebody may decide a request."""
    try:
        request.admit(person)
    except Forbidden:
        return False
    return True


async def _places(conn: Connection) -> Mapping[str, list[str]]:
    """What a list can be narrowed down to; no names of what is in graphs out of sight."""
    if (graphs := acting.graphs()) is not None:
        return {"graph": sorted(graphs)}
    return await inbox.places(conn)


async def _reviewer(conn: Connection, name: str | None, at: datetime) -> Reviewer | None:
    return None if name is None else await as_reviewer(conn, name, at=at)


def _filter(search: Search, person: Reviewer, other: Reviewer | None, at: datetime) -> Filter:
    """What a list lets through for somebody; of those for `other`, if one asks for these."""
    audience = barred = None
    groups = [GROUP + group for group in sorted(person.groups)]
    if search.view == "mine":
        audience, barred = [person.name, *sorted(person.substitute_of)], person.name
    elif search.view == "groups":
        audience, barred = groups, person.name
    if other is not None and audience is None:
        others = (GROUP + group for group in sorted(other.groups))
        audience, barred = [other.name, *others, *sorted(other.substitute_of)], other.name
    return Filter(
        state=CLOSED if search.view == "decided" else ["open"],
        graph=search.graph,
        node=search.node,
        kind=search.kind,
        topic=search.topic,
        audience=audience,
        barred=barred,
        overdue_at=at if search.view == "overdue" else None,
        priority=None if search.priority is None else rank(search.priority),  # type: ignore[arg-type]
        q=search.q,
        graphs=acting.graphs(),
    )


def _key_of(request: Request, sort: str) -> str | None:
    match sort.lstrip("-"):
        case "opened_at":
            return request.opened_at.isoformat()
        case "deadline":
            return "infinity" if request.deadline is None else request.deadline.isoformat()
        case "priority":
            return str(rank(request.priority))
    return None
