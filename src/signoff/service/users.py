"""The users that a desk knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

from signoff import acting, render
from signoff.clock import utcnow
from signoff.db import audit, keys, notices, sessions, users
from signoff.db.pool import Connection, Database
from signoff.domain.audit import ACCESS, AuditEntry
from signoff.domain.errors import DatabaseNotReady, Forbidden, UserNotFound
from signoff.domain.principal import DEV, SYSTEM, Principal, check_user
from signoff.domain.user import User
from signoff.log import get_logger
from signoff.policies.file import PolicyFile
from signoff.service.keys import entry_of
from signoff.service.office import Office
from signoff.stopping import stopped

Change = Callable[[User], User]
"""What is made of a user."""

log = get_logger(__name__)


async def put_users(office: Office, people: Iterable[User], *, by: str = SYSTEM) -> None:
    """Keep these users as given, each new or in place of the one of that name.

    Raises:
        InvalidInput: A name is none.
    """
    people = _in_order(people)
    if people:
        async with office.database.transaction() as conn:
            entries = []
            for user in people:
                before = await users.lock(conn, user.name)
                if user != before:
                    await users.put(conn, user)
                    entries.append(change_of(before, user, by=by, at=office.now()))
            await audit.append(conn, *entries)
            await notices.users_changed(conn)
        await tell(office)


async def declare_users(
    database: Database, people: Iterable[User], *, forget_others: bool = False
) -> None:
    """Keep the users that a file lists, where it says something else than it did before.

    What was changed since with a command stays as long as the file says nothing new. With
    `forget_others`, users that came from the file are forgotten once it does not list them.

    Raises:
        InvalidInput: A name is none.
    """
    people = _in_order(people)
    at = utcnow()
    async with database.transaction() as conn:
        known = {user.name: user for user in await users.everyone(conn)}
        changed = [user for user in people if await users.declare(conn, user)]
        gone = []
        if forget_others:
            names = await users.forget_undeclared(conn, [user.name for user in people])
            gone = [known[name] for name in names if name in known]
        entries = [change_of(known.get(user.name), user, by=SYSTEM, at=at) for user in changed]
        await audit.append(conn, *entries, *await _forget(conn, gone, by=SYSTEM, at=at))
        if changed or gone:
            await notices.users_changed(conn)
    if gone:
        log.info(
            "users that the file lists no more are forgotten", names=[user.name for user in gone]
        )


async def change_user(
    office: Office, name: str, change: Change, *, create: bool = False, by: str = SYSTEM
) -> User:
    """What `change` makes of a user, kept; with `create`, of a new one if there is none.

    Raises:
        UserNotFound: There is no user of that name.
        InvalidInput: The name is none.
    """
    check_user(name)
    async with office.database.transaction() as conn:
        before = await users.lock(conn, name)
        if before is None and not create:
            raise UserNotFound.of(name)
        after = change(before or User(name=name))
        if after != before:
            await users.put(conn, after)
            await audit.append(conn, change_of(before, after, by=by, at=office.now()))
            await notices.users_changed(conn)
    if after != before:
        await tell(office)
    return after


async def remove_user(office: Office, name: str, *, by: str = SYSTEM) -> bool:
    """Forget a user, with their keys and their sessions; False if there is none of that name."""
    async with office.database.transaction() as conn:
        before = await users.lock(conn, name)
        if before is not None:
            await users.remove(conn, name)
            await audit.append(conn, *await _forget(conn, [before], by=by, at=office.now()))
            await notices.users_changed(conn)
    if before is not None:
        await tell(office)
    return before is not None


def change_of(before: User | None, after: User | None, *, by: str, at: datetime) -> AuditEntry:
    """What was made of a user. Entries come last in a transaction: they have writers wait."""
    event = "user.changed"
    if before is None or after is None:
        event = "user.removed" if after is None else "user.added"
    data = {
        "before": None if before is None else render.user_json(before),
        "after": None if after is None else render.user_json(after),
    }
    return AuditEntry(
        event=event, thread_id=ACCESS, by=by, at=at, data=data, method=acting.method(by)
    )


async def _forget(
    conn: Connection, gone: Iterable[User], *, by: str, at: datetime
) -> list[AuditEntry]:
    """Have nobody act as users who are no more; what the audit is to tell of it."""
    gone = list(gone)
    names = [user.name for user in gone]
    revoked = await keys.revoke_of_users(conn, names, at=at) if gone else []
    if gone:
        await sessions.end_all(conn, names)
    return [
        *(change_of(user, None, by=by, at=at) for user in gone),
        *(entry_of("key.revoked", key, by=by, at=at) for key in revoked),
    ]


async def list_users(office: Office) -> list[User]:
    """All users, by name."""
    async with office.database.connection() as conn:
        return await users.everyone(conn)


async def get_user(office: Office, name: str) -> User:
    """One user.

    Raises:
        UserNotFound: There is no user of that name.
    """
    async with office.database.connection() as conn:
        user = await users.get(conn, name)
    if user is None:
        raise UserNotFound.of(name)
    return user


async def as_user(office: Office, name: str) -> Principal:
    """A user as a principal, whoever calls: for `dev` alone.

    Raises:
        Forbidden: There is no user of that name.
    """
    async with office.database.connection() as conn:
        user = await users.get(conn, name)
    if user is None:
        raise Forbidden(
            f"There is no user {name[:100]!r} to act as: [[user]] in signoff.toml makes one."
        )
    return user.principal(DEV)


@asynccontextmanager
async def follow_users(office: Office, policies: PolicyFile | None) -> AsyncIterator[None]:
    """Know who there is, from now until the end of the context: the policies of a file, and
    whoever tells people, by which channels they are reached.

    Raises:
        InvalidPolicy: They name somebody that there is not.
    """
    changed = asyncio.Event()

    async def know() -> None:
        everyone = await list_users(office)
        reach(office, everyone)
        if policies is not None:
            policies.know(everyone)

    async def follow() -> None:
        while True:
            await changed.wait()
            changed.clear()
            try:
                await know()
            except DatabaseNotReady as error:
                # Once it is back, whatever was missed is told again.
                log.warning("it is not known who there is", error=error.message)

    await know()
    if policies is not None:
        policies.check()
    office.notices.on_users = changed.set
    task = asyncio.create_task(follow(), name="signoff users")
    try:
        yield
    finally:
        await stopped([task])


async def tell(office: Office) -> None:
    """Have this process know of changed users sooner than PostgreSQL tells it."""
    office.keyring.forget()
    if isinstance(office.book, PolicyFile) or office.available:
        everyone = await list_users(office)
        reach(office, everyone)
        if isinstance(office.book, PolicyFile):
            office.book.know(everyone)


def reach(office: Office, everyone: Iterable[User]) -> None:
    """Use the channels by which somebody is reached, and no other: with none, nothing is done.

    Channels that are none of the settings' are left alone. That somebody has an address of a
    channel that is not set up is said once.
    """
    wanted = {channel for user in everyone for channel, _ in user.ways}
    before = office.channels.keys()
    others = {name: each for name, each in office.channels.items() if name not in office.available}
    office.channels = others | {
        name: way for name, way in office.available.items() if name in wanted
    }
    missing = wanted - {*office.available, *office.channels}
    if office.available and missing and office.channels.keys() != before:
        log.warning(
            "nobody is told by e-mail: users have addresses, and there is no [smtp]",
            channels=sorted(missing),
        )


def _in_order(people: Iterable[User]) -> list[User]:
    """These users in one order for all processes, so that none waits for the other in a circle."""
    ordered = sorted(people, key=lambda user: user.name)
    for user in ordered:
        check_user(user.name)
    return ordered
