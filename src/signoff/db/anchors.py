"""The tables `audit_anchors` and `audit_anchored`: nothing of them is ever changed or removed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from signoff.db.pool import Connection, Json
from signoff.domain.anchor import Anchor, Leaf
from signoff.domain.audit import POLICIES

MOST = 50_000
"""Entries that one anchor covers, unless one transaction wrote more."""

_LOCK = 0x53474E414E4348  # "SGNANCH"

_COLUMNS = """
    number, at, previous, root, chains, entries, until, forgotten_before, public_key, signature
"""


class Growth(NamedTuple):
    """What is to be anchored: where each chain ends that has grown, and how many entries that is.

    All transactions before `until` are in it.
    """

    leaves: list[Leaf]
    entries: int
    until: int


async def lock(conn: Connection) -> None:
    """Let nobody else write an anchor until the end of the transaction."""
    await conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


async def last(conn: Connection) -> Anchor | None:
    """The newest anchor."""
    async with conn.cursor(row_factory=class_row(Anchor)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM audit_anchors ORDER BY number DESC LIMIT 1".encode()
        )
        return await cursor.fetchone()


async def grown(conn: Connection, since: int) -> Growth:
    """How the chains have grown by transactions from `since` on that have all ended; part of it,
    if it is much."""
    cursor = await conn.execute(
        """
        SELECT coalesce(
                 (SELECT xact::text::bigint + 1 FROM audit
                   WHERE xact >= %(since)s::text::xid8 AND xact < ended.xact
                   ORDER BY xact, number OFFSET %(most)s LIMIT 1),
                 ended.xact::text::bigint) AS until
          FROM (SELECT audit_horizon() AS xact) AS ended
        """,
        {"since": since, "most": MOST},
    )
    row = await cursor.fetchone()
    assert row is not None, "a SELECT from one row has one"
    until = int(row["until"])
    cursor = await conn.execute(
        """
        SELECT thread_id, count(*) AS entries, max(seq) AS seq,
               (array_agg(hash ORDER BY seq DESC))[1] AS hash
          FROM audit
         WHERE xact >= %s::text::xid8 AND xact < %s::text::xid8
         GROUP BY thread_id
        """,
        (since, until),
    )
    leaves, entries = [], 0
    async for row in cursor:
        leaves.append(Leaf(row["thread_id"], row["seq"], row["hash"]))
        entries += row["entries"]
    return Growth(sorted(leaves), entries, until)


async def insert(conn: Connection, anchor: Anchor, leaves: Sequence[Leaf]) -> None:
    """Keep an anchor, with the leaves of its tree in their order."""
    await conn.execute(
        f"""
        INSERT INTO audit_anchors ({_COLUMNS})
        VALUES (%(number)s, %(at)s, %(previous)s, %(root)s, %(chains)s, %(entries)s, %(until)s,
                %(forgotten_before)s, %(public_key)s, %(signature)s)
        """.encode(),
        {name: getattr(anchor, name) for name in Anchor.__dataclass_fields__},
    )
    await conn.execute(
        """
        INSERT INTO audit_anchored (thread_id, seq, hash, anchor, position)
        SELECT thread_id, seq, hash, %s, position
          FROM jsonb_to_recordset(%s) AS row (
            thread_id text, seq bigint, hash text, position bigint)
        """,
        (
            anchor.number,
            Json([{**leaf._asdict(), "position": n} for n, leaf in enumerate(leaves)]),
        ),
    )


async def every(
    conn: Connection, *, of: Sequence[str] | None = None
) -> AsyncIterator[tuple[Anchor, list[Leaf]]]:
    """All anchors in order, each with the leaves of its tree in theirs.

    Only those that stand for an end of one of these threads' chains, if some are named.
    """
    async with conn.cursor("anchors") as cursor:
        await cursor.execute(
            f"""
            SELECT {_COLUMNS}, threads, seqs, hashes
              FROM audit_anchors
              LEFT JOIN LATERAL (
                   SELECT array_agg(thread_id ORDER BY position) AS threads,
                          array_agg(seq ORDER BY position) AS seqs,
                          array_agg(hash ORDER BY position) AS hashes
                     FROM audit_anchored WHERE anchor = number) AS leaves ON true
             WHERE %(threads)s::text[] IS NULL OR number IN (
                   SELECT anchor FROM audit_anchored WHERE thread_id = ANY(%(threads)s))
             ORDER BY number
            """.encode(),
            {"threads": of},
        )
        while batch := await cursor.fetchmany(50):
            for row in batch:
                columns = [row.pop(name) or () for name in ("threads", "seqs", "hashes")]
                leaves = [Leaf(*each) for each in zip(*columns, strict=True)]
                yield Anchor(**row), leaves


_FORGETTABLE = """
    SELECT leaf.thread_id, leaf.seq
      FROM audit_anchored AS leaf JOIN audit_anchors AS anchor ON number = leaf.anchor
     WHERE anchor.at < %(before)s AND leaf.thread_id <> %(policies)s
       AND EXISTS (SELECT FROM audit
                    WHERE audit.thread_id = leaf.thread_id AND audit.seq = leaf.seq)
       AND NOT EXISTS (SELECT FROM requests
                        WHERE requests.thread_id = leaf.thread_id AND state = 'open')
