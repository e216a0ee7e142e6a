"""What it takes to tell many people: from the audit to messages, and from those to a channel.

    python -m bench notify [--people 10000] [--requests 2000]

A request to a group of so many people, and then so many requests to one person each. Writing the
messages is held against inserting the same rows by one plain statement, and sending them, to a
channel that takes everything at once, against nothing: that is a rate.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import database, migrate
from signoff import Signoff
from signoff.config import Settings
from signoff.db import embedded
from signoff.db.pool import Connection
from signoff.domain.notification import Message
from signoff.domain.user import User
from signoff.service.notify import fan_out
from signoff.service.send import send_due
from signoff.service.users import put_users

FILL = """
    INSERT INTO threads (id, created_at, updated_at)
    SELECT 'thread-' || n, now(), now() FROM generate_series(%(first)s, %(last)s) AS n;
    INSERT INTO requests (id, thread_id, graph, node, interrupt_id, task_id, checkpoint_ns,
                          checkpoint_id, position, kind, title, actions, policy, priority, digest,
                          audience, opened_at)
    SELECT gen_random_uuid(), 'thread-' || n, 'contracts', 'review', 'i' || n, 't' || n, '', 'c', 0,
           'ask', 'Sign contract ' || n, '[{"name": "approve"}]',
           json_build_object('to', json_build_array(%(to)s)), 1, 'd', ARRAY[%(to)s], now()
      FROM generate_series(%(first)s, %(last)s) AS n;
    INSERT INTO audit (thread_id, request_id, event, body, at)
    SELECT thread_id, id, 'request.opened',
           json_build_object('event', 'request.opened', 'thread_id', thread_id, 'by', 'system',
                             'at', now(), 'request_id', id, 'run_id', NULL,
                             'data', json_build_object('title', title)), now()
      FROM requests WHERE thread_id = ANY(
           SELECT 'thread-' || n FROM generate_series(%(first)s, %(last)s) AS n);
"""

PLAIN = ("CREATE TEMPORARY TABLE kept AS SELECT * FROM messages", "DELETE FROM messages")
"""What there is, to be inserted by one statement."""


@dataclass
class Sink:
    """A channel that takes everything at once."""

    name: str = "email"
    taken: int = 0

    async def send(self, message: Message) -> None:
        """Count it."""
        self.taken += 1


async def fill(conn: Connection, first: int, last: int, to: str) -> None:
    """Requests, as pauses would have opened them."""
    names = {"first": str(first), "last": str(last), "to": f"'{to}'"}
    text = FILL
    for name, value in names.items():
        text = text.replace(f"%({name})s", value)
    for statement in filter(str.strip, text.split(";")):
        await conn.execute(statement)  # type: ignore[arg-type]


async def taking(work: Callable[[], Awaitable[Any]]) -> float:
    """How long something takes, in seconds."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def measure(url: str, folder: Path, people: int, requests: int) -> None:
    """Tell a group, then many of one thing each."""
    async with Signoff(url, {}, Settings(data_dir=folder), work=False) as desk:
        office, sink = desk.office, Sink()
        office.channels["email"] = sink
        users = [User(name=f"u{n}", groups=("all",), email=f"u{n}@firm.com") for n in range(people)]
        for start in range(0, people, 1000):
            await put_users(office, users[start : start + 1000])

        async def write() -> None:
            async with office.database.connection() as conn:
                expected = requests_there * per_request
                while True:
                    await fan_out(office)
                    row = await (
                        await conn.execute("SELECT count(*) AS n FROM messages")
                    ).fetchone()
                    if row is not None and row["n"] >= expected:
                        return

        for named, count, per_request in (("group:all", 1, people), ("u1", requests, 1)):
            requests_there = count
            async with office.database.connection() as conn:
                first = 1 if per_request > 1 else 2
                await fill(conn, first, first + count - 1, named)
            wrote = await taking(write)
            total = count * per_request
            async with office.database.transaction() as conn:
                for statement in PLAIN:
                    await conn.execute(statement)
                plain = await taking(
                    lambda conn=conn: conn.execute(  # type: ignore[misc]
                        "INSERT INTO messages OVERRIDING USER VALUE SELECT * FROM kept"
                    )
                )
                await conn.execute("DROP TABLE kept")
            sent = await taking(lambda: send_due(office))
            assert sink.taken == total, (sink.taken, total)
            sink.taken = 0
            async with office.database.connection() as conn:
                await conn.execute("DELETE FROM messages")
            print(
                f"{count:,} x {per_request:,}: written {total / wrote:,.0f}/s "
                f"({wrote / plain:.1f} x a plain insert of the same rows), "
                f"sent {total / sent:,.0f}/s"
            )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench notify")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=2_000)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(embedded.start(folder))
        url = database(server.url, "notify")
        migrate(url)
        asyncio.run(measure(url, folder, given.people, given.requests))


if __name__ == "__main__":
    main()
