"""What a worker is given to execute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from signoff.db.group import Stream
from signoff.db.requests import Answered
from signoff.domain.request import Request
from signoff.domain.run import Run
from signoff.domain.thread import Lease
from signoff.graph.memory import Trail

REASK = "reask"
"""In a run's options: the id of the request whose question is to be asked anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """A run to execute, and what its thread waits for.

    `known` are the thread's requests that are open, undelivered or withdrawn; `answers` those
    given so far to the tasks they belong to. `work` is how often the thread was given work when
    the run was begun, and `fresh` says that it has no checkpoint yet. `trail` leads to the latest
    one, where that is remembered. `stream` takes what the run writes; what a run that went well has
    written may still be on its way when it returns.
    """

    work: int
    run: Run
    known: Sequence[Request] = ()
    answers: Sequence[Answered] = ()
    fresh: bool = False
    trail: Trail | None = None
    stream: Stream

    @property
    def lease(self) -> Lease:
        """The right to write to the thread."""
        return self.stream.lease
