"""Executing one run: begin with input, deliver answers, or go on from where a thread stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any, cast

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.errors import UnknownInterruptError
from langgraph.types import Command

from signoff.db.group import GroupCommit, Stream
from signoff.db.pool import Database
from signoff.db.requests import Answered
from signoff.domain.errors import LeaseLost
from signoff.domain.jsontext import to_json
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.domain.thread import Lease
from signoff.graph.catalog import Served
from signoff.graph.context import Head, RunContext
from signoff.graph.effects import EffectLog
from signoff.graph.keys import RUN, STRICT_RESUME
from signoff.graph.pauses import resume_value
from signoff.graph.saver import SignoffSaver
from signoff.graph.writes import answered, finished, interrupts

log = structlog.get_logger(__name__)

REASK = "reask"
"""In a run's options: the id of the request whose question is to be asked anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """A run to execute, and what its thread waits for.

    `known` are the thread's requests that are open, undelivered or withdrawn; `answers` those
    given so far to the tasks they belong to. `work` is how often the thread was given work when
    the run was begun, and `fresh` says that it has no checkpoint yet. `stream` takes what the run
    writes; what a run that went well has written may still be on its way when it returns.
    """

    work: int
    run: Run
    known: Sequence[Request] = ()
    answers: Sequence[Answered] = ()
    fresh: bool = False
    stream: Stream

    @property
    def lease(self) -> Lease:
        """The right to write to the thread."""
        return self.stream.lease


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a run ended. `values` is the graph's state as JSON, None if it is not known.

    `recovered` are requests whose answers the graph took in an earlier run that failed, and has
    now gone on with; `failed` those whose answers it could not be given or failed with, each with
    the reason.
    """

    status: RunStatus
    values: Any = None
    error: str | None = None
    recovered: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)


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
) -> Result:
    """Run the graph until it pauses, ends or fails.

    Raises:
        LeaseLost: Another process has the thread by now.
        asyncio.CancelledError: The run was cancelled; what it has stored stays.
    """
    return await _Execution(served, assignment, database, group, now).run()


