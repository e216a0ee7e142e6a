"""Finding the stops before and after nodes, which LangGraph itself records nowhere.

Whether a thread stands at one can be told from its checkpoints alone, by LangGraph's own rule: the
nodes that run next, or have just run, are among those to stop at, and something was written since
the last stop that was passed. So a stop is found the same by the run that came to it, by the one
that follows on a crash, and by one that comes from somewhere else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.constants import END, START, TAG_HIDDEN
from langgraph.pregel import Pregel
from langgraph.types import StateSnapshot

from signoff.domain.question import Pause
from signoff.graph.keys import INTERRUPT, NULL_TASK, ROUTE, TASKS
from signoff.graph.saver import SignoffSaver

Graph = Pregel[Any, Any, Any, Any]
Nodes = Literal["*"] | Collection[str] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """A thread stands at a checkpoint, before some nodes or after some; `next` are those to run.

    `graph` is the one whose breakpoint it is, the root or one inside it.
    """

    graph: Graph
    checkpoint_ns: str
    checkpoint_id: str
    when: Literal["before", "after"]
    nodes: Sequence[str]
    next: Sequence[str]
    values: dict[str, Any]

    def pause(self, thread_id: str, graph: str, *, again: int) -> Pause:
        """The stop as a place to ask at; `again` is how often it was asked there before."""
        place = f"{self.checkpoint_ns} {self.checkpoint_id} {again}"
        interrupt_id = sha256(f"breakpoint {place}".encode()).hexdigest()[:32]
        return Pause(
            thread_id=thread_id,
            graph=graph,
            node=self.nodes[0],
            interrupt_id=interrupt_id,
            task_id=interrupt_id,
            checkpoint_ns=self.checkpoint_ns,
            checkpoint_id=self.checkpoint_id,
            position=0,
        )


async def stops(
    graph: Graph, saver: SignoffSaver, thread_id: str, *, before: Nodes, after: Nodes
) -> list[Stop]:
    """All stops that a thread stands at, also inside subgraphs.

    `before` and `after` are the run's own breakpoints in the root graph; without them those hold
    that it was compiled with.
    """
    state = await graph.aget_state(at(thread_id), subgraphs=True)
    if state.created_at is None:
        return []
    before, after = before or graph.interrupt_before_nodes, after or graph.interrupt_after_nodes
    return [
        stop async for stop in _Finder(graph, saver, thread_id).find(graph, state, before, after)
    ]


def at(thread_id: str, checkpoint_ns: str = "", checkpoint_id: str | None = None) -> RunnableConfig:
    """A place in a thread as LangGraph names it; without an id, the latest checkpoint."""
    configurable = {"thread_id": thread_id, "checkpoint_ns": checkpoint_ns}
    if checkpoint_id is not None:
        configurable["checkpoint_id"] = checkpoint_id
    return {"configurable": configurable}


def graph_at(root: Graph, checkpoint_ns: str) -> Graph | None:
    """The graph whose checkpoints have this namespace; None if the deployed graph has none."""
    graph = root
    for name in names_of(checkpoint_ns):
        inner = subgraphs(graph).get(name)
        if inner is None:
            return None
        graph = inner
    return graph


def subgraphs(graph: Graph) -> dict[str, Graph]:
    """The graphs that a graph's nodes run, by the names of the nodes."""
    return {name: inner for name, inner in graph.get_subgraphs() if isinstance(inner, Pregel)}


def names_of(checkpoint_ns: str) -> list[str]:
    """The nodes that lead to a namespace."""
    parts = checkpoint_ns.split("|") if checkpoint_ns else []
    return [part.partition(":")[0] for part in parts if not part.isdigit()]


@dataclass(frozen=True, slots=True)
class LastStep:
    """The nodes that ran right before a checkpoint; `fixed` if they chose what comes next.

    A route by edges can be found anew after an update; one by a `Command` is the node's own.
    """

    nodes: Sequence[str]
    fixed: bool


