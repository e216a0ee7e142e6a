"""Writes of a process that runs a graph by itself, with the desk's checkpointer but no lease.

Its pauses become requests like any other's. What it does to a thread that the desk knows shows
there: new input, an update of the state or an answer given elsewhere supersede what was open. It
may not write while a worker of the desk holds the thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from langgraph.constants import END

from signoff.db import audit, leases, notices, outcomes, request_rows, requests, runs, threads
from signoff.db.group import Rows, Stream, Write, execute
from signoff.db.pool import Connection
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import ThreadBusy
from signoff.domain.jsontext import to_json
from signoff.domain.principal import SYSTEM
from signoff.domain.request import RequestState
from signoff.domain.thread import Lease, check_thread_id
from signoff.graph.opening import Opener
from signoff.graph.writes import Task, Writes, answered, finished, interrupts, schema
from signoff.pauses.any_kind import understand


async def checkpoint(
    conn: Connection,
    rows: Rows,
    *,
    thread_id: str,
    graph: str,
    checkpoint_ns: str,
    checkpoint_id: str,
    values: Mapping[str, Any],
    at: datetime,
) -> None:
    """Save a checkpoint, and supersede the requests of pauses that it leaves behind.

    Of the root graph, `values` of its channels are what the thread shows from now on.

    Raises:
        ThreadBusy: A worker of the desk holds the thread.
    """
    lease = await _lock(conn, thread_id, graph, at)
    await execute(conn, [Write(Stream(lease), rows)])
    if not checkpoint_ns:
        shown: Any = to_json(_state(values))
        await threads.record(conn, lease, values=shown, error=None, at=at)
        await threads.rest(conn, thread_id, at=at)
    closed = await requests.supersede(
        conn, thread_id, checkpoint_ns=checkpoint_ns, before=checkpoint_id, at=at
    )
    await _tell(conn, thread_id, [("request.superseded", each) for each in closed], at)


async def task_writes(
    conn: Connection, rows: Rows, writes: Writes, task: Task, *, at: datetime, opener: Opener
) -> None:
    """Save a task's writes: open what it asks, and settle what it was answered elsewhere.

    Raises:
        ThreadBusy: A worker of the desk holds the thread.
    """
    lease = await _lock(conn, task.thread_id, task.graph, at)
    position = answered(writes)
    delivered = await outcomes.deliver_task(conn, task.thread_id, task.id, below=position, at=at)
    closed = await requests.supersede_task(
        conn,
        task.thread_id,
        task.id,
        positions_below=None if finished(writes) else position,
        at=at,
    )
    if delivered:
        await runs.end_delivered(conn, task.thread_id, at)
    events = [("request.delivered", each) for each in delivered]
    events += [("request.superseded", each) for each in closed]
    write = Write(Stream(lease), rows)
    asked = {interrupt.id: interrupt for interrupt in interrupts(writes)}
    for interrupt_id in asked.keys() - await requests.opened_for(conn, task.thread_id, list(asked)):
        question = understand(
            asked[interrupt_id].value, schema(asked[interrupt_id]), node=task.node
        )
        pause = task.pause(asked[interrupt_id], position=position)
        request = opener.open(question, pause, at=at)
        write.add("opened", request_rows.row(request))
        events.append(("request.opened", request.id))
    await execute(conn, [write])
    await _tell(conn, task.thread_id, events, at)


async def removal(conn: Connection, thread_id: str, *, at: datetime) -> None:
    """Remove what LangGraph has stored of a thread; what it asks is superseded, the record stays.

    Raises:
        ThreadBusy: A worker of the desk holds the thread.
    """
    locked = await threads.lock(conn, thread_id)
    if locked is not None:
        if locked.leased:
            raise ThreadBusy(f"A worker of the desk runs thread {thread_id} right now.")
        await leases.fence(conn, thread_id)
        closed = await requests.close_open(conn, thread_id, to=RequestState.SUPERSEDED, at=at)
        await _tell(conn, thread_id, [("request.superseded", each) for each in closed], at)
    await threads.delete_checkpoints(conn, thread_id)


def _state(values: Mapping[str, Any]) -> Any:
    """What a checkpoint has of the graph's state, without what LangGraph keeps beside it."""
    if END in values:
        return values[END]  # what an `@entrypoint` returns
    return {
        name: value
        for name, value in values.items()
        if not name.startswith(("__", "branch:to:", "join:"))
    }


async def _lock(conn: Connection, thread_id: str, graph: str, at: datetime) -> Lease:
    """Lock the thread, new if need be, for the rest of the transaction."""
    check_thread_id(thread_id)
    await threads.insert(conn, thread_id, graph=graph, metadata={"graph_id": graph}, at=at)
    locked = await threads.lock(conn, thread_id)
    assert locked is not None
    if locked.leased:
        raise ThreadBusy(f"A worker of the desk runs thread {thread_id} right now.")
    return await leases.fence(conn, thread_id)


async def _tell(
    conn: Connection, thread_id: str, events: Sequence[tuple[str, str]], at: datetime
) -> None:
    if not events:
        return
    await audit.append(
        conn,
        *(
            AuditEntry(event=event, thread_id=thread_id, by=SYSTEM, at=at, request_id=request_id)
            for event, request_id in events
        ),
    )
    await threads.rest(conn, thread_id, at=at)
    await notices.thread_changed(conn, thread_id)
