"""How often somebody may do something, counted in this process."""

from __future__ import annotations

import time

MOST = 10_000
"""Subjects that are counted at a time."""


class Rates:
    """A leaky bucket for each subject, which takes `burst` seconds' worth at once.

    It is kept as a single moment: the one at which the bucket is empty again (the generic cell
    rate algorithm).
    """

    def __init__(self, per_minute: int, *, burst: float) -> None:
        self.per_minute = per_minute
        self._burst = burst
        self._spent: dict[str, float] = {}

    def spend(self, subject: str) -> float:
        """Count one more for a subject: 0.0, or the seconds to wait if that is too much now."""
        now = time.monotonic()
        if len(self._spent) >= MOST:
            self._spent = {each: until for each, until in self._spent.items() if until > now}
        each = 60 / self.per_minute
        empty_at = max(self._spent.get(subject, now), now)
        wait = empty_at + each - (now + max(self._burst, each))
        if wait > 0:
            return wait
        self._spent[subject] = empty_at + each
        return 0.0
