"""Signing in and out: passwords, sessions, and how often one may try."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from signoff.db import audit, keys, notices, sessions, users
from signoff.db.pool import Connection
from signoff.db.sessions import Ended, Session
from signoff.domain.audit import ACCESS, AuditEntry
from signoff.domain.errors import (
    InvalidInput,
    RateLimited,
    Unauthenticated,
    UserNotFound,
)
from signoff.domain.key import digest
from signoff.domain.principal import MAX_PRINCIPAL, SYSTEM, Principal, check_principal
from signoff.service.office import Office

T = TypeVar("T")

SHORTEST = 12
"""The fewest characters of a password."""

LONGEST = 1000

OVERLAP = timedelta(minutes=1)
"""How long the token before still opens. Later it can only be somebody else's copy."""

NOTED = timedelta(minutes=1)
"""How exactly is noted when somebody was there last."""

WINDOW = timedelta(minutes=15)
"""The time over which attempts to sign in are counted."""

TRIES = 10
"""Attempts for a name from one address; ten times as many from anywhere, or for any name."""

_hashing = asyncio.Semaphore(2)
"""A hash takes 64 MiB and some of a processor: a flood of attempts waits in a line."""


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # the parameters that RFC 9106 recommends for little memory


@cache
def _of_nobody() -> str:
    return _hasher().hash(secrets.token_urlsafe())


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in; `token` is a new one, where the one shown was replaced."""

    principal: Principal
    token: str | None = None


async def set_password(office: Office, name: str, password: str | None, *, by: str) -> None:
    """Give a user a password, or take it away; all their sessions end.

    Raises:
        UserNotFound: There is no such user.
        InvalidInput: The password is too short or too long.
    """
    check_principal(by)
    if password is not None and not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput.of("password", f"has {SHORTEST} to {LONGEST} characters")
    hashed = None if password is None else await _compute(_hasher().hash, password)
    at = office.now()
    async with office.database.transaction() as conn:
        if not await sessions.set_password(conn, name, hashed):
            raise UserNotFound.of(name)
        ended = await sessions.end_all(conn, [name])
        event = "user.password_removed" if password is None else "user.password_set"
        data = {"user": name, "sessions_ended": ended}
        await audit.append(conn, AuditEntry(event=event, thread_id=ACCESS, by=by, at=at, data=data))
        await notices.access_changed(conn)


async def sign_in(
    office: Office, name: str, password: str, *, address: str, instead_of: str | None = None
) -> str:
    """Begin a session; its token. One that this browser had before, by its token, ends.

    Raises:
        Unauthenticated: It is not this user's password; whether there is such a user is not said.
        RateLimited: There were too many attempts.
    """
    at = office.now()
    # PostgreSQL takes no NUL, and UTF-8 no lone surrogate: no user has such a name.
    name = name.replace("\x00", "").encode("utf-8", "replace").decode()[:MAX_PRINCIPAL]
    password = password[:LONGEST]
    here = f"name {name} from {address}"
    limits = {here: TRIES, f"name {name}": 10 * TRIES, f"from {address}": 10 * TRIES}
    async with office.database.transaction() as conn:
        allowed = await sessions.attempt(conn, limits, at=at, within=WINDOW)
        hashed = await sessions.password_of(conn, name)
    if not allowed:
        raise RateLimited(
            "There were too many attempts to sign in. Wait a while.", retry_after=WINDOW
        )
    if not await _compute(_fits, hashed or _of_nobody(), password) or hashed is None:
        await note_failure(office, at, name=name, address=address)
        raise Unauthenticated("The name or the password is not right.")
    renewed = None
    if _hasher().check_needs_rehash(hashed):
        renewed = await _compute(_hasher().hash, password)
    async with office.database.transaction() as conn:
        if await users.lock(conn, name) is None:
            raise Unauthenticated("The name or the password is not right.")
        if await sessions.password_of(conn, name) != hashed:
            raise Unauthenticated("The password was changed just now: sign in again.")
        if renewed is not None:
            await sessions.set_password(conn, name, renewed)
        await sessions.succeeded(conn, [here])
        beginning = Beginning(
            user=name, method="password", at=at, authenticated_at=at, address=address
        )
        return await begin(conn, office, beginning, instead_of=instead_of)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """Somebody has shown who they are: how, from where, and as far as that is known when.

    `id_token` is what their OpenID provider says of it, and `details` what else the audit has.
    """

    user: str
    method: str
    at: datetime
    authenticated_at: datetime | None
    address: str
    id_token: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


async def begin(
    conn: Connection,
    office: Office,
    given: Beginning,
    *,
    instead_of: str | None,
    also: Sequence[AuditEntry] = (),
) -> str:
    """Begin a session; its token, which is a new one whatever the browser had before.

    What was `also` done is told to the audit as the last thing: its writers wait for each other.
    """
    token = secrets.token_urlsafe(32)
    data = {"method": given.method, **given.details, "address": given.address}
    longest = office.session_rules.longest
    await sessions.delete_old(conn, attempts=given.at - WINDOW, sessions=given.at - longest)
    if instead_of is not None and await sessions.end(conn, digest(instead_of)) is not None:
        await notices.access_changed(conn)
    await sessions.insert(
        conn,
        digest(token),
        user=given.user,
        method=given.method,
        at=given.at,
        authenticated_at=given.authenticated_at,
        id_token=given.id_token,
    )
    entry = AuditEntry(
        event="user.signed_in",
        thread_id=ACCESS,
        by=given.user,
        at=given.at,
        data=data,
        method=given.method,
    )
    await audit.append(conn, *also, entry)
    return token


async def signed_in(
    office: Office, token: str, *, rotate: bool = False, there: bool = True
) -> SignedIn | None:
    """Whoever has this token; None if it opens nothing, or no more.

    Only while somebody is `there` a session does not become idle. With `rotate` a token that has
    become old is replaced. One that was replaced before, and is used again much later, ends the
    session: somebody has a copy of it.
    """
    at = office.now()
    hashed = digest(token)
    async with office.database.connection() as conn:
        session = await sessions.get(conn, hashed)
        user = None if session is None else await users.get(conn, session.user)
    if session is None or user is None or not await _goes_on(office, session, hashed, at):
        return None
    principal = user.principal(session.method, signed_in_at=session.authenticated_at)
    if not session.current:
        return SignedIn(principal)
    if rotate and there and at - session.rotated_at > office.session_rules.rotation:
        new = secrets.token_urlsafe(32)
        async with office.database.connection() as conn:
            won = await sessions.rotate(conn, hashed, digest(new), at=at)
        return SignedIn(principal, new if won else None)
    if there and at - session.seen_at > NOTED:
        async with office.database.taking() as conn:
            await sessions.seen(conn, hashed, at=at)
    return SignedIn(principal)


async def _goes_on(office: Office, session: Session, hashed: bytes, at: datetime) -> bool:
    rules = office.session_rules
    if at - session.seen_at <= rules.idle and at - session.signed_in_at <= rules.longest:
        if session.current or at - session.rotated_at <= OVERLAP:
            return True
        event = "user.session_revoked"
    else:
        event = "user.session_expired"
    data = {"user": session.user}
    entry = AuditEntry(event=event, thread_id=ACCESS, by=SYSTEM, at=at, data=data)
    async with office.database.transaction() as conn:
        if await sessions.end(conn, hashed) is not None:
            await audit.append(conn, entry)
            await notices.access_changed(conn)
    return False


async def sign_out(office: Office, token: str, *, everywhere: bool = False) -> Ended | None:
    """End the session of this token; with `everywhere`, all of the same user's. What it was."""
    at = office.now()
    async with office.database.transaction() as conn:
        session = await sessions.end(conn, digest(token))
        if session is not None:
            ended = 1 + (await sessions.end_all(conn, [session.user]) if everywhere else 0)
            await audit.append(conn, _signed_out(session.user, session.user, at, ended))
            await notices.access_changed(conn)
    return session


