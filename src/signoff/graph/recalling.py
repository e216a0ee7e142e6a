"""Making a checkpoint of what this process remembers of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, writes_sort_key
from langgraph.checkpoint.serde.base import SerializerProtocol

from signoff.graph.memory import Trail


def checkpoint_of(trail: Trail, serde: SerializerProtocol) -> CheckpointTuple | None:
    """The latest checkpoint of a trail as if it were loaded, if it is known."""
    row = trail.row
    if row is None:
        return None
    checkpoint = orjson.loads(row["checkpoint"])
    for channel, (_, type_, blob) in trail.blobs.items():
        if type_ != "empty":
            checkpoint["channel_values"][channel] = serde.loads_typed((type_, blob or b""))
    parent = row["parent_checkpoint_id"]
    return CheckpointTuple(
        config=_config(row, row["checkpoint_id"]),
        checkpoint=checkpoint,
        metadata=orjson.loads(row["metadata"]),
        parent_config=_config(row, parent) if parent else None,
        pending_writes=[
            (task_id, channel, serde.loads_typed((type_, blob or b"")))
            for (task_id, _), (_, channel, type_, blob) in sorted(
                trail.pending().items(),
                key=lambda item: writes_sort_key(item[1][0], *item[0]),
            )
        ],
    )


def _config(row: Mapping[str, Any], checkpoint_id: str) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": row["thread_id"],
            "checkpoint_ns": row["checkpoint_ns"],
            "checkpoint_id": checkpoint_id,
        }
    }
