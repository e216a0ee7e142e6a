"""Group commit: in order, under a lease, and nobody waits for a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from signoff.clock import utcnow
from signoff.db import leases, runs, threads
from signoff.db.group import MAX_GROUP, MAX_SENT, GroupCommit, Stream, Write
from signoff.db.pool import Connection, Database
from signoff.domain.errors import LeaseLost
from signoff.domain.thread import Lease
from tests.helpers import TIMEOUT, blocked


class Counting(Database):
    """A database that counts the times it was written to."""

    groups = 0

    def committing(self) -> Any:
        self.groups += 1
        return super().committing()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Counting]:
    async with Counting(database_url) as opened:
        yield opened


@pytest.fixture
def group(database: Database) -> GroupCommit:
    return GroupCommit(database)


async def leased(database: Database, *names: str) -> list[Lease]:
    """New threads in the hands of worker 1."""
    async with database.connection() as conn:
        for name in names:
            await threads.insert(conn, name, graph="g", metadata={}, at=utcnow())
        await conn.execute(
            "UPDATE threads SET status = 'busy', ready_at = now(), leased_by = 1, epoch = 1"
        )
    return [Lease(name, 1) for name in names]


def note(stream: Stream, text: str) -> Write:
    """A write of one audit entry, as the chain shows the order in which they come."""
    write = Write(stream)
    write.add(
        "audit",
        {
            "thread_id": stream.lease.thread_id,
            "request_id": None,
            "event": "note",
            "body": text,
            "at": utcnow(),
        },
    )
    return write


async def notes(database: Database, thread_id: str) -> list[str]:
    async with database.connection() as conn:
        cursor = await conn.execute(
            "SELECT body FROM audit WHERE thread_id = %s ORDER BY seq", (thread_id,)
        )
        return [row["body"] async for row in cursor]


async def test_what_arrives_during_a_commit_goes_in_the_next_one_together(
    database: Counting, group: GroupCommit
) -> None:
    leases = await leased(database, *(f"t{n}" for n in range(40)))
    database.groups = 0
    first = asyncio.create_task(group.commit(note(Stream(leases[0]), "0")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(first, *(group.commit(note(Stream(each), "1")) for each in leases[1:]))
    assert database.groups == 2
    for lease in leases[1:]:
        assert await notes(database, lease.thread_id) == ["1"]


async def test_what_may_linger_goes_with_what_may_not(
    database: Counting, group: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signoff.db.group.LINGER", 3600)
    [one, other] = await leased(database, "one", "other")
    lingering = await group.send(note(Stream(one), "x"), linger=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert database.groups == 0
    await group.commit(note(Stream(other), "y"))
    assert lingering.done()
    assert database.groups == 1
    assert (await notes(database, "one"), await notes(database, "other")) == (["x"], ["y"])


async def test_what_came_to_linger_during_a_commit_lingers(
    database: Counting, group: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signoff.db.group.LINGER", 3600)
    [lease] = await leased(database, "t")
    stream = Stream(lease)
    first = await group.send(note(stream, "first"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lingering = await group.send(note(stream, "second"), linger=True)
    await first
    assert not lingering.done()
    assert await notes(database, "t") == ["first"]
    await group.commit(note(stream, "third"))
    assert await notes(database, "t") == ["first", "second", "third"]
    assert database.groups == 2


async def test_what_lingers_is_written_if_nothing_follows(
    database: Counting, group: GroupCommit
) -> None:
    [lease] = await leased(database, "t")
    async with asyncio.timeout(TIMEOUT):
        await (await group.send(note(Stream(lease), "x"), linger=True))
        await (await group.send(note(Stream(lease), "y"), linger=True))
    assert await notes(database, "t") == ["x", "y"]


async def test_who_flushes_does_not_wait_for_what_lingers(
    database: Counting, group: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signoff.db.group.LINGER", 3600)
    [lease] = await leased(database, "t")
    stream = Stream(lease)
    await group.send(note(stream, "x"), linger=True)
    async with asyncio.timeout(TIMEOUT):
        await stream.flush()
    assert await notes(database, "t") == ["x"]


async def test_writes_of_a_thread_keep_their_order(database: Counting, group: GroupCommit) -> None:
    [one, other] = await leased(database, "one", "other")
    streams = [Stream(one), Stream(other)]
    for number in range(MAX_SENT * 3):
        for stream in streams:
            await group.send(note(stream, str(number)))
    for stream in streams:
        await stream.flush()
    expected = [str(number) for number in range(MAX_SENT * 3)]
    assert await notes(database, "one") == expected
    assert await notes(database, "other") == expected


async def test_more_writes_than_one_group_holds_are_all_written(
    database: Counting, group: GroupCommit
) -> None:
    leases = await leased(database, *(f"t{n}" for n in range(MAX_GROUP + 10)))
    await asyncio.gather(*(group.commit(note(Stream(lease), "x")) for lease in leases))
    async with database.connection() as conn:
        cursor = await conn.execute("SELECT count(*) AS n FROM audit")
        assert (await cursor.fetchone())["n"] == len(leases)


async def test_a_lost_lease_is_refused_and_takes_nobody_else_down(
    database: Counting, group: GroupCommit
) -> None:
    [good, lost, also] = await leased(database, "good", "lost", "also")
    stale = Stream(Lease(lost.thread_id, lost.epoch - 1))
    unknown = Stream(Lease("unknown", 1))
    outcomes = await asyncio.gather(
        group.commit(note(Stream(good), "x")),
        group.commit(note(stale, "x")),
        group.commit(note(unknown, "x")),
        group.commit(note(Stream(also), "x")),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes] == [type(None), LeaseLost, LeaseLost, type(None)]
    assert await notes(database, "good") == await notes(database, "also") == ["x"]
    assert await notes(database, "lost") == await notes(database, "unknown") == []


async def test_a_write_that_the_database_refuses_takes_nobody_else_down(
    database: Counting, group: GroupCommit
) -> None:
    [good, bad, also] = await leased(database, "good", "bad", "also")
    wrong = note(Stream(bad), "wrong")
    wrong.add("opened", {"thread_id": "bad", "id": "no uuid"})
    outcomes = await asyncio.gather(
        group.commit(note(Stream(good), "x")),
        group.commit(wrong),
        group.commit(note(Stream(also), "x")),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], Exception)
    assert (outcomes[0], outcomes[2]) == (None, None)
    assert await notes(database, "good") == await notes(database, "also") == ["x"]
    assert await notes(database, "bad") == []


async def test_nothing_is_written_behind_a_write_that_failed(
    database: Counting, group: GroupCommit
) -> None:
    [lease] = await leased(database, "t")
    stream = Stream(lease)
    wrong = note(stream, "second")
    wrong.add("opened", {"thread_id": "t", "id": "no uuid"})
    await group.send(note(stream, "first"))
    await group.send(wrong)
    await group.send(note(stream, "third"))
    with pytest.raises(Exception, match="invalid input syntax for type uuid"):
        await stream.flush()
    with pytest.raises(Exception, match="invalid input syntax for type uuid"):
        await group.send(note(stream, "fourth"))
    assert await notes(database, "t") == ["first"]


async def test_a_cancelled_caller_takes_nobody_else_down(
    database: Counting, group: GroupCommit
) -> None:
    [one, other] = await leased(database, "one", "other")
    impatient = asyncio.create_task(group.commit(note(Stream(one), "x")))
    patient = asyncio.create_task(group.commit(note(Stream(other), "x")))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert await notes(database, "other") == ["x"]


async def test_a_thread_that_is_locked_keeps_no_other_waiting(
    database: Counting, group: GroupCommit
) -> None:
    """A process may be stopped in the middle of a decision, with the thread's row locked."""
    [locked, free] = await leased(database, "locked", "free")
    stream = Stream(locked)
    async with locking(database, "locked"):
        first = asyncio.create_task(group.commit(note(stream, "1")))
        await asyncio.wait_for(group.commit(note(Stream(free), "1")), TIMEOUT)
        second = asyncio.create_task(group.commit(note(stream, "2")))
        for number in range(2, 5):
            await asyncio.wait_for(group.commit(note(Stream(free), str(number))), TIMEOUT)
        assert not first.done()
        assert not second.done()
    await asyncio.wait_for(asyncio.gather(first, second), TIMEOUT)
    assert await notes(database, "locked") == ["1", "2"]
    assert await notes(database, "free") == ["1", "2", "3", "4"]


