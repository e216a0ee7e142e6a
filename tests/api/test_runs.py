"""Runs over HTTP, in the shapes of LangGraph's server."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from signoff import Signoff
from signoff.api import waiting
from signoff.service.cancel import cancel_run
from tests.api import graphs
from tests.api.conftest import Api, client_of, problem
from tests.conftest import OpenDesk
from tests.people import as_, named


def order(graph: str = "drafts", **more: Any) -> dict[str, Any]:
    """The body of a run on a thread that may be new."""
    given = {"topic": "tea"} if graph == "drafts" else {"fail": False}
    return {"assistant_id": graph, "input": given, "if_not_exists": "create", **more}


async def test_a_background_run_is_listed_and_ends_as_a_success_when_it_pauses(api: Api) -> None:
    started = await api.http.post("/threads/t/runs", json=order(metadata={"team": "fin"}))
    assert started.status_code == 200
    run = started.json()
    assert started.headers["content-location"] == f"/threads/t/runs/{run['run_id']}"
    assert run["status"] in ("pending", "running")
    assert run["kwargs"]["input"] == {"topic": "tea"}
    assert UUID(run["assistant_id"]) == run_assistant(await api.http.get("/assistants/drafts"))
    assert run["metadata"]["team"] == "fin"
    await api.desk.wait("t", timeout=30)
    ended = (await api.http.get(f"/threads/t/runs/{run['run_id']}")).json()
    assert ended["status"] == "success"
    assert (await api.http.get("/threads/t/runs")).json() == [ended]


def run_assistant(response: httpx.Response) -> UUID:
    """The id of an assistant."""
    return UUID(response.json()["assistant_id"])


async def test_wait_answers_with_the_state_and_the_questions(api: Api) -> None:
    response = await api.http.post("/threads/t/runs/wait", json=order())
    result = response.json()
    [interrupt] = result["__interrupt__"]
    assert set(interrupt) == {"id", "value", "response_schema"}
    assert interrupt["value"]["title"] == "Is the draft about tea fine?"
    assert result["text"] == "Draft about tea"
    [run] = (await api.http.get("/threads/t/runs")).json()
    location = f"/threads/t/runs/{run['run_id']}"
    assert response.headers["content-location"] == location
    assert response.headers["location"] == f"{location}/join"
    joined = await api.http.get(f"{location}/join")
    assert joined.json() == result
    assert joined.headers["location"] == f"{location}/join"


async def test_a_resume_is_a_decision_by_the_caller(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    result = await api.wait("t", input=None, command={"resume": {"action": "approve"}})
    assert result["decision"]["by"] == "jane"
    assert result["finished"] == 1
    assert "__interrupt__" not in result
    decided = (await api.http.get(f"/requests/{request['id']}")).json()
    assert (decided["state"], decided["delivery"]) == ("decided", "delivered")
    assert decided["votes"][0]["by"] == "jane"


async def test_answers_by_interrupt_id_go_to_their_own_questions(api: Api) -> None:
    paused = await api.wait("t", "pair")
    ids = {str(each["value"]): each["id"] for each in paused["__interrupt__"]}
    second = ids["Second?"]
    once = await api.wait("t", "pair", input=None, command={"resume": {second: "two"}})
    [left] = once["__interrupt__"]
    assert left["id"] != second
    done = await api.wait("t", "pair", input=None, command={"resume": {left["id"]: "one"}})
    assert sorted(done["answers"]) == ["one", "two"]


async def test_an_answer_may_be_null_or_false_or_empty(api: Api) -> None:
    for number, answer in enumerate((None, False, 0, "", [])):
        await api.wait(f"t{number}", "single")
        done = await api.wait(f"t{number}", "single", input=None, command={"resume": answer})
        assert done["answers"] == [answer]


async def test_a_resume_in_the_background_returns_the_resuming_run(api: Api) -> None:
    await api.wait("t")
    body = order(input={}, command={"resume": "approve"})
    response = await api.http.post("/threads/t/runs", json=body)
    run = response.json()
    assert run["kind"] == "resume"
    joined = await api.http.get(f"/threads/t/runs/{run['run_id']}/join")
    assert joined.json()["finished"] == 1
    newest, _ = (await api.http.get("/threads/t/runs")).json()
    assert newest["run_id"] == run["run_id"]


@pytest.mark.parametrize("path", ["runs", "runs/wait"])
async def test_a_resume_that_nothing_waits_for_changes_nothing(api: Api, path: str) -> None:
    body = {"assistant_id": "drafts", "command": {"resume": {"action": "approve"}}}
    problem(await api.http.post(f"/threads/t/{path}", json=body), 404, "thread_not_found")
    missing = await api.http.post(f"/threads/t/{path}", json={**body, "if_not_exists": "create"})
    problem(missing, 404, "thread_not_found")
    await api.http.post("/threads", json={"thread_id": "t"})
    problem(await api.http.post(f"/threads/t/{path}", json=body), 409, "nothing_pending")
    await api.wait("p")
    unknown = {"assistant_id": "drafts", "command": {"resume": {"0" * 32: "x"}}}
    problem(await api.http.post(f"/threads/p/{path}", json=unknown), 409, "unknown_pause")
    wrong = {"assistant_id": "drafts", "command": {"resume": {"action": "explode"}}}
    problem(await api.http.post(f"/threads/p/{path}", json=wrong), 422, "invalid_answer")
    other = {"assistant_id": "single", "command": {"resume": {"action": "approve"}}}
    problem(await api.http.post(f"/threads/p/{path}", json=other), 409, "conflict")
    await api.wait("q", "pair")
    vague = {"assistant_id": "pair", "command": {"resume": "one"}}
    problem(await api.http.post(f"/threads/q/{path}", json=vague), 409, "nothing_pending")
    assert (await api.the_request("p"))["state"] == "open"
    assert len((await api.http.get("/threads/p/runs")).json()) == 1


async def test_no_input_and_no_command_go_on_from_where_the_thread_stands(api: Api) -> None:
    paused = await api.wait("t")
    for body in ({"input": None}, {"input": None, "command": {}}, {"command": None}):
        response = await api.http.post(
            "/threads/t/runs/wait", json={"assistant_id": "drafts", **body}
        )
        assert response.json() == paused
    fresh = {"assistant_id": "drafts", "if_not_exists": "create"}
    problem(await api.http.post("/threads/new/runs", json=fresh), 409, "nothing_pending")
    problem(await api.http.get("/threads/new"), 404, "thread_not_found")


async def test_new_input_on_a_waiting_thread_supersedes_its_question(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    again = await api.wait("t", input={"topic": "coffee"})
    assert again["text"] == "Draft about coffee"
    assert (await api.http.get(f"/requests/{request['id']}")).json()["state"] == "superseded"
    assert (await api.the_request("t"))["title"] == "Is the draft about coffee fine?"


async def test_a_failed_run_answers_with_its_error(api: Api) -> None:
    result = await api.wait("t", "failing")
    assert result == {"__error__": {"error": "ValueError", "message": "nothing works"}}
    [run] = (await api.http.get("/threads/t/runs")).json()
    assert (run["status"], run["error"]) == ("error", "ValueError: nothing works")
    joined = await api.http.get(f"/threads/t/runs/{run['run_id']}/join")
    assert joined.json() == result


async def test_a_run_without_input_at_a_breakpoint_is_a_decision_to_go_on(api: Api) -> None:
    result = await api.wait("t", interrupt_before=["review"])
    assert result == {"topic": "tea", "text": "Draft about tea", "log": ["draft"]}
    assert (await api.http.get("/threads/t")).json()["status"] == "interrupted"
    went_on = await api.wait("t", input=None, durability="sync")
    assert went_on["__interrupt__"]


async def test_context_and_configuration_reach_the_run(api: Api) -> None:
    await api.wait(
        "t",
        config={
            "configurable": {"model": "small", "thread_id": "elsewhere"},
            "recursion_limit": 50,
            "tags": ["a"],
            "metadata": {"from": "config"},
        },
        metadata={"to": "run"},
    )
    state = (await api.http.get("/threads/t/state")).json()
    assert state["metadata"]["model"] == "small"
    assert state["metadata"]["from"] == "config"
    assert state["metadata"]["to"] == "run"
    assert state["checkpoint"]["thread_id"] == "t"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"command": {"update": {"text": "x"}}}, "/command/update"),
        ({"command": {"goto": "finish"}}, "/command/goto"),
        ({"command": {"resume": 1, "goto": "finish"}}, "/command/goto"),
        (
            {"command": {"resume": 1}, "input": None, "multitask_strategy": "reject"},
            "/multitask_strategy",
        ),
        ({"multitask_strategy": "interrupt"}, "/multitask_strategy"),
        ({"multitask_strategy": "rollback"}, "/multitask_strategy"),
        ({"durability": "exit"}, "/durability"),
        ({"checkpoint_during": False}, "/checkpoint_during"),
        ({"webhook": "/local"}, "/webhook"),
        ({"after_seconds": 5}, "/after_seconds"),
        ({"checkpoint": {"checkpoint_id": "x"}}, "/checkpoint"),
        ({"checkpoint_id": "x"}, "/checkpoint_id"),
        ({"on_disconnect": "cancel"}, "/on_disconnect"),
        ({"on_completion": "delete"}, "/on_completion"),
        ({"feedback_keys": ["a"]}, "/feedback_keys"),
        ({"langsmith_tracer": {}}, "/langsmith_tracer"),
        (
            {"config": {"configurable": {"checkpoint_id": "x"}}},
            "/config/configurable/checkpoint_id",
        ),
    ],
)
async def test_what_is_not_supported_is_refused_and_named(
    api: Api, body: dict[str, Any], pointer: str
) -> None:
    for path in ("runs", "runs/wait"):
        response = await api.http.post(f"/threads/t/{path}", json={**order(), **body})
        document = problem(response, 422, "not_supported")
        assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert (await api.http.post("/threads/count", json={})).json() == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"assistant_id": None}, "/assistant_id"),
        ({"config": {"recursion_limit": 0}}, "/config/recursion_limit"),
        ({"config": {"callbacks": []}}, "/config/callbacks"),
        ({"config": []}, "/config"),
        ({"command": {"resum": 1}}, "/command/resum"),
        ({"command": "resume"}, "/command"),
        ({"context": 5}, "/context"),
        ({"metadata": []}, "/metadata"),
        ({"if_not_exists": "perhaps"}, "/if_not_exists"),
        ({"multitask_strategy": 5}, "/multitask_strategy"),
        ({"command": {"resume": 1}}, "/input"),
    ],
)
async def test_a_bad_run_is_refused_and_named(api: Api, body: dict[str, Any], pointer: str) -> None:
    response = await api.http.post("/threads/t/runs", json={**order(), **body})
    code = "not_supported" if pointer == "/multitask_strategy" else "invalid_input"
    document = problem(response, 422, code)
    assert [error["pointer"] for error in document["errors"]] == [pointer]


async def test_an_unknown_assistant_is_not_found(api: Api) -> None:
    for graph in ("nothing", str(uuid4()), "\x7f"):
        response = await api.http.post("/threads/t/runs", json=order(assistant_id=graph))
        problem(response, 404, "graph_not_found")


async def test_a_run_waits_for_its_turn_or_is_refused(api: Api) -> None:
    first = (await api.http.post("/threads/t/runs", json=order("gate"))).json()
    await api.gate.entered.wait()
    refused = await api.http.post(
        "/threads/t/runs", json=order("gate", multitask_strategy="reject")
    )
    problem(refused, 409, "thread_busy")
    queued = (await api.http.post("/threads/t/runs", json=order("gate"))).json()
    assert queued["status"] == "pending"
    assert (await api.http.get("/threads/t")).json()["status"] == "busy"
    listed = (await api.http.get("/threads/t/runs?status=running")).json()
    assert [run["run_id"] for run in listed] == [first["run_id"]]
    assert len((await api.http.get("/threads/t/runs?limit=1")).json()) == 1
    [older] = (await api.http.get("/threads/t/runs?limit=1&offset=1&select=run_id")).json()
    assert older == {"run_id": first["run_id"]}
    api.gate.opened.set()
    for run in (first, queued):
        joined = await api.http.get(f"/threads/t/runs/{run['run_id']}/join")
        assert joined.json()["answers"][0] == "through"
    assert (await api.http.get("/threads/t/runs?status=timeout")).json() == []
    problem(await api.http.get("/threads/t/runs?status=paused"), 422, "invalid_input")


async def test_a_running_run_is_cancelled_and_writes_no_more(api: Api) -> None:
    run = (await api.http.post("/threads/t/runs", json=order("gate"))).json()
    await api.gate.entered.wait()
    path = f"/threads/t/runs/{run['run_id']}"
    cancelled = await api.http.post(f"{path}/cancel?wait=1")
    assert (cancelled.status_code, cancelled.content) == (204, b"")
    assert (await api.http.get(path)).json()["status"] == "interrupted"
    assert (await api.http.get("/threads/t")).json()["status"] == "idle"
    problem(await api.http.post(f"{path}/cancel"), 409, "conflict")


async def test_a_paused_run_is_cancelled_and_its_request_withdrawn(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    [run] = (await api.http.get("/threads/t/runs")).json()
    path = f"/threads/t/runs/{run['run_id']}/cancel"
    problem(await api.http.post(f"{path}?action=rollback"), 422, "not_supported")
    problem(await api.http.post(f"{path}?action=x"), 422, "invalid_input")
    problem(await api.http.post(f"{path}?wait=perhaps"), 422, "invalid_input")
    assert (await api.http.post(path)).status_code == 202
    assert (await api.http.get(f"/requests/{request['id']}")).json()["state"] == "withdrawn"


@pytest.mark.parametrize("run_id", ["nonsense", "7d1c53a1-9d4e-4f3f-8a43-0f2b1d6c5e90", "%00"])
async def test_an_unknown_run_is_not_found(api: Api, run_id: str) -> None:
    await api.wait("t")
    path = f"/threads/t/runs/{run_id}"
    for response in (
        await api.http.get(path),
        await api.http.get(f"{path}/join"),
        await api.http.post(f"{path}/cancel"),
    ):
        problem(response, 404, "run_not_found")


async def test_a_run_of_another_thread_is_not_found(api: Api) -> None:
    await api.wait("t")
    await api.wait("u")
    [run] = (await api.http.get("/threads/u/runs")).json()
    problem(await api.http.get(f"/threads/t/runs/{run['run_id']}"), 404, "run_not_found")


async def test_a_long_wait_sends_its_head_and_blank_lines_meanwhile(
    api: Api, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "KEEP_ALIVE", 0.05)
    async with (
        httpx.AsyncClient(base_url=address, headers=as_("jane")) as http,
        http.stream("POST", "/threads/t/runs/wait", json=order("gate")) as response,
    ):
        assert response.status_code == 200
        assert response.headers["location"].endswith("/join")
        received = b""
        async for chunk in response.aiter_bytes():
            received += chunk
            if received.count(b"\n") == 3:
                api.gate.opened.set()
    assert json.loads(received) == {"answers": ["through"], "fail": False}


async def test_a_long_wait_for_a_run_that_is_cancelled_ends_with_the_state(
    api: Api, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "KEEP_ALIVE", 0.05)
    async with (
        httpx.AsyncClient(base_url=address, headers=as_("jane")) as http,
        http.stream("POST", "/threads/t/runs/wait", json=order("gate")) as response,
    ):
        run_id = response.headers["content-location"].rpartition("/")[2]
        await cancel_run(api.desk.office, "t", run_id, by="joe")
        received = await response.aread()
    assert json.loads(received) == {}


async def test_many_waits_at_once_each_get_their_own_result(api: Api) -> None:
    results = await asyncio.gather(
        *(api.wait(f"t{n}", input={"topic": f"topic {n}"}) for n in range(32))
    )
    assert [result["text"] for result in results] == [f"Draft about topic {n}" for n in range(32)]
    resumed = await asyncio.gather(
        *(api.wait(f"t{n}", input=None, command={"resume": "approve"}) for n in range(32))
    )
    assert [result["topic"] for result in resumed] == [f"topic {n}" for n in range(32)]
    assert all(result["finished"] == 1 for result in resumed)


async def test_a_server_that_executes_nothing_waits_for_a_worker_elsewhere(
    open_desk: OpenDesk,
) -> None:
    server: Signoff = await open_desk({"drafts": graphs.drafts()}, work=False)
    async with client_of(server.asgi_app(authenticate=named), as_("jane")) as http:
        waiting_for = asyncio.create_task(http.post("/threads/t/runs/wait", json=order()))
        await open_desk({"drafts": graphs.drafts()})
        assert (await waiting_for).json()["__interrupt__"]
        answer = {"assistant_id": "drafts", "command": {"resume": "approve"}}
        done = await http.post("/threads/t/runs/wait", json=answer)
        assert done.json()["finished"] == 1
