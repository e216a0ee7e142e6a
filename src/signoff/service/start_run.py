"""Start a run on a thread: with input, or going on from where the thread stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from signoff import acting
from signoff.db import audit, requests, runs, threads
from signoff.db.group import Stream
from signoff.db.runs import Beginning
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import (
    Conflict,
    FieldError,
    InvalidInput,
    NothingPending,
    ThreadBusy,
    ThreadNotFound,
)
from signoff.domain.jsontext import check
from signoff.domain.principal import check_principal
from signoff.domain.question import BREAKPOINT
from signoff.domain.request import RequestState
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.domain.thread import check_thread_id
from signoff.graph.assignment import Assignment
from signoff.graph.catalog import Served
from signoff.ids import new_id
from signoff.service.decide import resume
from signoff.service.office import Office, give_work, graph_metadata
from signoff.service.resuming import Terms, said


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A run that somebody asks for. An input of None goes on from where the thread stands.

    `create` makes the thread if it is not there; `enqueue` lets the run wait where the thread is
    busy, which is refused otherwise. With `graphs`, a thread of another graph is not there.
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
    graphs: Collection[str] | None = None


def stop_options(before: str | Sequence[str], after: str | Sequence[str]) -> dict[str, Any]:
    """The options of a run that stops before and after these nodes; ``"*"`` is all of them."""
    options: dict[str, Any] = {}
    for name, given in (("interrupt_before", before), ("interrupt_after", after)):
        if given == "*":
            options[name] = "*"
        elif given:
            options[name] = [given] if isinstance(given, str) else list(given)
    return options


async def start_run(office: Office, order: Order) -> Run:
    """Commit a run, with the job that executes it.

    Raises:
        GraphNotFound: The graph is not served here.
        ThreadNotFound: There is no such thread, and none is to be made.
        ThreadBusy: A run is under way and this one is not to wait for it.
        NothingPending: There is nothing to go on with: the thread is new.
        Conflict: It is to go on where another graph stands.
        InvalidInput: The thread id, the principal or the input is not well formed.
        Forbidden: The thread stands at a breakpoint that the caller may not pass.
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
    _check_nodes(served, order.options)
    name, thread_id = served.name, order.thread_id
    with office.traces.span(f"start {name}", graph=name, thread_id=thread_id):
        return await _start(office, order, served)


async def _start(office: Office, order: Order, served: Served) -> Run:
    if order.input is None and (passing := await _pass_breakpoints(office, order, served.name)):
        return passing
    run, entry = _run(office, order, served.name)
    if order.create and order.input is not None:
        begun = await _begin_on_new_thread(office, order, run, entry)
        if begun is not None:
            return begun
    async with office.database.transaction() as conn:
        thread = await threads.lock(conn, order.thread_id)
        if thread is None and order.create and order.input is None:
            raise NothingPending(f"Thread {order.thread_id} is new: it needs an input to begin.")
        if thread is None or _is_out_of_sight(thread.graph, order.graphs):
            raise ThreadNotFound.of(order.thread_id)
        if order.input is None and thread.graph not in (None, served.name):
            raise Conflict(
                f"Thread {thread.id} is one of graph {thread.graph!r}, so {served.name!r} can only "
                "begin anew on it, with an input."
            )
        if thread.busy and not order.enqueue:
            raise ThreadBusy(f"A run is under way on thread {thread.id}.")
        await runs.insert(conn, run)
        await audit.append(conn, entry)
        lease = await give_work(conn, office, thread, served.name, run.created_at)
    office.take(lease)
    return run


def _check_nodes(served: Served, options: dict[str, Any]) -> None:
    for name in ("interrupt_before", "interrupt_after"):
        if (unknown := served.misses(options.get(name))) is not None:
            problem = f"names {unknown!r}, which is no node of graph {served.name!r}"
            raise InvalidInput(f"{name} {problem}", [FieldError(f"/{name}", problem)])


async def _pass_breakpoints(office: Office, order: Order, graph: str) -> Run | None:
    """Go on with a thread that stands at breakpoints, which is to decide them; None if it does not.

    It is a decision by the caller, under the policies of the requests. The run goes on as the
    one that stopped there was started, with what the order has of other options.
    """
    async with office.database.connection() as conn:
        known = await requests.known(conn, order.thread_id)
    open_ = [r for r in known if r.kind == BREAKPOINT and r.state is RequestState.OPEN]
    if not open_:
        return None
    as_started = {"config": order.config, "context": order.context}
    terms = Terms(
        options=order.options,
        metadata=order.metadata,
        as_started={name: given for name, given in as_started.items() if said(given)},
    )
    answers = dict.fromkeys(request.pause.interrupt_id for request in open_)
    return await resume(office, order.thread_id, answers, by=order.by, graph=graph, terms=terms)


def _is_out_of_sight(graph: str | None, graphs: Collection[str] | None) -> bool:
    return graph is not None and graphs is not None and graph not in graphs


def _run(office: Office, order: Order, graph: str) -> tuple[Run, AuditEntry]:
    at = office.now()
    run = Run(
        id=new_id(),
        thread_id=order.thread_id,
        graph=graph,
        kind=RunKind.CONTINUE if order.input is None else RunKind.START,
        status=RunStatus.QUEUED,
        by=order.by,
        input=order.input,
        config=order.config,
        context=order.context,
        metadata=order.metadata,
        options=order.options,
        traceparent=office.traces.here(),
        created_at=at,
        updated_at=at,
    )
    entry = AuditEntry(
        event="run.created",
        thread_id=run.thread_id,
        by=order.by,
        at=at,
        run_id=run.id,
        data={"kind": run.kind.value, "graph": graph},
        method=acting.method(order.by),
    )
    return run, entry


async def _begin_on_new_thread(
    office: Office, order: Order, run: Run, entry: AuditEntry
) -> Run | None:
    """The run, on a new thread; None if the thread exists.

    Where this process has room, the run is under way with the commit: nobody needs to be told,
    and there is nothing to look up before it begins.
    """
    hand = office.hand
    worker = hand.reach_out() if hand is not None and run.graph in office.catalog else None
    if worker is not None:
        run = replace(run, status=RunStatus.RUNNING, attempt=1)
    metadata = {**order.metadata, **graph_metadata(run.graph)}
    lease = await office.together.begin(
        Beginning(run=run, metadata=metadata, worker=worker, entry=entry), left=office.take
    )
    if lease is None:
        return None
    if hand is not None and worker is not None:
        hand.take(Assignment(stream=Stream(lease), work=1, run=run, fresh=True))
    return run
