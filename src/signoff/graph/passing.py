"""Going on from a breakpoint: values, the route from there and the delivery in one transaction.

What was decided is carried out on the thread's own checkpoints, before the graph runs: in a new
checkpoint that holds the values, or in the one where the thread stands. Either says, as LangGraph
itself would say it later, that this stop is passed. So a crash finds it passed with its values or
not passed at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
)
from langgraph.constants import END, START
from langgraph.types import StateUpdate

from signoff.db import breakpoints as marks
from signoff.db.group import Write, execute
from signoff.db.leases import hold
from signoff.db.pool import Connection, Database
from signoff.domain.errors import InvalidInput, LeaseLost
from signoff.domain.request import Request
from signoff.graph.breakpoints import Graph, at, graph_at, last_step
from signoff.graph.catalog import Served
from signoff.graph.context import RunContext
from signoff.graph.keys import INTERRUPT, NULL_TASK
from signoff.graph.state_fields import from_json
from signoff.graph.update import PinnedSaver, within_bounds
from signoff.graph.writes import Task
from signoff.pauses.breakpoint import ABORT


class _HeldSaver(PinnedSaver):
    """A checkpointer of the holder of a thread, in a transaction that somebody else commits.

    All its checkpoints say that the breakpoint at them is passed; or that none is.
    """

    def __init__(self, served: Served, conn: Connection, run: RunContext, *, passed: bool) -> None:
        super().__init__(served.saver, conn)
        self._run = run
        self._passed = passed

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        place = config["configurable"]
        namespace = place.get("checkpoint_ns", "")
        seen = {k: v for k, v in checkpoint["versions_seen"].items() if k != INTERRUPT}
        if self._passed:
            seen[INTERRUPT] = dict(checkpoint["channel_versions"])
        marked: Checkpoint = {**checkpoint, "versions_seen": seen}
        rows = self._checkpoint_rows(config, marked, metadata, new_versions, None)
        write = Write(self._run.stream, rows)
        self._run.note_checkpoint(write, checkpoint_ns=namespace, checkpoint_id=checkpoint["id"])
        await self.write(write)
        return at(place["thread_id"], namespace, checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        place = config["configurable"]
        task = Task(
            thread_id=place["thread_id"],
            graph=self.graph,
            id=task_id,
            node="",
            checkpoint_ns=place.get("checkpoint_ns", ""),
            checkpoint_id=place["checkpoint_id"],
        )
        rows = self._write_rows(task, task_path, writes, None)
        await self.write(Write(self._run.stream, rows))

    async def write(self, write: Write) -> None:
        """Write at once, with what is to follow.

        Raises:
            LeaseLost: Somebody else holds the thread by now.
        """
        held, _ = await execute(self.pinned, [write])
        if not held:
            raise LeaseLost(self._run.lease.thread_id)
        for step in write.afterwards:
            await step(self.pinned)


async def stands(served: Served, request: Request) -> bool:
    """Whether a thread still stands at the breakpoint of a request, which nobody has passed."""
    pause = request.pause
    head = await served.saver.aget_tuple(at(pause.thread_id, pause.checkpoint_ns))
    if head is None or head.checkpoint["id"] != pause.checkpoint_id:
        return False
    if not pause.checkpoint_ns:
        return True
    return await _is_under_way(served, pause.thread_id, pause.checkpoint_ns)


async def carry_out(
    served: Served,
    database: Database,
    run: RunContext,
    request: Request,
    metadata: dict[str, Any],
) -> None:
    """Do what was decided at a breakpoint where the thread stands, and record it as delivered.

    Raises:
        InvalidInput: The graph does not take the values, or took too long over them.
        LeaseLost: Somebody else holds the thread by now.
    """
    assert request.outcome is not None
    await run.stream.flush()
    async with _held(database, run) as conn:
        saver = _HeldSaver(served, conn, run, passed=True)
        graph = served.graph.copy({"checkpointer": saver})
        await within_bounds(_carry_out(graph, saver, request, metadata))
        write = Write(run.stream)
        run.note_passed(write, request)
        await saver.write(write)
    run.trail.row = None


async def go_back(
    served: Served,
    database: Database,
    run: RunContext,
    request: Request,
    metadata: dict[str, Any],
) -> None:
    """Have a thread stand again at a breakpoint that it has passed, with the state from then."""
    pause = request.pause
    await run.stream.flush()
    async with _held(database, run) as conn:
        saver = _HeldSaver(served, conn, run, passed=False)
        graph = served.graph.copy({"checkpointer": saver})
        place: RunnableConfig = {
            **at(pause.thread_id, pause.checkpoint_ns, pause.checkpoint_id),
            "metadata": metadata,
        }
        await within_bounds(graph.aupdate_state(place, None, as_node="__copy__"))
    run.trail.row = None


async def _carry_out(
    graph: Graph, saver: _HeldSaver, request: Request, metadata: dict[str, Any]
) -> None:
    pause, outcome = request.pause, request.outcome
    assert outcome is not None
    if outcome.action == ABORT:
        root: RunnableConfig = {**at(pause.thread_id), "metadata": metadata}
        await graph.aupdate_state(root, None, as_node=END)
        return
    if not outcome.values:
        await _mark_passed(saver, request)
        return
    own = graph_at(graph, pause.checkpoint_ns)
    place = at(pause.thread_id, pause.checkpoint_ns)
    head = await saver.aget_tuple(place)
    assert head is not None, "the thread stands there"
    if own is None:
        raise InvalidInput("the deployed graph has no such subgraph to give values to")
    values = from_json(own, outcome.values)
    last = await last_step(graph, own, saver, head)
    if last.fixed or not _all_taken(own, last.nodes, values):
        writes = list(values.items())
        await saver.aput_writes(head.config, writes, NULL_TASK)
        await _mark_passed(saver, request)
        return
    updates = [[StateUpdate(values, last.nodes[0])]]
    if len(last.nodes) > 1:
        # Each of them finds its way with all that was written, and not just the first one.
        updates.append([StateUpdate(None, node) for node in last.nodes])
    await graph.abulk_update_state({**place, "metadata": metadata}, updates)


def _all_taken(graph: Graph, nodes: Sequence[str], values: Mapping[str, Any]) -> bool:
    """Whether the first of these nodes can write all of the values: `START` takes the input's."""
    if nodes[0] != START:
        return True
    builder = graph.builder  # type: ignore[attr-defined]
    taken: dict[str, Any] = builder.schemas[builder.input_schema]
    return values.keys() <= taken.keys()


async def _mark_passed(saver: _HeldSaver, request: Request) -> None:
    pause = request.pause
    marked = await marks.mark_passed(
        saver.pinned,
        pause.thread_id,
        checkpoint_ns=pause.checkpoint_ns,
        checkpoint_id=pause.checkpoint_id,
    )
    assert marked, "the thread stands there"


async def _is_under_way(served: Served, thread_id: str, checkpoint_ns: str) -> bool:
    """Whether the tasks that lead to a namespace are all still to be finished."""
    outer = ""
    for part in checkpoint_ns.split("|"):
        task_id = part.partition(":")[2]
        if task_id:
            state = await served.graph.aget_state(at(thread_id, outer))
            if task_id not in {task.id for task in state.tasks}:
                return False
        outer = f"{outer}|{part}" if outer else part
    return True


@asynccontextmanager
async def _held(database: Database, run: RunContext) -> AsyncIterator[Connection]:
    """A transaction in which nobody else can take the thread.

    Raises:
        LeaseLost: Somebody else has it by now.
    """
    async with database.transaction() as conn:
        await hold(conn, run.lease)
        yield conn
