"""What this process still knows of threads that paused here, so that it need not be looked up.

Nothing is decided by it. A decision that is made by what is remembered is recorded only if the
request still stands as it was seen, and a checkpoint is used only under the lease that follows the
epoch at which the thread came to rest: whoever wrote to the thread since then has raised it.
Serialised forms are kept, not objects, so that what is handed out is as fresh as from the database.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from signoff.domain.request import Request
from signoff.domain.thread import Lease

MAX_THREADS = 512
"""Threads that are remembered; the one that rests the longest is forgotten first."""

MAX_BYTES = 65_536
"""The largest checkpoint that is remembered: 32 MiB for all of them."""


Pending = tuple[str, str, str, bytes | None]
"""A pending write as it is stored: the path of its task, the channel, the type and the value."""


@dataclass(slots=True)
class Trail:
    """What a run has stored of its thread's root graph: its latest checkpoint and what is pending.

    `row` is None while there is no checkpoint, or one of which not everything is known.
    """

    row: dict[str, Any] | None = None
    blobs: dict[str, tuple[Any, str, bytes | None]] = field(default_factory=dict)
    writes: dict[str, dict[tuple[str, int], Pending]] = field(default_factory=dict)

    def blob(self, channel: str, version: Any, type_: str, blob: bytes | None) -> None:
        """Note a channel's value, as it was stored."""
        self.blobs[channel] = version, type_, blob

    def checkpoint(self, row: dict[str, Any], stored: Mapping[str, Any]) -> None:
        """Note a checkpoint by its row; `stored` are its channels kept as blobs, with versions."""
        self.row = None
        self.writes = {at: kept for at, kept in self.writes.items() if at == row["checkpoint_id"]}
        if all(self._knows(channel, version) for channel, version in stored.items()):
            self.blobs = {channel: self.blobs[channel] for channel in stored}
            self.row = {
                **row,
                "checkpoint": orjson.dumps(row["checkpoint"]),
                "metadata": orjson.dumps(row["metadata"]),
            }

    def write(
        self, checkpoint_id: str, task_id: str, index: int, pending: Pending, *, over: bool
    ) -> None:
        """Note a pending write of a task; one that is there already is written `over`, or stays."""
        writes = self.writes.setdefault(checkpoint_id, {})
        if over or (task_id, index) not in writes:
            writes[task_id, index] = pending

    def size(self) -> int:
        """The bytes that it takes, about."""
        kept = [blob for _, _, blob in self.blobs.values()]
        kept += [pending[-1] for pending in self.pending().values()]
        row = self.row or {"checkpoint": b"", "metadata": b""}
        return (
            len(row["checkpoint"]) + len(row["metadata"]) + sum(len(each or b"") for each in kept)
        )

    def pending(self) -> dict[tuple[str, int], Pending]:
        """The writes that are pending at the latest checkpoint."""
        return {} if self.row is None else self.writes.get(self.row["checkpoint_id"], {})

    def _knows(self, channel: str, version: Any) -> bool:
        return channel in self.blobs and self.blobs[channel][0] == version


@dataclass(frozen=True, slots=True)
class Pausing:
    """How a run left its thread: the one request that it waits for, if it is one, and its trail."""

    request: Request | None
    trail: Trail


@dataclass(frozen=True, slots=True)
class Remembered:
    """A thread as it came to rest at `epoch`."""

    epoch: int
    request: Request | None
    trail: Trail


class Memory:
    """The threads that paused in this process, the most recent ones."""

    def __init__(self) -> None:
        self._threads: OrderedDict[str, Remembered] = OrderedDict()
        self._requests: dict[str, str] = {}

    def keep(self, thread_id: str, epoch: int, pausing: Pausing) -> None:
        """Remember how a thread came to rest, once that is durable."""
        self.forget(thread_id)
        if pausing.trail.size() > MAX_BYTES:
            return
        self._threads[thread_id] = Remembered(epoch, pausing.request, pausing.trail)
        if pausing.request is not None:
            self._requests[pausing.request.id] = thread_id
        if len(self._threads) > MAX_THREADS:
            self.forget(next(iter(self._threads)))

    def forget(self, thread_id: str) -> Remembered | None:
        """Forget a thread; what was known of it."""
        known = self._threads.pop(thread_id, None)
        if known is not None and known.request is not None:
            self._requests.pop(known.request.id, None)
        return known

    def of_request(self, request_id: str) -> Remembered | None:
        """What is known of the thread whose only question is this request."""
        thread_id = self._requests.get(request_id)
        return None if thread_id is None else self._threads[thread_id]

    def follow(self, lease: Lease, before: int) -> None:
        """Take note that a lease has followed on an epoch in a step of any size."""
        known = self._threads.get(lease.thread_id)
        if known is not None and known.epoch == before:
            self._threads[lease.thread_id] = replace(known, epoch=lease.epoch - 1)

    def trail(self, lease: Lease, waiting: Iterable[Request]) -> Trail | None:
        """What is stored of a thread, if nobody had it between its rest and this lease.

        One of the requests that it waits for has to be of the checkpoint that is remembered: a
        thread that was removed and made again counts its epochs anew.
        """
        known = self.forget(lease.thread_id)
        if known is None or known.epoch + 1 != lease.epoch or known.trail.row is None:
            return None
        at = known.trail.row["checkpoint_id"]
        return known.trail if any(each.pause.checkpoint_id == at for each in waiting) else None
