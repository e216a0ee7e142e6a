"""The tables `identities` and `sign_in_flows`: who somebody is at an OpenID provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signoff.db.pool import Connection, won

DELETED_AT_ONCE = 1000
"""Flows that were never ended, deleted when another begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Somebody at a provider, and the user that they are here; `made_user` says by signing in."""

    issuer: str
    subject: str
    user: str
    made_user: bool
    linked_at: datetime
    signed_in_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """A browser that was sent to a provider."""

    nonce: str
    verifier: str
    next: str
    again: bool
    started_at: datetime


async def one_at_a_time(conn: Connection, issuer: str) -> None:
    """Have whoever signs in with a provider for the first time wait for each other."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", (issuer,))


async def user_of(conn: Connection, issuer: str, subject: str) -> str | None:
    """The user that somebody at a provider is."""
    cursor = await conn.execute(
        "SELECT user_name FROM identities WHERE issuer = %s AND subject = %s", (issuer, subject)
    )
    row = await cursor.fetchone()
    return row["user_name"] if row else None


async def is_linked(conn: Connection, issuer: str, user: str) -> bool:
    """Whether somebody at this provider is that user."""
    return await won(
        await conn.execute(
            "SELECT subject FROM identities WHERE issuer = %s AND user_name = %s", (issuer, user)
        )
    )


async def users_named(conn: Connection, name: str, *, any_case: bool) -> list[str]:
    """The users of this name, also in other letters of the same if so wished."""
    cursor = await conn.execute(
        """
        SELECT name FROM users
         WHERE name = %(name)s OR (%(any_case)s AND lower(name) = lower(%(name)s)) ORDER BY name
        """,
        {"name": name, "any_case": any_case},
    )
    return [row["name"] async for row in cursor]


async def link(
    conn: Connection, issuer: str, subject: str, user: str, *, made_user: bool, at: datetime
) -> None:
    """From now on somebody at a provider is this user."""
    await conn.execute(
        """
        INSERT INTO identities (issuer, subject, user_name, made_user, linked_at, signed_in_at)
        VALUES (%(issuer)s, %(subject)s, %(user)s, %(made_user)s, %(at)s, %(at)s)
        """,
        {"issuer": issuer, "subject": subject, "user": user, "made_user": made_user, "at": at},
    )


async def signed_in(conn: Connection, issuer: str, subject: str, *, at: datetime) -> bool:
    """Note that they have signed in; whether they were made a user by that, once."""
    cursor = await conn.execute(
        """
        UPDATE identities SET signed_in_at = %s WHERE issuer = %s AND subject = %s
        RETURNING made_user
        """,
        (at, issuer, subject),
    )
    row = await cursor.fetchone()
    return row is not None and row["made_user"]


async def unlink(conn: Connection, user: str) -> list[Identity]:
    """Forget who a user is at providers; who it was."""
    cursor = await conn.execute(
        """
        DELETE FROM identities WHERE user_name = %s
        RETURNING issuer, subject, user_name, made_user, linked_at, signed_in_at
        """,
        (user,),
    )
    return [Identity(user=row.pop("user_name"), **row) async for row in cursor]


async def begin(conn: Connection, state: bytes, browser: bytes, flow: Flow) -> None:
    """Remember what a browser was sent to a provider for."""
    await conn.execute(
        """
        INSERT INTO sign_in_flows (state, browser, nonce, verifier, next, again, started_at)
        VALUES (%(state)s, %(browser)s, %(nonce)s, %(verifier)s, %(next)s, %(again)s,
                %(started_at)s)
        """,
        {
            "state": state,
            "browser": browser,
            "nonce": flow.nonce,
            "verifier": flow.verifier,
            "next": flow.next,
            "again": flow.again,
            "started_at": flow.started_at,
        },
    )


async def take(conn: Connection, state: bytes, browser: bytes) -> Flow | None:
    """What this browser was sent for with that state, which is forgotten now."""
    cursor = await conn.execute(
        """
        DELETE FROM sign_in_flows WHERE state = %s AND browser = %s
        RETURNING nonce, verifier, next, again, started_at
        """,
        (state, browser),
    )
    row = await cursor.fetchone()
    return Flow(**row) if row else None


async def delete_old(conn: Connection, *, before: datetime) -> None:
    """Delete what never came back, some at a time."""
    await conn.execute(
        """
        DELETE FROM sign_in_flows WHERE state IN (
            SELECT state FROM sign_in_flows WHERE started_at < %s
             ORDER BY started_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (before, DELETED_AT_ONCE),
    )
