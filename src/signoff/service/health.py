"""Whether a desk can do its work."""

from __future__ import annotations

import asyncio

from signoff.db import encryption
from signoff.db.pool import OperationalError
from signoff.domain.errors import DatabaseUnreachable
from signoff.service.office import Office

TIMEOUT = 2.0
"""Seconds in which a healthy database answers."""


async def check_database(office: Office) -> None:
    """Return if the database answers in time, and needs no key that we have not.

    Raises:
        DatabaseUnreachable: It does not.
        EncryptionKeyMissing: It does.
    """
    try:
        async with asyncio.timeout(TIMEOUT), office.database.connection() as conn:
            await encryption.check(conn)
    except (OperationalError, TimeoutError) as error:
        raise DatabaseUnreachable(
            f"The database does not answer within {TIMEOUT:.0f} s."
        ) from error
