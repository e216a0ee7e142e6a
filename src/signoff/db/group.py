"""Group commit: writes that arrive while a commit is under way go into the next one together.

An idle committer writes at once, a busy one writes in larger groups. Only what nobody needs yet may
linger for a moment, so that it goes with what follows. A group is one statement, and so one round
trip and one transaction, whatever the number of threads in it. Each thread's rows are written only
if its lease still holds, and a row that the database refuses takes no other thread's rows down with
it. Writes of one thread keep their order. A thread whose row somebody has locked waits for that
apart from the others.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from signoff.db.group_statement import Table, statement
from signoff.db.pool import Connection, Database
from signoff.db.sealed import Sealer
from signoff.domain.errors import LeaseLost
from signoff.domain.thread import Lease

MAX_GROUP = 256
"""Writes in one transaction, so that one commit does not keep all others waiting."""

MAX_SENT = 32
"""Writes of one run on their way at a time."""


LINGER = 0.005
"""Seconds that a write which may linger waits for others, at the most."""


class Rows(list[tuple[Table, Any, bytes]]):
    """Rows to write, in order: of which table, under which key, and as JSON."""

    def add(self, table: Table, row: dict[str, Any], *, key: Any = None) -> None:
        """One row; where a key is given, a later row with the same key takes its place.

        Raises:
            TypeError: A value of the row has no JSON form.
        """
        self.append((table, key, orjson.dumps(row)))


@dataclass(frozen=True, slots=True)
class Rested:
    """What the database knows of a thread that came to rest, besides what was written."""

    graph: str
    metadata: dict[str, Any]
    created_at: datetime


@dataclass(slots=True, eq=False)
class Stream:
    """The writes of one run, in order: after one has failed, none of those behind it is written."""

    lease: Lease
    failure: BaseException | None = None
    waiting: deque[asyncio.Future[Rested | None]] = field(default_factory=deque)
    hurry: Callable[[], None] | None = None

    async def flush(self) -> None:
        """Return once all that was written is durable.

        Raises:
            LeaseLost: Somebody else holds the thread by now.
        """
        if self.hurry is not None:
            self.hurry()
        while self.waiting:
            await asyncio.wait([self.waiting[-1]])
            while self.waiting and self.waiting[0].done():
                self.waiting.popleft()
        if self.failure is not None:
            raise self.failure


@dataclass(slots=True)
class Write:
    """Rows of one thread that commit together, under its lease."""

    stream: Stream
    rows: Rows = field(default_factory=Rows)
    afterwards: list[Callable[[Connection], Awaitable[None]]] = field(default_factory=list)

    @property
    def lease(self) -> Lease:
        """The lease under which the rows are written."""
        return self.stream.lease

    def add(self, table: Table, row: dict[str, Any], *, key: Any = None) -> None:
        """One row more; see `Rows.add`."""
        self.rows.add(table, row, key=key)

    def then(self, step: Callable[[Connection], Awaitable[None]]) -> None:
        """Something to do after the rows, in their transaction, that reads as it goes.

        Such a write commits by itself, so this is for what is rare. It may be called again, on
        another connection, if the transaction was rolled back.
        """
        self.afterwards.append(step)


_Put = tuple[Write, asyncio.Future[Rested | None]]
"""A write, and what is told when it is durable."""


class GroupCommit:
    """Commits the writes of many threads in few transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Put] = []
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._drain: asyncio.Task[None] | None = None
        self._held_up: dict[str, deque[_Put]] = {}
        self._patient: set[asyncio.Task[None]] = set()

    async def commit(self, write: Write) -> Rested | None:
        """Return once `write` is durable: what is known of its thread, if that is at rest by it.

        Raises:
            LeaseLost: Somebody else holds the thread by now; nothing was written.
        """
        # A caller that is cancelled must not take the group down with it.
        return await asyncio.shield(self._put(write))

    async def send(self, write: Write, *, linger: bool = False) -> asyncio.Future[Rested | None]:
        """Have `write` committed after those before it in its stream, and return without waiting.

        What it returns is told when it is durable; `Stream.flush` waits for all. Where too many
        are on their way, this waits for the first of them. With `linger` it is in no hurry: it goes
        with the next one that is, of whatever thread, or after `LINGER`.

        Raises:
            LeaseLost: An earlier write of the stream has found that the lease is lost.
        """
        stream = write.stream
        while stream.waiting and (stream.waiting[0].done() or len(stream.waiting) >= MAX_SENT):
            first = stream.waiting.popleft()
            if not first.done():
                await asyncio.wait([first])
        if stream.failure is not None:
            raise stream.failure
        sent = self._put(write, linger=linger)
        stream.waiting.append(sent)
        stream.hurry = self._hurry
        return sent

    def _put(self, write: Write, *, linger: bool = False) -> asyncio.Future[Rested | None]:
        done: asyncio.Future[Rested | None] = asyncio.get_running_loop().create_future()
        held_up = self._held_up.get(write.lease.thread_id)
        if held_up is not None:
            held_up.append((write, done))
            return done
        self._waiting.append((write, done))
        if not linger:
            self._hurry()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LINGER, self._hurry, context=Context())
        return done

    def _hurry(self) -> None:
        """Commit all that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = bool(self._waiting)
        if self._due and (self._drain is None or self._drain.done()):
            self._drain = asyncio.create_task(self._commit_all(), context=Context())

    async def _commit_all(self) -> None:
        await asyncio.sleep(0)  # let what is ready in this turn of the loop come along
        while self._due:
            size = _next_group(self._waiting)
            group, self._waiting = self._waiting[:size], self._waiting[size:]
            self._due = bool(self._waiting)
            try:
                await self._commit_group(group)
            except BaseException as error:
                _fail(group, error)
                raise

    async def _commit_group(self, group: list[_Put], *, patient: bool = False) -> None:
        for one in group:
            if one[0].stream.failure is not None:
                _fail([one], one[0].stream.failure)
        group = [one for one in group if not one[1].done()]
        if not group:
            return
        try:
            held, rested = await self._write([write for write, _ in group], patient=patient)
        except Exception as error:
            if len(group) == 1:
                _fail(group, error)
                return
            for one in group:
                await self._commit_group([one], patient=patient)
            return
        for write, done in group:
            if write.lease in held and not done.done():
                done.set_result(rested.get(write.lease.thread_id))
            elif write.lease not in held and patient:
                _fail([(write, done)], LeaseLost(write.lease.thread_id))
        if not patient:
            self._hold_up([one for one in group if one[0].lease not in held])

    def _hold_up(self, late: list[_Put]) -> None:
        """Have writes wait for their threads, whose leases are lost or whose rows are locked."""
        for thread_id in {write.lease.thread_id for write, _ in late}:
            # What has come for the thread since then stays behind these.
            lane = deque(one for one in late + self._waiting if _is_of(thread_id, one))
            self._waiting = [one for one in self._waiting if not _is_of(thread_id, one)]
            self._held_up[thread_id] = lane
            task = asyncio.create_task(self._wait_out(thread_id, lane), context=Context())
            self._patient.add(task)
            task.add_done_callback(self._patient.discard)

    async def _wait_out(self, thread_id: str, lane: deque[_Put]) -> None:
        try:
            while lane:
                await self._commit_group([lane[0]], patient=True)
                lane.popleft()
        finally:
            del self._held_up[thread_id]

    async def _write(
        self, writes: list[Write], *, patient: bool
    ) -> tuple[set[Lease], dict[str, Rested]]:
        """Commit what is still under its lease; the leases that hold, and the threads at rest."""
        if not writes[0].afterwards:
            async with self._database.committing() as conn:
                return await execute(conn, writes, patient=patient)
        async with self._database.transaction() as conn:
            held, rested = await execute(conn, writes, patient=patient)
            if held:
                for step in writes[0].afterwards:
                    await step(conn)
            return held, rested


def base64(data: bytes | None) -> str | None:
    """Bytes as they go into a row."""
    return None if data is None else b2a_base64(data, newline=False).decode()


def _is_of(thread_id: str, one: _Put) -> bool:
    return one[0].lease.thread_id == thread_id


def _next_group(waiting: list[_Put]) -> int:
    """How many of the waiting writes go together.

    One with steps of its own goes alone; so do writes of one thread under different leases.
    """
    leases: dict[str, Lease] = {}
    for size, (write, _) in enumerate(waiting[:MAX_GROUP]):
        if write.afterwards:
            return max(size, 1)
        if leases.setdefault(write.lease.thread_id, write.lease) != write.lease:
            return size
    return min(len(waiting), MAX_GROUP)


def _parameters(writes: list[Write], sealer: Sealer | None) -> dict[str, Any]:
    """What the statement of these writes takes: the leases, and the rows of each table as JSON."""
    tables: dict[str, dict[Any, orjson.Fragment]] = {}
    for write in writes:
        for table, key, row in write.rows:
            rows = tables.setdefault(table, {})
            rows[len(rows) if key is None else key] = orjson.Fragment(
                row if sealer is None else _sealed(table, row, sealer)
            )
    leases = {write.lease.thread_id: write.lease.epoch for write in writes}
    return {
        "threads": list(leases),
        "epochs": list(leases.values()),
        **{table: orjson.dumps(list(rows.values())).decode() for table, rows in tables.items()},
    }


def _sealed(table: Table, row: bytes, sealer: Sealer) -> bytes:
    """A row as it is to be stored. It is read anew: what it was made of may have changed since."""
    seal = _SEALS.get(table)
    return row if seal is None else orjson.dumps(seal(sealer, orjson.loads(row)))


_SEALS: Mapping[Table, Callable[[Sealer, dict[str, Any]], dict[str, Any]]] = {
    "blobs": lambda sealer, row: sealer.seal_blob("blobs", row),
    "checkpoints": lambda sealer, row: sealer.seal_checkpoint(row),
    "control_writes": lambda sealer, row: sealer.seal_blob("control_writes", row),
    "task_writes": lambda sealer, row: sealer.seal_blob("task_writes", row),
    "opened": lambda sealer, row: sealer.seal("opened", row),
    "audit": lambda sealer, row: sealer.seal_entry(row),
    "events": lambda sealer, row: sealer.seal("events", row),
    "rested": lambda sealer, row: sealer.seal("rested", row),
}


async def execute(
    conn: Connection, writes: list[Write], *, patient: bool = True
) -> tuple[set[Lease], dict[str, Rested]]:
    """Write the rows of threads whose leases hold; those leases, and the threads at rest by it.

    Where somebody has locked a thread's row, the patient wait and the others leave it out.
    """
    parameters = _parameters(writes, conn.sealer)
    tables = frozenset(parameters) - {"threads", "epochs"}
    cursor = await conn.execute(statement(tables, patient=patient), parameters)
    held: set[Lease] = set()
    rested: dict[str, Rested] = {}
    for row in await cursor.fetchall():
        held.add(Lease(row["id"], row["epoch"]))
        if row["rested"]:
            rested[row["id"]] = Rested(row["graph"], row["metadata"], row["created_at"])
    return held, rested


def _fail(group: list[_Put], error: BaseException) -> None:
    for write, done in group:
        write.stream.failure = write.stream.failure or error
        if not done.done():
            done.set_exception(error)
            done.exception()  # seen: a caller may be gone by now
