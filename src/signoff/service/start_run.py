"""Start a run on a thread: with input, or going on from where the thread stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from signoff.db import audit, notices, runs, threads
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import NothingPending, ThreadBusy, ThreadNotFound
from signoff.domain.jsontext import check
from signoff.domain.principal import check_principal
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.domain.thread import check_thread_id
from signoff.graph.runner import Assignment
from signoff.ids import new_id
from signoff.service.office import Office, give_work


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A run that somebody asks for. An input of None goes on from where the thread stands.

    `create` makes the thread if it is not there; `enqueue` lets the run wait where the thread is
    busy, which is refused otherwise.
    """

    graph: str
    thread_id: str
    by: str
    input: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    create: bool = True
    enqueue: bool = True


async def start_run(office: Office, order: Order) -> Run:
    """Commit a run, with the job that executes it.

    Raises:
        GraphNotFound: The graph is not served here.
        ThreadNotFound: There is no such thread, and none is to be made.
        ThreadBusy: A run is under way and this one is not to wait for it.
        NothingPending: There is nothing to go on with: the thread is new.
        InvalidInput: The thread id, the principal or the input is not well formed.
        TooLarge: The input is over 1 MiB.
    """
    served = office.catalog.find(order.graph)
    check_thread_id(order.thread_id)
    check_principal(order.by)
    for where, value in (
        ("/input", order.input),
        ("/config", order.config),
        ("/context", order.context),
        ("/metadata", order.metadata),
    ):
        check(value, where=where)
    at = office.now()
    async with office.database.transaction() as conn:
        fresh = order.create and await threads.insert(
            conn, order.thread_id, graph=served.name, metadata=order.metadata, at=at
        )
        if fresh and order.input is None:
            raise NothingPending(f"Thread {order.thread_id} is new: it needs an input to begin.")
        thread = await threads.lock(conn, order.thread_id)
        if thread is None:
            raise ThreadNotFound(f"There is no thread {order.thread_id}.")
        if thread.busy and not order.enqueue:
            raise ThreadBusy(f"A run is under way on thread {thread.id}.")
        lease = await give_work(conn, office, thread, served.name, at)
        # A new thread's first run needs no look at the database before it begins.
        direct = lease is not None and fresh
        run = Run(
            id=new_id(),
            thread_id=thread.id,
            graph=served.name,
            kind=RunKind.CONTINUE if order.input is None else RunKind.START,
            status=RunStatus.RUNNING if direct else RunStatus.QUEUED,
            by=order.by,
            input=order.input,
            config=order.config,
            context=order.context,
            metadata=order.metadata,
            options=order.options,
            attempt=1 if direct else 0,
            created_at=at,
            updated_at=at,
        )
        await runs.insert(conn, run)
        await audit.append(
            conn,
            AuditEntry(
                event="run.created",
                thread_id=thread.id,
                by=order.by,
                at=at,
                run_id=run.id,
                data={"kind": run.kind.value, "graph": run.graph},
            ),
        )
        await notices.thread_changed(conn, thread.id)
    if lease is not None and office.hand is not None:
        office.hand.take(Assignment(lease=lease, run=run, fresh=True) if direct else lease)
    return run
