"""Reading checkpoints, of which what people and graphs said may be encrypted.

Reading is LangGraph's code, on a pooled connection for each operation. What it finds is opened
before it looks into it; what was stored before encryption was turned on is taken as it is.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, DeltaChannelHistory
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from signoff.ask import Decision, Vote
from signoff.db.pool import Database
from signoff.db.sealed import Sealer
from signoff.db.sealed_parts import CLEAR_METADATA
from signoff.domain.errors import NotSupported

OWN: Sequence[type] = (Decision, Vote)
"""What a node may keep of ours, read back as what it is also where LangGraph reads strictly."""


class SealedSaver(AsyncPostgresSaver):
    """LangGraph's PostgreSQL checkpointer, on a database that may be encrypted."""

    def __init__(self, database: Database) -> None:
        super().__init__(
            cast(Any, database.pool), serde=JsonPlusSerializer().with_msgpack_allowlist(OWN)
        )
        self._database = database
        self._place: tuple[str, str] | None = None

    @property
    def sealer(self) -> Sealer | None:
        """What the database is encrypted with, if it is."""
        return self._database.sealer

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """A cursor on a connection of its own, so that threads do not wait for one another."""
        async with self._database.connection() as conn:
            if pipeline:
                async with conn.pipeline(), conn.cursor(binary=True) as cursor:
                    yield cursor
            else:
                async with conn.cursor(binary=True) as cursor:
                    yield cursor

    def _search_where(
        self,
        config: RunnableConfig | None,
        filter: Any,
        before: RunnableConfig | None = None,
    ) -> tuple[str, list[Any]]:
        if filter and self.sealer is not None and (hidden := filter.keys() - CLEAR_METADATA):
            names = ", ".join(sorted(hidden))
            raise NotSupported(f"checkpoints cannot be searched by {names}: it is encrypted")
        return super()._search_where(config, filter, before)

    async def _load_checkpoint_tuple(self, value: DictRow) -> CheckpointTuple:
        if self.sealer is not None:
            value = _opened(self.sealer, value)
        return await super()._load_checkpoint_tuple(value)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What LangGraph rebuilds its delta channels from."""
        configurable = config["configurable"]
        reader = copy.copy(self)
        reader._place = configurable["thread_id"], configurable.get("checkpoint_ns", "")
        return await AsyncPostgresSaver.aget_delta_channel_history(
            reader, config=config, channels=channels
        )

    def _build_delta_channels_writes_history(
        self, *, stage2_rows: Any, seed_inline_by_ch: Mapping[str, Any], **given: Any
    ) -> dict[str, DeltaChannelHistory]:
        sealer = self.sealer
        if sealer is not None and self._place is not None:
            stage2_rows = [_opened_delta(sealer, self._place, row) for row in stage2_rows]
        return super()._build_delta_channels_writes_history(
            stage2_rows=stage2_rows, seed_inline_by_ch=seed_inline_by_ch, **given
        )


def _opened(sealer: Sealer, row: DictRow) -> DictRow:
    """A row of LangGraph's SELECT as if nothing in it were encrypted."""
    row = sealer.open_checkpoint(row)
    place = row["thread_id"], row["checkpoint_ns"]
    versions = row["checkpoint"]["channel_versions"]
    values = []
    bound: tuple[object, ...]
    for channel, type_, blob in row["channel_values"] or ():
        name = channel.decode()
        bound = "checkpoint_blobs", *place, name, versions[name]
        opened, data = sealer.open_blob(type_.decode(), blob, *bound)
        values.append((channel, opened.encode(), data))
    writes = []
    for task_id, channel, type_, blob, path, index in row["pending_writes"] or ():
        bound = "checkpoint_writes", *place, row["checkpoint_id"], task_id.decode(), int(index)
        opened, data = sealer.open_blob(type_.decode(), blob, *bound)
        writes.append((task_id, channel, opened.encode(), data, path, index))
    return {**row, "channel_values": values or None, "pending_writes": writes or None}


def _opened_delta(sealer: Sealer, place: tuple[str, str], row: Mapping[str, Any]) -> dict[str, Any]:
    bound: tuple[Any, ...] = "checkpoint_blobs", *place, row["channel"], row["version"]
    if row["_kind"] == "w":
        bound = "checkpoint_writes", *place, row["checkpoint_id"], row["task_id"], row["idx"]
    type_, blob = sealer.open_blob(row["type"], row["blob"], *bound)
    return {**row, "type": type_, "blob": blob}
