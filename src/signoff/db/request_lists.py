"""Lists of requests: filters, sorts, pages by key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from signoff.db import request_rows
from signoff.db.pool import Connection
from signoff.domain.request import Request

DEADLINE = "coalesce(deadline, 'infinity')"
"""As deadlines are indexed."""

SORTS = {
    "opened_at": ("opened_at", False),
    "-opened_at": ("opened_at", True),
    "closed_at": ("coalesce(closed_at, 'infinity')", False),
    "-closed_at": ("coalesce(closed_at, '-infinity')", True),
    "deadline": (DEADLINE, False),
    "priority": ("priority", False),
    "-priority": ("priority", True),
}
"""What a list can be sorted by: the expression, and whether it descends. Ties go by id."""

MOST = 1000
"""Where counting stops: up to here a total is exact."""

NEAR = 10_000
"""How many of all requests are gone through, before what is looked for is gathered."""

CLOSED = ("decided", "expired", "withdrawn", "superseded")

Place = tuple[str, str]
"""Where a page ends: what it is sorted by, as text, and an id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which requests a list shows; None leaves a field open.

    `q` is looked for in titles as well, unless these are encrypted.
    """

    state: Sequence[str] | None = None
    graph: str | None = None
    node: str | None = None
    kind: str | None = None
    topic: str | None = None
    thread_id: str | None = None
    audience: Sequence[str] | None = None
    barred: str | None = None
    overdue_at: datetime | None = None
    priority: int | None = None
    q: str | None = None
    titles: bool = True
    graphs: Collection[str] | None = None
    ids: Collection[str] | None = None
    opened_after: datetime | None = None

    @property
    def states(self) -> tuple[Sequence[str], Sequence[str]]:
        """What it lets through of what is open and of what is closed."""
        wanted = ("open", *CLOSED) if self.state is None else self.state
        open_ = ("open",) if "open" in wanted else ()
        closed = () if self.overdue_at else tuple(each for each in CLOSED if each in wanted)
        return open_, closed

    @property
    def is_overdue_alone(self) -> bool:
        """Whether it lets through whatever is overdue."""
        return self.overdue_at is not None and self == Filter(
            state=self.state, overdue_at=self.overdue_at
        )

    def some(self, suffix: str = "") -> tuple[list[str], dict[str, Any]]:
        """Statements, one for each half, that find some of what it lets through as rows of their
        ids; and the parameters.

        What is overdue is found in the order of its index: that has no other way to be found at
        once, and the planner, who does not know how many these are, would go through the table.
        """
        wheres, params = self.conditions(suffix)
        order = f" ORDER BY {DEADLINE}, id" if self.is_overdue_alone else ""
        statements = [
            f"SELECT id FROM requests WHERE {' AND '.join([state, *wheres])}{order} LIMIT %(limit)s"
            for state, _ in _halves(self)
        ]
        return statements, params

    def conditions(self, suffix: str = "") -> tuple[list[str], dict[str, Any]]:
        """The conditions and their parameters, but for `state`; the names have this suffix."""
        given = {
            "graph": self.graph,
            "node": self.node,
            "kind": self.kind,
            "topic": self.topic,
            "thread_id": self.thread_id,
            "audience": None if self.audience is None else list(self.audience),
            "barred": self.barred,
            "overdue_at": self.overdue_at,
            "priority": self.priority,
            "q": None if self.q is None else f"%{_escape(self.q)}%",
            "graphs": None if self.graphs is None else list(self.graphs),
            "ids": None if self.ids is None else list(self.ids),
            "opened_after": self.opened_after,
        }
        clauses = {
            "audience": "audience && {}::text[]",
            "barred": "NOT (policy @> '{{\"four_eyes\": true}}' AND {} = ANY(involved))",
            # Of the column the planner knows how many that are; the other one is what is indexed.
            "overdue_at": f"{DEADLINE} < {{0}}"
            if self.is_overdue_alone
            else f"deadline < {{0}} AND {DEADLINE} < {{0}}",
            "q": "(title ILIKE {0} OR thread_id ILIKE {0})"
            if self.titles
            else "thread_id ILIKE {}",
            "graphs": "graph = ANY({})",
            "ids": "id = ANY({}::uuid[])",
            "opened_after": "opened_at > {}",
        }
        params = {f"{name}{suffix}": value for name, value in given.items() if value is not None}
        wheres = [
            clauses.get(name, f"{name} = {{}}").format(f"%({name}{suffix})s")
            for name, value in given.items()
            if value is not None
        ]
        return wheres, params


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a list: its rows, where the next one begins (None at the end), and how many
    requests the list has; one more than `MOST` where there are more."""

    rows: list[dict[str, Any]]
    following: Place | None
    total: int


