"""Make, label and remove threads."""

from __future__ import annotations

from typing import Any

from signoff.db import audit, notices, requests, threads
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import ThreadBusy, ThreadExists, ThreadNotFound
from signoff.domain.jsontext import check
from signoff.domain.principal import check_principal
from signoff.domain.request import RequestState
from signoff.domain.thread import Thread, check_thread_id
from signoff.service.office import Office


async def create_thread(
    office: Office,
    thread_id: str,
    *,
    by: str,
    metadata: dict[str, Any],
    may_exist: bool = False,
) -> Thread:
    """A new idle thread; with `may_exist`, the thread as it stands if there is one already.

    Its graph is the one that `graph_id` of the metadata names, or that of its first run.

    Raises:
        ThreadExists: There is one, and there must be none.
        InvalidInput: The id or the metadata is not well formed.
        TooLarge: The metadata are over 1 MiB.
    """
    check_thread_id(thread_id)
    check_principal(by)
    check(metadata, where="/metadata")
    graph = metadata.get("graph_id")
    served = isinstance(graph, str) and graph in office.catalog
    at = office.now()
    async with office.database.transaction() as conn:
        made = await threads.insert(
            conn,
            thread_id,
            graph=graph if served else None,
            metadata=metadata,
            by=by,
            at=at,
        )
        if made:
            await audit.append(
                conn, AuditEntry(event="thread.created", thread_id=thread_id, by=by, at=at)
            )
        elif not may_exist:
            raise ThreadExists(f"There is a thread {thread_id} already.")
        thread = await threads.get(conn, thread_id)
    if thread is None:
        raise ThreadNotFound(f"Thread {thread_id} was deleted meanwhile.")
    return thread


async def label_thread(office: Office, thread_id: str, metadata: dict[str, Any]) -> None:
    """Merge into a thread's metadata.

    Raises:
        ThreadNotFound: There is no such thread.
        InvalidInput, TooLarge: The metadata are not well formed.
    """
    check(metadata, where="/metadata")
    async with office.database.transaction() as conn:
        if await threads.lock(conn, thread_id) is None:
            raise ThreadNotFound.of(thread_id)
        await threads.update_metadata(conn, thread_id, metadata, office.now())


async def delete_thread(office: Office, thread_id: str, *, by: str) -> None:
    """Remove a thread with all that belongs to it. Its audit stays.

    Raises:
        ThreadNotFound: There is no such thread.
        ThreadBusy: A run is under way on it.
    """
    check_principal(by)
    at = office.now()
    async with office.database.transaction() as conn:
        thread = await threads.lock(conn, thread_id)
        if thread is None:
            raise ThreadNotFound.of(thread_id)
        if thread.busy:
            raise ThreadBusy(f"A run is under way on thread {thread_id}: cancel it first.")
        closed = await requests.close_open(conn, thread_id, to=RequestState.WITHDRAWN, at=at)
        entries = [("request.withdrawn", each) for each in closed]
        await audit.append(
            conn,
            *(
                AuditEntry(event=event, thread_id=thread_id, by=by, at=at, request_id=request_id)
                for event, request_id in [*entries, ("thread.deleted", None)]
            ),
        )
        await threads.delete(conn, thread_id)
        await notices.thread_changed(conn, thread_id)
