"""Answers have all that LangGraph's own server (langgraph-api 0.16.7) was seen to answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Api

CHECKPOINT = {"checkpoint_id": "", "thread_id": "", "checkpoint_ns": ""}
INTERRUPT = {"id": "", "value": {}}
TASK = {
    **dict.fromkeys(("id", "name", "path", "error", "checkpoint", "state", "result")),
    "interrupts": [INTERRUPT],
}
OF_THE_GRAPH = {"graph_id": "", "assistant_id": "", "created_by": ""}

RECORDED = {
    "thread": {
        **dict.fromkeys(("thread_id", "created_at", "updated_at", "state_updated_at")),
        **dict.fromkeys(("status", "values", "error")),
        "metadata": {"team": "", "graph_id": "", "assistant_id": ""},
        "config": {"configurable": {}},
        "interrupts": {},
    },
    "state": {
        **dict.fromkeys(("values", "next", "created_at", "checkpoint_id", "parent_checkpoint_id")),
        "tasks": [TASK],
        "metadata": {
            **dict.fromkeys(("thread_id", "run_id", "run_attempt", "source", "step", "parents")),
            **OF_THE_GRAPH,
        },
        "checkpoint": CHECKPOINT,
        "parent_checkpoint": CHECKPOINT,
        "interrupts": [INTERRUPT],
    },
    "run": {
        **dict.fromkeys(("run_id", "thread_id", "assistant_id", "status", "multitask_strategy")),
        **dict.fromkeys(("created_at", "updated_at", "langsmith_session_name")),
        "metadata": OF_THE_GRAPH,
        "kwargs": {
            **dict.fromkeys(("input", "command", "context", "stream_mode", "interrupt_before")),
            **dict.fromkeys(("interrupt_after", "webhook", "feedback_keys", "temporary")),
            **dict.fromkeys(("subgraphs", "resumable", "checkpoint_during", "durability")),
            "config": {"configurable": {}},
        },
    },
}
"""Names, as deep as they have a meaning here; what is only of LangGraph's own server is left out:
`langgraph_*`, `user_id`, and what it tells its own processes in `kwargs.config`."""


def missing(recorded: Any, answer: Any, at: str = "") -> Iterator[str]:
    """The places of a recorded answer that ours has not."""
    if isinstance(recorded, dict):
        for name, inside in recorded.items():
            if name not in answer:
                yield f"{at}/{name}"
            else:
                yield from missing(inside, answer[name], f"{at}/{name}")
    elif isinstance(recorded, list):
        assert len(answer) == 1
        yield from missing(recorded[0], answer[0], f"{at}/0")


@pytest.mark.parametrize(
    ("shape", "path"),
    [("thread", "/threads/t"), ("state", "/threads/t/state"), ("run", "/threads/t/runs/{}")],
)
async def test_nothing_recorded_is_missing(api: Api, shape: str, path: str) -> None:
    await api.http.post("/threads", json={"thread_id": "t", "metadata": {"team": "fin"}})
    await api.wait("t")
    [run] = (await api.http.get("/threads/t/runs")).json()
    answer = (await api.http.get(path.format(run["run_id"]))).json()
    assert [*missing(RECORDED[shape], answer)] == []