async def look(
    conn: Connection,
    filter_: Filter,
    columns: str,
    *,
    sort: str,
    limit: int,
    after: Place | None,
) -> Listing:
    """A page with these columns of each request.

    What is not narrowed down is in order in an index. What is rare is gathered, and then sorted;
    of what is not, the first are looked for among the first of all. Which of them it is does not
    depend on what the planner guesses, so that a list that is long for one person and short for
    another is there at once for both.
    """
    filter_ = _as_stored(conn, filter_)
    wheres, params = filter_.conditions()
    order = _Order(sort, after)
    params |= order.params | {"limit": limit + 1}
    if not wheres or filter_.thread_id is not None:
        halves = _halves(filter_)
        parts = [order.part([state, *wheres], is_closed) for state, is_closed in halves]
        found = await _page(conn, parts, params, columns, order, keep=bool(wheres))
        few = after is None and len(found) <= limit
        total = len(found) if few else await count(conn, filter_, MOST)
    else:
        ids = await _some(conn, filter_, MOST + 1)
        total = len(ids)
        if total > MOST:
            ids = [
                id_
                for state, is_closed in _halves(filter_)
                for id_ in await _first(conn, filter_, state, is_closed, order, limit + 1)
            ]
        part = order.part(["id = ANY(%(ids)s::uuid[])"])
        params = order.params | {"limit": limit + 1, "ids": ids}
        found = await _page(conn, [part], params, columns, order, keep=True)
    places = [(row.pop("sort_key"), str(row["id"])) for row in found]
    return Listing(found[:limit], places[limit - 1] if len(found) > limit else None, total)


async def page(
    conn: Connection, filter_: Filter, *, sort: str, limit: int, after: Place | None
) -> tuple[list[Request], Place | None, int]:
    """See `Listing`."""
    columns = f"{request_rows.COLUMNS}, {request_rows.VOTES}"
    found = await look(conn, filter_, columns, sort=sort, limit=limit, after=after)
    return [request_rows.with_votes(conn, row) for row in found.rows], found.following, found.total


async def of_threads(
    conn: Connection, thread_ids: Sequence[str], *, limit: int
) -> dict[str, list[Request] | None]:
    """The requests of each of these threads, the newest first; None for one that has more."""
    columns = f"{request_rows.COLUMNS}, {request_rows.VOTES}"
    cursor = await conn.execute(
        f"""
        SELECT found.* FROM unnest(%s::text[]) AS asked (asked_id) CROSS JOIN LATERAL (
            -- OFFSET 0 keeps the planner to the thread: it would rather go through all by age.
            SELECT {columns}
              FROM (SELECT * FROM requests WHERE thread_id = asked_id OFFSET 0) AS requests
             ORDER BY opened_at DESC, id DESC LIMIT %s) AS found
        """,
        (list(thread_ids), limit + 1),
    )
    found: dict[str, list[Request]] = {each: [] for each in thread_ids}
    for row in await cursor.fetchall():
        found[row["thread_id"]].append(request_rows.with_votes(conn, row))
    return {id_: rows if len(rows) <= limit else None for id_, rows in found.items()}


async def count(conn: Connection, filter_: Filter, at_most: int) -> int:
    """How many requests a filter lets through; one more than `at_most` if there are more."""
    [found] = (await counts(conn, {"": filter_}, at_most)).values()
    return found


async def counts(conn: Connection, filters: Mapping[str, Filter], at_most: int) -> dict[str, int]:
    """As `count`, for several filters."""
    params: dict[str, Any] = {"limit": at_most + 1}
    columns = []
    for n, filter_ in enumerate(filters.values()):
        halves, given = _as_stored(conn, filter_).some(f"_{n}")
        params |= given
        found = _together(halves) if halves else "SELECT WHERE false"
        columns.append(f"(SELECT count(*) FROM ({found}) AS found) AS counted_{n}")
    cursor = await conn.execute(f"SELECT {', '.join(columns)}", params, prepare=False)
    row = await cursor.fetchone()
    assert row is not None, "a SELECT without FROM has a row"
    return dict(zip(filters, row.values(), strict=True))


def _as_stored(conn: Connection, filter_: Filter) -> Filter:
    """A filter that does not look into what is encrypted."""
    if conn.sealer is None or filter_.q is None:
        return filter_
    return replace(filter_, titles=False)


def _halves(filter_: Filter) -> list[tuple[str, bool | None]]:
    """What a list has of what is open and of what is closed, each of which has its own indexes;
    and whether it is the latter. A thread has few requests: they are not told apart."""
    open_, closed = filter_.states
    halves: list[tuple[str, bool | None]] = []
    if filter_.thread_id is not None:
        if open_ or closed:
            halves.append((_is_one_of(*open_, *closed), None))
        return halves
    if open_:
        halves.append(("state = 'open'", False))
    if closed:
        narrowed = f" AND {_is_one_of(*closed)}" if len(closed) < len(CLOSED) else ""
        halves.append((f"state <> 'open'{narrowed}", True))
    return halves


