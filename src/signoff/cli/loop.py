"""The event loop of a process that stays, and the threads beside it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import structlog

if sys.platform != "win32":
    import uvloop

P = ParamSpec("P")
T = TypeVar("T")

MAX_THREADS = 1000
"""Nodes that are plain functions each take a thread; how many there are, `concurrency` says."""

log = structlog.get_logger(__name__)


def run_loop(process: Coroutine[Any, Any, None]) -> None:
    """Run a process on the fastest event loop there is, until it has ended gracefully.

    A node that still keeps a thread then is not waited for, however long it takes: its run has
    been handed over.
    """
    factory = None if sys.platform == "win32" else uvloop.new_event_loop
    threads = _Threads()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_default_executor(threads)
        runner.run(process)
        if busy := threads.busy():
            log.warning("nodes that had to be handed over are left behind", number=busy)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


class _Threads(ThreadPoolExecutor):
    """Threads for functions that block, as many as are needed."""

    def __init__(self) -> None:
        super().__init__(MAX_THREADS, thread_name_prefix="signoff")
        self._given: set[Future[Any]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future = super().submit(fn, *args, **kwargs)
        self._given.add(future)
        future.add_done_callback(self._given.discard)
        return future

    def busy(self) -> int:
        """How many functions have not returned."""
        return sum(future.running() for future in list(self._given))
