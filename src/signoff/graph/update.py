"""Updating a thread's state by hand, in one transaction of the caller's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from signoff.db.pool import Connection, Cursor, DriverError
from signoff.domain.errors import InvalidInput, SignoffError
from signoff.domain.jsontext import to_json
from signoff.graph.catalog import Served
from signoff.graph.saver import SignoffSaver
from signoff.graph.state import Place, checkpoint_json, state_at


class PinnedSaver(SignoffSaver):
    """A checkpointer that reads and writes in one transaction, which somebody else commits."""

    def __init__(self, saver: SignoffSaver, conn: Connection) -> None:
        super().__init__(saver._database, saver._group, saver.graph, now=saver.now)
        self._pinned = conn

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        yield self._pinned

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[Cursor]:
        async with self._pinned.cursor(binary=True) as cursor:
            yield cursor


async def update_state(
    conn: Connection, served: Served, place: Place, values: Any, *, as_node: str | None
) -> tuple[dict[str, Any], Any]:
    """Write a new state after the one at a place: its checkpoint, and the thread's values with it.

    The caller holds the thread. Requests of pauses that the new checkpoint leaves behind are
    superseded.

    Raises:
        CheckpointNotFound: There is no such checkpoint.
        InvalidInput: The graph does not take these values here.
    """
    if place.id is not None:
        await state_at(served, place)
    graph = served.graph.copy({"checkpointer": PinnedSaver(served.saver, conn)})
    try:
        config = await graph.aupdate_state(place.config(), values, as_node=as_node)
    except (SignoffError, DriverError):
        raise
    except Exception as error:  # LangGraph's own, and whatever a reducer or a route of it raises
        raise InvalidInput(
            f"the graph does not take this update: {type(error).__name__}: {error}"
        ) from error
    latest = await graph.aget_state(Place(thread_id=place.thread_id).config())
    return checkpoint_json(config, place.thread_id), to_json(latest.values)
