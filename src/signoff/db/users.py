"""The table `users`: people, their groups, and who stands in for them."""

from __future__ import annotations

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


async def put(conn: Connection, user: User) -> None:
    """A user as given, new or in place of the one of that name."""
    absences = [
        {
            "substitute": each.substitute,
            "since": each.since.isoformat() if each.since else None,
            "until": each.until.isoformat() if each.until else None,
        }
        for each in user.absences
    ]
    await conn.execute(
        """
        INSERT INTO users (name, email, groups, absences) VALUES (%s, %s, %s, %s)
        ON CONFLICT (name) DO UPDATE
           SET email = EXCLUDED.email, groups = EXCLUDED.groups, absences = EXCLUDED.absences
        """,
        (user.name, user.email, list(user.groups), Json(absences)),
    )


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