async def test_a_lease_that_is_lost_while_its_thread_is_locked_is_lost(
    database: Counting, group: GroupCommit
) -> None:
    [locked] = await leased(database, "locked")
    async with locking(database, "locked") as conn:
        writing = asyncio.create_task(group.commit(note(Stream(locked), "1")))
        await blocked(database)
        await conn.execute("UPDATE threads SET epoch = epoch + 1 WHERE id = 'locked'")
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(writing, TIMEOUT)
    assert await notes(database, "locked") == []


class locking:  # noqa: N801
    """Another session that holds a thread's row."""

    def __init__(self, database: Database, thread_id: str) -> None:
        self.database, self.thread_id = database, thread_id
        self.conn: Connection

    async def __aenter__(self) -> Connection:
        self.conn = await self.database.connect()
        await self.conn.execute("BEGIN")
        await self.conn.execute(
            "SELECT 1 FROM threads WHERE id = %s FOR NO KEY UPDATE", (self.thread_id,)
        )
        return self.conn

    async def __aexit__(self, *exc: object) -> None:
        await self.conn.execute("COMMIT")
        await self.conn.close()


async def test_a_thread_comes_to_rest_only_if_no_work_has_come(
    database: Counting, group: GroupCommit
) -> None:
    [lease] = await leased(database, "t")

    def rest(work: int) -> Write:
        write = Write(Stream(lease))
        write.add(
            "rested",
            {
                "thread_id": "t",
                "work": work,
                "status": "idle",
                "values": {"x": 1},
                "run_id": None,
                "run_status": "succeeded",
                "at": utcnow(),
            },
        )
        return write

    async with database.connection() as conn:
        await leases.add_work(conn, "t")
    assert await group.commit(rest(0)) is None
    assert await group.commit(rest(1)) is not None
    async with database.connection() as conn:
        thread = await threads.get(conn, "t")
    assert thread is not None
    assert (thread.status, thread.values) == ("idle", {"x": 1})
    with pytest.raises(LeaseLost):  # at rest it is nobody's any more
        await group.commit(note(Stream(lease), "late"))


async def test_a_stale_worker_begins_no_run(database: Counting) -> None:
    [lease] = await leased(database, "t")
    async with database.connection() as conn:
        with pytest.raises(LeaseLost):
            await runs.begin_next(conn, Lease("t", lease.epoch - 1), utcnow())
