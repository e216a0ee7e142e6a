"""Breakpoints on the way of a run: where it may not go on unasked, and where it has stopped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple

from signoff.db import runs
from signoff.db.pool import Database
from signoff.domain.errors import Conflict, InvalidInput
from signoff.domain.question import Question
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.run import Run, RunKind
from signoff.graph.breakpoints import Stop, graph_at, names_of, stops
from signoff.graph.catalog import Served
from signoff.graph.context import RunContext
from signoff.graph.passing import carry_out, go_back, stands
from signoff.graph.state_fields import fields
from signoff.graph.stop_question import question_at

MOVED_ON = "the thread has moved on and does not stand at this breakpoint any more"


@dataclass(slots=True)
class Arrival:
    """What a run found of breakpoints where it begins.

    `held`: it may not go on. `passed`: it may, by what was decided, which is carried out. `failed`
    are requests whose outcome could not be, each with the reason; of these, `gone` are left behind.
    """

    held: bool = False
    passed: bool = False
    failed: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


class Gate:
    """The breakpoints of one run."""

    def __init__(
        self,
        served: Served,
        database: Database,
        run: Run,
        context: RunContext,
        metadata: dict[str, Any],
        *,
        reask: str | None,
    ) -> None:
        self._served = served
        self._database = database
        self._run = run
        self._context = context
        self._metadata = metadata
        self._reask = reask
        self._anew: Request | None = None
        before, after = (run.options.get(f"interrupt_{when}") for when in ("before", "after"))
        self._wanted = before, after
        self._armed = served.breaks or bool(before or after)

    async def missing(self) -> str | None:
        """What is wrong with the breakpoints that the run itself brings, if anything is.

        Whoever started it may not have known the graph. A run that goes on from a request may have
        them from the one that asked: there, a node that is gone by now does not hold it up.
        """
        if self._reask is not None:
            return None
        for option, nodes in zip(
            ("interrupt_before", "interrupt_after"), self._wanted, strict=True
        ):
            node = self._served.misses(nodes)
            if node is not None and not await self._is_from_who_asked(option, nodes):
                return f"{option} names {node!r}, which is no node of graph {self._served.name!r}"
        return None

    async def _is_from_who_asked(self, option: str, nodes: Any) -> bool:
        if self._run.kind is not RunKind.RESUME:
            return False
        asked = {request.run_id for request in self._context.requests if request.run_id}
        async with self._database.connection() as conn:
            found = [await runs.get(conn, self._run.thread_id, run_id) for run_id in asked]
        return any(run is not None and run.options.get(option) == nodes for run in found)

    def concerns(self, head: CheckpointTuple | None) -> bool:
        """Whether the run may begin at a breakpoint. One with new input leaves it behind."""
        run = self._run
        if head is None or not (self._armed or self._context.breakpoints):
            return False
        if run.kind is not RunKind.START:
            return True
        # Begun again, it goes on from what it has written itself.
        return run.attempt > 1 and head.metadata.get("run_id") == run.id

    async def arrive(self) -> Arrival:
        """Carry out what was decided where the thread stands, and ask what is not asked yet.

        While anything is open there, nothing runs: LangGraph passes all breakpoints at once, also
        those of other branches.
        """
        arrival = Arrival()
        for request in self._context.breakpoints:
            if request.id == self._reask:
                await self._ask_anew(request, arrival)
            elif request.delivery in (Delivery.PENDING, Delivery.FAILED):
                await self._deliver(request, arrival)
        await self.stop(but=arrival.failed.keys())
        open_ = [r for r in self._context.breakpoints if r.state is RequestState.OPEN]
        arrival.held = bool(open_ or arrival.failed.keys() - arrival.gone)
        return arrival

    async def stop(self, *, but: Collection[str] = ()) -> bool:
        """Open a request for each breakpoint that the thread stands at; whether there is one."""
        if not self._armed:
            return False
        await self._context.stream.flush()
        before, after = self._wanted
        found = await stops(
            self._served.graph, self._served.saver, self._run.thread_id, before=before, after=after
        )
        for stop in found:
            asked = [r for r in self._context.breakpoints if _asked_at(stop, r)]
            if any(r.state is RequestState.OPEN or r.id in but for r in asked):
                continue
            pause = stop.pause(self._run.thread_id, self._run.graph, again=len(asked))
            earlier = asked[-1] if asked else self._anew
            await self._context.stop(question_of(self._served, stop), pause, earlier)
        return bool(found)

    async def _deliver(self, request: Request, arrival: Arrival) -> None:
        """Carry out a decision, if it is to be and can be; one that is carried out has its turn
        later, with what the graph makes of it."""
        if request.delivered_at is not None:
            return
        if (node := self._missing(request)) is not None:
            arrival.failed[request.id] = (
                f"the deployed graph {request.graph!r} has no node {node!r}, where this thread "
                "waits: deploy one and retry"
            )
        elif not await stands(self._served, request):
            arrival.failed[request.id] = MOVED_ON
            arrival.gone.add(request.id)
        elif request.delivery is Delivery.FAILED:
            arrival.failed[request.id] = request.delivery_error or "it could not be carried out"
        else:
            try:
                await carry_out(
                    self._served, self._database, self._context, request, self._metadata
                )
                arrival.passed = True
            except (Conflict, InvalidInput) as error:
                arrival.failed[request.id] = error.message

    async def _ask_anew(self, request: Request, arrival: Arrival) -> None:
        """Have the thread stand where this was asked, with the state from then."""
        if not await stands(self._served, request) and (
            request.delivered_at is None or request.pause.checkpoint_ns
        ):
            arrival.failed[request.id] = MOVED_ON
            arrival.gone.add(request.id)
        elif request.delivered_at is not None:
            await go_back(self._served, self._database, self._context, request, self._metadata)
            self._anew = request

    def _missing(self, request: Request) -> str | None:
        """A node that the deployed graph no longer has, where the thread waits to go on."""
        graph = graph_at(self._served.graph, request.pause.checkpoint_ns)
        if graph is None:
            return names_of(request.pause.checkpoint_ns)[-1]
        following = request.payload["next"]
        return next((node for node in following if node not in graph.nodes), None)


def question_of(served: Served, stop: Stop) -> Question:
    """What is asked at a stop, as the desk's `[breakpoints]` tables have it."""
    return question_at(
        when=stop.when,
        nodes=stop.nodes,
        following=stop.next,
        values=stop.values,
        known=fields(stop.graph),
        form=served.saver.opener.book().breakpoint_form(served.name, stop.nodes),
    )


def _asked_at(stop: Stop, request: Request) -> bool:
    pause = request.pause
    return (pause.checkpoint_ns, pause.checkpoint_id) == (stop.checkpoint_ns, stop.checkpoint_id)
