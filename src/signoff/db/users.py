"""The table `users`: people, their groups, and who stands in for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from signoff.db.pool import Connection, Json, won
from signoff.domain.user import Absence, User


def _user(row: dict[str, Any]) -> User:
    return User(
        name=row["name"],
        email=row["email"],
        groups=tuple(row["groups"]),
        absences=tuple(_absence(each) for each in row["absences"]),
    )


def _absence(data: dict[str, Any]) -> Absence:
    return Absence(
        substitute=data["substitute"],
        since=datetime.fromisoformat(data["since"]) if data["since"] else None,
        until=datetime.fromisoformat(data["until"]) if data["until"] else None,
    )


def _row(user: User) -> dict[str, Any]:
    absences = [
        {
            "substitute": each.substitute,
            "since": each.since.isoformat() if each.since else None,
            "until": each.until.isoformat() if each.until else None,
        }
        for each in user.absences
    ]
    return {
        "name": user.name,
        "email": user.email,
        "groups": list(user.groups),
        "absences": Json(absences),
    }


async def put(conn: Connection, user: User) -> None:
    """A user as given, new or in place of the one of that name."""
    await conn.execute(
        """
        INSERT INTO users (name, email, groups, absences)
        VALUES (%(name)s, %(email)s, %(groups)s, %(absences)s)
        ON CONFLICT (name) DO UPDATE
           SET email = EXCLUDED.email, groups = EXCLUDED.groups, absences = EXCLUDED.absences
        """,
        _row(user),
    )


async def declare(conn: Connection, user: User) -> bool:
    """A user as a file has it; False, and nothing changed, if the file had it so before.

    What was changed since by other means stays as long as the file says nothing new.
    """
    cursor = await conn.execute(
        """
        INSERT INTO users (name, email, groups, absences, declared)
        VALUES (%(name)s, %(email)s, %(groups)s, %(absences)s,
                jsonb_build_array(%(email)s::text, %(groups)s::text[], %(absences)s::jsonb))
        ON CONFLICT (name) DO UPDATE
           SET email = EXCLUDED.email, groups = EXCLUDED.groups, absences = EXCLUDED.absences,
               declared = EXCLUDED.declared
         WHERE users.declared IS DISTINCT FROM EXCLUDED.declared
        RETURNING name
        """,
        _row(user),
    )
    return await won(cursor)


async def forget_undeclared(conn: Connection, declared: Sequence[str]) -> list[str]:
    """Forget the users that came from a file which does not list them any more; their names."""
    cursor = await conn.execute(
        """
        DELETE FROM users WHERE declared IS NOT NULL AND name <> ALL(%s::text[])
        RETURNING name
        """,
        (list(declared),),
    )
    return [row["name"] async for row in cursor]


async def lock(conn: Connection, name: str) -> User | None:
    """One user, locked until the transaction ends."""
    cursor = await conn.execute(
        "SELECT name, email, groups, absences FROM users WHERE name = %s FOR UPDATE", (name,)
    )
    row = await cursor.fetchone()
    return _user(row) if row else None


async def remove(conn: Connection, name: str) -> bool:
    """Forget a user; False if there is none of that name."""
    cursor = await conn.execute("DELETE FROM users WHERE name = %s RETURNING name", (name,))
    return await won(cursor)


async def everyone(conn: Connection) -> list[User]:
    """All users, by name."""
    cursor = await conn.execute("SELECT name, email, groups, absences FROM users ORDER BY name")
    return [_user(row) async for row in cursor]


async def around(conn: Connection, name: str) -> list[User]:
    """A user, and those that the user may stand in for."""
    cursor = await conn.execute(
        """
        SELECT name, email, groups, absences FROM users
         WHERE name = %(name)s
            OR absences @> jsonb_build_array(jsonb_build_object('substitute', %(name)s::text))
        """,
        {"name": name},
    )
    return [_user(row) async for row in cursor]
