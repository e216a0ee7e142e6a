"""Anchors: what a chain alone cannot show, as it would be computed anew, is found by them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import interrupt

from signoff import audit_key, audit_verify
from signoff.audit_key import AuditKey
from signoff.clock import utcnow
from signoff.db import anchors, audit
from signoff.db.pool import Database
from signoff.domain.anchor import Anchor
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import ConfigError
from signoff.service.anchor import anchor_audit, forget_audit
from signoff.service.export_audit import Scope, export_bundle
from signoff.service.verify_audit import Trust, verify_audit
from signoff.worker import engine
from tests.conftest import OpenDesk
from tests.helpers import Log, chain, settled, started
from tests.service.test_audit_tampering import UNPROTECTED

ALONE = "SET session_replication_role = replica;"
"""Keeps triggers and foreign keys out of the way, as their owner can."""

REWRITE = """
    DO $$
    DECLARE entry record; before text := repeat('0', 64);
    BEGIN
        FOR entry IN SELECT * FROM audit WHERE thread_id = 'T' ORDER BY seq LOOP
            before := encode(sha256(convert_to(concat_ws(E'\\n',
                before, entry.seq, entry.number, entry.xact, entry.thread_id,
                encode(sha256(convert_to(entry.body, 'UTF8')), 'hex')), 'UTF8')), 'hex');
            UPDATE audit SET hash = before WHERE thread_id = 'T' AND seq = entry.seq;
            UPDATE audit_heads SET seq = entry.seq, hash = before WHERE thread_id = 'T';
        END LOOP;
    END $$
