"""Update a thread's state by hand."""

from __future__ import annotations

import asyncio
from typing import Any

from signoff.db import audit, notices, threads
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import (
    CheckpointNotFound,
    Conflict,
    ThreadBusy,
    ThreadNotFound,
)
from signoff.domain.jsontext import check
from signoff.domain.principal import check_principal
from signoff.graph import update
from signoff.graph.state import Place
from signoff.ids import is_id
from signoff.service.office import Office

TIMEOUT = 30.0
"""Seconds that a graph may take over an update. Its reducers and the route out of the node run."""


async def update_state(
    office: Office, place: Place, values: Any, *, as_node: str | None, by: str
) -> dict[str, Any]:
    """Write a new state of a thread, as if a node had just returned `values`; its checkpoint.

    The thread's row stays locked from the look whether anybody works on the thread until the
    commit, and everything is written on that connection, in that transaction. Whoever takes a
    lease needs this lock, so there is one writer as ever, with nothing to hand back and nothing
    that a crash could leave behind. The epoch is raised, so that a write which an earlier holder
    may still have on its way is refused. Open requests that the update leaves behind are
    superseded.

    Raises:
        ThreadNotFound, CheckpointNotFound: There is no such thread or checkpoint.
        GraphNotFound: The thread's graph is not served here.
        ThreadBusy: A run is under way.
        Conflict: The thread has no graph yet, or the graph took too long.
        InvalidInput: The graph does not take these values here.
        TooLarge: The values are over 1 MiB.
    """
    check_principal(by)
    check(values, where="/values")
    if place.id is not None and not is_id(place.id):
        raise CheckpointNotFound(f"Thread {place.thread_id} has no checkpoint {place.id!r}.")
    at = office.now()
    async with office.database.transaction() as conn:
        thread = await threads.lock(conn, place.thread_id)
        if thread is None:
            raise ThreadNotFound(f"There is no thread {place.thread_id}.")
        if thread.busy:
            raise ThreadBusy(f"A run is under way on thread {thread.id}.")
        if thread.graph is None:
            raise Conflict(f"Thread {thread.id} has no graph yet: start a run on it first.")
        served = office.catalog.find(thread.graph)
        try:
            async with asyncio.timeout(TIMEOUT):
                checkpoint, state = await update.update_state(
                    conn, served, place, values, as_node=as_node
                )
        except TimeoutError as error:
            raise Conflict(
                f"The graph took more than {TIMEOUT:.0f} s over the update; nothing was changed."
            ) from error
        lease = await threads.fence(conn, thread.id)
        await threads.record(conn, lease, values=state, error=None, at=at)
        await threads.rest(conn, thread.id, at=at)
        await audit.append(
            conn,
            AuditEntry(
                event="thread.updated",
                thread_id=thread.id,
                by=by,
                at=at,
                data={"checkpoint_id": checkpoint["checkpoint_id"], "as_node": as_node},
            ),
        )
        await notices.thread_changed(conn, thread.id)
    return checkpoint
