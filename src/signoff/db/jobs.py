"""Jobs, through Procrastinate: each says no more than "look at this thread"."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import procrastinate

from signoff.db.pool import Connection, Database, DriverError
from signoff.domain.errors import DatabaseUnreachable

WORK = "signoff.work"
"""The one task: work off what waits on a thread."""

CHANNEL = "signoff"
NEWS = "jobs"
"""Where and how processes tell one another of new jobs."""


class Jobs:
    """The queue of a database. Jobs are deferred on the caller's connection, in its transaction.

    The queue of a job is the name of the thread's graph, so that a worker takes only what it can
    run. Workers are told right after the commit, and not by it: PostgreSQL holds one lock over all
    commits that notify, and would keep it until the disk has answered.
    """

    def __init__(self, database: Database) -> None:
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._database = database
        self._news = False
        self._telling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the queue usable."""
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        await self.app.open_async(self._database.relaxed)

    async def look_at(self, conn: Connection, thread_id: str, graph: str) -> None:
        """Have a worker look at a thread, once the transaction has committed."""
        deferrer = self.app.configure_task(WORK, queue=graph, connection=conn)
        await deferrer.defer_async(thread_id=thread_id)
        self._database.after_commit(conn, self._tell_workers)

    def _tell_workers(self) -> None:
        """Have workers look for jobs. If this is lost, they do so by themselves before long."""
        self._news = True
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="signoff jobs told")

    async def _tell(self) -> None:
        while self._news:
            self._news = False
            with suppress(DriverError, DatabaseUnreachable):
                async with self._database.taking() as conn:
                    await conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, NEWS))
