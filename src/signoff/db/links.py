"""The table `links`: by which people decide from messages. A link is known by a hash alone."""

from __future__ import annotations

from datetime import datetime

from signoff.db.pool import Connection, won
from signoff.domain.link import Link

DELETED_AT_ONCE = 1000
"""Old rows deleted in one statement, so that none takes long."""


async def insert(
    conn: Connection, hash: bytes, link: Link, *, message: str | None, at: datetime
) -> None:
    """A new link; those of the same message to the same request and person are replaced by it."""
    if message is not None:
        await conn.execute(
            """
            UPDATE links SET replaced_at = %(at)s
             WHERE message = %(message)s AND request_id = %(request_id)s AND user_name = %(user)s
               AND used_at IS NULL AND replaced_at IS NULL
            """,
            {"message": message, "request_id": link.request_id, "user": link.user, "at": at},
        )
    await conn.execute(
        """
        INSERT INTO links (hash, request_id, user_name, digest, message, created_at, expires_at)
        VALUES (%(hash)s, %(request_id)s, %(user)s, %(digest)s, %(message)s, %(at)s, %(expires_at)s)
        """,
        {
            "hash": hash,
            "request_id": link.request_id,
            "user": link.user,
            "digest": link.digest,
            "message": message,
            "at": at,
            "expires_at": link.expires_at,
        },
    )


async def get(conn: Connection, hash: bytes) -> Link | None:
    """The link with a token of this hash."""
    cursor = await conn.execute(
        """
        SELECT request_id::text, user_name, digest, expires_at, replaced_at, used_at, action
          FROM links WHERE hash = %s
        """,
        (hash,),
    )
    row = await cursor.fetchone()
    return None if row is None else Link(user=row.pop("user_name"), **row)


async def use(conn: Connection, hash: bytes, action: str, *, at: datetime) -> bool:
    """Note what was chosen by a link; False, and nothing changed, if it was used or replaced."""
    cursor = await conn.execute(
        """
        UPDATE links SET used_at = %(at)s, action = %(action)s
         WHERE hash = %(hash)s AND used_at IS NULL AND replaced_at IS NULL
        RETURNING hash
        """,
        {"hash": hash, "action": action, "at": at},
    )
    return await won(cursor)


async def delete_old(conn: Connection, before: datetime) -> bool:
    """Delete some links that had expired by a moment; whether there may be more."""
    cursor = await conn.execute(
        """
        DELETE FROM links WHERE hash IN (
            SELECT hash FROM links WHERE expires_at < %s
             ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (before, DELETED_AT_ONCE),
    )
    return cursor.rowcount == DELETED_AT_ONCE
