"""Deadlines of graphs that know nothing of Signoff: each node gets an answer it understands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from langgraph.types import interrupt
from pydantic import BaseModel

from signoff import Signoff
from signoff.domain.request import Delivery, RequestState
from signoff.domain.thread import ThreadStatus
from signoff.policies.reading import load
from tests.conftest import Clock, OpenDesk
from tests.graph.agents import ASKED, World
from tests.helpers import Log, chain, settled, started, the_open, time_kept

PATH = Path("signoff.toml")


class Terms(BaseModel):
    """What a form asks for."""

    days: int
    renew: bool = True


CALL = {"action": "send", "args": {"n": 1}}
CONFIG = dict.fromkeys(("allow_accept", "allow_edit", "allow_respond", "allow_ignore"), True)
INBOX = {"action_request": CALL, "config": CONFIG, "description": "Send it?"}

ASKS: dict[str, tuple[Any, Any]] = {
    "question": ("Which day?", None),
    "choice": ({"question": "Go on?", "options": ["approve", "reject"]}, None),
    "form": ({"question": "Which terms?"}, Terms),
    "number": ("How many?", int),
    "inbox": ([INBOX], None),
    "inbox_text": (INBOX, None),
    "inbox_edit": ([INBOX], None),
}

POLICIES = """
[policy]
within = "1h"
otherwise = "reject"

[[policy]]
kind = "question"
otherwise = { action = "respond", values = { value = "Monday" } }

[[policy]]
kind = "choice"
otherwise = { action = "reject", note = "Nobody said a thing." }

[[policy]]
graph = "form"
otherwise = { action = "respond", values = { days = 14 } }

[[policy]]
graph = "number"
otherwise = { action = "respond", values = { value = 0 } }

[[policy]]
kind = "agent_inbox"
otherwise = "ignore"

[[policy]]
graph = "inbox_text"
kind = "agent_inbox"
otherwise = { action = "respond", note = "Nobody is here." }

[[policy]]
graph = "inbox_edit"
kind = "agent_inbox"
otherwise = { action = "edit", values = { args = { n = 0 } } }
"""

GETS: dict[str, Any] = {
    "question": "Monday",
    "choice": {
        "action": "reject",
        "approved": False,
        "feedback": "Nobody said a thing.",
        "notes": "Nobody said a thing.",
        "reviewer": "system",
        "user": "system",
    },
    "form": {"days": 14, "renew": True},
    "number": 0,
    "inbox": [{"type": "ignore", "args": None}],
    "inbox_text": [{"type": "response", "args": "Nobody is here."}],
    "inbox_edit": [{"type": "edit", "args": {"action": "send", "args": {"n": 0}}}],
}


def graph(value: Any, schema: Any) -> Any:
    def asks(state: Log) -> Log:
        answer = interrupt(value, response_schema=schema)
        return {"seen": [answer.model_dump() if isinstance(answer, BaseModel) else answer]}

    return chain(asks)


async def timed_out(desk: Signoff, clock: Clock, *threads: str) -> list[Any]:
    """The threads after the deadline, which nobody has met."""
    clock.forward(timedelta(hours=1))
    await time_kept(desk)
    return [await settled(desk, thread_id) for thread_id in threads]


async def test_each_kind_of_node_gets_the_fallback_in_its_own_form(
    open_desk: OpenDesk, clock: Clock
) -> None:
    book = load(POLICIES, path=PATH)
    graphs = {name: graph(*asked) for name, asked in ASKS.items()}
    desk = await open_desk(graphs, now=clock, policies=lambda: book)
    for name in graphs:
        await started(desk, name, thread_id=name)
    for thread in await timed_out(desk, clock, *graphs):
        assert (thread.status, thread.error) == (ThreadStatus.IDLE, None)
        assert thread.values["seen"] == [GETS[thread.id]], thread.id
        [request] = (await desk.requests(thread_id=thread.id)).items
        assert (request.state, request.delivery) == (RequestState.EXPIRED, Delivery.DELIVERED)


REJECT = 'otherwise = { action = "reject", note = "Nobody approved it in time." }'


async def test_an_agent_is_told_of_a_deadline_and_goes_on(
    open_desk: OpenDesk, clock: Clock
) -> None:
    """Both ways of the middleware, several calls at once; then `respond`, and `edit`."""
    world = World()
    calls = [("notify", {"to": "a"}), ("notify", {"to": "b"})]
    graphs = {
        "batch": world.agent(calls),
        "calls": world.agent(calls, mode="per_call"),
        "said": world.agent(calls[:1], mode="per_call"),
        "edited": world.agent(calls[:1], mode="per_call"),
        "approved": world.agent(calls),
    }
    book = load(
        f"""
        [policy]
        within = "1h"
        {REJECT}
        [[policy]]
        graph = "said"
        kind = "tool_approval"
        otherwise = {{ action = "respond", note = "Ask again on Monday." }}
        [[policy]]
        graph = "edited"
        kind = "tool_approval"
        topic = "notify"
        otherwise = {{ action = "edit", values = {{ args = {{ to = "nobody" }} }} }}
        [[policy]]
        graph = "approved"
        kind = "tool_batch"
        otherwise = "approve"
        """,
        path=PATH,
    )
    desk = await open_desk(graphs, now=clock, policies=lambda: book)
    for name in graphs:
        await started(desk, name, ASKED, thread_id=name)
    done = dict(zip(graphs, await timed_out(desk, clock, *graphs), strict=True))
    told = {
        name: [m["content"] for m in thread.values["messages"] if m["type"] == "tool"]
        for name, thread in done.items()
    }
    assert {thread.status for thread in done.values()} == {ThreadStatus.IDLE}
    for name in ("batch", "calls"):
        assert len(told[name]) == 2
        assert all(text.endswith("reason: Nobody approved it in time.") for text in told[name])
    assert told["said"] == ["Ask again on Monday."]
    assert told["edited"][0].endswith("told nobody")
    assert told["approved"] == ["told a", "told b"]
    assert sorted(args["to"] for _, args in world.calls) == ["a", "b", "nobody"]


async def test_a_fallback_that_a_request_does_not_take_leaves_it_open_and_overdue(
    open_desk: OpenDesk, clock: Clock
) -> None:
    """Never an answer that the node would choke on: not all of these calls may be rejected."""
    world = World()
    agent = world.agent([("notify", {"to": "a"}), ("pay", {})], pay=["approve"])
    book = load(f'[[policy]]\nkind = "tool_batch"\nwithin = "1h"\n{REJECT}', path=PATH)
    desk = await open_desk({"g": agent}, now=clock, policies=lambda: book)
    await started(desk, input=ASKED)
    request = await the_open(desk)
    assert request.policy.otherwise is None
    [found] = [
        each
        for each in book.explain(
            {}, graph="g", node="x", kind="tool_batch", topic=None, actions=request.actions
        )
        if each.field == "otherwise"
    ]
    assert "'reject' is not offered; choose submit or approve" in (found.remark or "")
    await timed_out(desk, clock)
    assert (await the_open(desk)).overdue
    assert world.calls == []
