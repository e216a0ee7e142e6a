"""State and history over HTTP, and updates by hand under the thread's lock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph

from signoff import Signoff
from signoff.domain.errors import Conflict
from signoff.service.state import Place, get_state
from signoff.service.update_state import update_state
from tests.api import graphs
from tests.api.conftest import Api, problem
from tests.conftest import OpenDesk


async def test_the_state_of_a_paused_thread_has_langgraphs_shape(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    state = (await api.http.get("/threads/t/state")).json()
    assert state["values"] == {"topic": "tea", "text": "Draft about tea", "log": ["draft"]}
    assert state["next"] == ["review"]
    [task] = state["tasks"]
    assert (task["name"], task["path"]) == ("review", ["__pregel_pull", "review"])
    [interrupt] = task["interrupts"]
    assert (interrupt["id"], interrupt["value"]) == (request["interrupt_id"], request["payload"])
    assert state["interrupts"] == task["interrupts"]
    assert state["checkpoint"] == {
        "thread_id": "t",
        "checkpoint_ns": "",
        "checkpoint_id": request["checkpoint_id"],
    }
    assert state["checkpoint_id"] == request["checkpoint_id"]
    assert state["parent_checkpoint"]["checkpoint_id"] == state["parent_checkpoint_id"]
    assert state["metadata"]["source"] == "loop"
    assert state["metadata"]["created_by"] == "jane"


async def test_a_thread_that_has_not_run_has_an_empty_state(api: Api) -> None:
    for metadata in ({}, {"graph_id": "drafts"}, {"graph_id": ["x"]}):
        thread = (await api.http.post("/threads", json={"metadata": metadata})).json()
        path = f"/threads/{thread['thread_id']}"
        state = (await api.http.get(f"{path}/state")).json()
        assert (state["values"], state["next"], state["tasks"]) == ({}, [], [])
        assert (await api.http.get(f"{path}/history")).json() == []


async def test_history_goes_back_from_the_latest(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
    await api.desk.wait("t", timeout=30)
    states = (await api.http.post("/threads/t/history", json={})).json()
    assert [state["next"] for state in states] == [
        [],
        ["finish"],
        ["review"],
        ["draft"],
        ["__start__"],
    ]
    assert states[1]["tasks"][0]["result"] == {"finished": 1, "log": ["finish"]}
    assert (await api.http.get("/threads/t/history")).json() == states
    assert (await api.http.get("/threads/t/history?limit=2")).json() == states[:2]
    before = states[1]["checkpoint_id"]
    assert (await api.http.get(f"/threads/t/history?before={before}")).json() == states[2:]
    for named in (before, states[1]["checkpoint"]):
        later = await api.http.post("/threads/t/history", json={"before": named, "limit": 1})
        assert later.json() == states[2:3]
    found = await api.http.post("/threads/t/history", json={"metadata": {"step": 1}})
    assert found.json() == states[2:3]


async def test_an_earlier_state_is_found_by_its_checkpoint(api: Api) -> None:
    await api.wait("t")
    states = (await api.http.get("/threads/t/history")).json()
    for state in states:
        by_path = await api.http.get(f"/threads/t/state/{state['checkpoint_id']}")
        assert by_path.json() == state
        by_body = await api.http.post(
            "/threads/t/state/checkpoint", json={"checkpoint": state["checkpoint"]}
        )
        assert by_body.json() == state


async def test_a_subgraphs_state_is_inside_or_by_itself(api: Api) -> None:
    await api.wait("t", "nested")
    outer = (await api.http.get("/threads/t/state")).json()
    [task] = outer["tasks"]
    assert task["state"] is None
    namespace = task["checkpoint"]["checkpoint_ns"]
    assert namespace.startswith("inner:")
    full = (await api.http.get("/threads/t/state?subgraphs=true")).json()
    inner = full["tasks"][0]["state"]
    assert inner["next"] == ["first"]
    alone = await api.http.post(
        "/threads/t/state/checkpoint", json={"checkpoint": {"checkpoint_ns": namespace}}
    )
    assert alone.json() == inner
    history = await api.http.post(
        "/threads/t/history", json={"checkpoint": {"checkpoint_ns": namespace}}
    )
    assert [state["next"] for state in history.json()] == [["first"], ["__start__"]]


async def test_only_some_fields_of_a_state(api: Api) -> None:
    await api.wait("t")
    some = (await api.http.get("/threads/t/state?select=next&select=values.text")).json()
    assert some == {"next": ["review"], "values": {"text": "Draft about tea"}}
    body = {"checkpoint": {}, "select": ["checkpoint_id"]}
    assert set((await api.http.post("/threads/t/state/checkpoint", json=body)).json()) == {
        "checkpoint_id"
    }
    problem(await api.http.get("/threads/t/state?select=secrets"), 422, "invalid_input")


@pytest.mark.parametrize(
    "checkpoint_id", ["nonsense", "%00", "01a1fae8-6a12-763e-8d06-5835fdacff3d"]
)
async def test_an_unknown_checkpoint_is_not_found(api: Api, checkpoint_id: str) -> None:
    await api.wait("t")
    problem(await api.http.get(f"/threads/t/state/{checkpoint_id}"), 404, "checkpoint_not_found")
    if checkpoint_id != "%00":
        for path in ("/threads/t/state/checkpoint", "/threads/t/state"):
            body = {"checkpoint": {"checkpoint_id": checkpoint_id}, "values": {"text": "x"}}
            problem(await api.http.post(path, json=body), 404, "checkpoint_not_found")
    missing = {"checkpoint": {"checkpoint_ns": "elsewhere:1"}}
    response = await api.http.post("/threads/t/state/checkpoint", json=missing)
    problem(response, 404, "checkpoint_not_found")


@pytest.mark.parametrize("before", ["nonsense", "%00"])
async def test_history_before_what_is_no_checkpoint_is_not_found(api: Api, before: str) -> None:
    await api.wait("t")
    response = await api.http.get(f"/threads/t/history?before={before}")
    problem(response, 404, "checkpoint_not_found")


# --- updates ------------------------------------------------------------------------------------


async def test_an_update_moves_the_thread_on_and_supersedes_what_was_open(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    updated = await api.http.post(
        "/threads/t/state",
        json={"values": {"decision": {"action": "by hand"}}, "as_node": "review"},
    )
    assert updated.status_code == 200
    state = (await api.http.get("/threads/t/state")).json()
    assert updated.json()["checkpoint"] == state["checkpoint"]
    assert state["next"] == ["finish"]
    assert state["parent_checkpoint_id"] == request["checkpoint_id"]
    assert (await api.http.get(f"/requests/{request['id']}")).json()["state"] == "superseded"
    thread = (await api.http.get("/threads/t")).json()
    assert (thread["status"], thread["interrupts"]) == ("idle", {})
    assert thread["values"]["decision"] == {"action": "by hand"}
    audit = (await api.http.get("/audit?thread_id=t")).json()["items"]
    assert [(entry["event"], entry["by"]) for entry in audit[-2:]] == [
        ("request.superseded", "system"),
        ("thread.updated", "jane"),
    ]
    path = f"/requests/{request['id']}/decisions"
    problem(await api.http.post(path, json={"action": "approve"}), 409, "request_closed")
    went_on = await api.wait("t", input=None)
    assert went_on["finished"] == 1


async def test_an_update_can_go_on_from_an_earlier_checkpoint(api: Api) -> None:
    await api.wait("t")
    states = (await api.http.get("/threads/t/history")).json()
    drafted = next(state for state in states if state["next"] == ["draft"])
    for place in (
        {"checkpoint": drafted["checkpoint"]},
        {"checkpoint_id": drafted["checkpoint_id"]},
    ):
        body = {"values": {"topic": "coffee"}, "as_node": "__start__", **place}
        response = await api.http.post("/threads/t/state", json=body)
        assert response.status_code == 200
        state = (await api.http.get("/threads/t/state")).json()
        assert state["parent_checkpoint_id"] == drafted["checkpoint_id"]
        assert state["values"]["topic"] == "coffee"
    result = await api.wait("t", input=None)
    assert result["text"] == "Draft about coffee"
    assert result["__interrupt__"]


async def test_an_update_clears_the_error_of_a_failed_thread(api: Api) -> None:
    await api.wait("t", "single")
    request = await api.the_request("t")
    body = {"action": "respond", "values": {"value": "boom"}}
    await api.http.post(f"/requests/{request['id']}/decisions", json=body)
    await api.desk.wait("t", timeout=30)
    update = {"values": {"answers": ["by hand"]}, "as_node": "first"}
    assert (await api.http.post("/threads/t/state", json=update)).status_code == 200
    thread = (await api.http.get("/threads/t")).json()
    assert (thread["status"], thread["error"]) == ("idle", None)
    assert thread["values"]["answers"] == ["by hand"]


@pytest.mark.parametrize(
    "update",
    [
        {"values": {"text": "x"}, "as_node": "nowhere"},
        {"values": {"log": 5}, "as_node": "draft"},
        {"values": "text", "as_node": "draft"},
        {"values": [1, 2], "as_node": "draft"},
        {"values": {"text": "x"}, "as_node": 5},
        {"values": None, "checkpoint": "x"},
    ],
)
async def test_an_update_that_the_graph_does_not_take_changes_nothing(
    api: Api, update: dict[str, Any]
) -> None:
    await api.wait("t")
    before = (await api.http.get("/threads/t/history")).json()
    problem(await api.http.post("/threads/t/state", json=update), 422, "invalid_input")
    assert (await api.http.get("/threads/t/history")).json() == before
    assert (await api.the_request("t"))["state"] == "open"


async def test_a_thread_without_a_graph_takes_no_update(api: Api) -> None:
    await api.http.post("/threads", json={"thread_id": "t"})
    response = await api.http.post("/threads/t/state", json={"values": {}})
    problem(response, 409, "conflict")


async def test_a_busy_thread_takes_no_update(api: Api) -> None:
    await api.http.post(
        "/threads/t/runs",
        json={"assistant_id": "gate", "input": {"fail": False}, "if_not_exists": "create"},
    )
    await api.gate.entered.wait()
    update = {"values": {"answers": ["by hand"]}, "as_node": "node"}
    problem(await api.http.post("/threads/t/state", json=update), 409, "thread_busy")
    api.gate.opened.set()
    thread = await api.desk.wait("t", timeout=30)
    assert thread.values is not None
    assert thread.values["answers"] == ["through"]


async def test_updates_and_decisions_at_once_leave_one_line_of_states(api: Api) -> None:
    """Each writer goes on from what the one before it has left: no state has two that follow it."""
    await api.wait("t")
    request = await api.the_request("t")

    async def update(number: int) -> int:
        body = {"values": {"log": [f"update {number}"]}, "as_node": "draft"}
        return (await api.http.post("/threads/t/state", json=body)).status_code

    async def decide() -> int:
        path = f"/requests/{request['id']}/decisions"
        return (await api.http.post(path, json={"action": "approve"})).status_code

    statuses = await asyncio.gather(*(update(n) for n in range(6)), decide(), update(6))
    thread = await api.desk.wait("t", timeout=30)
    states = (await api.http.get("/threads/t/history?limit=100")).json()
    parents = [state["parent_checkpoint_id"] for state in states]
    assert len(set(parents)) == len(parents)
    assert set(statuses) <= {200, 201, 409}
    made = sum(status == 200 for status in statuses)
    assert thread.values is not None
    assert sum(entry.startswith("update") for entry in thread.values["log"]) == made


async def test_a_process_without_a_worker_updates_as_well(open_desk: OpenDesk, api: Api) -> None:
    """`serve` holds no lease and has no worker's id: the row's lock is enough."""
    await api.wait("t")
    server: Signoff = await open_desk({"drafts": graphs.drafts()}, work=False)
    checkpoint = await update_state(
        server.office, Place(thread_id="t"), {"text": "x"}, as_node="draft", by="jane"
    )
    state = (await api.http.get("/threads/t/state")).json()
    assert state["checkpoint"] == checkpoint


async def test_a_route_that_takes_too_long_changes_nothing_and_lets_the_thread_go(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def route(state: graphs.Answers) -> str:
        if state.get("fail"):
            await asyncio.Event().wait()
        return END

    builder = StateGraph(graphs.Answers)
    builder.add_node("first", graphs.first)
    builder.add_edge(START, "first")
    builder.add_conditional_edges("first", route, [END])
    desk: Signoff = await open_desk({"slow": builder})
    await desk.start("slow", {"fail": False}, by="sam", thread_id="t")
    await desk.wait("t", timeout=30)
    place = Place(thread_id="t")
    before = await get_state(desk.office, place)
    monkeypatch.setattr("signoff.graph.update.TIMEOUT", 0.2)
    with pytest.raises(Conflict, match="took more than"):
        await update_state(desk.office, place, {"fail": True}, as_node="first", by="jane")
    assert await get_state(desk.office, place) == before
    [request] = (await desk.requests(thread_id="t")).items
    await desk.decide(request.id, "respond", values={"value": 1}, by="jane")
    assert (await desk.wait("t", timeout=30)).values == {"answers": [1], "fail": False}
