"""Updating a thread's state by hand, in one transaction of the caller's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from signoff.db.pool import Connection, Cursor, DriverError
from signoff.domain.errors import Conflict, InvalidInput, SignoffError
from signoff.domain.jsontext import to_json
from signoff.graph.breakpoints import Stop, stops
from signoff.graph.catalog import Served
from signoff.graph.saver import SignoffSaver
from signoff.graph.state import Place, checkpoint_json, state_at

TIMEOUT = 30.0
"""Seconds that a graph may take over an update. Its reducers and the route out of the node run."""

T = TypeVar("T")


class PinnedSaver(SignoffSaver):
    """A checkpointer that reads and writes in one transaction, which somebody else commits."""

    def __init__(self, saver: SignoffSaver, conn: Connection) -> None:
        super().__init__(saver._database, saver._group, saver.graph, now=saver.now)
        self.pinned = conn

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        yield self.pinned

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[Cursor]:
        async with self.pinned.cursor(binary=True) as cursor:
            yield cursor


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update has made: its checkpoint, the thread's values, and where the thread stops;
    and the id of the checkpoint `before`."""

    checkpoint: dict[str, Any]
    values: Any
    stops: Sequence[Stop]
    before: str | None


async def update_state(
    conn: Connection,
    served: Served,
    place: Place,
    values: Any,
    *,
    as_node: str | None,
    breaks: Mapping[str, Any],
) -> Updated:
    """Write a new state after the one at a place.

    The caller holds the thread. Requests of pauses that the new checkpoint leaves behind are
    superseded. `breaks` are the options of the run that the thread stands at, for its breakpoints.

    Raises:
        CheckpointNotFound: There is no such checkpoint.
        InvalidInput: The graph does not take these values here.
        Conflict: It takes too long over them.
    """
    if place.id is not None:
        await state_at(served, place)
    graph = served.graph.copy({"checkpointer": PinnedSaver(served.saver, conn)})
    earlier = await graph.aget_state(place.config())
    config = await within_bounds(graph.aupdate_state(place.config(), values, as_node=as_node))
    latest = await graph.aget_state(Place(thread_id=place.thread_id).config())
    before, after = breaks.get("interrupt_before"), breaks.get("interrupt_after")
    found: list[Stop] = []
    if served.breaks or before or after:
        saver = cast("SignoffSaver", graph.checkpointer)
        found = await stops(graph, saver, place.thread_id, before=before, after=after)
    return Updated(
        checkpoint_json(config, place.thread_id),
        to_json(latest.values),
        found,
        before=earlier.config["configurable"].get("checkpoint_id"),
    )


async def within_bounds(update: Awaitable[T]) -> T:
    """What an update of a graph's state returns; its reducers and routes run with it.

    Raises:
        InvalidInput: The graph does not take it.
        Conflict: It takes too long over it.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            return await update
    except TimeoutError as error:
        raise Conflict(
            f"The graph took more than {TIMEOUT:.0f} s over the update; nothing was changed."
        ) from error
    except (SignoffError, DriverError):
        raise
    except Exception as error:  # LangGraph's own, and whatever a reducer or a route of it raises
        raise InvalidInput(
            f"the graph does not take this update: {type(error).__name__}: {error}"
        ) from error
