"""How somebody wishes to be told, as they choose themselves."""

from __future__ import annotations

from dataclasses import replace

from signoff.db import users
from signoff.domain.errors import UserNotFound
from signoff.domain.preferences import Preferences
from signoff.domain.user import User
from signoff.service.office import Office
from signoff.service.users import change_user


async def find(office: Office, name: str) -> User | None:
    """Whose preferences these are; None if they are no user, and so told of nothing."""
    async with office.database.connection() as conn:
        return await users.get(conn, name)


async def choose(office: Office, name: str, chosen: Preferences | None) -> User:
    """Keep what a user chose; None goes back to what is said for them. The audit tells of it.

    Raises:
        UserNotFound: There is no user of that name.
    """
    if await find(office, name) is None:
        raise UserNotFound(f"{name} is no user, and so told of nothing.")
    return await change_user(office, name, lambda user: replace(user, chosen=chosen), by=name)
