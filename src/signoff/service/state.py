"""Read a thread's state and its history, as the graph keeps them."""

from __future__ import annotations

from typing import Any

from signoff.db import threads
from signoff.domain.errors import CheckpointNotFound, ThreadNotFound
from signoff.domain.thread import Thread, ThreadStatus
from signoff.graph import state
from signoff.graph.state import Place
from signoff.ids import is_id
from signoff.service import read
from signoff.service.office import Office

__all__ = ["Place", "get_history", "get_state", "state_at_pause"]


async def get_state(office: Office, place: Place, *, subgraphs: bool = False) -> dict[str, Any]:
    """The state of a thread at a place.

    Raises:
        ThreadNotFound, CheckpointNotFound: There is no such thread, checkpoint or subgraph.
        GraphNotFound: The thread's graph is not served here.
    """
    thread = await _thread(office, place)
    if thread.graph is None:
        return state.empty_state(place.thread_id)
    return await state.state_at(
        office.catalog.find(thread.graph),
        place,
        subgraphs=subgraphs,
        waiting=place.id is None and thread.status is ThreadStatus.INTERRUPTED,
    )


async def get_history(
    office: Office,
    place: Place,
    *,
    before: str | None = None,
    metadata: dict[str, Any] | None = None,
    limit: int = 10,
) -> list[dict[str, Any]]:
    """A page of a thread's states, the latest first; those before a checkpoint, if one is named.

    Raises:
        ThreadNotFound, CheckpointNotFound: There is no such thread or checkpoint.
        GraphNotFound: The thread's graph is not served here.
    """
    thread = await _thread(office, place)
    _check_id(place.thread_id, before)
    if thread.graph is None:
        return []
    return await state.history(
        office.catalog.find(thread.graph), place, before=before, metadata=metadata, limit=limit
    )


async def state_at_pause(office: Office, request_id: str) -> dict[str, Any]:
    """The exact state in which the graph asked: that of the subgraph, where one asks.

    Raises:
        RequestNotFound: There is no such request.
        GraphNotFound: The graph is not served here.
        CheckpointNotFound: The checkpoint is gone.
    """
    pause = (await read.get_request(office, request_id)).pause
    place = Place(thread_id=pause.thread_id, id=pause.checkpoint_id, namespace=pause.checkpoint_ns)
    return await state.state_at(office.catalog.find(pause.graph), place)


async def _thread(office: Office, place: Place) -> Thread:
    async with office.database.connection() as conn:
        thread = await threads.get(conn, place.thread_id)
    if thread is None:
        raise ThreadNotFound.of(place.thread_id)
    _check_id(place.thread_id, place.id)
    return thread


def _check_id(thread_id: str, checkpoint_id: str | None) -> None:
    if checkpoint_id is not None and not is_id(checkpoint_id):
        raise CheckpointNotFound(f"Thread {thread_id} has no checkpoint {checkpoint_id!r}.")
