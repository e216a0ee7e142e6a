"""Executing one run: begin with input, deliver answers, or go on from where a thread stands."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.errors import UnknownInterruptError
from langgraph.pregel import Pregel
from langgraph.types import Command

from signoff.db.group import GroupCommit
from signoff.db.pool import Database
from signoff.domain.errors import DatabaseNotReady, LeaseLost
from signoff.domain.jsontext import to_json
from signoff.domain.question import BREAKPOINT
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.graph.assignment import REASK, Assignment
from signoff.graph.catalog import Served
from signoff.graph.context import Head, RunContext
from signoff.graph.effects import EffectLog
from signoff.graph.gate import Gate
from signoff.graph.keys import ERROR, RUN, STRICT_RESUME
from signoff.graph.letting_go import let_go
from signoff.graph.memory import Pausing
from signoff.graph.saver import SignoffSaver
from signoff.graph.streaming import Publisher
from signoff.graph.wish import Wish
from signoff.graph.writes import answered, finished, interrupts
from signoff.log import get_logger
from signoff.pauses.any_kind import resume_value

log = get_logger(__name__)

MAX_ERROR = 10_000
"""The most characters of an exception that are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a run ended. `values` is the graph's state as JSON, None if it is not known.

    `recovered` are requests whose answers the graph took in an earlier run that failed, and has
    now gone on with; `failed` those whose answers it could not be given or failed with, each with
    the reason. `stands` says that the graph was not run, as the thread waits for none of the
    answers: it stands where it stood. `pausing` is how a run that paused has left the thread, and
    `streamed` the last of what a run that went well has streamed: events to write with its end.
    """

    status: RunStatus
    values: Any = None
    error: str | None = None
    recovered: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)
    stands: bool = False
    pausing: Pausing | None = None
    streamed: Sequence[dict[str, Any]] = ()


class _Standing(Enum):
    """How the graph stands to an answer that it is to be given."""

    WAITING = auto()
    """The question is pending: the answer has to be sent."""
    STUCK = auto()
    """The graph has the answer, and its node has not finished: it only has to run again."""
    GONE = auto()
    """The question is not pending any more."""


async def execute(
    served: Served,
    assignment: Assignment,
    database: Database,
    group: GroupCommit,
    *,
    now: Callable[[], datetime],
    traceparent: str | None = None,
) -> Result:
    """Run the graph until it pauses, ends or fails. The `traceparent` goes with what it asks.

    Raises:
        LeaseLost: Another process has the thread by now.
        DatabaseUnreachable: The run has not ended, and is to be begun again.
        asyncio.CancelledError: The run was cancelled; what it has stored stays.
    """
    execution = _Execution(served, assignment, database, group, now, traceparent)
    result = None
    try:
        result = await execution.run()
        return result
    finally:
        execution.let_go()
        if execution.publisher is not None and (result is None or result.error is not None):
            await execution.publisher.close()


class _Execution:
    def __init__(
        self,
        served: Served,
        assignment: Assignment,
        database: Database,
        group: GroupCommit,
        now: Callable[[], datetime],
        traceparent: str | None,
    ) -> None:
        self.graph = served.graph
        self.saver: SignoffSaver = served.saver
        self._run = assignment.run
        self._assignment = assignment
        self._values: Any = None
        self._failed: dict[str, str] = {}
        self._moved_on: set[str] = set()
        self._taken: list[str] = []
        self._passed = self._stopped = False
        self._context = RunContext(
            stream=assignment.stream,
            group=group,
            wait_for_writes=assignment.run.options.get("durability") == "sync",
            graph=served.name,
            run_id=assignment.run.id,
            effects=EffectLog(database, assignment.lease, self.saver.serde),
            now=now,
            known=assignment.known,
            answers=assignment.answers,
            opener=served.saver.opener,
            involved=involved(assignment.run),
            trail=assignment.trail,
            traceparent=traceparent,
        )
        self._wish = Wish.of(assignment.run)
        self.publisher: Publisher | None = None
        if self._wish.modes:
            known = [request.pause.interrupt_id for request in assignment.known]
            self.publisher = Publisher(
                self._wish, assignment.run, assignment.stream, group, known=known
            )
            self._context.tell = self.publisher.is_asked
        self._gate = Gate(
            served,
            database,
            assignment.run,
            self._context,
            self._metadata(),
            reask=assignment.run.options.get(REASK),
        )

    def let_go(self) -> None:
        """Break the cycles of references that the run has left."""
        pauses = self._context.answers.pauses
        let_go(pauses)
        pauses.clear()

    async def run(self) -> Result:
        if (missing := await self._gate.missing()) is not None:
            return self._not_begun(missing)
        if (gone := self._cannot_stay()) is not None:
            return replace(self._not_begun(gone), stands=True)
        try:
            config = self._config()
            head = await self._head()
            if self._gate.concerns(head):
                if (held := await self._at_gate()) is not None:
                    return held
                head = await self._checkpoint("")
            given = await self._given(head, config)
            if given is _NOTHING:
                return self._nothing_given(head)
            if "checkpoint_id" not in config["configurable"]:
                self._context.head = Head(head)
            await self._go(given, config)
            paused = self._context.paused or self._stopped
        except UnknownInterruptError as error:
            await self._assignment.stream.flush()
            return self._ended(RunStatus.FAILED, f"the question is not pending any more: {error}")
        except asyncio.CancelledError:
            with suppress(Exception):
                await self._assignment.stream.flush()
            raise
        except DatabaseNotReady:
            raise  # no failure of the graph: the run goes on from what is stored
        except Exception as error:
            await self._flush_after(error)
            return self._raised(error)
        return self._ended(RunStatus.PAUSED if paused else RunStatus.SUCCEEDED, None)

    async def _go(self, given: Any, config: RunnableConfig) -> None:
        """Run the graph, and stream what was asked for; `_values` is what it comes to."""
        options = self._run.options
        settings: dict[str, Any] = {
            "context": self._run.context,
            # Never `exit`: after a crash it would ask for an approval that was used already.
            "durability": "sync" if options.get("durability") == "sync" else "async",
            "interrupt_before": options.get("interrupt_before"),
            "interrupt_after": options.get("interrupt_after"),
        }
        publisher, wish = self.publisher, self._wish
        if publisher is None:
            async for values in self.graph.astream(given, config, stream_mode="values", **settings):
                self._values = values
            self._stopped = await self._gate.stop()
            return
        modes: Any = wish.engine_modes
        async for part in self.graph.astream(
            given, config, stream_mode=modes, subgraphs=wish.subgraphs, **settings
        ):
            namespace, mode, payload = part if wish.subgraphs else ((), *part)
            if mode == "values" and not namespace:
                self._values = payload
            publisher.put(namespace, mode, payload)
        self._stopped = await self._gate.stop()

    async def _flush_after(self, error: Exception) -> None:
        """Wait for what a failed run has written; its own failure to write is no error twice.

        Raises:
            LeaseLost: That is why it failed.
            DatabaseNotReady: What it has written is not stored, so the run has not ended.
        """
        if isinstance(error, LeaseLost):
            raise error
        try:
            await self._assignment.stream.flush()
        except (LeaseLost, DatabaseNotReady):
            raise
        except Exception as again:
            if again is not error:
                log.warning("a write failed as well", exc_info=again)

    def _raised(self, error: Exception) -> Result:
        run = self._run
        log.warning(
            "run failed",
            thread_id=run.thread_id,
            run_id=run.id,
            graph=run.graph,
            exception="".join(traceback.format_exception(error))[-MAX_ERROR:].rstrip(),
        )
        return self._ended(RunStatus.FAILED, described(error))

    def _nothing_given(self, head: CheckpointTuple | None) -> Result:
        if self._failed:
            error = "; ".join(self._failed.values())
            stuck = head is None or any(write[1] == ERROR for write in head.pending_writes or ())
            moved_on = self._failed.keys() <= self._moved_on
            return replace(self._ended(RunStatus.FAILED, error), stands=moved_on and not stuck)
        open_ = any(r.state is RequestState.OPEN for r in self._assignment.known)
        return self._ended(RunStatus.PAUSED if open_ else RunStatus.SUCCEEDED, None)

    def _not_begun(self, error: str) -> Result:
        """The run fails before it has done anything, and so does what it was to deliver."""
        if self._run.kind is RunKind.RESUME:
            pending = [r for r in self._assignment.known if r.delivery is Delivery.PENDING]
            self._failed |= dict.fromkeys([request.id for request in pending], error)
        return self._ended(RunStatus.FAILED, error)

    def _ended(self, status: RunStatus, error: str | None) -> Result:
        left = error or "the node ended without asking this question again"
        for request in self._context.undelivered():
            self._failed[request.id] = left
        recovered = self._taken
        if error is not None:
            # The answer is in the graph, and the graph cannot go on with it: that has to show.
            self._failed |= dict.fromkeys([*self._context.delivered, *self._taken], error)
            recovered = []
            if REASK in self._run.options and not self._context.paused:
                self._failed[self._run.options[REASK]] = error
        values = self._values
        if isinstance(values, dict):
            values = {key: value for key, value in values.items() if key != "__interrupt__"}
        return Result(
            status=status,
            values=None if values is None else to_json(values),
            error=error,
            recovered=recovered,
            failed=self._failed,
            pausing=self._context.pausing() if status is RunStatus.PAUSED else None,
            streamed=self.publisher.rest() if self.publisher is not None and error is None else (),
        )

    def _config(self) -> RunnableConfig:
        run = self._run
        given = run.config
        configurable = {
            key: value
            for key, value in (given.get("configurable") or {}).items()
            if not key.startswith("__")
        }
        config: dict[str, Any] = {
            "configurable": {
                **configurable,
                "thread_id": run.thread_id,
                RUN: self._context,
                STRICT_RESUME: True,
            },
            "metadata": self._metadata(),
        }
        if run.fork_from is not None:
            config["configurable"] |= {"checkpoint_id": run.fork_from, "checkpoint_ns": ""}
        config |= {key: given[key] for key in ("recursion_limit", "tags") if key in given}
        return cast("RunnableConfig", config)

    def _metadata(self) -> dict[str, Any]:
        run = self._run
        return {
            **run.metadata,
            "run_id": run.id,
            "run_attempt": run.attempt,
            "graph_id": run.graph,
            "created_by": run.by,
        }

    async def _at_gate(self) -> Result | None:
        """How the run ends where it begins, if a breakpoint holds it there."""
        arrival = await self._gate.arrive()
        self._failed |= arrival.failed
        self._moved_on |= arrival.gone
        self._passed = arrival.passed
        if not arrival.held:
            return None
        await self._assignment.stream.flush()
        state = await self.graph.aget_state({"configurable": {"thread_id": self._run.thread_id}})
        shown = self.graph.output_channels
        self._values = (
            state.values  # of one channel alone, such as what an `@entrypoint` returns
            if isinstance(shown, str) and shown == self.graph.stream_channels
            else state.values.get(shown)
            if isinstance(shown, str)
            else {name: state.values[name] for name in shown if name in state.values}
        )
        if arrival.failed:
            return self._ended(RunStatus.FAILED, "; ".join(arrival.failed.values()))
        return self._ended(RunStatus.PAUSED, None)

    async def _head(self) -> CheckpointTuple | None:
        if self._assignment.fresh:
            return None
        remembered = self.saver.remembered(self._assignment.trail)
        return remembered or await self._checkpoint("")

    async def _checkpoint(
        self, checkpoint_ns: str, checkpoint_id: str | None = None
    ) -> CheckpointTuple | None:
        configurable = {"thread_id": self._run.thread_id, "checkpoint_ns": checkpoint_ns}
        if checkpoint_id is not None:
            configurable["checkpoint_id"] = checkpoint_id
        return await self.saver.aget_tuple({"configurable": configurable})

    async def _given(self, head: CheckpointTuple | None, config: RunnableConfig) -> Any:
        """What the graph is invoked with; `_NOTHING` if there is nothing to do for it."""
        run = self._run
        if run.kind is RunKind.START:
            # If a worker died over it, LangGraph knows its run id and goes on instead.
            return run.input
        resume: dict[str, Any] = {}
        for request in self._assignment.known:
            if request.kind == BREAKPOINT and request.delivered_at is None:
                continue  # the gate has seen to it
            if request.id == run.options.get(REASK):
                resume |= await self._asking_anew(request, head, config)
            elif request.delivery in (Delivery.PENDING, Delivery.FAILED):
                resume |= await self._delivering(request, head)
            elif request.state is RequestState.WITHDRAWN and run.kind is RunKind.CONTINUE:
                resume |= await self._passing_over(request, head)
        if resume:
            return Command(resume=resume)
        if self._passed or self._taken or self._context.undelivered():
            return None
        if self._failed and (run.kind is RunKind.RESUME or REASK in run.options):
            return _NOTHING
        if run.kind is RunKind.RESUME and run.attempt == 1:
            # Nothing is left to give: the run before this one took along what this one was for.
            return _NOTHING
        return None

    async def _delivering(self, request: Request, head: CheckpointTuple | None) -> dict[str, Any]:
        """What to resume with for a request that was decided.

        A failed one is not delivered again unasked. But LangGraph runs all unfinished tasks of a
        thread when it runs one, so an answer that a task holds on to is used again in any case.
        """
        if request.delivered_at is not None:
            self._taken.append(request.id)
            return {}
        standing = await self._standing(request, head)
        if standing is _Standing.STUCK:
            self._context.deliver(request)
        elif request.delivery is Delivery.PENDING and standing is _Standing.WAITING:
            self._context.deliver(request)
            assert request.outcome is not None
            return {request.pause.interrupt_id: resume_value(request, request.outcome)}
        elif request.delivery is Delivery.PENDING:
            self._failed[request.id] = self._why_gone(request, head)
        return {}

    async def _passing_over(self, request: Request, head: CheckpointTuple | None) -> dict[str, Any]:
        """What to resume with so that a question is asked anew: the guard passes it over."""
        if await self._standing(request, head) is _Standing.WAITING:
            return {request.pause.interrupt_id: None}
        return {}

    async def _asking_anew(
        self, request: Request, head: CheckpointTuple | None, config: RunnableConfig
    ) -> dict[str, Any]:
        """What to resume with so that a question is asked anew whose outcome is not to be used.

        Where its node has not finished, the guard passes the answer over and the node asks again
        where it stands; its neighbours are not touched. Otherwise the thread goes back to the
        checkpoint where the question was asked.
        """
        if self._missing_node(request) is not None:
            self._failed[request.id] = self._why_gone(request, head)
            return {}
        if request.delivered_at is None and (
            await self._standing(request, head) is not _Standing.GONE
        ):
            return await self._passing_over(request, head)
        checkpoint_id = request.pause.checkpoint_id
        if request.pause.checkpoint_ns:
            asked = await self._checkpoint(request.pause.checkpoint_ns, checkpoint_id)
            if asked is not None:
                checkpoint_id = asked.metadata["parents"][""]
        config["configurable"] |= {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}
        return {}

    async def _standing(self, request: Request, head: CheckpointTuple | None) -> _Standing:
        pause = request.pause
        if head is None or self._missing_node(request) is not None:
            return _Standing.GONE
        at = head if not pause.checkpoint_ns else await self._checkpoint(pause.checkpoint_ns)
        if at is None or at.checkpoint["id"] != pause.checkpoint_id:
            return _Standing.GONE
        writes = [write[1:] for write in at.pending_writes or () if write[0] == pause.task_id]
        if finished(writes):
            return _Standing.GONE
        if answered(writes) > pause.position:
            return _Standing.STUCK
        pending = {interrupt.id for interrupt in interrupts(writes)}
        return _Standing.WAITING if pause.interrupt_id in pending else _Standing.GONE

    def _why_gone(self, request: Request, head: CheckpointTuple | None) -> str:
        node = self._missing_node(request)
        if node is not None:
            return self._without(node)
        if head is None:
            return "the thread has no checkpoint"
        self._moved_on.add(request.id)
        return "the thread has moved on and does not wait for this answer any more"

    def _cannot_stay(self) -> str | None:
        """Why nothing can run here: somebody is asked at a node that the deployed graph has not.

        LangGraph would go on with the other nodes, and what is asked would be left behind. New
        input leaves it behind in any case.
        """
        if self._run.kind is RunKind.START:
            return None
        for request in self._assignment.known:
            if request.state is RequestState.OPEN and request.kind != BREAKPOINT:
                node = self._missing_node(request)
                if node is not None:
                    return self._without(node)
        return None

    def _without(self, node: str) -> str:
        return (
            f"the deployed graph {self._run.graph!r} has no node {node!r}, where this thread "
            "waits: deploy one and retry"
        )

    def _missing_node(self, request: Request) -> str | None:
        """A node that the deployed graph no longer has, on the way to where a question was asked.

        LangGraph would go on without the answer, as if that node had never been there.
        """
        pause, graph = request.pause, self.graph
        parts = pause.checkpoint_ns.split("|") if pause.checkpoint_ns else []
        way = [part.partition(":")[0] for part in parts if not part.isdigit()]
        for node in (*way, pause.node):
            if node not in graph.nodes:
                return node
            inner = graph.nodes[node].bound
            if not isinstance(inner, Pregel):
                return None  # a function, which may call any graph
            graph = inner
        return None


_NOTHING = object()

ON_BEHALF_OF = "on_behalf_of"
"""In a run's metadata: the user, or users, that the run acts for."""


def involved(run: Run) -> list[str]:
    """Whoever started a run, and whom it acts for; who decided is not involved in what follows."""
    goes_on = run.kind is RunKind.RESUME or REASK in run.options
    starters = [] if goes_on else [run.by]
    named = run.metadata.get(ON_BEHALF_OF)
    people = named if isinstance(named, list) else [named]
    return starters + [each for each in people if isinstance(each, str)]


def described(error: Exception) -> str:
    """An exception in words that can be kept."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        return name
    if len(text) > MAX_ERROR:
        text = f"{text[:MAX_ERROR]}…"
    return str(to_json(f"{name}: {text}" if text else name))