"""
"""Ends of chains up to which nothing is needed any more; what policies hold always is."""


async def can_forget(conn: Connection, before: datetime) -> bool:
    """Whether there is something that was anchored before then, and this role may remove it."""
    cursor = await conn.execute(
        f"""
        SELECT has_table_privilege('audit', 'DELETE') AND EXISTS ({_FORGETTABLE}) AS it
        """.encode(),
        {"before": before, "policies": POLICIES},
    )
    row = await cursor.fetchone()
    return row is not None and bool(row["it"])


async def forget(conn: Connection, before: datetime) -> int:
    """Remove some of what was anchored before then; how many entries, and 0 at the end."""
    cursor = await conn.execute(
        f"""
        WITH leaf AS MATERIALIZED ({_FORGETTABLE} LIMIT 1000)
        DELETE FROM audit USING leaf
         WHERE audit.thread_id = leaf.thread_id AND audit.seq <= leaf.seq
        """.encode(),
        {"before": before, "policies": POLICIES},
    )
    return cursor.rowcount


class Gone(NamedTuple):
    """The newest end of a chain that was anchored and whose entry is not there."""

    thread_id: str
    seq: int
    anchor: int


async def gone(conn: Connection, thread_id: str | None) -> AsyncIterator[Gone]:
    """The anchored ends of chains whose entries are not there, but for what was to be forgotten."""
    async with conn.cursor("gone", row_factory=class_row(Gone)) as cursor:
        await cursor.execute(
            """
            SELECT leaf.thread_id, max(leaf.seq) AS seq, max(leaf.anchor) AS anchor
              FROM audit_anchored AS leaf JOIN audit_anchors AS anchor ON number = leaf.anchor
             WHERE (%(thread_id)s::text IS NULL OR leaf.thread_id = %(thread_id)s)
               AND NOT EXISTS (
                   SELECT FROM audit
                    WHERE audit.thread_id = leaf.thread_id AND audit.seq = leaf.seq)
               AND (anchor.at < (SELECT max(forgotten_before) FROM audit_anchors)) IS NOT TRUE
             GROUP BY leaf.thread_id
            """,
            {"thread_id": thread_id},
        )
        while batch := await cursor.fetchmany(1000):
            for each in batch:
                yield each


async def bases(conn: Connection, thread_id: str | None) -> dict[str, Leaf]:
    """Where the chains go on that have been forgotten up to an anchored end, by thread."""
    async with conn.cursor(row_factory=class_row(Leaf)) as cursor:
        await cursor.execute(
            """
            SELECT DISTINCT ON (leaf.thread_id) leaf.thread_id, leaf.seq, leaf.hash
              FROM audit_anchored AS leaf JOIN audit_anchors AS anchor ON number = leaf.anchor
             WHERE (%(thread_id)s::text IS NULL OR leaf.thread_id = %(thread_id)s)
               AND anchor.at < (SELECT max(forgotten_before) FROM audit_anchors)
               AND NOT EXISTS (
                   SELECT FROM audit
                    WHERE audit.thread_id = leaf.thread_id AND audit.seq <= leaf.seq)
             ORDER BY leaf.thread_id, leaf.seq DESC
            """,
            {"thread_id": thread_id},
        )
        return {leaf.thread_id: leaf async for leaf in cursor}
