"""Read all of the audit as it stands at one moment, however long that takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from signoff.db.pool import Connection, Database
from signoff.db.request_rows import COLUMNS, VOTES, with_votes
from signoff.domain.audit_check import Stored
from signoff.domain.request import Request

BATCH = 2000
"""Rows fetched at once."""


class Head(NamedTuple):
    """The end of a chain."""

    thread_id: str
    seq: int
    hash: str


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection on which everything is as it was at one moment, and nothing can be changed."""
    async with database.transaction() as conn:
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield conn


async def count(conn: Connection, threads: Sequence[str] | None) -> int:
    """How many entries there are, of these threads or altogether."""
    cursor = await conn.execute(
        """
        SELECT count(*) AS n FROM audit
         WHERE %(threads)s::text[] IS NULL OR thread_id = ANY(%(threads)s)
        """,
        {"threads": threads},
    )
    row = await cursor.fetchone()
    assert row is not None, "an aggregate has a row"
    return int(row["n"])


async def rows(conn: Connection, threads: Sequence[str] | None) -> AsyncIterator[Sequence[Stored]]:
    """All entries in the order of their chains, in batches; of these threads, if some are named."""
    async with conn.cursor("audit", row_factory=class_row(Stored), binary=True) as cursor:
        await cursor.execute(
            """
            SELECT audit.thread_id, audit.seq, number, xact::text::bigint AS xact,
                   request_id::text AS request_id, event, at, body, audit.hash,
                   head.seq AS head_seq, head.hash AS head_hash, leaf.anchor,
                   leaf.hash AS anchored, audit.sealed
              FROM audit LEFT JOIN audit_heads AS head ON head.thread_id = audit.thread_id
              LEFT JOIN audit_anchored AS leaf
                ON leaf.thread_id = audit.thread_id AND leaf.seq = audit.seq
             WHERE %(threads)s::text[] IS NULL OR audit.thread_id = ANY(%(threads)s)
             ORDER BY audit.thread_id, audit.seq
            """,
            {"threads": threads},
        )
        while batch := await cursor.fetchmany(BATCH):
            yield batch


async def threads_since(conn: Connection, since: datetime) -> list[str]:
    """The threads to which something has happened since then."""
    cursor = await conn.execute(
        "SELECT DISTINCT thread_id FROM audit WHERE at >= %s ORDER BY thread_id", (since,)
    )
    return [row["thread_id"] async for row in cursor]


async def thread_of(conn: Connection, request_id: str) -> str | None:
    """The thread that a request is, or was, of."""
    cursor = await conn.execute(
        "SELECT thread_id FROM audit WHERE request_id = %s LIMIT 1", (request_id,)
    )
    row = await cursor.fetchone()
    return None if row is None else str(row["thread_id"])


async def requests_of(conn: Connection, threads: Sequence[str]) -> AsyncIterator[Request]:
    """The requests of threads that are still there."""
    async with conn.cursor("requests") as cursor:
        await cursor.execute(
            f"""
            SELECT {COLUMNS}, {VOTES} FROM requests
             WHERE thread_id = ANY(%s) ORDER BY opened_at, id
            """.encode(),
            (threads,),
        )
        while batch := await cursor.fetchmany(200):
            for row in batch:
                yield with_votes(conn, row)


async def heads_alone(conn: Connection, thread_id: str | None) -> list[Head]:
    """The heads of chains that have no entries, but for what was to be forgotten."""
    async with conn.cursor(row_factory=class_row(Head)) as cursor:
        await cursor.execute(
            """
            SELECT thread_id, seq, hash FROM audit_heads AS head
             WHERE thread_id = coalesce(%s, thread_id)
               AND NOT EXISTS (SELECT FROM audit WHERE audit.thread_id = head.thread_id)
               AND NOT EXISTS (
                   SELECT FROM audit_anchored AS leaf
                     JOIN audit_anchors AS anchor ON number = leaf.anchor
                    WHERE leaf.thread_id = head.thread_id AND leaf.seq = head.seq
                      AND anchor.at < (SELECT max(forgotten_before) FROM audit_anchors))
             ORDER BY thread_id
            """,
            (thread_id,),
        )
        return await cursor.fetchall()
