"""The table `effects`: what `once()` has run on a thread."""

from __future__ import annotations

from dataclasses import dataclass

from signoff.db.pool import Connection
from signoff.db.sealed import TYPE
from signoff.domain.thread import Lease


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect that was begun; with its serialised result, if it is done."""

    done: bool
    type: str | None
    result: bytes | None


async def begin(conn: Connection, lease: Lease, key: str) -> Effect:
    """The effect under this key, begun now if it was not before. The caller holds the lease."""
    await conn.execute(
        "INSERT INTO effects (thread_id, key) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (lease.thread_id, key),
    )
    cursor = await conn.execute(
        """
        SELECT done_at IS NOT NULL AS done, type, result
          FROM effects WHERE thread_id = %s AND key = %s
        """,
        (lease.thread_id, key),
    )
    row = await cursor.fetchone()
    assert row is not None
    type_, result = row["type"], row["result"]
    if conn.sealer is not None and type_ is not None:
        type_, result = conn.sealer.open_blob(type_, result, "effects", lease.thread_id, key)
    return Effect(done=row["done"], type=type_, result=result)


async def complete(conn: Connection, lease: Lease, key: str, type_: str, result: bytes) -> None:
    """Keep what an effect returned. The caller holds the lease."""
    if conn.sealer is not None:
        result = conn.sealer.seal_bytes(result, "effects", lease.thread_id, key)
        type_ += TYPE
    await conn.execute(
        """
        UPDATE effects SET type = %s, result = %s, done_at = now()
         WHERE thread_id = %s AND key = %s AND done_at IS NULL
        """,
        (type_, result, lease.thread_id, key),
    )
