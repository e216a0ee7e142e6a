"""The table `users`: people, their groups, and who stands in for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from signoff.db.pool import Connection, Json, won
from signoff.domain.preferences import BY_DEFAULT, Preferences
from signoff.domain.principal import Role
from signoff.domain.user import Absence, User
from signoff.project import preferences

COLUMNS = "name, email, groups, absences, role, graphs, addresses, preferences, chosen"
"""What is read of a user."""


def _user(row: dict[str, Any]) -> User:
    return User(
        name=row["name"],
        email=row["email"],
        groups=tuple(row["groups"]),
        absences=tuple(_absence(each) for each in row["absences"]),
        role=Role(row["role"]),
        graphs=None if row["graphs"] is None else tuple(row["graphs"]),
        addresses=tuple(row["addresses"]),
        preferences=_preferences(row["preferences"]) or BY_DEFAULT,
        chosen=_preferences(row["chosen"]),
    )


def _preferences(data: dict[str, Any] | None) -> Preferences | None:
    return None if data is None else preferences.read(data)


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
        "role": user.role.value,
        "graphs": None if user.graphs is None else list(user.graphs),
        "addresses": list(user.addresses),
        "preferences": _wishes(user.preferences if user.preferences != BY_DEFAULT else None),
        "chosen": _wishes(user.chosen),
        "declared": Json(_declared(user, absences)),
    }


def _declared(user: User, absences: list[dict[str, Any]]) -> list[Any]:
    """What a file says of a user, to be compared with what it said before."""
    said: list[Any] = [user.email, list(user.groups), absences]
    if user.role is not Role.REVIEWER or user.graphs is not None:
        said += [user.role.value, user.graphs and list(user.graphs)]
    if user.addresses or user.preferences != BY_DEFAULT:
        said += [list(user.addresses), user.preferences.to_json()]
    return said


def _wishes(wishes: Preferences | None) -> Json | None:
    return None if wishes is None else Json(wishes.to_json())


async def put(conn: Connection, user: User) -> None:
    """A user as given, new or in place of the one of that name."""
    await conn.execute(
        """
        INSERT INTO users (name, email, groups, absences, role, graphs,
                           addresses, preferences, chosen)
        VALUES (%(name)s, %(email)s, %(groups)s, %(absences)s, %(role)s, %(graphs)s,
                %(addresses)s, %(preferences)s, %(chosen)s)
        ON CONFLICT (name) DO UPDATE
           SET email = EXCLUDED.email, groups = EXCLUDED.groups, absences = EXCLUDED.absences,
               role = EXCLUDED.role, graphs = EXCLUDED.graphs, addresses = EXCLUDED.addresses,
               preferences = EXCLUDED.preferences, chosen = EXCLUDED.chosen
        """,
        _row(user),
    )


async def declare(conn: Connection, user: User) -> bool:
    """A user as a file has it; False, and nothing changed, if the file had it so before.

    What was changed since by other means stays as long as the file says nothing new, and what
    people chose themselves stays whatever it says.
    """
    cursor = await conn.execute(
        """
        INSERT INTO users (name, email, groups, absences, role, graphs,
                           addresses, preferences, declared)
        VALUES (%(name)s, %(email)s, %(groups)s, %(absences)s, %(role)s, %(graphs)s,
                %(addresses)s, %(preferences)s, %(declared)s)
        ON CONFLICT (name) DO UPDATE
           SET email = EXCLUDED.email, groups = EXCLUDED.groups, absences = EXCLUDED.absences,
               role = EXCLUDED.role, graphs = EXCLUDED.graphs, addresses = EXCLUDED.addresses,
               preferences = EXCLUDED.preferences, declared = EXCLUDED.declared
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


async def get(conn: Connection, name: str) -> User | None:
    """One user."""
    cursor = await conn.execute(f"SELECT {COLUMNS} FROM users WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return _user(row) if row else None


async def lock(conn: Connection, name: str) -> User | None:
    """One user, locked until the transaction ends."""
    cursor = await conn.execute(f"SELECT {COLUMNS} FROM users WHERE name = %s FOR UPDATE", (name,))
    row = await cursor.fetchone()
    return _user(row) if row else None


async def remove(conn: Connection, name: str) -> bool:
    """Forget a user; False if there is none of that name."""
    cursor = await conn.execute("DELETE FROM users WHERE name = %s RETURNING name", (name,))
    return await won(cursor)


async def everyone(conn: Connection) -> list[User]:
    """All users, by name."""
    cursor = await conn.execute(f"SELECT {COLUMNS} FROM users ORDER BY name")
    return [_user(row) async for row in cursor]


async def around(conn: Connection, name: str) -> list[User]:
    """A user, and those that the user may stand in for."""
    cursor = await conn.execute(
        f"""
        SELECT {COLUMNS} FROM users
         WHERE name = %(name)s
            OR absences @> jsonb_build_array(jsonb_build_object('substitute', %(name)s::text))
        """,
        {"name": name},
    )
    return [_user(row) async for row in cursor]
