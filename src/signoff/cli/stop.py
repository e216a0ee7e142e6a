"""The wish that this process end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket

import structlog

from signoff.cli.signals import ending

log = structlog.get_logger(__name__)


class Stop:
    """Comes with a signal, or when the process that supervises this one is gone.

    The first signal asks for a graceful end, a second one ends the process where it stands: what it
    had under way goes on elsewhere, as after a crash.
    """

    def __init__(self, supervisor: socket.socket | None = None) -> None:
        self._wished = asyncio.Event()
        self._supervisor = supervisor

    def listen(self) -> None:
        """Take note of signals from now on."""
        loop = asyncio.get_running_loop()
        for each in ending():
            loop.add_signal_handler(each, self._on_signal, each)
        if self._supervisor is not None:
            loop.add_reader(self._supervisor, self._on_supervisor_gone)

    async def wait(self) -> None:
        """Return once the process is to end."""
        await self._wished.wait()

    def _on_signal(self, number: signal.Signals) -> None:
        if self._wished.is_set():
            os._exit(128 + number)
        log.log(logging.DEBUG if self._supervisor else logging.INFO, "stopping", signal=number.name)
        self._wished.set()

    def _on_supervisor_gone(self) -> None:
        assert self._supervisor is not None
        asyncio.get_running_loop().remove_reader(self._supervisor)
        self._wished.set()
