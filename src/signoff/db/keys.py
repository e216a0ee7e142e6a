"""The table `keys`: API keys. Revoked ones stay, so that it can be seen who had which."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from signoff.db import users
from signoff.db.pool import Connection, won
from signoff.domain.key import Key
from signoff.domain.principal import Role
from signoff.domain.user import User

COLUMNS = (
    "id, hash, name, user_name, role, groups, graphs, created_at, created_by, expires_at, "
    "revoked_at, last_used_at"
)


def _key(row: dict[str, Any]) -> Key:
    return Key(
        id=row["id"],
        hash=bytes(row["hash"]),
        name=row["name"],
        user=row["user_name"],
        role=Role(row["role"]),
        groups=tuple(row["groups"]),
        graphs=None if row["graphs"] is None else tuple(row["graphs"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


async def insert(conn: Connection, key: Key) -> None:
    """A new key."""
    await conn.execute(
        """
        INSERT INTO keys (id, hash, name, user_name, role, groups, graphs, created_at, created_by,
                          expires_at)
        VALUES (%(id)s, %(hash)s, %(name)s, %(user)s, %(role)s, %(groups)s, %(graphs)s,
                %(created_at)s, %(created_by)s, %(expires_at)s)
        """,
        {
            "id": key.id,
            "hash": key.hash,
            "name": key.name,
            "user": key.user,
            "role": key.role.value,
            "groups": list(key.groups),
            "graphs": None if key.graphs is None else list(key.graphs),
            "created_at": key.created_at,
            "created_by": key.created_by,
            "expires_at": key.expires_at,
        },
    )


async def get(conn: Connection, key_id: str) -> tuple[Key, User | None] | None:
    """A key, and the user whom it is for, if it is for one and there is one."""
    cursor = await conn.execute(f"SELECT {COLUMNS} FROM keys WHERE id = %s", (key_id,))
    row = await cursor.fetchone()
    if row is None:
        return None
    key = _key(row)
    return key, None if key.user is None else await users.get(conn, key.user)


async def everyone(conn: Connection) -> list[Key]:
    """All keys, by name."""
    cursor = await conn.execute(f"SELECT {COLUMNS} FROM keys ORDER BY name, created_at, id")
    return [_key(row) async for row in cursor]


async def revoke(conn: Connection, wanted: str, *, at: datetime) -> list[Key]:
    """Revoke the key of this id, or all of this name, that are not; those that were."""
    cursor = await conn.execute(
        f"""
        UPDATE keys SET revoked_at = %(at)s
         WHERE id IN (SELECT id FROM keys WHERE id = %(wanted)s
                       UNION SELECT id FROM keys WHERE name = %(wanted)s)
           AND revoked_at IS NULL
        RETURNING {COLUMNS}
        """,
        {"wanted": wanted, "at": at},
    )
    return [_key(row) async for row in cursor]


async def revoke_of_users(conn: Connection, names: Sequence[str], *, at: datetime) -> list[Key]:
    """Revoke the keys that are for these users; those that were not before."""
    cursor = await conn.execute(
        f"""
        UPDATE keys SET revoked_at = %s WHERE user_name = ANY(%s) AND revoked_at IS NULL
        RETURNING {COLUMNS}
        """,
        (at, list(names)),
    )
    return [_key(row) async for row in cursor]


async def used(conn: Connection, key_id: str, *, at: datetime, every: timedelta) -> None:
    """Note when a key was used, unless that was done within the time `every` before."""
    await conn.execute(
        """
        UPDATE keys SET last_used_at = %(at)s
         WHERE id = %(id)s AND (last_used_at IS NULL OR last_used_at <= %(before)s)
        """,
        {"id": key_id, "at": at, "before": at - every},
    )


async def any_active(conn: Connection, *, at: datetime) -> bool:
    """Whether there is a key that opens."""
    cursor = await conn.execute(
        """
        SELECT id FROM keys
         WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %s)
           AND (user_name IS NULL OR EXISTS (SELECT 1 FROM users WHERE name = user_name))
         LIMIT 1
        """,
        (at,),
    )
    return await won(cursor)
