"""The tables `sessions` and `sign_in_attempts`, and the passwords of `users`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from signoff.db.pool import Connection, won
from signoff.db.sealed import opened, sealed
from signoff.domain.errors import CannotDecrypt, EncryptionKeyMissing
from signoff.log import get_logger

log = get_logger(__name__)

DELETED_AT_ONCE = 1000
"""Old rows deleted when somebody signs in, so that the tables stay small."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """Somebody who is signed in. `current` says that it was found by its newest token.

    `authenticated_at` is when they have last shown who they are, which may have been elsewhere and
    before; None where nobody says.
    """

    user: str
    method: str
    signed_in_at: datetime
    authenticated_at: datetime | None
    seen_at: datetime
    rotated_at: datetime
    current: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A session that there was."""

    user: str
    method: str
    id_token: str | None


async def password_of(conn: Connection, name: str) -> str | None:
    """The hash of a user's password, if there is one."""
    cursor = await conn.execute("SELECT password FROM users WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return row["password"] if row else None


async def set_password(conn: Connection, name: str, hash: str | None) -> bool:
    """Keep the hash of a user's password, or none; False if there is no such user."""
    cursor = await conn.execute(
        "UPDATE users SET password = %s WHERE name = %s RETURNING name", (hash, name)
    )
    return await won(cursor)


async def any_password(conn: Connection) -> bool:
    """Whether there is somebody with a password."""
    return await won(
        await conn.execute("SELECT name FROM users WHERE password IS NOT NULL LIMIT 1")
    )


async def insert(
    conn: Connection,
    hash: bytes,
    *,
    user: str,
    method: str,
    at: datetime,
    authenticated_at: datetime | None,
    id_token: str | None,
) -> None:
    """A new session."""
    row = sealed(conn, "sessions", {"id": str(uuid4()), "id_token": id_token})
    await conn.execute(
        """
        INSERT INTO sessions (id, hash, user_name, method, signed_in_at, authenticated_at, seen_at,
                              rotated_at, id_token)
        VALUES (%(id)s, %(hash)s, %(user)s, %(method)s, %(at)s, %(authenticated_at)s, %(at)s,
                %(at)s, %(id_token)s)
        """,
        {
            **row,
            "hash": hash,
            "user": user,
            "method": method,
            "at": at,
            "authenticated_at": authenticated_at,
        },
    )


async def get(conn: Connection, hash: bytes) -> Session | None:
    """The session that has, or had before, the token of this hash."""
    cursor = await conn.execute(
        """
        SELECT user_name, method, signed_in_at, authenticated_at, seen_at, rotated_at,
               hash = %(hash)s AS current
          FROM sessions WHERE hash = %(hash)s OR previous_hash = %(hash)s
        """,
        {"hash": hash},
    )
    row = await cursor.fetchone()
    return None if row is None else Session(user=row.pop("user_name"), **row)


async def seen(conn: Connection, hash: bytes, *, at: datetime) -> None:
    """Note that somebody is there still."""
    await conn.execute("UPDATE sessions SET seen_at = %s WHERE hash = %s", (at, hash))


async def rotate(conn: Connection, hash: bytes, new: bytes, *, at: datetime) -> bool:
    """Replace the token of a session; False, and nothing changed, if somebody else just has."""
    cursor = await conn.execute(
        """
        UPDATE sessions
           SET hash = %(new)s, previous_hash = %(hash)s, rotated_at = %(at)s, seen_at = %(at)s
         WHERE hash = %(hash)s
        RETURNING hash
        """,
        {"hash": hash, "new": new, "at": at},
    )
    return await won(cursor)


async def end(conn: Connection, hash: bytes) -> Ended | None:
    """End the session that has, or had, this token; what it was.

    An id token that cannot be decrypted keeps nobody signed in: it is left out.
    """
    cursor = await conn.execute(
        "DELETE FROM sessions WHERE hash = %(hash)s OR previous_hash = %(hash)s "
        "RETURNING user_name, method, id_token, id",
        {"hash": hash},
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    try:
        id_token = opened(conn, "sessions", row)["id_token"]
    except (CannotDecrypt, EncryptionKeyMissing) as error:
        log.warning("a session ends without what its provider has said of it", error=str(error))
        id_token = None
    return Ended(user=row["user_name"], method=row["method"], id_token=id_token)


async def end_all(conn: Connection, users: Sequence[str]) -> int:
    """End all sessions of these users; how many there were."""
    cursor = await conn.execute("DELETE FROM sessions WHERE user_name = ANY(%s)", (list(users),))
    return cursor.rowcount


async def attempt(
    conn: Connection, limits: Mapping[str, int], *, at: datetime, within: timedelta
) -> bool:
    """Note an attempt under each of these subjects; False if one had as many as its limit before.

    What is refused is not noted: else whoever goes on trying, from a single address, would fill the
    table, and use up what a name has for all addresses. Attempts wait for each other here, so that
    many at once do not slip through uncounted.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('sign in', 0))")
    cursor = await conn.execute(
        """
        SELECT subject, count(*) AS tried FROM sign_in_attempts
         WHERE subject = ANY(%s) AND at > %s GROUP BY subject
        """,
        (list(limits), at - within),
    )
    tried = {row["subject"]: row["tried"] async for row in cursor}
    if any(tried.get(subject, 0) >= limit for subject, limit in limits.items()):
        return False
    await conn.execute(
        """
        INSERT INTO sign_in_attempts (subject, at)
        SELECT subject, %s FROM unnest(%s::text[]) AS given (subject)
        """,
        (at, list(limits)),
    )
    return True


async def succeeded(conn: Connection, subjects: Sequence[str]) -> None:
    """Forget what was tried under these subjects."""
    await conn.execute("DELETE FROM sign_in_attempts WHERE subject = ANY(%s)", (list(subjects),))


async def delete_old(conn: Connection, *, attempts: datetime, sessions: datetime) -> None:
    """Delete attempts and sessions from before these moments, some at a time."""
    await conn.execute(
        """
        DELETE FROM sign_in_attempts WHERE (subject, id) IN (
            SELECT subject, id FROM sign_in_attempts WHERE at < %s
             ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (attempts, DELETED_AT_ONCE),
    )
    await conn.execute(
        """
        DELETE FROM sessions WHERE hash IN (
            SELECT hash FROM sessions WHERE signed_in_at < %s
             ORDER BY signed_in_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (sessions, DELETED_AT_ONCE),
    )
