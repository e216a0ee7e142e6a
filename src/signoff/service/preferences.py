"""How somebody wishes to be told, as they choose themselves."""

from __future__ import annotations

from dataclasses import replace

from signoff.db import users
from signoff.domain.errors import FieldError, InvalidInput, UserNotFound
from signoff.domain.preferences import Preferences
from signoff.domain.user import User
from signoff.service.office import Office
from signoff.service.users import change_user


async def find(office: Office, name: str) -> User | None:
    """Whose preferences these are; None if they are no user, and so told of nothing."""
    async with office.database.connection() as conn:
        return await users.get(conn, name)


async def get(office: Office, name: str) -> User:
    """Whose preferences these are.

    Raises:
        UserNotFound: There is no user of that name.
    """
    user = await find(office, name)
    if user is None:
        raise UserNotFound(f"{name} is no user, and so told of nothing.")
    return user


async def choose(office: Office, name: str, chosen: Preferences | None) -> User:
    """Keep what a user chose; None goes back to what is said for them. The audit tells of it.

    Raises:
        UserNotFound: There is no user of that name.
        InvalidInput: It names a channel that does not reach them.
    """
    user = await get(office, name)
    if chosen is not None:
        _check_channels(user, chosen)
    return await change_user(office, name, lambda user: replace(user, chosen=chosen), by=name)


def _check_channels(user: User, chosen: Preferences) -> None:
    """Return if what was chosen reaches them: with a name that is mistyped they would hear nothing.

    What holds for them already may name others.
    """
    there = dict.fromkeys(channel for channel, _ in user.ways)
    known = {*there, *(user.wishes.channels or ())}
    reached = f"you are reached by {', '.join(there) or 'none'}"
    errors = [
        FieldError(f"/notify/channels/{n}", f"names {channel:.80}, and {reached}")
        for n, channel in enumerate(chosen.channels or ())
        if channel not in known
    ]
    if errors:
        raise InvalidInput(f"notify.channels {errors[0].message}.", errors)
