"""Jobs, through Procrastinate: each says no more than "look at this thread"."""

from __future__ import annotations

import logging

import procrastinate

from signoff.db.pool import Connection, Database

WORK = "signoff.work"
"""The one task: work off what waits on a thread."""

CHANNEL = "procrastinate_any_queue_v1"
"""Where PostgreSQL tells of a new job."""


class Jobs:
    """The queue of a database. Jobs are deferred on the caller's connection, in its transaction.

    The queue of a job is the name of the thread's graph, so that a worker takes only what it can
    run.
    """

    def __init__(self, database: Database) -> None:
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._database = database

    async def open(self) -> None:
        """Make the queue usable; it shares the database's pool."""
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        await self.app.open_async(self._database.pool)

    async def look_at(self, conn: Connection, thread_id: str, graph: str) -> None:
        """Have a worker look at a thread, once the transaction has committed."""
        deferrer = self.app.configure_task(WORK, queue=graph, connection=conn)
        await deferrer.defer_async(thread_id=thread_id)
