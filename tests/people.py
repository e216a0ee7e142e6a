"""Whom tests call as.

In one process `as_("jane")` does, with `asgi_app(authenticate=named)`. A server of its own takes
API keys: those of `key_of` and `with_key` are in the database once somebody is `let_in`.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote, unquote

import psycopg
from starlette.requests import Request

from signoff import Principal, Role
from signoff.domain.key import digest, text_of

HEADER = "x-test-user"


def as_(name: str) -> dict[str, str]:
    """The header by which `named` knows somebody."""
    return {HEADER: quote(name, safe="")}


def named(request: Request) -> Principal | None:
    """Believe whoever calls, an admin."""
    name = request.headers.get(HEADER)
    return None if name is None else Principal(name=unquote(name), role=Role.ADMIN, method="test")


def key_of(name: str) -> str:
    """The key that somebody has once they are let in."""
    return text_of(*_parts(name))


def with_key(name: str) -> dict[str, str]:
    """The header that shows the key of somebody."""
    return {"authorization": f"Bearer {key_of(name)}"}


def let_in(database_url: str, *names: str) -> None:
    """Give people their keys, if they have none; those who are no users become admins."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        for name in names:
            key_id, secret = _parts(name)
            conn.execute(
                """
                INSERT INTO signoff.users (name, role) VALUES (%s, 'admin') ON CONFLICT DO NOTHING
                """,
                (name,),
            )
            conn.execute(
                """
                INSERT INTO signoff.keys (id, hash, name, user_name, role, created_at, created_by)
                VALUES (%s, %s, 'test', %s, 'admin', now(), 'test') ON CONFLICT DO NOTHING
                """,
                (key_id, digest(secret), name),
            )


def _parts(name: str) -> tuple[str, str]:
    hashed = hashlib.sha256(name.encode()).hexdigest()
    return hashed[:12], hashed[12:55]