async def last_step(
    root: Graph, graph: Graph, saver: SignoffSaver, head: CheckpointTuple
) -> LastStep:
    """What led to a checkpoint; fixed also where that cannot be told."""
    if head.metadata.get("source") not in ("loop", "fork") or head.parent_config is None:
        return LastStep((), fixed=True)
    place = head.parent_config["configurable"]
    parent = at(place["thread_id"], place.get("checkpoint_ns", ""), place["checkpoint_id"])
    record = await root.aget_state(parent)
    saved = await saver.aget_tuple(parent)
    ran = {task.id: task.name for task in record.tasks}
    nodes = tuple(dict.fromkeys(ran.values()))
    builder = getattr(graph, "builder", None)
    if saved is None or builder is None or not nodes or any(n not in graph.nodes for n in nodes):
        return LastStep(nodes, fixed=True)
    edges = {(start, ROUTE + end) for start, end in builder.edges}
    fixed = False
    for task_id, channel, _ in saved.pending_writes or ():
        if task_id == NULL_TASK or not (channel == TASKS or channel.startswith(ROUTE)):
            continue
        node = ran.get(task_id)
        if node is None or not (builder.branches.get(node) or (node, channel) in edges):
            fixed = True
    return LastStep(nodes, fixed)


class _Finder:
    def __init__(self, root: Graph, saver: SignoffSaver, thread_id: str) -> None:
        self._root = root
        self._saver = saver
        self._thread_id = thread_id

    async def find(
        self, graph: Graph, state: StateSnapshot, before: Nodes, after: Nodes
    ) -> AsyncIterator[Stop]:
        """The stop of this graph, or else those of the graphs that its tasks run."""
        if before or after:
            stop = await self._stop(graph, state, before, after)
            if stop is not None:
                yield stop
                return
        inner = subgraphs(graph)
        for task in state.tasks:
            if not isinstance(task.state, StateSnapshot) or task.state.created_at is None:
                continue
            if task.interrupts or task.result is not None or task.name not in inner:
                continue
            own = inner[task.name]
            async for stop in self.find(
                own, task.state, own.interrupt_before_nodes, own.interrupt_after_nodes
            ):
                yield stop

    async def _stop(
        self, graph: Graph, state: StateSnapshot, before: Nodes, after: Nodes
    ) -> Stop | None:
        place = state.config["configurable"]
        checkpoint_ns, checkpoint_id = place.get("checkpoint_ns", ""), place["checkpoint_id"]
        head = await self._saver.aget_tuple(at(self._thread_id, checkpoint_ns, checkpoint_id))
        if head is None or not _moved(head.checkpoint) or _begun(head):
            return None
        coming = [task.name for task in state.tasks if task.name != START]
        passed: Sequence[str] = ()
        if after and head.metadata.get("source") in ("loop", "fork"):
            passed = (await last_step(self._root, graph, self._saver, head)).nodes
        when: Literal["before", "after"] = "after"
        nodes = _named(graph, passed, after)
        if not nodes:
            when, nodes = "before", _named(graph, coming, before)
        if not nodes:
            return None
        return Stop(
            graph=graph,
            checkpoint_ns=checkpoint_ns,
            checkpoint_id=checkpoint_id,
            when=when,
            nodes=nodes,
            next=list(dict.fromkeys(coming)),
            values=_values(graph, state, head.checkpoint),
        )


def _values(graph: Graph, state: StateSnapshot, checkpoint: Checkpoint) -> dict[str, Any]:
    """The state; of an `@entrypoint`, which has none, what it has returned or was called with."""
    values = state.values
    if graph.output_channels == END and values is None:
        values = checkpoint["channel_values"].get(START)
    return values if isinstance(values, dict) else {"value": values}


def _moved(checkpoint: Checkpoint) -> bool:
    """Whether a channel was written since the last stop that was passed, as LangGraph sees it."""
    seen = checkpoint["versions_seen"].get(INTERRUPT, {})
    versions: dict[str, Any] = checkpoint["channel_versions"]
    return any(
        version > seen.get(channel, type(version)()) for channel, version in versions.items()
    )


def _begun(head: CheckpointTuple) -> bool:
    """Whether a task of the step that follows has written something already."""
    return any(write[0] != NULL_TASK for write in head.pending_writes or ())


def _named(graph: Graph, names: Iterable[str], wanted: Nodes) -> list[str]:
    """Which of these nodes are among those that are wanted."""
    found = dict.fromkeys(names)
    if wanted == "*":
        return [
            n
            for n in found
            if TAG_HIDDEN not in (graph.nodes[n].tags or () if n in graph.nodes else ())
        ]
    return [n for n in found if n in (wanted or ())]
