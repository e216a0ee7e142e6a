"""Group commit: writes that arrive while a commit is under way go into the next one together.

There is no timer: an idle committer writes at once, a busy one writes in larger groups. Writes of
one thread keep their order. Each write is fenced by its thread's lease in the same transaction,
and one that the database refuses takes no other down with it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from signoff.db.pool import Connection, Database
from signoff.domain.errors import LeaseLost
from signoff.domain.thread import Lease

Parameters = Sequence[Any] | Mapping[str, Any]

MAX_GROUP = 256
"""Writes in one transaction, so that one commit does not keep all others waiting."""


@dataclass(slots=True)
class Write:
    """Statements that commit together, under a lease. They run in the order they were added."""

    lease: Lease
    statements: list[tuple[str, Parameters]] = field(default_factory=list)
    afterwards: list[Callable[[Connection], Awaitable[None]]] = field(default_factory=list)

    def add(self, statement: str, *rows: Parameters) -> None:
        """One statement for each row."""
        self.statements.extend((statement, row) for row in rows)

    def then(self, step: Callable[[Connection], Awaitable[None]]) -> None:
        """Something to do after the statements, in their transaction, that reads as it goes.

        It keeps a whole group waiting, so it is for what is rare. It may be called again, on
        another connection, if the transaction was rolled back.
        """
        self.afterwards.append(step)


class GroupCommit:
    """Commits the writes of many threads in few transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Write, asyncio.Future[None]]] = []
        self._drain: asyncio.Task[None] | None = None

    async def commit(self, write: Write) -> None:
        """Return once `write` is durable.

        Raises:
            LeaseLost: Somebody else holds the thread by now; nothing was written.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((write, done))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._commit_all(), context=Context())
        # A caller that is cancelled must not take the group down with it.
        await asyncio.shield(done)

    async def _commit_all(self) -> None:
        await asyncio.sleep(0)  # let what is ready in this turn of the loop come along
        while self._waiting:
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            try:
                await self._commit_group(group)
            except BaseException as error:
                _fail(group, error)
                raise

    async def _commit_group(self, group: list[tuple[Write, asyncio.Future[None]]]) -> None:
        try:
            stale = await self._write([write for write, _ in group])
        except Exception as error:
            if len(group) == 1:
                _fail(group, error)
                return
            for one in group:
                await self._commit_group([one])
            return
        if stale:
            _fail([one for one in group if one[0].lease in stale], None)
            if rest := [one for one in group if one[0].lease not in stale]:
                await self._commit_group(rest)
            return
        for _, done in group:
            if not done.done():
                done.set_result(None)

    async def _write(self, writes: list[Write]) -> set[Lease]:
        """Commit `writes`, or nothing if one of their leases is lost; the leases that are."""
        leases = {write.lease for write in writes}
        try:
            async with self._database.transaction() as conn:
                held = await _fence(conn, leases)
                for statement, rows in _by_statement(writes):
                    await conn.cursor(binary=True).executemany(statement, rows)
                stale = leases - {Lease(row["id"], row["epoch"]) async for row in held}
                if stale:
                    raise _Stale(stale)
                for write in writes:
                    for step in write.afterwards:
                        await step(conn)
        except _Stale as error:
            return error.leases
        return set()


class _Stale(Exception):
    def __init__(self, leases: set[Lease]) -> None:
        self.leases = leases


async def _fence(conn: Connection, leases: set[Lease]) -> Any:
    """Lock out whoever would take these threads, until the commit; the leases that still hold."""
    return await conn.execute(
        """
        SELECT threads.id, threads.epoch FROM threads
          JOIN unnest(%s::text[], %s::bigint[]) AS held (id, epoch)
            ON threads.id = held.id AND threads.epoch = held.epoch
           FOR SHARE OF threads
        """,
        ([lease.thread_id for lease in leases], [lease.epoch for lease in leases]),
    )


def _by_statement(writes: list[Write]) -> list[tuple[str, list[Parameters]]]:
    """The statements of all writes, the same ones together, in waves that keep each thread's order.

    The n-th kind of statement of every thread goes out in wave n.
    """
    waves: list[dict[str, list[Parameters]]] = []
    reached: dict[Lease, tuple[int, str | None]] = {}
    for write in writes:
        wave, last = reached.get(write.lease, (-1, None))
        for statement, row in write.statements:
            if statement != last:
                wave, last = wave + 1, statement
            if wave == len(waves):
                waves.append(defaultdict(list))
            waves[wave][statement].append(row)
        reached[write.lease] = wave, last
    return [pair for wave in waves for pair in wave.items()]


def _fail(group: list[tuple[Write, asyncio.Future[None]]], error: BaseException | None) -> None:
    for write, done in group:
        if not done.done():
            done.set_exception(error or LeaseLost(write.lease.thread_id))
            done.exception()  # seen: a caller may be gone by now
