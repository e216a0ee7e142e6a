"""The checkpointer: a pause and its request commit in one transaction, and only under the lease.

It keeps LangGraph's own tables and formats; reading is LangGraph's code, on a pooled connection
for each operation instead of one lock for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from enum import Enum
from inspect import signature
from math import isfinite
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.base import MIGRATIONS
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.constants import START
from langgraph.types import Interrupt

from signoff.clock import utcnow
from signoff.db.group import GroupCommit, Rows, Write, base64
from signoff.db.pool import Connection, Database
from signoff.domain.errors import InvalidQuestion
from signoff.domain.jsontext import to_json
from signoff.graph import outside
from signoff.graph.context import RunContext
from signoff.graph.failures import with_failures
from signoff.graph.guard import node_of
from signoff.graph.keys import RUN
from signoff.graph.memory import Trail
from signoff.graph.opening import Opener
from signoff.graph.recalling import checkpoint_of
from signoff.graph.sealed_saver import SealedSaver
from signoff.graph.writes import Task, finished, interrupts

CHECKPOINT_MIGRATIONS: Sequence[str] = MIGRATIONS
"""LangGraph's migrations of the checkpoint tables, for `signoff.db.migrate`."""


class SignoffSaver(SealedSaver):
    """LangGraph's PostgreSQL checkpointer, for one graph of a desk.

    A run of the desk brings its `RunContext` in the config; its writes are fenced by the run's
    lease. A process that runs the graph by itself brings none: its pauses become requests all the
    same, and its writes are refused while a worker of the desk holds the thread.
    """

    def __init__(
        self,
        database: Database,
        group: GroupCommit,
        graph: str,
        *,
        now: Callable[[], datetime] = utcnow,
        opener: Opener | None = None,
    ) -> None:
        super().__init__(database)
        self.opener = opener or Opener()
        self.graph = graph
        self.now = now
        self._group = group

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that a config names, or the thread's latest.

        A run that has loaded it to look at its pending questions hands it on here.

        Raises:
            LeaseLost: The run's lease is lost.
        """
        configurable = config["configurable"]
        run: RunContext | None = configurable.get(RUN)
        if run is not None and not configurable.get("checkpoint_ns"):
            head = run.take_head(get_checkpoint_id(config))
            if head is not None:
                return with_failures(head.checkpoint)
        await _flush(config)
        found = await super().aget_tuple(config)
        return found if run is None else with_failures(found)

    def remembered(self, trail: Trail | None) -> CheckpointTuple | None:
        """The checkpoint that a trail leads to, as if it were loaded; None if it leads to none."""
        return None if trail is None else checkpoint_of(trail, self.serde)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints that fit, the newest first.

        Raises:
            LeaseLost: The run's lease is lost.
        """
        await _flush(config)
        async for found in super().alist(config, filter=filter, before=before, limit=limit):
            yield found

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What LangGraph rebuilds its delta channels from.

        Raises:
            LeaseLost: The run's lease is lost.
        """
        await _flush(config)
        return await super().aget_delta_channel_history(config=config, channels=channels)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint, and close the requests of pauses that it leaves behind.

        Raises:
            LeaseLost: The run's lease is lost; nothing was written.
            ThreadBusy: A worker of the desk holds the thread; nothing was written.
        """
        configurable = config["configurable"]
        thread_id = configurable["thread_id"]
        namespace = configurable.get("checkpoint_ns", "")
        run: RunContext | None = configurable.get(RUN)
        trail = run.trail if run is not None and not namespace else None
        rows = self._checkpoint_rows(config, checkpoint, metadata, new_versions, trail)
        if run is None:
            async with self._transaction() as conn:
                await outside.checkpoint(
                    conn,
                    rows,
                    thread_id=thread_id,
                    graph=self.graph,
                    checkpoint_ns=namespace,
                    checkpoint_id=checkpoint["id"],
                    values=checkpoint["channel_values"],
                    at=self.now(),
                )
        else:
            write = Write(run.stream, rows)
            run.note_checkpoint(write, checkpoint_ns=namespace, checkpoint_id=checkpoint["id"])
            await run.send(write, linger=True)
        return {
            "configurable": {
                "thread_id": thread_id,
                "checkpoint_ns": namespace,
                "checkpoint_id": checkpoint["id"],
            }
        }

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save a task's writes, with the requests that they open and the answers that they take.

        Raises:
            LeaseLost: The run's lease is lost; nothing was written.
            ThreadBusy: A worker of the desk holds the thread; nothing was written.
            InvalidQuestion: A question holds what cannot be stored; nothing was written.
            TooLarge: A question is over 1 MiB as JSON; nothing was written.
        """
        configurable = config["configurable"]
        namespace = configurable.get("checkpoint_ns", "")
        task = Task(
            thread_id=configurable["thread_id"],
            graph=self.graph,
            id=task_id,
            node=node_of(task_id, namespace) or task_path.rpartition(", ")[2] or "graph",
            checkpoint_ns=namespace,
            checkpoint_id=configurable["checkpoint_id"],
        )
        run: RunContext | None = configurable.get(RUN)
        trail = run.trail if run is not None and not namespace else None
        rows = self._write_rows(task, task_path, writes, trail)
        if run is None:
            async with self._transaction() as conn:
                await outside.task_writes(
                    conn, rows, writes, task, at=self.now(), opener=self.opener
                )
        else:
            write = Write(run.stream, rows)
            run.note_writes(write, writes, task)
            await run.send(write, linger=not finished(writes) or task.node == START)
            if questions := interrupts(writes):
                run.tell(question.id for question in questions)

    # LangGraph asks for it with every run, to know what the method takes.
    aput_writes.__signature__ = signature(aput_writes)  # type: ignore[attr-defined]

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete the checkpoints of a thread, and supersede what it asks; its record stays.

        Raises:
            ThreadBusy: A worker of the desk holds the thread; nothing was deleted.
        """
        async with self._transaction() as conn:
            await outside.removal(conn, thread_id, at=self.now())

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all checkpoints of threads but the latest; or, to ``"delete"``, all of them.

        Raises:
            ThreadBusy: A worker of the desk holds a thread that is to be deleted.
        """
        if strategy != "delete" or isinstance(thread_ids, str):
            await super().aprune(thread_ids, strategy=strategy)
            return
        for thread_id in thread_ids:
            await self.adelete_thread(thread_id)

    def _write_rows(
        self,
        task: Task,
        task_path: str,
        writes: Sequence[tuple[str, Any]],
        trail: Trail | None,
    ) -> Rows:
        """The rows of a task's writes. LangGraph keeps those of control channels in one slot each.

        A slot is written over only if all writes are of that sort, as LangGraph does it.
        """
        control = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        rows = Rows()
        for number, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, number)
            try:
                type_, blob = self.serde.dumps_typed(value)
            except TypeError as error:
                if asked := interrupts(writes):
                    raise _unstorable(asked) from error
                raise
            if trail is not None:
                pending = task_path, channel, type_, blob
                trail.write(task.checkpoint_id, task.id, index, pending, over=control)
            rows.add(
                "control_writes" if control else "task_writes",
                {
                    "thread_id": task.thread_id,
                    "checkpoint_ns": task.checkpoint_ns,
                    "checkpoint_id": task.checkpoint_id,
                    "task_id": task.id,
                    "task_path": task_path,
                    "idx": index,
                    "channel": channel,
                    "type": type_,
                    "blob": base64(blob),
                },
                key=(task.checkpoint_id, task.id, index) if control else None,
            )
        return rows

    def _checkpoint_rows(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        trail: Trail | None,
    ) -> Rows:
        """The rows of a checkpoint: plain scalars in its own row, all other values as blobs.

        Scalars that a ``jsonb`` column cannot hold (NaN, NUL characters, huge integers) go with
        the blobs; LangGraph reads them from there just as well.
        """
        configurable = config["configurable"]
        place = {
            "thread_id": configurable["thread_id"],
            "checkpoint_ns": configurable.get("checkpoint_ns", ""),
        }
        inline: dict[str, Any] = {}
        stored: dict[str, Any] = {}
        rows = Rows()
        for channel, value in checkpoint["channel_values"].items():
            if _fits_json(value):
                inline[channel] = value
                continue
            if isinstance(value, _DeltaSnapshot):
                inline[channel] = True
                trail = None  # rebuilt from older checkpoints as well
            stored[channel] = checkpoint["channel_versions"].get(channel)
            if channel in new_versions:
                type_, blob = self.serde.dumps_typed(value)
                if trail is not None:
                    trail.blob(channel, new_versions[channel], type_, blob)
                rows.add(
                    "blobs",
                    {
                        **place,
                        "channel": channel,
                        "version": new_versions[channel],
                        "type": type_,
                        "blob": base64(blob),
                    },
                )
        row = {
            **place,
            "checkpoint_id": checkpoint["id"],
            "parent_checkpoint_id": configurable.get("checkpoint_id"),
            "checkpoint": {**checkpoint, "channel_values": inline},
            "metadata": get_serializable_checkpoint_metadata(config, metadata),
        }
        if trail is not None:
            trail.checkpoint(row, stored)
        rows.add(
            "checkpoints",
            row,
            key=(place["thread_id"], place["checkpoint_ns"], checkpoint["id"]),
        )
        return rows

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        """What a write without a run's lease happens in."""
        async with self._database.transaction() as conn:
            yield conn


async def _flush(config: RunnableConfig | None) -> None:
    """A run reads what it has written, even while that is on its way to the database."""
    run: RunContext | None = config["configurable"].get(RUN) if config else None
    if run is not None:
        await run.stream.flush()


def _unstorable(asked: Sequence[Interrupt[Any]]) -> InvalidQuestion:
    """What is wrong, by what the questions hold; LangGraph names only what they are wrapped in."""
    held = ", ".join(f"{to_json(each.value)!r:.200}" for each in asked)
    return InvalidQuestion(f"The question holds something that cannot be stored: {held}.")


def _fits_json(value: Any) -> bool:
    if isinstance(value, Enum):
        return False  # of texts or numbers: it would come back as one of these
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return "\x00" not in value
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and isfinite(value)
