"""Read what a desk has: requests, threads, runs, audit entries."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from signoff.db import audit, request_lists, requests, runs, threads
from signoff.db.request_lists import MOST, SORTS, Filter
from signoff.db.threads import Sight
from signoff.domain.errors import (
    InvalidInput,
    RequestNotFound,
    RunNotFound,
    ThreadNotFound,
)
from signoff.domain.jsontext import check
from signoff.domain.policy import PRIORITIES, rank
from signoff.domain.principal import GROUP
from signoff.domain.request import Request, RequestState
from signoff.domain.run import Run, RunStatus
from signoff.domain.thread import Thread, ThreadStatus, is_thread_id
from signoff.ids import is_id
from signoff.service.office import Office
from signoff.service.reviewers import as_reviewer
from signoff.service.together import FEW

MAX_PAGE = 200
"""The most rows that one page has."""

NEWEST = "-opened_at"
"""How a list is sorted unless it is said."""

MAX_OFFSET = 2**31
"""How far into a list an offset may reach."""


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Some requests of a list, where the next page begins (None at the end), and their total.

    There may be more than `total` where it is not exact: counting stops at 1,000.
    """

    items: list[Request]
    next_cursor: str | None
    total: int
    total_exact: bool = True


async def list_requests(
    office: Office,
    *,
    state: str | Sequence[str] | None = None,
    graph: str | None = None,
    node: str | None = None,
    kind: str | None = None,
    topic: str | None = None,
    thread_id: str | None = None,
    assignee: str | None = None,
    overdue: bool | None = None,
    priority: str | None = None,
    q: str | None = None,
    sort: str = NEWEST,
    limit: int = 50,
    cursor: str | None = None,
    graphs: Collection[str] | None = None,
) -> RequestPage:
    """One page of the requests that all filters let through, the newest first unless sorted.

    `state` is one state or several; `q` looks for a text in titles and thread ids; `overdue`
    shows the open ones past their deadline; `assignee` those that are for somebody by name: asked
    of them, of a group of theirs or of somebody they stand in for, escalated or delegated to them,
    or claimed by them; not those that `four_eyes` keeps them from. `graphs` leaves out what
    belongs to others than these.

    Raises:
        InvalidInput: A filter, the sort, the limit or the cursor is not well formed.
    """
    states = [state] if isinstance(state, str) else state
    texts = {
        "graph": graph,
        "node": node,
        "kind": kind,
        "topic": topic,
        "thread_id": thread_id,
        "assignee": assignee,
        "q": q,
    }
    for name, text in texts.items():
        check(text, where=name)
    for each in states or ():
        one_of("state", each, [known.value for known in RequestState])
    one_of("sort", sort, list(SORTS))
    if priority is not None:
        one_of("priority", priority, list(PRIORITIES))
    check_page(limit)
    audience = None
    if assignee is not None:
        async with office.database.connection() as conn:
            person = await as_reviewer(conn, assignee, at=office.now())
        groups = (GROUP + group for group in sorted(person.groups))
        audience = [person.name, *groups, *sorted(person.substitute_of)]
    filter_ = Filter(
        state=states,
        graph=graph,
        node=node,
        kind=kind,
        topic=topic,
        thread_id=thread_id,
        audience=audience,
        barred=assignee,
        overdue_at=office.now() if overdue else None,
        priority=None if priority is None else rank(priority),  # type: ignore[arg-type]
        q=q,
        graphs=graphs,
    )
    after = decode_cursor(cursor, sort)
    is_all_of_it = filter_ == Filter(thread_id=thread_id) and after is None and limit >= FEW
    if thread_id is not None and is_all_of_it and sort == NEWEST:
        all_ = await office.together.requests_of(thread_id)
        if all_ is not None:
            return RequestPage(all_, None, len(all_))
    async with office.database.connection() as conn:
        items, following, total = await request_lists.page(
            conn, filter_, sort=sort, limit=limit, after=after
        )
    following_cursor = encode_cursor(following, sort)
    return RequestPage(items, following_cursor, min(total, MOST), total_exact=total <= MOST)


async def get_request(office: Office, request_id: str) -> Request:
    """One request with its votes.

    Raises:
        RequestNotFound: There is no such request.
    """
    async with office.database.connection() as conn:
        found = await requests.get(conn, request_id)
    if found is None:
        raise RequestNotFound.of(request_id)
    return found


async def get_thread(office: Office, thread_id: str) -> Thread:
    """One thread.

    Raises:
        ThreadNotFound: There is no such thread.
    """
    async with office.database.connection() as conn:
        found = await threads.get(conn, thread_id)
    if found is None:
        raise ThreadNotFound.of(thread_id)
    return found


async def get_waiting_thread(office: Office, thread_id: str) -> tuple[Thread, list[Request]]:
    """One thread, and its pauses that the graph has no answer to yet.

    Raises:
        ThreadNotFound: There is no such thread.
    """
    async with office.database.connection() as conn:
        found = await threads.get(conn, thread_id)
        if found is None:
            raise ThreadNotFound.of(thread_id)
        return found, (await requests.waiting(conn, [thread_id])).get(thread_id, [])


async def search_threads(
    office: Office,
    *,
    status: str | None = None,
    metadata: dict[str, Any] | None = None,
    values: dict[str, Any] | None = None,
    ids: Sequence[str] | None = None,
    limit: int = 10,
    offset: int = 0,
    sort_by: str = "created_at",
    descending: bool = True,
    sight: Sight | None = None,
) -> tuple[list[Thread], int]:
    """Threads that fit all filters and are in sight, and how many there are in all.

    The newest come first unless they are sorted.

    Raises:
        InvalidInput: The status, the sort or the page is not well formed.
    """
    if status is not None:
        one_of("status", status, [known.value for known in ThreadStatus])
    one_of("sort_by", sort_by, sorted(threads.SORTS))
    check_page(limit, offset)
    async with office.database.connection() as conn:
        return await threads.search(
            conn,
            status=status,
            metadata=metadata,
            values=values,
            ids=ids,
            limit=limit,
            offset=offset,
            sort_by=sort_by,
            descending=descending,
            sight=sight,
        )


