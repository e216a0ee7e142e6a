"""What a run streams, in the events of LangGraph's own server, written for those who follow it.

The writer is off the run's way: what comes while a batch is being committed goes into the next one.
Batches go the way of the checkpoints, under the thread's lease and in their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import (
    BaseMessage,
    BaseMessageChunk,
    convert_to_messages,
    message_chunk_to_message,
)

from signoff.db import stream_events
from signoff.db.group import GroupCommit, Stream, Write
from signoff.domain.question import BREAKPOINT
from signoff.domain.run import Run
from signoff.graph.keys import INTERRUPT
from signoff.graph.streamed import as_json, asked, shown
from signoff.graph.wish import Wish

MAX_BATCH = 256 * 1024
"""Characters of events after which a write takes no more."""


class Publisher:
    """Writes what one run streams, in order. `put` never waits.

    What tells of a question is held back, with all that comes behind it, until the question itself
    is on its way to the database: nobody is to hear of a request before it is there.
    """

    def __init__(
        self, wish: Wish, run: Run, stream: Stream, group: GroupCommit, *, known: Iterable[str] = ()
    ) -> None:
        self._wish = wish
        self._run = run
        self._stream = stream
        self._group = group
        self._known = set(known)
        self._waiting: deque[_Event] = deque()
        self._messages: dict[str, BaseMessage] = {}
        self._writing: asyncio.Task[None] | None = None
        self._append("metadata", {"run_id": run.id, "attempt": run.attempt})

    def put(self, namespace: Sequence[str], mode: str, payload: Any) -> None:
        """Something that LangGraph has streamed."""
        if mode == "messages":
            self._put_message(namespace, payload)
            return
        questions = asked(mode, payload)
        if mode == "updates" and payload.get(INTERRUPT) == ():
            questions = {BREAKPOINT}  # so LangGraph tells of a stop before or after nodes
        if mode in self._wish.modes:
            self._append(_named(mode, namespace), shown(mode, payload), questions)
        elif mode == "updates" and questions - {BREAKPOINT} and "values" not in self._wish.modes:
            # As LangGraph's server does it: a pause is told in any case.
            self._append(_named("values", namespace), shown(mode, payload), questions)

    def is_asked(self, interrupt_ids: Iterable[str]) -> None:
        """Questions that are on their way to the database: what tells of them follows them now."""
        self._known.update(interrupt_ids)
        self._write_on()

    def rest(self) -> list[dict[str, Any]]:
        """What is left to write of a run that went well, as rows; the rest is on its way."""
        left = [event.row for event in self._waiting]
        self._waiting.clear()
        return left

    async def close(self) -> None:
        """Return once all is durable of a run that has not gone well, as far as that can be done.

        Of a question that was not stored, nothing is told.
        """
        self._waiting = deque(each for each in self._waiting if each.questions <= self._known)
        self._write_on()
        with suppress(Exception):
            while self._writing is not None:
                await asyncio.shield(self._writing)

    def _put_message(self, namespace: Sequence[str], payload: Any) -> None:
        if "messages-tuple" in self._wish.modes:
            self._append(_named("messages", namespace), payload)
        if "messages" not in self._wish.modes:
            return
        given, metadata = payload
        message = convert_to_messages([given])[0] if isinstance(given, dict) else given
        id = str(message.id)
        known = self._messages.get(id)
        if isinstance(known, BaseMessageChunk) and isinstance(message, BaseMessageChunk):
            self._messages[id] = known + message
        else:
            self._messages[id] = message
        if known is None:
            self._append(_named("messages/metadata", namespace), {id: {"metadata": metadata}})
        partial = isinstance(message, BaseMessageChunk)
        self._append(
            _named("messages/partial" if partial else "messages/complete", namespace),
            [message_chunk_to_message(self._messages[id])],
        )

    def _append(self, event: str, payload: Any, questions: Set[str] = frozenset()) -> None:
        row = stream_events.row(self._run.thread_id, self._run.id, event, as_json(payload))
        self._waiting.append(_Event(row, frozenset(questions)))
        self._write_on()

    def _write_on(self) -> None:
        if self._writing is None and self._ready() and self._stream.failure is None:
            task = asyncio.create_task(self._write(), name="signoff stream", context=Context())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._writing = task

    def _ready(self) -> bool:
        return bool(self._waiting) and self._waiting[0].questions <= self._known

    async def _write(self) -> None:
        """Write batch after batch: what comes while one is being committed goes into the next."""
        try:
            while self._ready():
                await (await self._group.send(self._batch()))
        finally:
            self._writing = None

    def _batch(self) -> Write:
        write, size = Write(self._stream), 0
        while self._ready() and size < MAX_BATCH:
            row = self._waiting.popleft().row
            write.add("events", row)
            size += len(row["data"])
        return write


@dataclass(frozen=True, slots=True)
class _Event:
    """An event as a row, and the questions that it tells of."""

    row: dict[str, Any]
    questions: frozenset[str]


def _named(event: str, namespace: Sequence[str]) -> str:
    return "|".join((event, *namespace))
