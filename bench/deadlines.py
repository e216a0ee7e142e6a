"""A million open requests with deadlines: the duty that keeps them, and the lists of the inbox.

    python -m bench deadlines [--requests 1000000] [--due 20000] [--calls 200]

The rows are copies of a request that a graph has really opened, with their threads and runs, spread
over people, topics and time; indexes are built when all rows are there. What is closed has its
audit entry, its run and the job that brings it to a worker, all durable; the nodes are not run.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

import psycopg
from langgraph.graph import START, StateGraph

from bench.http import Connection
from bench.processes import SIGNOFF, address, database, environment, migrate, project, running
from signoff import Signoff, ask
from signoff.config import Settings
from signoff.db import due, embedded
from signoff.db.pool import SCHEMA
from signoff.service.keep_time import BATCH, keep_time

TEXT = "The quick brown fox signs the contract in triplicate. " * 19  # about 1 KB

LISTS = {
    "first page": "",
    "assignee=me": "assignee=me",
    "state=open": "state=open",
    "assignee=me, the most urgent first": "state=open&assignee=me&sort=-priority",
    "assignee=me, by deadline": "state=open&assignee=me&sort=deadline",
    "by deadline": "sort=deadline",
    "the most urgent first": "state=open&sort=-priority",
    "the last closed first": "sort=-closed_at",
    "a topic": "topic=topic-7",
    "a topic that is rare": "topic=rare&sort=deadline",
    "a graph and a priority": "graph=deadlines&priority=urgent",
    "overdue": "overdue=true",
    "a text": "q=number+77",
    "a thread": "thread_id=deadlines-77",
}
"""The lists that are asked for over HTTP; the first two are what there is a bar for."""

BAR_MS = 25


class State(TypedDict, total=False):
    """What the node got."""

    action: str


def review(_state: State) -> State:
    """Ask, with a payload of about 1 KB, a reminder and a deadline."""
    decision = ask(
        "Contract number 0",
        show={"draft": TEXT},
        topic="contracts",
        remind="1h",
        within="2h",
        otherwise="reject",
    )
    return {"action": decision.action}


builder = StateGraph(State)
builder.add_node("review", review)
builder.add_edge(START, "review")

ORIGINAL = "deadlines-0"

COPIED = {
    "threads": {
        "id": "'deadlines-' || n",
        "created_at": "opens_at",
        "updated_at": "opens_at",
    },
    "runs": {
        "id": "overlay(request_id::text placing 'aaaa' from 20 for 4)::uuid",
        "thread_id": "'deadlines-' || n",
        "created_at": "opens_at",
        "updated_at": "opens_at",
    },
    "requests": {
        "id": "request_id",
        "thread_id": "'deadlines-' || n",
        "run_id": "overlay(request_id::text placing 'aaaa' from 20 for 4)::uuid",
        "title": "'Contract number ' || n",
        "topic": "CASE WHEN n % 100000 = 9 THEN 'rare' ELSE 'topic-' || n % 40 END",
        "priority": "(ARRAY[1, 1, 1, 1, 1, 1, 0, 2, 2, 3])[1 + n % 10]",
        "audience": """CASE WHEN n % 5000 = 3 THEN '{bench}'
            WHEN n % 10 = 0 THEN '{}'
            WHEN n % 10 < 7 THEN ARRAY['group:g' || (hashint4(n) & 63)]
            ELSE ARRAY['user-' || (hashint4(n) & 2047)] END""",
        "policy": """template.policy || jsonb_build_object('to', CASE WHEN n % 5000 = 3
            THEN '["bench"]'::jsonb WHEN n % 10 = 0 THEN '[]'::jsonb
            WHEN n % 10 < 7 THEN to_jsonb(ARRAY['group:g' || (hashint4(n) & 63)])
            ELSE to_jsonb(ARRAY['user-' || (hashint4(n) & 2047)]) END)""",
        "opened_at": "opens_at",
        "deadline": "ends_at",
        "wake_at": "ends_at - interval '1 hour'",
        "timetable": """jsonb_build_array(
            jsonb_build_object('kind', 'remind', 'at', ends_at - interval '1 hour', 'step', 0,
                               'passed_at', NULL),
            jsonb_build_object('kind', 'expire', 'at', ends_at, 'step', 0, 'passed_at', NULL))""",
    },
}
"""What is copied, table by table, and what a copy has of its own; `n` is its number."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How the copies lie in time: `due` of them end at the same moment, before all others."""

    requests: int
    due: int
    now: datetime
    ends_at: datetime


