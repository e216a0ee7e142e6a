"""What a run streams, in the events of LangGraph's own server, written for those who follow it.

The writer is off the run's way: what comes while a batch is being committed goes into the next one.
Batches go the way of the checkpoints, under the thread's lease and in their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson
from langchain_core.messages import (
    BaseMessage,
    BaseMessageChunk,
    convert_to_messages,
    message_chunk_to_message,
)
from langgraph.types import Interrupt

from signoff.db.group import GroupCommit, Stream, Write
from signoff.db.stream_events import row
from signoff.domain.jsontext import to_json
from signoff.domain.run import Run
from signoff.graph.keys import INTERRUPT
from signoff.graph.writes import schema

StreamMode = Literal[
    "values", "updates", "messages", "messages-tuple", "custom", "tasks", "debug", "checkpoints"
]

STREAM_MODES: tuple[str, ...] = get_args(StreamMode)

MAX_BATCH = 500
"""Events in one write."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked a run to stream; without modes nothing is written at all."""

    modes: tuple[str, ...] = ()
    subgraphs: bool = False

    @classmethod
    def of(cls, run: Run) -> Wish:
        """What is asked of a run by its options."""
        asked = run.options.get("stream_mode") or ()
        modes = (asked,) if isinstance(asked, str) else tuple(asked)
        return cls(
            tuple(mode for mode in modes if mode in STREAM_MODES),
            bool(run.options.get("stream_subgraphs")),
        )

    @property
    def engine_modes(self) -> list[str]:
        """What LangGraph is to be asked for: besides, what a run and its pauses are known by."""
        modes = {"messages" if mode == "messages-tuple" else mode for mode in self.modes}
        return sorted(modes | {"values", "updates"})


class Publisher:
    """Writes what one run streams. `put` never waits; `close` waits for all of it.

    What tells of a pause is held back until `release`: nobody is to hear of a request before it is
    there.
    """

    def __init__(self, wish: Wish, run: Run, stream: Stream, group: GroupCommit) -> None:
        self._wish = wish
        self._run = run
        self._stream = stream
        self._group = group
        self._waiting: list[tuple[str, str]] = []
        self._held: list[tuple[str, str]] = []
        self._messages: dict[str, BaseMessage] = {}
        self._writing: asyncio.Task[None] | None = None
        self._put("metadata", {"run_id": run.id, "attempt": run.attempt})

    def put(self, namespace: Sequence[str], mode: str, payload: Any) -> None:
        """Something that LangGraph has streamed."""
        if mode == "messages":
            self._put_message(namespace, payload)
            return
        pauses = isinstance(payload, dict) and INTERRUPT in payload
        if pauses:
            payload = {**payload, INTERRUPT: [_interrupt(each) for each in payload[INTERRUPT]]}
        if mode in self._wish.modes:
            held = pauses or _tells_of_pause(mode, payload)
            self._put(_named(mode, namespace), payload, hold=held)
        elif mode == "updates" and pauses and "values" not in self._wish.modes:
            # As LangGraph's server does it: a pause is told in any case.
            self._put(_named("values", namespace), payload, hold=True)

    def release(self) -> None:
        """Let go what tells of pauses: they are written, ahead of this."""
        for event, data in self._held:
            self._append(event, data)
        self._held.clear()

    async def close(self) -> None:
        """Return once all is durable.

        Raises:
            LeaseLost: Somebody else holds the thread by now.
        """
        while self._writing is not None:
            await asyncio.shield(self._writing)
        if self._stream.failure is not None:
            raise self._stream.failure

    def _put_message(self, namespace: Sequence[str], payload: Any) -> None:
        if "messages-tuple" in self._wish.modes:
            self._put(_named("messages", namespace), payload)
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
            self._put(_named("messages/metadata", namespace), {id: {"metadata": metadata}})
        partial = isinstance(message, BaseMessageChunk)
        self._put(
            _named("messages/partial" if partial else "messages/complete", namespace),
            [message_chunk_to_message(self._messages[id])],
        )

    def _put(self, event: str, payload: Any, *, hold: bool = False) -> None:
        data = orjson.dumps(to_json(payload)).decode()
        if hold:
            self._held.append((event, data))
        else:
            self._append(event, data)

    def _append(self, event: str, data: str) -> None:
        self._waiting.append((event, data))
        if self._writing is None:
            task = asyncio.create_task(self._write(), name="signoff stream", context=Context())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._writing = task

    async def _write(self) -> None:
        try:
            while self._waiting:
                write = Write(self._stream)
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                for event, data in batch:
                    write.add("events", row(self._run.thread_id, self._run.id, event, data))
                await self._group.commit(write)
        finally:
            self._writing = None


async def closed(publisher: Publisher | None) -> None:
    """Close where a run has not gone well: what was streamed is kept as far as that can be done."""
    if publisher is not None:
        publisher.release()
        with suppress(Exception):
            await publisher.close()


def error_data(error: str) -> str:
    """The `error` event of a run that has failed: the exception's name, and its message."""
    name, separator, message = error.partition(": ")
    if not separator or not name.isidentifier():
        name, message = "RunFailed", error
    return orjson.dumps({"error": name, "message": message}).decode()


def done_data(run_id: str) -> str:
    """The `metadata` event by which those who follow a thread know that a run is done."""
    return orjson.dumps({"status": "run_done", "run_id": run_id}).decode()


def _named(event: str, namespace: Sequence[str]) -> str:
    return "|".join((event, *namespace))


def _interrupt(interrupt: Interrupt[Any]) -> dict[str, Any]:
    return {
        "value": interrupt.value,
        "id": interrupt.id,
        "response_schema": schema(interrupt),
    }


def _tells_of_pause(mode: str, payload: Any) -> bool:
    """Whether an event about tasks or checkpoints has questions in it."""
    if mode == "debug":
        payload = payload["payload"]
    if mode not in ("tasks", "debug", "checkpoints"):
        return False
    tasks = [payload, *payload.get("tasks", ())]
    return any(task.get("interrupts") for task in tasks)
