"""Jobs, through Procrastinate: each says no more than "look at this thread"."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import orjson
import procrastinate
from procrastinate.types import JSONValue

from signoff.db.pool import Connection, Database, DriverError
from signoff.domain.errors import DatabaseUnreachable

WORK = "signoff.work"
"""The one task: work off what waits on a thread."""

CHANNEL = "signoff"
NEWS = "jobs "
"""Where and how processes tell one another of new jobs: what follows is a JSON list of `News`."""

MAX_NEWS = 7000
"""Bytes of news in one notification, which can have 8000."""

News = tuple[str, str]
"""There is work for this graph on this thread."""


class Jobs:
    """The queue of a database. Jobs are deferred on the caller's connection, in its transaction.

    The queue of a job is the name of the thread's graph, so that a worker takes only what it can
    run. Workers are told right after the commit, and not by it: PostgreSQL holds one lock over all
    commits that notify, and would keep it until the disk has answered. A worker with room takes
    the thread at the word, and the job with it (`signoff.db.leases.take`); the job is for when
    nobody has room, or the word is lost.
    """

    def __init__(self, database: Database) -> None:
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._database = database
        self._news: list[News] = []
        self._telling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the queue usable."""
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        await self.app.open_async(self._database.relaxed)

    async def look_at(self, conn: Connection, thread_id: str, graph: str) -> None:
        """Have a worker look at a thread, once the transaction has committed."""
        await self.look_at_all(conn, {thread_id: graph})

    async def look_at_all(self, conn: Connection, threads: Mapping[str, str]) -> None:
        """As `look_at`, for several threads, each with its graph."""
        of_graph: dict[str, list[str]] = {}
        for thread_id, graph in threads.items():
            of_graph.setdefault(graph, []).append(thread_id)
            self._database.after_commit(conn, partial(self._tell_workers, (graph, thread_id)))
        for graph, thread_ids in of_graph.items():
            deferrer = self.app.configure_task(WORK, queue=graph, connection=conn)
            arguments: list[dict[str, JSONValue]] = [{"thread_id": each} for each in thread_ids]
            await deferrer.batch_defer_async(*arguments)

    def _tell_workers(self, news: News) -> None:
        """Tell workers where there is work. If this is lost, they look for jobs before long."""
        self._news.append(news)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="signoff jobs told")

    async def _tell(self) -> None:
        while self._news:
            news, self._news = self._news, []
            with suppress(DriverError, DatabaseUnreachable):
                async with self._database.taking() as conn:
                    await conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, _payload(news)))


def _payload(news: Sequence[News]) -> str:
    """The news, or where they are too many for one notification, that there are some."""
    payload = NEWS + orjson.dumps(news).decode()
    return payload if len(payload.encode()) <= MAX_NEWS else f"{NEWS}[]"