def fill(url: str, spread: Spread) -> None:
    """Put copies in the place of the one request that there is, with its thread and run."""
    with psycopg.connect(url, options=f"-c search_path={SCHEMA}") as conn:
        conn.execute("UPDATE users SET groups = '{g1}' WHERE name = 'bench'")
        conn.execute("SET session_replication_role = replica")  # the copies refer to each other
        indexes = conn.execute(
            """
            SELECT indexname, indexdef FROM pg_indexes
             WHERE schemaname = %s AND tablename = ANY(%s) AND NOT EXISTS (
                SELECT FROM pg_constraint JOIN pg_class ON pg_class.oid = conindid
                 WHERE relname = indexname)
            """,
            (SCHEMA, list(COPIED)),
        ).fetchall()
        for name, _ in indexes:
            conn.execute(f'DROP INDEX "{name}"'.encode())
        for table, own in COPIED.items():
            columns = [
                row[0]
                for row in conn.execute(
                    """
                    SELECT column_name FROM information_schema.columns
                     WHERE table_schema = %s AND table_name = %s
                    """,
                    (SCHEMA, table),
                )
            ]
            values = [own.get(column, f'template."{column}"') for column in columns]
            conn.execute(
                f"""
                INSERT INTO {table} ({", ".join(f'"{column}"' for column in columns)})
                SELECT {", ".join(values).replace("%", "%%")}
                  FROM (SELECT * FROM {table} LIMIT 1) AS template,
                       generate_series(1, %(requests)s) AS n CROSS JOIN LATERAL (
                    SELECT %(now)s - (%(requests)s - n) * (interval '30 days' / %(requests)s)
                               AS opens_at,
                           CASE WHEN n %% (%(requests)s / %(due)s) = 1 THEN %(ends_at)s
                           ELSE %(ends_at)s + interval '2 hours'
                                + n * (interval '30 days' / %(requests)s) END AS ends_at) AS times
                       CROSS JOIN LATERAL (
                    SELECT (lpad(to_hex((extract(epoch FROM times.opens_at) * 1000)::bigint), 12,
                        '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text),
                        5, 15))::uuid AS request_id) AS ids
                """.encode(),
                {
                    "requests": spread.requests,
                    "due": spread.due,
                    "now": spread.now,
                    "ends_at": spread.ends_at,
                },
            )
        for table in COPIED:
            column = "id" if table == "threads" else "thread_id"
            conn.execute(f"DELETE FROM {table} WHERE {column} = %s".encode(), (ORIGINAL,))
        for _, definition in indexes:
            conn.execute(definition.encode())
    with psycopg.connect(url, autocommit=True, options=f"-c search_path={SCHEMA}") as conn:
        conn.execute("VACUUM (ANALYZE)")