def _is_one_of(*states: str) -> str:
    return f"state IN ({', '.join(map(repr, states))})"


def _together(parts: Sequence[str], order: str = "") -> str:
    """What several statements find, as far as the limit; each of them stops there by itself."""
    if len(parts) == 1:
        return parts[0]
    return " UNION ALL ".join(f"({each})" for each in parts) + f" {order} LIMIT %(limit)s"


class _Order:
    """What a list is sorted by, from a place on. Ties go by id."""

    def __init__(self, sort: str, after: Place | None) -> None:
        self._expression, descending = SORTS[sort]
        self.direction = "DESC" if descending else "ASC"
        self._beyond = "<" if descending else ">"
        self.params = {} if after is None else {"key": after[0], "after": after[1]}

    def part(self, wheres: Sequence[str], is_closed: bool | None = None) -> str:
        """The first of what these conditions let through, half by half or all together."""
        key = self.key(is_closed)
        return f"""
            SELECT {key} AS key, id AS place_id FROM requests
             WHERE {" AND ".join([*wheres, *self.onwards(key)])}
             ORDER BY {key} {self.direction}, id {self.direction} LIMIT %(limit)s
        """

    def key(self, is_closed: bool | None) -> str:
        """What a half is sorted by. All that is open has the same moment of closing."""
        if is_closed is None or "closed_at" not in self._expression:
            return self._expression
        never = "infinity" if self.direction == "ASC" else "-infinity"
        return "closed_at" if is_closed else f"'{never}'::timestamptz"

    def onwards(self, key: str) -> list[str]:
        """The condition that what comes before the page is left out."""
        kind = "smallint" if key == "priority" else "timestamptz"
        beyond = f"({key}, id) {self._beyond} (%(key)s::{kind}, %(after)s::uuid)"
        return [beyond] if self.params else []


async def _page(
    conn: Connection,
    parts: Sequence[str],
    params: Mapping[str, Any],
    columns: str,
    order: _Order,
    *,
    keep: bool,
) -> list[dict[str, Any]]:
    """The first of some parts, with `sort_key`; the plan is kept where it is always the same."""
    if not parts:
        return []
    direction = order.direction
    cursor = await conn.execute(
        f"""
        SELECT {columns}, place.key::text AS sort_key
          FROM ({_together(parts, f"ORDER BY key {direction}, place_id {direction}")}) AS place
          JOIN requests ON requests.id = place.place_id
         ORDER BY place.key {direction}, place.place_id {direction}
        """,
        params,
        prepare=None if keep else False,
    )
    return await cursor.fetchall()


async def _some(conn: Connection, filter_: Filter, limit: int) -> list[str]:
    """The ids of some of a list, in no particular order."""
    halves, params = filter_.some()
    if not halves:
        return []
    cursor = await conn.execute(_together(halves), {**params, "limit": limit}, prepare=False)
    return [str(row["id"]) async for row in cursor]


async def _first(
    conn: Connection,
    filter_: Filter,
    state: str,
    is_closed: bool | None,
    order: _Order,
    limit: int,
) -> list[str]:
    """The ids of the first of a half that is long: by going through the first of all, and if they
    are not among these, by gathering what is somebody's, or going on."""
    wheres, params = filter_.conditions()
    key, direction = order.key(is_closed), order.direction
    here = [state, *order.onwards(key)]
    sorted_ = f"ORDER BY key {direction}, id {direction} LIMIT %(limit)s"
    near = f"""
        SELECT id FROM (
            SELECT {key} AS key, id, thread_id, graph, node, kind, topic, title, policy, priority,
                   involved, audience, deadline, opened_at
              FROM requests WHERE {" AND ".join(here)}
             ORDER BY {key} {direction}, id {direction} LIMIT {NEAR}) AS near
         WHERE {" AND ".join(wheres)} {sorted_}
    """
    gathered = f"""
        WITH found AS MATERIALIZED (
            SELECT {key} AS key, id FROM requests WHERE {" AND ".join([*here, *wheres])})
        SELECT id FROM found {sorted_}
    """
    onwards = f"SELECT place_id AS id FROM ({order.part([state, *wheres], is_closed)}) AS found"
    is_gathered = filter_.audience is not None or filter_.is_overdue_alone
    found: list[str] = []
    for statement in (near, gathered if is_gathered else onwards):
        cursor = await conn.execute(
            statement, {**params, **order.params, "limit": limit}, prepare=False
        )
        found = [str(row["id"]) async for row in cursor]
        if len(found) == limit:
            break
    return found
