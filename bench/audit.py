"""How fast the audit is verified, and written.

    python -m bench audit [--entries 100000] [--cost]

Four entries to a thread, each of the size of a decision's. What verifying takes is held against the
plainest reading of the same rows: by a cursor, in the same order, with nothing done to them.

With `--cost`: what the audit costs the main job. Signoff's library does it on two databases in
turns; in one of them nothing is added to the audit, since a trigger throws its rows away.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg

from bench.main_job import Child
from bench.processes import database, migrate
from signoff.db import audit_scan, embedded
from signoff.db.pool import Database
from signoff.service.verify_audit import verify_audit

TO_REACH = 20_000
"""Entries a second."""

FILL = """
    INSERT INTO audit (thread_id, request_id, event, body, at)
    SELECT thread_id, NULL, 'note',
           json_build_object('event', 'note', 'thread_id', thread_id, 'by', 'jane@firm.com',
                             'at', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
                             'request_id', NULL, 'run_id', gen_random_uuid(),
                             'data', json_build_object('text', repeat('as discussed ', 40))), at
      FROM (SELECT 'thread-' || number / 4 AS thread_id,
                   timestamptz '2026-01-01' + number * interval '1 second' AS at
              FROM generate_series(0, %s - 1) AS number) AS entries
"""


def fill(url: str, entries: int) -> float:
    """Write entries; how many a second that were."""
    with psycopg.connect(url, options="-c search_path=signoff -c timezone=UTC") as conn:
        began = time.perf_counter()
        conn.execute(FILL, (entries,))
        conn.commit()
        took = time.perf_counter() - began
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
    return entries / took


async def read(database: Database) -> int:
    """Read all rows and do nothing with them."""
    seen = 0
    async with audit_scan.snapshot(database) as conn:
        async for batch in audit_scan.rows(conn, None):
            seen += len(batch)
    return seen


async def verified(database: Database) -> int:
    """Verify all rows."""
    report = await verify_audit(database)
    if report.found:
        raise SystemExit(f"the audit is not as it was written: {report.findings[0]}")
    return report.entries


async def timed(url: str, what: Callable[[Database], Awaitable[int]]) -> float:
    """Entries a second."""
    async with Database(url, max_connections=2) as database:
        began = time.perf_counter()
        seen = await what(database)
        return seen / (time.perf_counter() - began)


THROW_AWAY = """
    CREATE FUNCTION throw_away() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER a_throw_away BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION throw_away()
"""


def cost(rounds: int, cycles: int, concurrency: int) -> None:
    """Measure the main job with and without the audit, in pairs, and print."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-"))
        server = stack.enter_context(embedded.start(Path(folder)))
        contenders = []
        for name in ("with", "without"):
            url = database(server.url, name)
            migrate(url)
            if name == "without":
                with psycopg.connect(url, options="-c search_path=signoff") as conn:
                    conn.execute(THROW_AWAY)
            contenders.append(Child("B", url))
            stack.callback(contenders[-1].close)
            contenders[-1].measure(concurrency, cycles)  # plans are made, caches filled
        pairs = []
        for number in range(rounds):
            order = contenders if number % 2 else contenders[::-1]
            figures = {id(each): each.measure(concurrency, cycles) for each in order}
            pairs.append([figures[id(each)] for each in contenders])
    for key, unit in (("per_second", "cycles/s"), ("cpu_ms", "ms of the process a cycle")):
        ratio = statistics.median(first[key] / second[key] for first, second in pairs)
        middle = [statistics.median(pair[side][key] for pair in pairs) for side in (0, 1)]
        print(f"with the audit {middle[0]:.1f} {unit}, without {middle[1]:.1f}: {ratio:.3f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cycles", type=int, default=480)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    if options.cost:
        cost(options.rounds, options.cycles, options.concurrency)
        return
    entries = options.entries
    with (
        tempfile.TemporaryDirectory(prefix="signoff-bench-") as folder,
        embedded.start(Path(folder)) as server,
    ):
        url = database(server.url, "audit")
        migrate(url)
        written = fill(url, entries)
        asyncio.run(timed(url, read))
        turns = [[asyncio.run(timed(url, what)) for what in (read, verified)] for _ in range(3)]
    reading, verifying = (max(each) for each in zip(*turns, strict=True))
    print(f"{entries:,} entries written in one statement: {written:,.0f}/s")
    print(f"read {reading:,.0f}/s, verified {verifying:,.0f}/s (to reach: {TO_REACH:,}/s)")
    print(f"verifying takes {reading / verifying:.1f} times as long as reading")
    if verifying < TO_REACH:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
