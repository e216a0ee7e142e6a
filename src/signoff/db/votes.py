"""The table `votes`: who said what on a request, and under which idempotency key."""

from __future__ import annotations

from dataclasses import dataclass

from signoff.db.pool import Connection, Json
from signoff.db.sealed import sealed
from signoff.domain.decision import Vote


@dataclass(frozen=True, slots=True)
class Keyed:
    """A vote that was cast under an idempotency key."""

    request_id: str
    fingerprint: str


async def insert(
    conn: Connection, request_id: str, vote: Vote, *, idempotency_key: str | None, fingerprint: str
) -> None:
    """Count a vote, in place of the voter's earlier one.

    `fingerprint` identifies the ballot, to tell a repeat from a changed mind.
    """
    row = sealed(
        conn,
        "votes",
        {"request_id": request_id, "by": vote.by, "values": vote.values, "note": vote.note},
    )
    await conn.execute(
        """
        INSERT INTO votes
            (request_id, by, action, values, note, on_behalf_of, idempotency_key, fingerprint, at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (request_id, by) DO UPDATE
           SET action = EXCLUDED.action, values = EXCLUDED.values, note = EXCLUDED.note,
               on_behalf_of = EXCLUDED.on_behalf_of, at = EXCLUDED.at,
               idempotency_key = EXCLUDED.idempotency_key, fingerprint = EXCLUDED.fingerprint
        """,
        (
            request_id,
            vote.by,
            vote.action,
            Json(row["values"]),
            row["note"],
            vote.on_behalf_of,
            idempotency_key,
            fingerprint,
            vote.at,
        ),
    )


async def by_key(conn: Connection, by: str, idempotency_key: str) -> Keyed | None:
    """The vote that a principal has cast under this key."""
    cursor = await conn.execute(
        "SELECT request_id, fingerprint FROM votes WHERE by = %s AND idempotency_key = %s",
        (by, idempotency_key),
    )
    row = await cursor.fetchone()
    return Keyed(str(row["request_id"]), row["fingerprint"]) if row else None
