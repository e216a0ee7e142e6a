"""A dump that is restored on another server, whose transactions are numbered below the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from signoff import audit_key
from signoff.clock import utcnow
from signoff.db import audit, fan_out, metrics
from signoff.db.audit import Cursor
from signoff.db.pool import Connection, Database
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import SchemaTooOld
from signoff.ids import new_id
from signoff.service.anchor import anchor_audit
from signoff.service.migrate import check, migrate
from signoff.service.verify_audit import Trust, verify_audit

START = Cursor(0, 0)


async def count_from(conn: Connection, offset: int) -> None:
    """Have transactions numbered as by a server that is so far ahead of this one."""
    await conn.execute(
        f"CREATE OR REPLACE FUNCTION audit_offset() RETURNS bigint LANGUAGE sql STABLE "
        f"AS 'SELECT {offset}::bigint'".encode()
    )


async def write(conn: Connection, *names: str) -> None:
    """Add entries about requests, each in a transaction of its own."""
    for name in names:
        async with conn.transaction():
            await audit.append(
                conn,
                AuditEntry(
                    event="note",
                    thread_id="T",
                    request_id=new_id(),
                    by=name,
                    at=utcnow(),
                ),
            )


async def read(conn: Connection, after: Cursor) -> list[tuple[Cursor, dict[str, Any]]]:
    """What a follower hears of behind a place."""
    found = await audit.of_requests(conn, after, limit=100)
    return [(place, entry) for place, entry in found if entry is not None]


def names(entries: Sequence[tuple[Cursor, dict[str, Any]]]) -> list[str]:
    return [entry["by"] for _, entry in entries]


async def told(conn: Connection) -> list[str]:
    """Whose entries are read for what people are told, which is noted."""
    async with conn.transaction():
        place = await fan_out.lock(conn)
        assert place is not None
        page = await fan_out.read(
            conn, place, events=["note"], since=utcnow().replace(year=2000), limit=100
        )
        await fan_out.move(conn, page.end)
    return [entry.by for entry in page.entries]


async def counted(conn: Connection, after: Cursor) -> int:
    """How many entries the metrics count behind a place."""
    _, _, rows = await metrics.happened(conn, after, limit=100, deciding=[1], delivering=[1])
    return sum(row["times"] for row in rows)


async def test_readers_lose_and_repeat_nothing_after_a_restore_on_another_server(
    database: Database, tmp_path: Path
) -> None:
    audit_key.create(tmp_path / "key")
    key = audit_key.read(tmp_path / "key")
    async with database.connection() as old, database.connection() as conn:
        await count_from(old, 1_000_000)
        await write(conn, "a", "b")
        assert len(await anchor_audit(database, key, at=utcnow())) == 1
        assert await told(conn) == ["a", "b"]
        before = await read(conn, START)

        await count_from(old, 0)  # as all other servers do
        with pytest.raises(SchemaTooOld, match=r"another server.*signoff migrate"):
            await check(database)
        assert len(await migrate(database)) == 1
        await check(database)
        assert await migrate(database) == []

        await write(conn, "c", "d")
        assert names(await read(conn, START)) == ["a", "b", "c", "d"]
        assert names(await read(conn, before[0][0])) == ["b", "c", "d"]
        after = await read(conn, before[-1][0])
        assert names(after) == ["c", "d"]
        assert await read(conn, after[-1][0]) == []
        assert await counted(conn, before[-1][0]) == 2
        # Once more from the beginning; what was told is known by its number.
        assert await told(conn) == ["a", "b", "c", "d"]
        assert await told(conn) == []
    [anchor] = await anchor_audit(database, key, at=utcnow())
    assert anchor.entries == 4
    report = await verify_audit(database, trust=Trust(keys={key.public}))
    assert (report.anchors, report.unanchored, report.found) == (2, 0, 0)


async def test_a_transaction_under_way_while_it_is_mended_is_behind_too(
    database: Database,
) -> None:
    async with database.connection() as conn, database.connection() as slow:
        await count_from(conn, 1_000_000)
        await write(conn, "a")
        await count_from(conn, 0)
        assert await read(conn, START) == []
        async with slow.transaction():
            await slow.execute("SELECT pg_current_xact_id()")
            await migrate(database)
            [(place, _)] = await read(conn, START)
            await write(slow, "b")
            assert await read(conn, place) == []
        assert names(await read(conn, place)) == ["b"]


async def test_a_server_that_is_ahead_has_nothing_to_mend(database: Database) -> None:
    async with database.connection() as conn:
        await write(conn, "a")
        assert await migrate(database) == []
        assert names(await read(conn, START)) == ["a"]