async def sign_out_user(office: Office, name: str, *, by: str) -> int:
    """End all sessions of a user; how many there were.

    Raises:
        UserNotFound: There is no such user.
    """
    check_principal(by)
    at = office.now()
    async with office.database.transaction() as conn:
        if await users.lock(conn, name) is None:
            raise UserNotFound.of(name)
        ended = await sessions.end_all(conn, [name])
        if ended:
            await audit.append(conn, _signed_out(name, by, at, ended))
            await notices.access_changed(conn)
    return ended


def _signed_out(user: str, by: str, at: datetime, ended: int) -> AuditEntry:
    data = {"user": user, "sessions_ended": ended}
    return AuditEntry(event="user.signed_out", thread_id=ACCESS, by=by, at=at, data=data)


async def any_passwords(office: Office) -> bool:
    """Whether somebody has a password."""
    async with office.database.connection() as conn:
        return await sessions.any_password(conn)


async def can_anybody_come_in(office: Office) -> bool:
    """Whether there is a key that opens, or a user with a password."""
    async with office.database.connection() as conn:
        return await keys.any_active(conn, at=office.now()) or await sessions.any_password(conn)


async def note_failure(office: Office, at: datetime, **data: str) -> None:
    """Have the audit know that somebody could not sign in."""
    entry = AuditEntry(
        event="user.sign_in_failed", thread_id=ACCESS, by=SYSTEM, at=at, data=dict(data)
    )
    async with office.database.transaction() as conn:
        await audit.append(conn, entry)


async def _compute(function: Callable[..., T], *args: str) -> T:
    async with _hashing:
        return await asyncio.to_thread(function, *args)


def _fits(hashed: str, password: str) -> bool:
    try:
        return _hasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
