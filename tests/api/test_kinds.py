"""LangChain agents over HTTP: their tool calls as requests, and by LangGraph's own SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from langgraph.types import interrupt
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import UnprocessableEntityError

from signoff import Signoff
from tests.api.conftest import client_of, problem, serving
from tests.conftest import OpenDesk
from tests.graph.agents import ASKED, World
from tests.helpers import Log, chain, listed, settled, started, the_open
from tests.people import as_, named

CALLS = [("notify", {"to": "a", "text": "1"}), ("notify", {"to": "b", "text": "2"})]
PAY = {"amount": "1.50", "to": {"iban": "x"}, "times": 1, "on": "2026-03-02", "now": False}


@dataclass
class Served:
    """A desk with two agents."""

    desk: Signoff
    world: World
    http: httpx.AsyncClient


@pytest.fixture
async def served(open_desk: OpenDesk) -> AsyncIterator[Served]:
    world = World()
    desk = await open_desk(
        {
            "batched": world.agent(CALLS, notify=["approve", "edit", "reject"]),
            "per_call": world.agent([("pay", PAY), *CALLS], mode="per_call"),
        }
    )
    async with client_of(desk.asgi_app(authenticate=named), as_("jane")) as http:
        yield Served(desk, world, http)


async def test_a_batch_is_shown_refused_and_taken_over_http(served: Served) -> None:
    await started(served.desk, "batched", ASKED)
    [request] = (await served.http.get("/requests", params={"kind": "tool_batch"})).json()["items"]
    assert [action["name"] for action in request["actions"]] == ["submit", "approve", "reject"]
    decisions: list[Any] = [{"type": "approve"}, {"type": "respond", "message": "x"}, 3]
    path = f"/requests/{request['id']}/decisions"
    for wrong, pointers in [
        (decisions, ["/values/decisions"]),
        (decisions[:2], ["/values/decisions/1/type"]),
        (decisions[:1], ["/values/decisions"]),
    ]:
        ballot = {"action": "submit", "values": {"decisions": wrong}}
        document = problem(await served.http.post(path, json=ballot), 422, "invalid_answer")
        assert [error["pointer"] for error in document["errors"]][: len(pointers)] == pointers
    assert (await the_open(served.desk)).votes == ()

    edit = {"type": "edit", "edited_action": {"args": {"to": "c", "text": "1.0"}}}
    ballot = {"action": "submit", "values": {"decisions": [edit, {"type": "reject"}]}}
    taken = await served.http.post(path, json={**ballot, "digest": request["digest"]})
    assert (taken.status_code, taken.json()["state"]) == (201, "decided")
    await settled(served.desk)
    assert served.world.calls == [("notify", {"to": "c", "text": "1.0"})]


async def test_a_malformed_pause_says_why_over_http(open_desk: OpenDesk) -> None:
    def asks(state: Log) -> Log:
        return {"seen": [interrupt({"action_requests": []})]}

    desk = await open_desk({"g": chain(asks)})
    await started(desk)
    async with client_of(desk.asgi_app(authenticate=named), as_("jane")) as http:
        [request] = (await http.get("/requests")).json()["items"]
    assert request["kind"] == "question"
    assert request["remark"].startswith("It looks like a tool batch, but its action_requests")


async def test_the_sdk_decides_calls_as_the_middleware_has_them(served: Served) -> None:
    async with (
        serving(served.desk.asgi_app(authenticate=named)) as url,
        get_client(url=url, headers=as_("jane")) as sdk,
    ):
        await _decide(sdk, served)


async def _decide(sdk: LangGraphClient, served: Served) -> None:
    await sdk.threads.create(thread_id="t")
    await sdk.runs.wait("t", "per_call", input=ASKED)
    [thread] = await sdk.threads.search(status="interrupted")
    asked = {
        each["value"]["args"]["to"]: each["id"]
        for interrupts in thread["interrupts"].values()
        for each in interrupts
        if each["value"]["name"] == "notify"
    }
    wrong = {asked["a"]: {"type": "approve"}, asked["b"]: {"type": "sell"}}
    with pytest.raises(UnprocessableEntityError):
        await sdk.runs.create("t", "per_call", command={"resume": wrong})
    assert len(await listed(served.desk, "open")) == 3
    given = {asked["a"]: {"type": "reject", "message": "No."}, asked["b"]: {"type": "approve"}}
    await sdk.runs.wait("t", "per_call", command={"resume": given})
    assert served.world.calls == [("notify", {"to": "b", "text": "2"})]

    edit = {"type": "edit", "edited_action": {"name": "pay", "args": {**PAY, "times": 2}}}
    state = await sdk.runs.wait("t", "per_call", command={"resume": edit})
    assert served.world.calls[1][1]["times"] == 2
    assert isinstance(state, dict)
    assert state["messages"][-1]["content"] == "Done."