async def latest_threads(
    office: Office,
    *,
    before: tuple[datetime, str] | None = None,
    status: str | None = None,
    metadata: dict[str, Any] | None = None,
    limit: int = 50,
    sight: Sight | None = None,
) -> tuple[list[Thread], tuple[datetime, str] | None]:
    """The newest threads without their values, and where the next page begins; None at the end.

    Raises:
        InvalidInput: The status or the place is not well formed.
    """
    if status is not None:
        one_of("status", status, [known.value for known in ThreadStatus])
    if before is not None and (before[0].tzinfo is None or not is_thread_id(before[1])):
        raise InvalidInput.of("before", "is no moment with its offset and a thread")
    async with office.database.connection() as conn:
        found = await threads.latest(
            conn, before=before, status=status, metadata=metadata, limit=limit + 1, sight=sight
        )
    shown = found[:limit]
    return shown, (shown[-1].created_at, shown[-1].id) if len(found) > limit else None


async def list_runs(
    office: Office,
    thread_id: str,
    *,
    status: Sequence[RunStatus] | None = None,
    limit: int = 10,
    offset: int = 0,
) -> list[Run]:
    """A page of a thread's runs, the newest first.

    Raises:
        ThreadNotFound: There is no such thread.
        InvalidInput: The page is not well formed.
    """
    check_page(limit, offset)
    async with office.database.connection() as conn:
        if await threads.get(conn, thread_id) is None:
            raise ThreadNotFound.of(thread_id)
        return await runs.page(
            conn,
            thread_id,
            status=None if status is None else [each.value for each in status],
            limit=limit,
            offset=offset,
        )


async def get_run(office: Office, thread_id: str, run_id: str) -> Run:
    """One run of a thread.

    Raises:
        ThreadNotFound, RunNotFound: There is no such thread, or it has no such run.
    """
    async with office.database.connection() as conn:
        found = await runs.get(conn, thread_id, run_id)
        if found is None and await threads.get(conn, thread_id) is None:
            raise ThreadNotFound.of(thread_id)
    if found is None:
        raise RunNotFound.of(thread_id, run_id)
    return found


async def waiting(office: Office, thread_ids: Sequence[str]) -> dict[str, list[Request]]:
    """The pauses of each of these threads that the graph has no answer to yet."""
    async with office.database.connection() as conn:
        return await requests.waiting(conn, thread_ids)


async def audit_entries(
    office: Office,
    *,
    request_id: str | None = None,
    thread_id: str | None = None,
    after: int = 0,
    limit: int = MAX_PAGE,
) -> list[dict[str, Any]]:
    """The audit entries of a request, or a page of a thread's after number `after`; in order.

    They outlive the thread that they tell of.

    Raises:
        RequestNotFound, ThreadNotFound: There is no such request or thread, and never was.
        InvalidInput: Neither is named, or the page is not well formed.
    """
    check_page(limit, after)
    if request_id is not None:
        await get_request(office, request_id)
        async with office.database.connection() as conn:
            return await audit.of_request(conn, request_id)
    if thread_id is None:
        raise InvalidInput("audit entries are listed for a request or a thread: name one")
    async with office.database.connection() as conn:
        entries = []
        if is_thread_id(thread_id):
            entries = await audit.of_thread(conn, thread_id, after=after, limit=limit)
        if not entries and not after and await threads.get(conn, thread_id) is None:
            raise ThreadNotFound(f"There is no thread {thread_id}, and there never was.")
        return entries


def check_page(limit: object, offset: int = 0) -> None:
    """Return if a list can have such a page.

    Raises:
        InvalidInput: It is too long, or begins too far into the list.
    """
    if not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE:
        raise InvalidInput.of("limit", f"is 1 to {MAX_PAGE}, not {limit}")
    if not 0 <= offset <= MAX_OFFSET:
        raise InvalidInput.of("offset", f"is 0 to {MAX_OFFSET}, not {offset}")


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Return if a field has one of the values that it may have.

    Raises:
        InvalidInput: It has not.
    """
    if value not in known:
        raise InvalidInput.of(name, f"is one of {', '.join(known)}, not {value[:100]!r}")


def encode_cursor(after: tuple[str, str] | None, sort: str) -> str | None:
    """Where a page of a list begins, as a text for its readers; None at the end."""
    if after is None:
        return None
    return base64.urlsafe_b64encode(orjson.dumps([sort, *after])).decode().rstrip("=")


def decode_cursor(cursor: str | None, sort: str) -> tuple[str, str] | None:
    """Where the page begins that a text of `encode_cursor` stands for.

    Raises:
        InvalidInput: It is none of a list with this sort.
    """
    if cursor is None:
        return None
    try:
        data = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        sorted_by, key, request_id = data
        if sorted_by == sort and is_id(request_id):
            return _sort_key(key, sort), request_id
    except (ValueError, TypeError, AttributeError):
        pass
    raise InvalidInput.of("cursor", "is not one of this list and this sort")


def _sort_key(text: str, sort: str) -> str:
    """The text of a value that a list is sorted by.

    Raises:
        ValueError: It is none.
    """
    if "priority" in sort:
        return str([str(rank(each)) for each in PRIORITIES].index(text))
    if text in ("infinity", "-infinity"):
        return text
    return datetime.fromisoformat(text).isoformat()
