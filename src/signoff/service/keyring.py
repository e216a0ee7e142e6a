"""Whom a key makes of its bearer: looked up once, and known until something about it changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from signoff.db import keys
from signoff.db.notices import Notices
from signoff.db.pool import Database
from signoff.domain.errors import RateLimited, Unauthenticated
from signoff.domain.key import Key, parts_of
from signoff.domain.principal import Principal
from signoff.domain.user import User
from signoff.service.rates import Rates

TRUSTED = 60.0
"""Seconds for which a key is believed without a look, at most. PostgreSQL tells every process at
once when one is revoked; this is for the case that a connection is dead and nobody noticed."""

NOTED = timedelta(minutes=1)
"""How exactly is noted when a key was used last."""

PER_MINUTE = 6000
"""Calls with one key in a minute, unless it is set otherwise."""

BURST = 10.0
"""Seconds: as many calls as are allowed in this time may come at once."""

MOST = 10_000
"""Keys that are known at a time."""


class Keyring:
    """The keys that this process has seen lately.

    One that is known costs no query. It is forgotten when any key or user changes, and nothing is
    believed while this process is not told of changes.
    """

    def __init__(self, database: Database, notices: Notices, now: Callable[[], datetime]) -> None:
        self._database = database
        self._notices = notices
        self._now = now
        self._known: dict[str, tuple[float, Key, User | None]] = {}
        self.rates = Rates(PER_MINUTE, burst=BURST)
        """The most calls with one key in a minute."""
        self._noted: dict[str, datetime] = {}
        self.changes = 0
        """How often it was told that a key or a user has changed."""
        notices.on_access = self.forget

    def forget(self) -> None:
        """Look everyone up anew."""
        self.changes += 1
        self._known.clear()

    async def principal(self, text: str) -> Principal:
        """Who acts with the key of this text.

        Raises:
            Unauthenticated: It is no key, or not any more; to whoever shows it, that is the same.
            RateLimited: There were too many calls with it.
        """
        parts = parts_of(text)
        if parts is None:
            raise Unauthenticated("This is no API key of Signoff.")
        key_id, secret = parts
        found = await self._look_up(key_id)
        at = self._now()
        if found is not None:
            key, owner = found
            if key.has(secret) and key.state(at) == "active":
                principal = key.act(owner)
                if principal is not None:
                    self._spend(key_id)
                    await self._note(key_id, at)
                    return principal
        raise Unauthenticated("This API key is unknown, expired or revoked.")

    async def _look_up(self, key_id: str) -> tuple[Key, User | None] | None:
        known = self._known.get(key_id)
        if known is not None and self._notices.listening and known[0] > time.monotonic():
            return known[1], known[2]
        seen = self.changes
        async with self._database.connection() as conn:
            found = await keys.get(conn, key_id)
        if found is not None and seen == self.changes:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key_id] = (time.monotonic() + TRUSTED, *found)
        return found

    def _spend(self, key_id: str) -> None:
        """Count a call with a key."""
        if (wait := self.rates.spend(key_id)) > 0:
            raise RateLimited(
                f"There are more than {self.rates.per_minute} calls a minute with this API key.",
                retry_after=timedelta(seconds=wait),
            )

    async def _note(self, key_id: str, at: datetime) -> None:
        """Note that a key was used, once in a while."""
        noted = self._noted.get(key_id)
        if noted is not None and at - noted < NOTED:
            return
        if len(self._noted) >= MOST:
            self._noted.clear()
        self._noted[key_id] = at
        async with self._database.taking() as conn:
            await keys.used(conn, key_id, at=at, every=NOTED)
