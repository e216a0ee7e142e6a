"""A run that has ended is freed at once: nothing of it waits for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.pregel._loop import PregelLoop
from langgraph.types import interrupt

from signoff.graph.context import RunContext
from tests.conftest import OpenDesk
from tests.helpers import Log, answered, chain, eventually, started


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def draft(_state: Log) -> Any:
    return {"seen": ["draft"]}


def review(_state: Log) -> Any:
    return {"seen": [interrupt("Fine?")]}


inner = chain(draft, review).compile()


async def outer(state: Log) -> Any:
    return {"seen": (await inner.ainvoke(state))["seen"]}


@pytest.mark.parametrize("nodes", [(draft, review), (outer,)], ids=["node", "subgraph"])
async def test_a_run_is_freed_as_it_pauses_and_as_it_ends(
    open_desk: OpenDesk, uncollected: None, nodes: tuple[Any, ...]
) -> None:
    desk = await open_desk({"g": chain(*nodes)})

    async def nothing_is_left() -> bool:
        return not any(isinstance(each, RunContext | PregelLoop) for each in gc.get_objects())

    await started(desk)
    await eventually(nothing_is_left)
    await answered(desk, "yes")
    await eventually(nothing_is_left)
