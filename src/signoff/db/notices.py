"""What PostgreSQL tells this process of: threads that changed, runs to cancel, new jobs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import structlog
from psycopg import Error

from signoff.db.jobs import CHANNEL as JOBS
from signoff.db.pool import Connection, Database

CHANNEL = "signoff"

log = structlog.get_logger(__name__)


async def thread_changed(conn: Connection, thread_id: str) -> None:
    """Tell everyone who waits for this thread, once the transaction has committed."""
    await conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"thread {thread_id}"))


async def cancel_run(conn: Connection, thread_id: str) -> None:
    """Tell whoever executes a run of this thread to look whether it is still wanted."""
    await conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"cancel {thread_id}"))


class Notices:
    """One listening connection for the whole process.

    After a lost connection everything that may have been missed is treated as changed: waiters
    look again, and `on_job` and `on_cancel` are called.
    """

    def __init__(self, database: Database) -> None:
        self.on_job: Callable[[], None] = lambda: None
        self.on_cancel: Callable[[str | None], None] = lambda _thread_id: None
        self._database = database
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listening = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._listen(listening), name="signoff notices")
        await listening
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @asynccontextmanager
    async def of_thread(self, thread_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set when the thread may have changed; clear it before looking."""
        event = asyncio.Event()
        self._waiting[thread_id].add(event)
        try:
            yield event
        finally:
            self._waiting[thread_id].discard(event)
            if not self._waiting[thread_id]:
                del self._waiting[thread_id]

    async def _listen(self, listening: asyncio.Future[None]) -> None:
        pause = 0.1
        while True:
            try:
                conn = await self._database.connect()
                try:
                    await conn.execute(f"LISTEN {CHANNEL}")
                    await conn.execute(f"LISTEN {JOBS}")
                    pause = 0.1
                    if not listening.done():
                        listening.set_result(None)
                    self._missed()
                    async for notice in conn.notifies():
                        self._dispatch(notice.channel, notice.payload)
                finally:
                    await conn.close()
            except (Error, OSError) as error:
                log.warning("the listening connection was lost, connecting again", error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5)

    def _dispatch(self, channel: str, payload: str) -> None:
        if channel == JOBS:
            self.on_job()
            return
        what, _, thread_id = payload.partition(" ")
        if what == "thread":
            for event in self._waiting.get(thread_id, ()):
                event.set()
        elif what == "cancel":
            self.on_cancel(thread_id)

    def _missed(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()
        self.on_job()
        self.on_cancel(None)
