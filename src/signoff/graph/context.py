"""What a run carries with it: its lease, the answers it delivers, and what it has asked so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.types import Interrupt

from signoff.db import audit, outcomes, request_rows, requests
from signoff.db.group import GroupCommit, Stream, Write
from signoff.db.pool import Connection
from signoff.db.requests import Answered
from signoff.domain.audit import AuditEntry, of_request
from signoff.domain.principal import SYSTEM
from signoff.domain.question import BREAKPOINT, Pause, Question
from signoff.domain.request import Delivery, Request, RequestState
from signoff.graph.guard import VOID, Answers
from signoff.graph.memory import Pausing, Trail
from signoff.graph.opening import Opener, opened_entry
from signoff.graph.writes import (
    Task,
    Writes,
    answered,
    failed,
    finished,
    inside,
    interrupts,
    schema,
)
from signoff.pauses.any_kind import understand

CHANGED = "The content changed after it was decided, so it is asked anew."
ANEW = "It is asked anew; what was answered before is not used."
REVISED = "The content changed while it was open."


class Effects(Protocol):
    """What `once()` needs of a desk."""

    loop: asyncio.AbstractEventLoop

    async def begin(self, key: str) -> Any:
        """The effect under this key, begun if it was not."""

    async def complete(self, key: str, result: Any) -> None:
        """Keep its result."""


@dataclass(frozen=True, slots=True)
class Head:
    """A thread's latest checkpoint; None where the thread has none yet."""

    checkpoint: CheckpointTuple | None


@dataclass(slots=True)
class Tracked:
    """A request as this run knows it. Only its own writes and decisions change it."""

    request: Request
    delivering: bool = False


