"""When something that did not work is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

PATIENCE = timedelta(days=3)
"""How long it is tried, from when it was planned."""

SHORTEST = timedelta(seconds=10)
"""The wait before the second try, by and large."""

LONGEST = timedelta(hours=6)
"""The longest wait, by and large."""

MOST_ASKED = timedelta(days=1)
"""How long a receiver may ask to be left alone."""


def next_attempt(
    planned_at: datetime, now: datetime, *, chance: float, asked: timedelta | None = None
) -> datetime | None:
    """When to try again; None once it has been tried for three days.

    Each wait is about as long as all before it together, so that it doubles each time, times 0.5 to
    1.5: `chance`, from 0 to 1, says which, so that what failed together is not tried together. It
    is no shorter than the receiver has `asked` for. The last try is made when three days are over.
    """
    give_up_at = planned_at + PATIENCE
    if now >= give_up_at:
        return None
    wait = min(max(now - planned_at, SHORTEST), LONGEST) * (0.5 + chance)
    if asked is not None:
        wait = max(wait, min(asked, MOST_ASKED))
    return min(now + wait, give_up_at)
