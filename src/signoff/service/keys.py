"""API keys: make, list, revoke."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime

from signoff import acting
from signoff.db import audit, keys, notices, users
from signoff.domain.audit import ACCESS, AuditEntry
from signoff.domain.errors import InvalidInput, KeyNotFound, UserNotFound
from signoff.domain.key import Key, digest, text_of
from signoff.domain.principal import GROUP, KEY, Role, check_principal
from signoff.domain.user import unknown
from signoff.service.office import Office


async def create_key(
    office: Office,
    name: str,
    *,
    by: str,
    user: str | None = None,
    role: Role | None = None,
    groups: Iterable[str] = (),
    graphs: Iterable[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """A new key, and its text, which nobody can be shown again.

    It acts by the name `key:` and its own, or as a `user`. The role is a reviewer's unless one is
    given; with a `user` it is the user's, and at most that.

    Raises:
        InvalidInput: The name, a group or a graph is none, or it would have expired already.
        UserNotFound: There is no such user.
    """
    check_principal(by)
    check_principal(KEY + name)
    at = office.now()
    groups = tuple(dict.fromkeys(check_principal(each.removeprefix(GROUP)) for each in groups))
    if user is not None and groups:
        raise InvalidInput.of("groups", "are those of the user, where a key is for one")
    if expires_at is not None and expires_at <= at:
        raise InvalidInput.of("expires_at", "has passed already")
    secret = secrets.token_urlsafe(32)
    key = Key(
        id=secrets.token_hex(6),
        name=name,
        hash=digest(secret),
        user=user,
        role=role or (Role.REVIEWER if user is None else Role.ADMIN),
        groups=groups,
        graphs=None if graphs is None else _served(office, graphs),
        created_at=at,
        created_by=by,
        expires_at=expires_at,
    )
    async with office.database.transaction() as conn:
        if user is not None and await users.lock(conn, user) is None:
            raise UserNotFound.of(user)
        await keys.insert(conn, key)
        await audit.append(conn, entry_of("key.created", key, by=by, at=at))
    return key, text_of(key.id, secret)


async def list_keys(office: Office) -> list[Key]:
    """All keys that there ever were, by name."""
    async with office.database.connection() as conn:
        return await keys.everyone(conn)


async def revoke_key(office: Office, wanted: str, *, by: str) -> list[Key]:
    """Revoke the key of this id, or all of this name: from now on nobody acts with them.

    Raises:
        KeyNotFound: There is none that was not revoked before.
    """
    check_principal(by)
    at = office.now()
    async with office.database.transaction() as conn:
        revoked = await keys.revoke(conn, wanted, at=at)
        if not revoked:
            raise KeyNotFound(f"There is no key {wanted} to revoke: see `signoff keys list`.")
        await audit.append(conn, *(entry_of("key.revoked", key, by=by, at=at) for key in revoked))
        await notices.access_changed(conn)
        office.database.after_commit(conn, office.keyring.forget)
    return revoked


def entry_of(event: str, key: Key, *, by: str, at: datetime) -> AuditEntry:
    """What the audit has of a key; nothing that would help to use it."""
    return AuditEntry(
        event=event,
        thread_id=ACCESS,
        by=by,
        at=at,
        method=acting.method(by),
        data={
            "key": key.id,
            "principal": key.principal,
            "role": key.role.value,
            "groups": list(key.groups),
            "graphs": None if key.graphs is None else list(key.graphs),
            "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        },
    )


def _served(office: Office, graphs: Iterable[str]) -> tuple[str, ...]:
    there = [served.name for served in office.catalog.values()]
    found = tuple(dict.fromkeys(graphs))
    for graph in found:
        if there and graph not in there:
            raise InvalidInput.of("graphs", unknown("graph", graph, there, listed=True))
    return found
