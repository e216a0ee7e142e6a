"""API keys as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from signoff.cli.output import Column, moment, print_table
from signoff.cli.users.printing import role
from signoff.domain.key import Key
from signoff.speech import ago


def print_keys(keys: Iterable[Key], now: datetime) -> None:
    """Print a table of keys."""
    print_table(
        [
            Column("ID"),
            Column("NAME", wraps=True),
            Column("ACTS AS", wraps=True),
            Column("ROLE", wraps=True),
            Column("GROUPS", wraps=True, extra=True),
            Column("EXPIRES"),
            Column("LAST USED", extra=True),
            Column("STATE"),
        ],
        [
            (
                key.id,
                key.name,
                key.principal,
                role(key.role, key.graphs),
                ", ".join(key.groups),
                "never" if key.expires_at is None else moment(key.expires_at),
                "never" if key.last_used_at is None else ago(key.last_used_at, now),
                key.state(now),
            )
            for key in keys
        ],
    )
