"""The users that a desk knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import structlog

from signoff.db import notices, users
from signoff.db.pool import Database
from signoff.domain.errors import DatabaseNotReady, UserNotFound
from signoff.domain.principal import check_principal
from signoff.domain.user import User
from signoff.policies import PolicyFile
from signoff.service.office import Office
from signoff.stopping import stopped

Change = Callable[[User], User]
"""What is made of a user."""

log = structlog.get_logger(__name__)


async def put_users(office: Office, people: Iterable[User]) -> None:
    """Keep these users as given, each new or in place of the one of that name.

    Raises:
        InvalidInput: A name is none.
    """
    people = _in_order(people)
    if people:
        async with office.database.transaction() as conn:
            for user in people:
                await users.put(conn, user)
            await notices.users_changed(conn)
        await _tell(office)


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
    async with database.transaction() as conn:
        changed = [user.name for user in people if await users.declare(conn, user)]
        gone = []
        if forget_others:
            gone = await users.forget_undeclared(conn, [user.name for user in people])
        if changed or gone:
            await notices.users_changed(conn)
    if gone:
        log.info("users that the file lists no more are forgotten", names=gone)


async def change_user(office: Office, name: str, change: Change, *, create: bool = False) -> User:
    """What `change` makes of a user, kept; with `create`, of a new one if there is none.

    Raises:
        UserNotFound: There is no user of that name.
        InvalidInput: The name is none.
    """
    check_principal(name)
    async with office.database.transaction() as conn:
        before = await users.lock(conn, name)
        if before is None and not create:
            raise _unknown(name)
        after = change(before or User(name=name))
        if after != before:
            await users.put(conn, after)
            await notices.users_changed(conn)
    if after != before:
        await _tell(office)
    return after


async def remove_user(office: Office, name: str) -> bool:
    """Forget a user; False if there is none of that name."""
    async with office.database.transaction() as conn:
        removed = await users.remove(conn, name)
        if removed:
            await notices.users_changed(conn)
    if removed:
        await _tell(office)
    return removed


async def list_users(office: Office) -> list[User]:
    """All users, by name."""
    async with office.database.connection() as conn:
        return await users.everyone(conn)


async def get_user(office: Office, name: str) -> User:
    """One user.

    Raises:
        UserNotFound: There is no user of that name.
    """
    found = [user for user in await list_users(office) if user.name == name]
    if not found:
        raise _unknown(name)
    return found[0]


@asynccontextmanager
async def follow_users(office: Office, policies: PolicyFile) -> AsyncIterator[None]:
    """Have the policies of a file know who there is, from now until the end of the context.

    Raises:
        InvalidPolicy: They name somebody that there is not.
    """
    changed = asyncio.Event()

    async def follow() -> None:
        while True:
            await changed.wait()
            changed.clear()
            try:
                policies.know(await list_users(office))
            except DatabaseNotReady as error:
                # Once it is back, whatever was missed is told again.
                log.warning("it is not known who there is", error=error.message)

    policies.know(await list_users(office))
    policies.check()
    office.notices.on_users = changed.set
    task = asyncio.create_task(follow(), name="signoff users")
    try:
        yield
    finally:
        await stopped([task])


async def _tell(office: Office) -> None:
    """Have the policies of this process know of changed users, sooner than PostgreSQL tells it."""
    if isinstance(office.book, PolicyFile):
        office.book.know(await list_users(office))


def _in_order(people: Iterable[User]) -> list[User]:
    """These users in one order for all processes, so that none waits for the other in a circle."""
    ordered = sorted(people, key=lambda user: user.name)
    for user in ordered:
        check_principal(user.name)
    return ordered


def _unknown(name: str) -> UserNotFound:
    return UserNotFound(f"There is no user {name}: see `signoff users list`.")
