"""What a run streams, held against what LangGraph streams of the same graph in one process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.types import Command, StreamMode

from signoff import Signoff
from signoff.domain.jsontext import to_json
from tests.api.test_streams import drafts, nested
from tests.conftest import OpenDesk
from tests.helpers import answered, settled

MODES: list[StreamMode] = ["values", "updates", "custom"]

Told = list[tuple[str, Any]]


def without_ids(told: Told) -> Told:
    """The events without the ids that differ from thread to thread."""
    text = orjson.dumps(to_json(told)).decode()
    plain = orjson.loads(re.sub(r'(?<=[|:"])[0-9a-f-]{32,36}', "ID", text))
    return [(event, data) for event, data in plain]


async def in_one_process(
    builder: StateGraph[Any], steps: Sequence[Any], *, subgraphs: bool
) -> list[Told]:
    """What the engine itself streams, step by step."""
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    told: list[Told] = []
    for step in steps:
        parts = graph.astream(step, config, stream_mode=MODES, subgraphs=True)
        told.append(
            [
                ("|".join([str(mode), *namespace]), _as_sent(data))
                async for namespace, mode, data in parts
                if subgraphs or not namespace
            ]
        )
    return [without_ids(each) for each in told]


def _as_sent(data: Any) -> Any:
    if not isinstance(data, dict) or "__interrupt__" not in data:
        return data
    asked = [
        {"value": each.value, "id": each.id, "response_schema": each.response_schema}
        for each in data["__interrupt__"]
    ]
    return {**data, "__interrupt__": asked}


async def through(desk: Signoff, graph: str, *, subgraphs: bool) -> list[Told]:
    """What the desk streams of a run to its pause, and of the run that a decision resumes."""
    given: dict[str, Any] = {"stream": MODES, "subgraphs": subgraphs}
    await desk.start(graph, {"topic": "tea"}, by="jane", thread_id=graph, **given)
    await settled(desk, graph)
    await answered(desk, "yes", graph)
    runs: dict[str, Told] = {}
    async for event in desk.stream(graph, until_rest=True):
        told = runs.setdefault(event.run_id, [])
        if event.event != "metadata":
            told.append((event.event, event.data))
    return [without_ids(each) for each in runs.values()]


@pytest.mark.parametrize("subgraphs", [False, True])
async def test_a_desk_streams_what_the_engine_does(open_desk: OpenDesk, subgraphs: bool) -> None:
    graphs = {"drafts": drafts(), "nested": nested()}
    desk = await open_desk(graphs)
    for name, graph in graphs.items():
        steps = [{"topic": "tea"}, Command(resume="yes")]
        own = await in_one_process(graph, steps, subgraphs=subgraphs)
        assert all(own)
        assert await through(desk, name, subgraphs=subgraphs) == own
