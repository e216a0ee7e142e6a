"""The users that a desk knows."""

from __future__ import annotations

from collections.abc import Iterable

from signoff.db import users
from signoff.domain.principal import check_principal
from signoff.domain.user import User
from signoff.service.office import Office


async def put_users(office: Office, people: Iterable[User]) -> None:
    """Keep these users as given, each new or in place of the one of that name.

    Raises:
        InvalidInput: A name is none.
    """
    people = tuple(people)
    for user in people:
        check_principal(user.name)
    if people:
        async with office.database.transaction() as conn:
            for user in people:
                await users.put(conn, user)


async def remove_user(office: Office, name: str) -> bool:
    """Forget a user; False if there is none of that name."""
    async with office.database.connection() as conn:
        return await users.remove(conn, name)


async def list_users(office: Office) -> list[User]:
    """All users, by name."""
    async with office.database.connection() as conn:
        return await users.everyone(conn)