class Clock:
    """A clock that the measurement moves."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time


async def prepare(url: str, clock: Clock) -> None:
    """Have a graph open the request that is copied."""
    async with Signoff(
        url, {"deadlines": builder}, Settings(data_dir=Path("/nonexistent")), now=clock
    ) as desk:
        run = await desk.start("deadlines", {}, by="bench", thread_id=ORIGINAL)
        await desk.wait(run.thread_id)


async def keep(url: str, clock: Clock, ends_at: datetime) -> None:
    """Print how the duty looks for what is due, what that takes, and how fast it is done."""
    settings = Settings(data_dir=Path("/nonexistent"))
    async with Signoff(url, {"deadlines": builder}, settings, work=False, now=clock) as desk:
        office = desk.office
        async with office.database.connection() as conn:
            for what, parameters in ((due.ANY, (clock(),)), (due.CLAIM, (clock(), BATCH))):
                cursor = await conn.execute(f"EXPLAIN {what}", parameters)
                plan = [row["QUERY PLAN"] for row in await cursor.fetchall()]
                assert any("Index Scan using requests_due" in line for line in plan), plan
                print(*plan, "", sep="\n")
        ticks = []
        for _ in range(200):
            began = time.perf_counter()
            assert await keep_time(office) == 0
            ticks.append((time.perf_counter() - began) * 1000)
        print(f"idle tick: {_marks(ticks)} (to reach: 10)")
        clock.time = ends_at - timedelta(hours=1)
        began = time.perf_counter()
        reminded = await keep_time(office)
        took = time.perf_counter() - began
        print(f"reminded: {reminded} in {took:.1f} s, {reminded / took:.0f} per s")
        clock.time = ends_at
        began = time.perf_counter()
        closed = await keep_time(office)
        took = time.perf_counter() - began
        print(f"closed and enqueued: {closed} in {took:.1f} s, {closed / took:.0f} per s", end="")
        print(" (to reach: 2000)")
        await _check(office.database, closed)


async def _check(db: Any, closed: int) -> None:
    """Every closing has all that belongs to it."""
    async with db.connection() as conn:
        for what in (
            "requests WHERE state = 'expired' AND delivery = 'pending'",
            "audit WHERE event = 'request.expired'",
            "runs WHERE kind = 'resume' AND status = 'queued'",
            "threads WHERE status = 'busy'",
            "procrastinate_jobs WHERE status = 'todo'",
        ):
            row = await (await conn.execute(f"SELECT count(*) AS n FROM {what}")).fetchone()
            assert row["n"] == closed, f"{row['n']} {what}, and not {closed}"


async def lists(where: str, calls: int) -> None:
    """Print what the lists of the inbox take."""
    host, _, port = where.rpartition(":")
    connection = await Connection(host, int(port)).open()
    for name, query in LISTS.items():
        took = []
        for _ in range(calls):
            began = time.perf_counter()
            page = await connection.get(f"/requests?{query}")
            took.append((time.perf_counter() - began) * 1000)
        bar = f" (p95 to reach: {BAR_MS})" if name in list(LISTS)[:2] else ""
        rows = f"{len(page['items'])} of {page['total']}"
        print(f"GET /requests, {name:36} {rows:>14}: {_marks(took)}{bar}")
    connection.close()


def _marks(milliseconds: list[float]) -> str:
    median, ordered = statistics.median(milliseconds), sorted(milliseconds)
    return f"p50 {median:.1f}, p95 {ordered[len(ordered) * 95 // 100]:.1f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=20_000, help="of them, at the same moment")
    parser.add_argument("--calls", type=int, default=200, help="of each list")
    options = parser.parse_args()
    if not 0 < options.due < options.requests:
        parser.error("some of the requests are due, and not all")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-")))
        started = stack.enter_context(embedded.start(folder / "data"))
        url = database(started.url, "deadlines")
        migrate(url)
        clock = Clock()
        began = time.perf_counter()
        asyncio.run(prepare(url, clock))
        ends_at = clock() + timedelta(days=1)
        fill(url, Spread(options.requests, options.due, clock(), ends_at))
        print(f"{options.requests} open requests in {time.perf_counter() - began:.0f} s\n")
        cwd = project(folder / "project", {"deadlines": "bench.deadlines:builder"})
        serving = running([*SIGNOFF, "serve", "--port", "0"], environment(url), cwd, "ready at")
        with serving as (_, line):
            asyncio.run(lists(address(line), options.calls))
        print()
        asyncio.run(keep(url, clock, ends_at))


if __name__ == "__main__":
    main()
