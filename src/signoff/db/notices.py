"""What PostgreSQL tells this process of: threads that changed, runs to cancel, new jobs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Self, TypeVar

import orjson
from psycopg import Error

from signoff.db.jobs import CHANNEL, NEWS, News
from signoff.db.pool import Connection, Database
from signoff.domain.thread import Thread
from signoff.log import get_logger
from signoff.stopping import stopped

log = get_logger(__name__)

Watch = TypeVar("Watch", bound=asyncio.Event)


async def thread_changed(conn: Connection, thread_id: str) -> None:
    """Tell everyone who waits for this thread, once the transaction has committed."""
    await conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"threads {thread_id}"))


async def threads_changed(conn: Connection, thread_ids: Sequence[str]) -> None:
    """As `thread_changed`, for several; many in one notification, which can have 8000 bytes."""
    await conn.execute(
        """
        SELECT pg_notify(%s, 'threads ' || string_agg(id, ' '))
          FROM (SELECT id, sum(length(id) + 1) OVER (ORDER BY id) / 7000 AS part
                  FROM unnest(%s::text[]) AS id) AS parts
         GROUP BY part
        """,
        (CHANNEL, list(thread_ids)),
    )


async def cancel_run(conn: Connection, thread_id: str) -> None:
    """Tell whoever executes a run of this thread to look whether it is still wanted."""
    await conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"cancel {thread_id}"))


async def users_changed(conn: Connection) -> None:
    """Tell every process to look at who there is, once the transaction has committed."""
    await conn.execute("SELECT pg_notify(%s, 'users')", (CHANNEL,))


async def access_changed(conn: Connection) -> None:
    """Tell every process to forget whom it knows by their keys, once that is committed."""
    await conn.execute("SELECT pg_notify(%s, 'access')", (CHANNEL,))


class Changed(asyncio.Event):
    """Set when a thread may have changed. `rested` is how it came to rest, where that is known."""

    def __init__(self) -> None:
        super().__init__()
        self.rested: Thread | None = None

    def tell(self, rested: Thread | None) -> None:
        """Wake whoever waits."""
        self.rested = rested or self.rested
        self.set()


class Followed(Changed):
    """Set as well when the thread may have streamed something; `moved` says that it has changed."""

    moved = False

    def tell(self, rested: Thread | None) -> None:
        """Wake whoever waits."""
        self.moved = True
        super().tell(rested)


class Notices:
    """One listening connection for the whole process.

    After a lost connection everything that may have been missed is treated as changed: waiters
    look again, and `on_job` (without saying where), `on_cancel`, `on_users`, `on_access` and
    `on_messages` are called. While it is lost, `listening` is not set.
    `closing` is set when this process is about to stop: what would go on for ever then ends.
    """

    def __init__(self, database: Database) -> None:
        self.on_job: Callable[[Sequence[News]], None] = lambda _news: None
        self.on_cancel: Callable[[str | None], None] = lambda _thread_id: None
        self.on_users: Callable[[], None] = lambda: None
        self.on_access: Callable[[], None] = lambda: None
        self.on_messages: Callable[[], None] = lambda: None
        self.listening = False
        self._database = database
        self.closing = asyncio.Event()
        self._watches: dict[str, set[Changed]] = defaultdict(set)
        self._streams: dict[str, set[Followed]] = defaultdict(set)
        self._all: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listening = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._listen(listening), name="signoff notices")
        await listening
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            await stopped([self._task])

    @asynccontextmanager
    async def of_thread(self, thread_id: str) -> AsyncIterator[Changed]:
        """An event that is set when the thread may have changed; clear it before looking."""
        changed = Changed()
        with _watching(self._watches, thread_id, changed):
            yield changed

    @asynccontextmanager
    async def of_stream(self, thread_id: str) -> AsyncIterator[Followed]:
        """An event that is set when the thread may have changed, or may have streamed something."""
        followed = Followed()
        with (
            _watching(self._watches, thread_id, followed),
            _watching(self._streams, thread_id, followed),
        ):
            yield followed

    @asynccontextmanager
    async def of_anything(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set when anything has been told; clear it before looking."""
        told = asyncio.Event()
        self._all.add(told)
        try:
            yield told
        finally:
            self._all.discard(told)

    def close(self) -> None:
        """Have everything end that would go on for ever: this process is about to stop."""
        self.closing.set()
        self._wake_all()

    def tell(self, thread_id: str, rested: Thread | None = None) -> None:
        """Wake those who wait for a thread in this process, sooner than the database does."""
        for changed in self._watches.get(thread_id, ()):
            changed.tell(rested)

    async def _listen(self, listening: asyncio.Future[None]) -> None:
        pause = 0.1
        while True:
            try:
                conn = await self._database.connect()
                try:
                    await conn.execute(f"LISTEN {CHANNEL}")
                    pause = 0.1
                    if not listening.done():
                        listening.set_result(None)
                    else:
                        await self._database.refresh()
                        log.info("the listening connection is back")
                    self._missed()
                    self.listening = True
                    async for notice in conn.notifies():
                        try:
                            self._dispatch(notice.payload)
                        except Exception:
                            log.exception("not understood", payload=notice.payload[:200])
                finally:
                    self.listening = False
                    await conn.close()
            except (Error, OSError) as error:
                log.warning("the listening connection was lost, connecting again", error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1)

    def _dispatch(self, payload: str) -> None:
        for told in self._all:
            told.set()
        if payload.startswith(NEWS):
            self.on_job(orjson.loads(payload.removeprefix(NEWS)))
            return
        what, *thread_ids = payload.split(" ")
        if what == "users":
            self.on_users()
            self.on_access()
        elif what == "access":
            self.on_access()
        elif what == "messages":
            self.on_messages()
        for thread_id in thread_ids:
            if what == "threads":
                self.tell(thread_id)
            elif what == "streams":
                for followed in self._streams.get(thread_id, ()):
                    followed.set()
            elif what == "cancel":
                self.on_cancel(thread_id)

    def _wake_all(self) -> None:
        for thread_id in self._watches:
            self.tell(thread_id)
        for told in self._all:
            told.set()

    def _missed(self) -> None:
        self._wake_all()
        self.on_job([])
        self.on_cancel(None)
        self.on_users()
        self.on_access()
        self.on_messages()


@contextmanager
def _watching(watches: dict[str, set[Watch]], thread_id: str, watch: Watch) -> Iterator[None]:
    watches[thread_id].add(watch)
    try:
        yield
    finally:
        watches[thread_id].discard(watch)
        if not watches[thread_id]:
            del watches[thread_id]
