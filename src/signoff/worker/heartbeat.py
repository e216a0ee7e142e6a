"""Renewing this process's claim to be alive, whatever its event loop is doing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from signoff.db.workers import Renewal
from signoff.log import get_logger

log = get_logger(__name__)

RETRY = 0.5
"""Seconds after which a renewal that has not reached the database is tried again."""


class Heartbeat:
    """A thread that renews a worker every third of its lease.

    It is a thread of its own so that a node which blocks the event loop, as many do, does not
    make the worker look dead. `on_lost` is called, in that thread, when the worker was found dead
    and removed; renewing ends with it.
    """

    def __init__(self, renewal: Renewal, lease: timedelta, on_lost: Callable[[], None]) -> None:
        self._renewal = renewal
        self._every = lease.total_seconds() / 3
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="signoff heartbeat", daemon=True)

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """End renewing. What is on its way to the database still gets there."""
        self._stop.set()

    def _beat(self) -> None:
        with self._renewal as renewal:
            pause, told = self._every, False
            while not self._stop.wait(pause):
                alive = renewal.renew()
                pause = self._every if alive else min(self._every, RETRY)
                if alive is None and not told:
                    log.warning("cannot renew the lease, trying again until it works")
                told = alive is None
                if alive is False and not self._stop.is_set():
                    self._on_lost()
                    return