class _Execution:
    def __init__(
        self,
        served: Served,
        assignment: Assignment,
        database: Database,
        group: GroupCommit,
        now: Callable[[], datetime],
    ) -> None:
        self.graph = served.graph
        self.saver: SignoffSaver = served.saver
        self._run = assignment.run
        self._assignment = assignment
        self._values: Any = None
        self._failed: dict[str, str] = {}
        self._taken: list[str] = []
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
        )

    async def run(self) -> Result:
        run, config = self._run, self._config()
        try:
            head = await self._head()
            given = await self._input(head, config)
            if given is _NOTHING:
                return self._nothing_given()
            if "checkpoint_id" not in config["configurable"]:
                self._context.head = Head(head)
            async for values in self.graph.astream(
                given,
                config,
                context=run.context,
                stream_mode="values",
                durability=run.options.get("durability") or "async",
                interrupt_before=run.options.get("interrupt_before"),
                interrupt_after=run.options.get("interrupt_after"),
            ):
                self._values = values
            paused = self._context.paused or await self._at_breakpoint()
        except UnknownInterruptError as error:
            await self._assignment.stream.flush()
            return self._ended(RunStatus.FAILED, f"the question is not pending any more: {error}")
        except asyncio.CancelledError:
            with suppress(Exception):
                await self._assignment.stream.flush()
            raise
        except Exception as error:
            await self._flush_after(error)
            log.warning(
                "run failed",
                thread_id=run.thread_id,
                run_id=run.id,
                graph=run.graph,
                exc_info=error,
            )
            return self._ended(RunStatus.FAILED, f"{type(error).__name__}: {error}")
        return self._ended(RunStatus.PAUSED if paused else RunStatus.SUCCEEDED, None)

    async def _flush_after(self, error: Exception) -> None:
        """Wait for what a failed run has written; its own failure to write is no error twice.

        Raises:
            LeaseLost: That is why it failed.
        """
        if isinstance(error, LeaseLost):
            raise error
        try:
            await self._assignment.stream.flush()
        except LeaseLost:
            raise
        except Exception as again:
            if again is not error:
                log.warning("a write failed as well", exc_info=again)

    def _nothing_given(self) -> Result:
        if self._failed:
            return self._ended(RunStatus.FAILED, "; ".join(self._failed.values()))
        open_ = any(r.state is RequestState.OPEN for r in self._assignment.known)
        return self._ended(RunStatus.PAUSED if open_ else RunStatus.SUCCEEDED, None)

    def _ended(self, status: RunStatus, error: str | None) -> Result:
        left = error or "the node ended without asking this question again"
        for request in self._context.undelivered():
            self._failed[request.id] = left
        recovered = self._taken
        if error is not None:
            # The answer is in the graph, and the graph cannot go on with it: that has to show.
            self._failed |= dict.fromkeys([*self._context.delivered, *self._taken], error)
            recovered = []
        values = self._values
        if isinstance(values, dict):
            values = {key: value for key, value in values.items() if key != "__interrupt__"}
        return Result(
            status=status,
            values=None if values is None else to_json(values),
            error=error,
            recovered=recovered,
            failed=self._failed,
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
            "metadata": {
                **run.metadata,
                "run_id": run.id,
                "graph_id": run.graph,
                "created_by": run.by,
            },
        }
        if run.fork_from is not None:
            config["configurable"] |= {"checkpoint_id": run.fork_from, "checkpoint_ns": ""}
        config |= {key: given[key] for key in ("recursion_limit", "tags") if key in given}
        return cast("RunnableConfig", config)

    async def _head(self) -> CheckpointTuple | None:
        if self._assignment.fresh:
            return None
        return await self._checkpoint("")

    async def _checkpoint(
        self, checkpoint_ns: str, checkpoint_id: str | None = None
    ) -> CheckpointTuple | None:
        configurable = {"thread_id": self._run.thread_id, "checkpoint_ns": checkpoint_ns}
        if checkpoint_id is not None:
            configurable["checkpoint_id"] = checkpoint_id
        return await self.saver.aget_tuple({"configurable": configurable})

    async def _input(self, head: CheckpointTuple | None, config: RunnableConfig) -> Any:
        """What the graph is invoked with; `_NOTHING` if there is nothing to do for it."""
        run = self._run
        if run.kind is RunKind.START:
            # If a worker died over it, LangGraph knows its run id and goes on instead.
            return run.input
        if asked := run.options.get(REASK):
            await self._ask_again(asked, head, config)
            return None
        resume: dict[str, Any] = {}
        pending = [r for r in self._assignment.known if r.delivery is Delivery.PENDING]
        for request in pending:
            if request.delivered_at is not None:
                self._taken.append(request.id)
                continue
            standing = await self._standing(request, head)
            if standing is _Standing.GONE:
                self._failed[request.id] = self._why_gone(request, head)
                continue
            self._context.deliver(request)
            if standing is _Standing.WAITING:
                assert request.outcome is not None
                resume[request.pause.interrupt_id] = resume_value(request, request.outcome)
        if resume:
            return Command(resume=resume)
        if len(self._failed) == len(pending) and (self._failed or run.attempt == 1):
            # Nothing could be given; or nothing is left to give, as the run before this one took
            # along what this one was for.
            return _NOTHING if run.kind is RunKind.RESUME else None
        if run.kind is RunKind.CONTINUE and self._has_withdrawn(head):
            assert head is not None
            config["configurable"] |= {
                "checkpoint_id": head.checkpoint["id"],
                "checkpoint_ns": "",
            }
        return None

    async def _standing(self, request: Request, head: CheckpointTuple | None) -> _Standing:
        pause = request.pause
        if head is None or self._root_node(request) not in self.graph.nodes:
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
        node = self._root_node(request)
        if node not in self.graph.nodes:
            return (
                f"the deployed graph {request.pause.graph!r} has no node {node!r}, where this "
                "thread waits: deploy one and retry"
            )
        if head is None:
            return "the thread has no checkpoint"
        return "the thread has moved on and does not wait for this answer any more"

    @staticmethod
    def _root_node(request: Request) -> str:
        pause = request.pause
        return pause.checkpoint_ns.partition(":")[0] if pause.checkpoint_ns else pause.node

    def _has_withdrawn(self, head: CheckpointTuple | None) -> bool:
        return head is not None and any(
            request.state is RequestState.WITHDRAWN
            and request.pause.checkpoint_id >= head.checkpoint["id"]
            for request in self._assignment.known
        )

    async def _ask_again(
        self, request_id: str, head: CheckpointTuple | None, config: RunnableConfig
    ) -> None:
        """Set the run up to ask a question anew whose answer the graph could not go on with.

        If the node holds on to the answer, the guard passes it over and the node asks again where
        it stands; its neighbours are not touched. Otherwise the thread goes back to the
        checkpoint where the question was asked.
        """
        request = next(r for r in self._assignment.known if r.id == request_id)
        if request.delivered_at is None and await self._standing(request, head) is _Standing.STUCK:
            return
        checkpoint_id = request.pause.checkpoint_id
        if request.pause.checkpoint_ns:
            asked = await self._checkpoint(request.pause.checkpoint_ns, checkpoint_id)
            if asked is not None:
                checkpoint_id = asked.metadata["parents"][""]
        config["configurable"] |= {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}

    async def _at_breakpoint(self) -> bool:
        """Whether the run stopped before or after a node, which nothing in the database marks."""
        options = self._run.options
        if not (
            self.graph.interrupt_before_nodes
            or self.graph.interrupt_after_nodes
            or options.get("interrupt_before")
            or options.get("interrupt_after")
        ):
            return False
        state = await self.graph.aget_state({"configurable": {"thread_id": self._run.thread_id}})
        return bool(state.next)


_NOTHING = object()