"""
"""Compute the chain of a thread anew, as somebody does who has read the documentation."""


@pytest.fixture
def key(tmp_path: Path) -> AuditKey:
    file = tmp_path / "audit.key"
    assert audit_key.create(file)
    return audit_key.read(file)


async def write(database: Database, *threads: str, times: int = 1) -> None:
    """Add entries to the chains of these threads, each in a transaction of its own."""
    for thread_id in threads * times:
        entry = AuditEntry(event="note", thread_id=thread_id, by="jane", at=utcnow())
        async with database.transaction() as conn:
            await audit.append(conn, entry)


async def execute(database: Database, statements: str) -> None:
    async with database.connection() as conn:
        await conn.execute(f"{statements}; RESET session_replication_role".encode(), prepare=False)


async def anchored(database: Database, key: AuditKey) -> None:
    """Ten threads with four entries each, of which the last is not anchored yet."""
    threads = [f"t{number}" for number in range(10)]
    await write(database, *threads, times=2)
    assert len(await anchor_audit(database, key, at=utcnow())) == 1
    await write(database, *threads)
    assert len(await anchor_audit(database, key, at=utcnow())) == 1
    await write(database, *threads)
    await execute(database, UNPROTECTED)


async def found(database: Database, trust: Trust, thread_id: str | None = None) -> set[object]:
    report = await verify_audit(database, trust=trust, thread_id=thread_id)
    return {(each.thread_id, each.seq, each.anchor, each.kind) for each in report.findings}


async def test_an_anchor_covers_all_that_was_added_since_the_one_before_it(
    database: Database, key: AuditKey
) -> None:
    assert await anchor_audit(database, key, at=utcnow()) == []
    await write(database, "a", "b", "a")
    [first] = await anchor_audit(database, key, at=utcnow())
    assert await anchor_audit(database, key, at=utcnow()) == []
    await write(database, "c", "b")
    [second] = await anchor_audit(database, key, at=utcnow())
    async with database.transaction() as conn:
        leaves = [
            [(leaf.thread_id, leaf.seq) for leaf in each] async for _, each in anchors.every(conn)
        ]
    assert leaves == [[("a", 2), ("b", 1)], [("b", 2), ("c", 1)]]
    assert (first.number, first.chains, first.entries) == (1, 2, 3)
    assert (second.number, second.chains, second.entries) == (2, 2, 5)
    assert second.previous == first.digest()
    report = await verify_audit(database, trust=Trust(keys={key.public}))
    assert (report.anchors, report.unanchored, report.found) == (2, 0, 0)
    assert report.last_anchor == (2, second.digest())


async def test_what_commits_late_is_in_the_next_anchor(database: Database, key: AuditKey) -> None:
    entry = AuditEntry(event="note", thread_id="slow", by="jane", at=utcnow())
    async with database.transaction() as conn:
        await audit.append(conn, entry)
        await write(database, "fast")
        assert await anchor_audit(database, key, at=utcnow()) == []  # one before it is under way
    [anchor] = await anchor_audit(database, key, at=utcnow())
    assert (anchor.chains, anchor.entries) == (2, 2)


async def test_workers_take_turns_and_write_one_line_of_anchors(
    database: Database, key: AuditKey
) -> None:
    now = utcnow()
    for _ in range(5):
        await write(database, "a")
        await asyncio.gather(*(anchor_audit(database, key, at=now) for _ in range(6)))
    assert await found(database, Trust(keys={key.public})) == set()
    await write(database, "a")
    minute = timedelta(minutes=1)
    assert await anchor_audit(database, key, at=now + minute / 2, every=minute) == []
    [last] = await anchor_audit(database, key, at=now + minute, every=minute)
    assert last.number == 6


async def test_a_lot_is_anchored_in_parts(
    database: Database, key: AuditKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchors, "MOST", 4)
    await write(database, "a", "b", times=7)
    written = await anchor_audit(database, key, at=utcnow())
    assert [each.entries for each in written] == [5, 10, 14]
    report = await verify_audit(database, trust=Trust(keys={key.public}))
    assert (report.found, report.unanchored) == (0, 0)


TAMPERING = {
    "tail truncated, the head put back": (
        "DELETE FROM audit WHERE thread_id = 'T' AND seq > 2; " + REWRITE,
        [(3, 2, "missing")],
    ),
    "thread removed with its head": (
        "DELETE FROM audit WHERE thread_id = 'T'; DELETE FROM audit_heads WHERE thread_id = 'T'",
        [(3, 2, "missing")],
    ),
    "edited and chained anew": (
        "UPDATE audit SET body = replace(body, 'jane', 'john') WHERE thread_id = 'T' AND seq = 2;"
        + REWRITE,
        [(2, 1, "rewritten"), (3, 2, "rewritten")],
    ),
    "deleted and chained anew": (
        "DELETE FROM audit WHERE thread_id = 'T' AND seq = 1;"
        "UPDATE audit SET seq = -seq WHERE thread_id = 'T';"
        "UPDATE audit SET seq = -seq - 1 WHERE thread_id = 'T'; " + REWRITE,
        [(2, 1, "rewritten"), (3, 2, "rewritten")],
    ),
    "a past made up for another thread": (
        """
        INSERT INTO audit (thread_id, seq, number, xact, request_id, event, body, at, hash)
        SELECT 'T-2', seq, -number, xact, request_id, event,
               replace(body, '"T"', '"T-2"'), at, hash
          FROM audit WHERE thread_id = 'T' AND seq < 3;
        INSERT INTO audit_heads VALUES ('T-2', 0, '');
        """
        + REWRITE.replace("'T'", "'T-2'"),
        [],
    ),
}
"""What is done to a thread, and what is named: the entry, the anchor and the kind."""


async def test_what_was_chained_anew_is_found_among_others(
    database: Database, key: AuditKey
) -> None:
    await anchored(database, key)
    trust = Trust(keys={key.public})
    assert await found(database, trust) == set()
    expected: set[object] = set()
    for number, (statements, rows) in enumerate(TAMPERING.values()):
        thread = f"t{number}"
        await execute(
            database, ALONE + statements.replace("'T", f"'{thread}").replace('"T', f'"{thread}')
        )
        expected |= {(thread, *row) for row in rows}
    expected |= {("t4-2", 1, None, "unexpected"), ("t4-2", 2, None, "unexpected")}
    assert await found(database, trust) == expected
    for thread in ("t0", "t1", "t2"):
        assert await found(database, trust, thread) == {
            each for each in expected if each[0] == thread
        }


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("UPDATE audit_anchors SET entries = 1 WHERE number = 1", {(None, None, 1, "anchor")}),
        (
            "UPDATE audit_anchors SET at = at - interval '1 day' WHERE number = 2",
            {(None, None, 2, "anchor")},
        ),
        (
            "UPDATE audit_anchored SET hash = reverse(hash) WHERE thread_id = 't1' AND anchor = 2",
            {(None, None, 2, "anchor")},
        ),
        (
            "DELETE FROM audit_anchored WHERE thread_id = 't1' AND anchor = 1",
            {(None, None, 1, "anchor")},
        ),
        ("DELETE FROM audit_anchors WHERE number = 1", {(None, None, 1, "anchor")}),
        (
            "UPDATE audit_anchors SET forgotten_before = now() + interval '1 day';"
            "DELETE FROM audit WHERE thread_id = 't1'",
            {(None, None, 1, "anchor"), (None, None, 2, "anchor"), ("t1", 1, None, "missing")},
        ),
    ],
)
async def test_a_changed_anchor_is_found(
    database: Database, key: AuditKey, statements: str, expected: set[object]
) -> None:
    await anchored(database, key)
    await execute(database, ALONE + statements)
    assert await found(database, Trust(keys={key.public})) == expected


CHANGED = {
    "text": "reverse({0}) || 'x'",
    "bigint": "{0} + 100",
    "timestamp with time zone": "coalesce({0}, now()) + interval '1 microsecond'",
}
"""Another value of a column, by its type."""


async def test_whatever_column_of_an_anchor_is_changed_the_anchor_is_named(
    database: Database, key: AuditKey
) -> None:
    await anchored(database, key)
    trust = Trust(keys={key.public})
    await execute(
        database,
        "CREATE TABLE anchors_then AS SELECT * FROM audit_anchors;"
        "CREATE TABLE anchored_then AS SELECT * FROM audit_anchored",
    )
    async with database.connection() as conn:
        cursor = await conn.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_name IN ('audit_anchors', 'audit_anchored')"
        )
        columns = [tuple(row.values()) for row in await cursor.fetchall()]
    assert len(columns) == 15
    for table, column, kind in columns:
        row = "number = 2" if table == "audit_anchors" else "anchor = 2 AND position = 3"
        value = CHANGED[kind].format(column)
        await execute(database, ALONE + f"UPDATE {table} SET {column} = {value} WHERE {row}")
        named = {(each[2], each[3]) for each in await found(database, trust)}
        assert (2, "anchor") in named, (table, column, named)
        await execute(
            database,
            ALONE
            + "DELETE FROM audit_anchored; DELETE FROM audit_anchors;"
            + "INSERT INTO audit_anchors SELECT * FROM anchors_then;"
            + "INSERT INTO audit_anchored SELECT * FROM anchored_then",
        )
    assert await found(database, trust) == set()


async def test_anchors_of_another_key_are_not_believed(
    database: Database, key: AuditKey, tmp_path: Path
) -> None:
    await anchored(database, key)
    audit_key.create(tmp_path / "other.key")
    other = audit_key.read(tmp_path / "other.key")
    await execute(
        database,
        ALONE
        + "DELETE FROM audit_anchored; DELETE FROM audit_anchors;"
        + "UPDATE audit SET body = replace(body, 'jane', 'john') WHERE thread_id = 't1';"
        + REWRITE.replace("'T'", "'t1'"),
    )
    await anchor_audit(database, other, at=utcnow())
    assert await found(database, Trust(keys={key.public})) == {(None, None, 1, "anchor")}
    # Nobody who knows no key, and no anchor, can tell.
    assert await found(database, Trust()) == set()
    assert await found(database, Trust(keys={key.public, other.public})) == set()


async def test_anchors_that_were_noted_or_are_due_are_missed(
    database: Database, key: AuditKey
) -> None:
    await write(database, "a")
    [anchor] = await anchor_audit(database, key, at=utcnow())
    await write(database, "a")
    noted = Trust(noted={1: anchor.digest()})
    assert await found(database, noted) == set()
    await execute(database, ALONE + "DELETE FROM audit_anchored; DELETE FROM audit_anchors")
    assert await found(database, noted) == {(None, None, 1, "anchor")}
    due = Trust(keys={key.public}, anchored_before=utcnow() + timedelta(minutes=1))
    assert await found(database, due) == {(None, None, None, "unanchored")}
    late = Trust(keys={key.public}, anchored_before=utcnow() - timedelta(minutes=1))
    assert await found(database, late) == set()


async def test_a_worker_anchors_what_was_added_and_the_rest_when_it_stops(
    open_desk: OpenDesk, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit_key.create(tmp_path / "audit.key")
    anchored = asyncio.Event()

    async def anchor(*args: Any, **kwargs: Any) -> list[Anchor]:
        written = await anchor_audit(*args, **kwargs)
        if written:
            anchored.set()
        return written

    monkeypatch.setattr(engine, "anchor_audit", anchor)
    desk = await open_desk({"g": chain(nothing)}, anchor_every=timedelta(milliseconds=50))
    await desk.start("g", {}, by="me", thread_id="t")
    await asyncio.wait_for(anchored.wait(), timeout=20)
    await desk.engine.stop()
    assert (await verify_audit(database)).unanchored == 0
    quiet = await open_desk({"g": chain(nothing)}, anchor_every="1h")
    await quiet.start("g", {}, by="me", thread_id="u")
    await settled(quiet, "u")
    assert (await verify_audit(database)).unanchored == 1
    await quiet.engine.stop()
    assert (await verify_audit(database)).unanchored == 0


async def test_old_entries_are_forgotten_and_what_is_left_is_verified(
    open_desk: OpenDesk, database: Database, key: AuditKey, tmp_path: Path
) -> None:
    trust, day = Trust(keys={key.public}), timedelta(days=1)
    await write(database, "old", "long", times=2)
    await anchor_audit(database, key, at=utcnow() - 10 * day)
    await write(database, "long", "young")
    desk = await open_desk({"g": chain(asking)}, anchor_every="1h")
    await started(desk, thread_id="open")
    await anchor_audit(database, key, at=utcnow() - 9 * day)
    await write(database, "long")
    await anchor_audit(database, key, at=utcnow() - 2 * day)
    assert await forget_audit(database, key, before=utcnow() - 20 * day, at=utcnow()) == 0
    assert (await verify_audit(database, trust=trust)).anchors == 3
    # Everything of the first two anchors, but for what is about a thread that asks something.
    assert await forget_audit(database, key, before=utcnow() - 5 * day, at=utcnow()) == 6
    report = await verify_audit(database, trust=trust)
    assert (report.found, report.entries, report.anchors) == (0, 3, 4)
    for thread_id in ("long", "open"):
        assert await found(database, trust, thread_id) == set()
    assert await forget_audit(database, key, before=utcnow() - 5 * day, at=utcnow()) == 0
    # The chains go on, and what is left is not free to be removed.
    await write(database, "old", "long")
    await anchor_audit(database, key, at=utcnow())
    assert await found(database, trust) == set()
    file = tmp_path / "audit.zip"
    await export_bundle(database, Scope(thread_id="long"), file, at=utcnow())
    verification = audit_verify.Verification(audit_verify.Bundle(str(file)), {key.public})
    verification.run()
    assert (verification.found, verification.counts["entries"]) == ([], 2)
    await execute(database, ALONE + "DELETE FROM audit WHERE thread_id = 'long' AND seq = 4")
    assert await found(database, trust) == {("long", 4, None, "missing")}
    await execute(database, ALONE + "DELETE FROM audit WHERE thread_id = 'long'")
    assert {("long", 1, None, "missing")} == await found(database, trust)


def asking(state: Log) -> Log:
    return {"seen": [interrupt("which?")]}


def nothing(state: Log) -> Log:
    return {}


def test_a_key_is_only_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "audit.key"
    assert audit_key.create(file)
    assert not audit_key.create(file)
    assert file.stat().st_mode & 0o777 == 0o600
    key = audit_key.read(file)
    signature = key.sign(b"text")
    assert audit_key.is_signed(b"text", signature, key.public)
    assert not audit_key.is_signed(b"texT", signature, key.public)
    assert not audit_key.is_signed(b"text", "nonsense", key.public)
    pem = tmp_path / "public.pem"
    pem.write_text(audit_key.pem(key.public))
    assert audit_key.public_key(str(pem)) == key.public == audit_key.public_key(key.public)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        audit_key.read(file)
    file.chmod(0o600)
    file.write_text("no key")
    with pytest.raises(ConfigError, match="no private key"):
        audit_key.read(file)
    with pytest.raises(ConfigError, match="is no public key"):
        audit_key.public_key("no key")