class RunContext:
    """One execution of a graph on a thread, as the checkpointer and `once()` see it.

    `tell` is called with the ids of questions, once they are on their way to the database.
    """

    def __init__(
        self,
        *,
        stream: Stream,
        group: GroupCommit,
        graph: str,
        run_id: str,
        effects: Effects,
        now: Callable[[], datetime],
        known: Sequence[Request] = (),
        answers: Sequence[Answered] = (),
        wait_for_writes: bool = False,
        opener: Opener,
        involved: Sequence[str] = (),
        trail: Trail | None = None,
        traceparent: str | None = None,
    ) -> None:
        self.stream = stream
        self.trail = trail or Trail()
        self.lease = stream.lease
        self._group = group
        self._wait_for_writes = wait_for_writes
        self._opener = opener
        # Whoever has started what led here, stage by stage, and whom it acts for.
        asked = [name for request in known for name in request.involved]
        self._involved = tuple(dict.fromkeys([*asked, *involved]))
        self.graph = graph
        self.run_id = run_id
        self._traceparent = traceparent
        self.effects = effects
        self.loop = effects.loop
        self.now = now
        self.head: Head | None = None
        self.delivered: set[str] = set()
        self.tell: Callable[[Iterable[str]], None] = lambda _interrupt_ids: None
        self._known = {request.pause.interrupt_id: Tracked(request) for request in known}
        digests: dict[str, dict[int, str]] = {}
        for answer in answers:
            digest = VOID if answer.voided else answer.digest
            digests.setdefault(answer.task_id, {})[answer.position] = digest
        for request in known:
            if request.state is RequestState.WITHDRAWN:
                digests.setdefault(request.pause.task_id, {})[request.pause.position] = VOID
        # Without this context: a run that no cycle of references holds is freed as it ends.
        self.answers = Answers(digests, partial(_check, self._known, opener))
        self._waiting: dict[str, tuple[str, str]] = {}

    @property
    def paused(self) -> bool:
        """Whether a task of the graph waits for an answer, as far as this run has seen."""
        return bool(self._waiting)

    @property
    def breakpoints(self) -> list[Request]:
        """The requests of stops before and after nodes that this run knows of."""
        return [request for request in self.requests if request.kind == BREAKPOINT]

    @property
    def requests(self) -> list[Request]:
        """All requests that this run knows of."""
        return [tracked.request for tracked in self._known.values()]

    def pausing(self) -> Pausing:
        """How this run leaves its thread, as far as that can be said without a look."""
        left = [t.request for t in self._known.values() if t.request.id not in self.delivered]
        only = left[0] if len(left) == 1 and left[0].state is RequestState.OPEN else None
        if any(tracked.request.voided for tracked in self._known.values()):
            only = None
        return Pausing(only, self.trail)

    async def send(self, write: Write, *, linger: bool = False) -> None:
        """Have the desk's committer write; wait for it only where the run asks for that.

        As LangGraph's own `async` durability does it, the graph goes on meanwhile. Nothing is
        told to anyone before it is durable: that a thread rests is written behind all this. What a
        crash would have done again is to `linger` only if no node's work is in it.

        Raises:
            LeaseLost: Somebody else holds the thread by now.
        """
        if self._wait_for_writes:
            await self._group.commit(write)
        else:
            await self._group.send(write, linger=linger)

    def deliver(self, request: Request) -> None:
        """Expect the graph to take this request's outcome during the run."""
        self._known[request.pause.interrupt_id].delivering = True

    def undelivered(self) -> list[Request]:
        """The requests whose outcomes the graph was given and has not taken."""
        return [
            tracked.request
            for tracked in self._known.values()
            if tracked.delivering and tracked.request.id not in self.delivered
        ]

    async def stop(self, question: Question, pause: Pause, revises: Request | None) -> None:
        """Ask whether to go on, where the thread has stopped before or after nodes.

        Raises:
            LeaseLost: Somebody else holds the thread by now.
        """
        remark = ANEW if revises is not None and revises.voided else None
        write = Write(self.stream)
        self._open(write, question, pause, revises.id if revises else None, remark)
        await self.send(write)
        self.tell([BREAKPOINT])

    def note_passed(self, write: Write, request: Request) -> None:
        """Add to what carries out a decision at a stop that it is delivered by it."""
        self._deliver(write, request)

    def note_writes(self, write: Write, writes: Writes, task: Task) -> None:
        """Add to a task's `write` what it means for requests: opened, revised, delivered, left."""
        position = answered(writes)
        if not failed(writes):
            self._note_delivered(write, task.id, position)
        if finished(writes):
            self._waiting.pop(task.id, None)
            self._leave_task(write, task.id)
        for interrupt in interrupts(writes):
            if not self._is_withdrawn(interrupt.id):
                self._waiting[task.id] = task.checkpoint_ns, task.checkpoint_id
            self._note_interrupt(write, interrupt, task.pause(interrupt, position=position))

    def take_head(self, checkpoint_id: str | None) -> Head | None:
        """The latest checkpoint if this run has loaded it; once, as it changes with the run."""
        head, self.head = self.head, None
        return head if checkpoint_id is None else None

    def note_checkpoint(self, write: Write, *, checkpoint_ns: str, checkpoint_id: str) -> None:
        """Add to a checkpoint's `write` the closing of requests that it leaves behind."""
        left = {
            task_id
            for task_id, (ns, at) in self._waiting.items()
            if at < checkpoint_id and inside(ns, checkpoint_ns)
        }
        for task_id in left:
            del self._waiting[task_id]
        if any(
            tracked.request.state is RequestState.OPEN
            and tracked.request.pause.checkpoint_id < checkpoint_id
            and inside(tracked.request.pause.checkpoint_ns, checkpoint_ns)
            for tracked in self._known.values()
        ):

            async def leave(conn: Connection) -> None:
                ids = await requests.supersede(
                    conn,
                    self.lease.thread_id,
                    checkpoint_ns=checkpoint_ns,
                    before=checkpoint_id,
                    at=self.now(),
                )
                await self._audit_superseded(conn, ids)

            write.then(leave)

    def _note_delivered(self, write: Write, task_id: str, answered: int) -> None:
        passed_over = self.answers.passed_over.get(task_id, ())
        for tracked in self._of_task(task_id):
            request = tracked.request
            if (
                tracked.delivering
                and request.id not in self.delivered
                and request.pause.position < answered
                and request.pause.position not in passed_over
            ):
                self._deliver(write, request)

    def _deliver(self, write: Write, request: Request) -> None:
        self.delivered.add(request.id)
        write.add(
            "delivered",
            {"id": request.id, "thread_id": self.lease.thread_id, "at": self.now()},
        )
        after = replace(request, delivery=Delivery.DELIVERED)
        entry = of_request(
            "request.delivered", request, after, by=SYSTEM, at=self.now(), run_id=self.run_id
        )
        write.add("audit", audit.row(entry))

    def _leave_task(self, write: Write, task_id: str) -> None:
        if not any(t.request.state is RequestState.OPEN for t in self._of_task(task_id)):
            return

        async def leave(conn: Connection) -> None:
            ids = await requests.supersede_task(
                conn, self.lease.thread_id, task_id, positions_below=None, at=self.now()
            )
            await self._audit_superseded(conn, ids)

        write.then(leave)

    def _is_withdrawn(self, interrupt_id: str) -> bool:
        """Whether nobody is to answer this question; until somebody starts the thread again."""
        tracked = self._known.get(interrupt_id)
        return tracked is not None and tracked.request.state is RequestState.WITHDRAWN

    def _note_interrupt(self, write: Write, interrupt: Interrupt[Any], pause: Pause) -> None:
        tracked = self._known.get(interrupt.id)
        if tracked is not None and tracked.request.pause.task_id != pause.task_id:
            return  # a subgraph's pause, reported again by the task that runs the subgraph
        question = understand(interrupt.value, schema(interrupt), node=pause.node)
        if tracked is None:
            revises, remark = self._passed_over(write, pause.task_id)
            self._open(write, question, pause, revises, remark)
        elif tracked.request.state is RequestState.OPEN and (
            tracked.request.question.digest != question.digest
        ):
            # It keeps the policy that it was opened with.
            question = replace(question, policy=tracked.request.policy)
            remark = f"{REVISED} {question.remark}" if question.remark else REVISED
            tracked.request = replace(tracked.request, question=question, remark=remark, votes=())
            write.then(partial(self._revise, tracked.request))

    def _open(
        self,
        write: Write,
        question: Question,
        pause: Pause,
        revises: str | None,
        remark: str | None,
    ) -> None:
        request = self._opener.open(
            question,
            pause,
            at=self.now(),
            run_id=self.run_id,
            traceparent=self._traceparent,
            involved=self._involved,
            revises=revises,
            remark=remark,
        )
        self._known[pause.interrupt_id] = Tracked(request)
        write.add("opened", request_rows.row(request))
        write.add("audit", audit.row(opened_entry(request)))

    async def _revise(self, request: Request, conn: Connection) -> None:
        if await requests.revise(conn, request):
            data = {"digest": request.question.digest}
            await audit.append(conn, self._entry("request.revised", request.id, data))

    def _passed_over(self, write: Write, task_id: str) -> tuple[str | None, str | None]:
        """Put aside the outcomes that the guard did not let through.

        The last of their requests, and what is to be said on the one that follows it.
        """
        last = remark = None
        for tracked in self._of_task(task_id):
            request = tracked.request
            if request.pause.position in self.answers.passed_over.get(task_id, ()):
                last, remark = request.id, remark or ANEW
                if tracked.delivering:
                    tracked.delivering = False
                    remark = CHANGED
                    write.then(partial(self._put_aside, request.id))
        return last, remark

    async def _put_aside(self, request_id: str, conn: Connection) -> None:
        await outcomes.put_aside(conn, request_id, CHANGED)
        await audit.append(conn, self._entry("request.outcome_not_used", request_id, {}))

    def _of_task(self, task_id: str) -> list[Tracked]:
        return _of_task(self._known, task_id)

    def _entry(self, event: str, request_id: str, data: dict[str, Any]) -> AuditEntry:
        return AuditEntry(
            event=event,
            thread_id=self.lease.thread_id,
            by=SYSTEM,
            at=self.now(),
            request_id=request_id,
            run_id=self.run_id,
            data=data,
        )

    async def _audit_superseded(self, conn: Connection, ids: Sequence[str]) -> None:
        closed = set(ids)
        for tracked in self._known.values():
            if tracked.request.id in closed:
                tracked.delivering = False
        self._known = {
            key: tracked for key, tracked in self._known.items() if tracked.request.id not in closed
        }
        await audit.append(conn, *(self._entry("request.superseded", each, {}) for each in ids))


def _of_task(known: Mapping[str, Tracked], task_id: str) -> list[Tracked]:
    return [t for t in known.values() if t.request.pause.task_id == task_id]


def _check(known: Mapping[str, Tracked], opener: Opener, task_id: str, value: Any) -> None:
    """Refuse a question that is new and cannot be put; one that is open stays so.

    Raises:
        InvalidQuestion: It is refused.
    """
    if not any(t.request.state is RequestState.OPEN for t in _of_task(known, task_id)):
        opener.check(value)
