"""Threads over HTTP, in the shapes of LangGraph's server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from signoff.db.pool import Database
from tests.api.conftest import Api, problem


async def test_a_thread_is_made_shown_and_labelled(api: Api) -> None:
    made = await api.http.post("/threads", json={"thread_id": "t", "metadata": {"team": "fin"}})
    assert made.status_code == 200
    thread = made.json()
    assert thread["status"] == "idle"
    assert (thread["thread_id"], thread["metadata"]) == ("t", {"team": "fin"})
    assert (thread["values"], thread["interrupts"], thread["config"]) == (None, {}, {})
    assert (await api.http.get("/threads/t")).json() == thread
    patched = await api.http.patch("/threads/t", json={"metadata": {"level": 2}})
    assert patched.json()["metadata"] == {"team": "fin", "level": 2}
    minimal = await api.http.patch(
        "/threads/t", json={"metadata": {"level": 3}}, headers={"Prefer": "return=minimal"}
    )
    assert (minimal.status_code, minimal.content) == (204, b"")
    assert (await api.http.get("/threads/t")).json()["metadata"]["level"] == 3


async def test_a_thread_without_an_id_gets_one_and_an_empty_body_will_do(api: Api) -> None:
    first = (await api.http.post("/threads")).json()
    second = (await api.http.post("/threads", json={})).json()
    assert first["thread_id"] != second["thread_id"]
    for declared in ("text/plain", "application/x-www-form-urlencoded"):
        form = {"content-type": declared}
        assert (await api.http.post("/threads", headers=form)).status_code == 200


async def test_a_thread_that_exists_is_a_conflict_unless_that_is_fine(api: Api) -> None:
    await api.wait("t")
    problem(await api.http.post("/threads", json={"thread_id": "t"}), 409, "thread_exists")
    refused = await api.http.post("/threads", json={"thread_id": "t", "if_exists": "raise"})
    problem(refused, 409, "thread_exists")
    same = await api.http.post(
        "/threads",
        json={"thread_id": "t", "if_exists": "do_nothing", "metadata": {"never": "written"}},
    )
    assert same.json() == (await api.http.get("/threads/t")).json()
    assert same.json()["status"] == "interrupted"


async def test_of_many_who_make_a_thread_one_makes_it(api: Api) -> None:
    responses = await asyncio.gather(
        *(api.http.post("/threads", json={"thread_id": "t"}) for _ in range(16))
    )
    assert sorted(response.status_code for response in responses) == [200] + [409] * 15


async def test_a_paused_thread_shows_its_questions_by_task(api: Api) -> None:
    result = await api.wait("t", "pair")
    thread = (await api.http.get("/threads/t")).json()
    assert thread["status"] == "interrupted"
    assert thread["metadata"]["graph_id"] == "pair"
    shown = [each for task in thread["interrupts"].values() for each in task]
    expected = {each["id"]: each["value"] for each in result["__interrupt__"]}
    assert {each["id"]: each["value"] for each in shown} == expected
    assert len(thread["interrupts"]) == 2
    state = (await api.http.get("/threads/t/state")).json()
    assert set(thread["interrupts"]) == {task["id"] for task in state["tasks"]}


async def test_a_failed_thread_shows_its_error(api: Api) -> None:
    await api.wait("t", "failing")
    thread = (await api.http.get("/threads/t")).json()
    assert (thread["status"], thread["error"]) == ("error", "ValueError: nothing works")


async def test_a_thread_says_when_its_state_changed_and_not_only_when_anything_did(
    api: Api,
) -> None:
    await api.wait("t")
    paused = (await api.http.get("/threads/t")).json()
    assert paused["created_at"] < paused["state_updated_at"] <= paused["updated_at"]
    await api.http.patch("/threads/t", json={"metadata": {"team": "fin"}})
    labelled = (await api.http.get("/threads/t")).json()
    assert labelled["updated_at"] > paused["updated_at"]
    assert labelled["state_updated_at"] == paused["state_updated_at"]
    request = await api.the_request("t")
    await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
    await api.desk.wait("t", timeout=30)
    done = (await api.http.get("/threads/t")).json()
    assert done["state_updated_at"] > labelled["updated_at"]
    await api.http.post("/threads/t/state", json={"values": {"topic": "coffee"}})
    updated = (await api.http.get("/threads/t")).json()
    assert updated["state_updated_at"] > done["state_updated_at"]


async def test_search_finds_by_everything_and_counts(api: Api) -> None:
    await api.wait("a", metadata={"team": "fin"})
    await api.wait("b", metadata={"team": "law"})
    await api.wait("c", "single")
    await api.http.post("/threads", json={"thread_id": "d", "metadata": {"team": "fin"}})

    async def found(**search: Any) -> list[str]:
        response = await api.http.post("/threads/search", json=search)
        assert response.status_code == 200, response.text
        ids = [thread["thread_id"] for thread in response.json()]
        assert int(response.headers["x-pagination-total"]) >= len(ids)
        return ids

    assert await found() == ["d", "c", "b", "a"]
    assert await found(sort_by="thread_id", sort_order="asc") == ["a", "b", "c", "d"]
    await api.http.patch("/threads/a", json={"metadata": {"seen": True}})
    assert (await found(sort_by="updated_at"))[0] == "a"
    assert await found(sort_by="state_updated_at") == ["d", "c", "b", "a"]
    assert await found(status="interrupted") == ["c", "b", "a"]
    assert await found(status="interrupted", metadata={"team": "fin"}) == ["a"]
    assert await found(values={"topic": "tea"}) == ["b", "a"]
    assert await found(ids=["a", "d", "unknown"]) == ["d", "a"]
    assert await found(ids=[]) == []
    assert await found(metadata={"graph_id": "single"}) == ["c"]
    page = await api.http.post("/threads/search", json={"limit": 2, "offset": 1})
    assert [thread["thread_id"] for thread in page.json()] == ["c", "b"]
    assert page.headers["x-pagination-total"] == "4"
    assert page.headers["x-pagination-next"] == "3"
    count = await api.http.post("/threads/count", json={"status": "interrupted"})
    assert count.json() == 3
    assert (await api.http.post("/threads/count", json={"metadata": {"x": 1}})).json() == 0


async def test_search_selects_fields(api: Api) -> None:
    await api.wait("a")
    response = await api.http.post(
        "/threads/search", json={"select": ["thread_id", "interrupts"], "status": "interrupted"}
    )
    [thread] = response.json()
    assert set(thread) == {"thread_id", "interrupts"}
    [[interrupt]] = thread["interrupts"].values()
    assert set(interrupt) == {"id", "value"}


async def test_search_extracts_parts_of_threads(api: Api) -> None:
    await api.wait("a")
    await api.http.post("/threads", json={"thread_id": "new", "metadata": {"list": [[1, 2]]}})
    extract = {
        "text": "values.text",
        "status": "status",
        "last": "metadata.list[0][-1]",
        "none": "values.text.deeper[3]",
    }
    search = {"select": ["thread_id"], "extract": extract}
    response = await api.http.post("/threads/search", json=search)
    assert response.json() == [
        {
            "thread_id": "new",
            "extracted": {"text": None, "status": "idle", "last": 2, "none": None},
        },
        {
            "thread_id": "a",
            "extracted": {
                "text": "Draft about tea", "status": "interrupted", "last": None, "none": None
            },
        },
    ]  # fmt: skip


async def test_a_list_of_threads_takes_as_many_queries_as_one_thread(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await api.wait(f"t{number}")
    connections = 0
    connection = Database.connection

    def counted(self: Database) -> Any:
        nonlocal connections
        connections += 1
        return connection(self)

    monkeypatch.setattr(Database, "connection", counted)
    taken = {1: 99, 6: 99}
    for limit in (1, 6) * 3:  # in between, the desk's own duties may take connections
        connections = 0
        response = await api.http.post("/threads/search", json={"limit": limit})
        assert len(response.json()) == limit
        taken[limit] = min(taken[limit], connections)
    assert taken[1] == taken[6] <= 2


@pytest.mark.parametrize(
    ("search", "pointer"),
    [
        ({"status": "asleep"}, "/status"),
        ({"limit": 0}, "/limit"),
        ({"limit": 201}, "/limit"),
        ({"offset": -1}, "/offset"),
        ({"offset": 2**40}, "/offset"),
        ({"sort_by": "values"}, "/sort_by"),
        ({"sort_order": "up"}, "/sort_order"),
        ({"metadata": []}, "/metadata"),
        ({"values": "x"}, "/values"),
        ({"ids": "a"}, "/ids"),
        ({"ids": [1]}, "/ids/0"),
        ({"select": ["secrets"]}, "/select/0"),
        ({"extract": {"a": "values..a"}}, "/extract/a"),
        ({"extract": {"a": "values.a[x]"}}, "/extract/a"),
        ({"extract": {str(n): "values" for n in range(11)}}, "/extract"),
    ],
)
async def test_a_bad_search_is_refused_and_named(
    api: Api, search: dict[str, Any], pointer: str
) -> None:
    document = problem(await api.http.post("/threads/search", json=search), 422, "invalid_input")
    assert [error["pointer"] for error in document["errors"]] == [pointer]


async def test_what_is_not_supported_is_refused_rather_than_ignored(api: Api) -> None:
    for path, body, pointer in (
        ("/threads", {"ttl": {"ttl": 5}}, "/ttl"),
        ("/threads", {"supersteps": [{"updates": []}]}, "/supersteps"),
    ):
        document = problem(await api.http.post(path, json=body), 422, "not_supported")
        assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert (await api.http.post("/threads/count", json={})).json() == 0


async def test_a_thread_is_deleted_with_all_it_has_but_not_while_it_is_busy(api: Api) -> None:
    await api.http.post(
        "/threads/g/runs",
        json={"assistant_id": "gate", "input": {"fail": False}, "if_not_exists": "create"},
    )
    await api.gate.entered.wait()
    problem(await api.http.delete("/threads/g"), 409, "thread_busy")
    api.gate.opened.set()
    await api.desk.wait("g", timeout=30)
    assert (await api.http.delete("/threads/g")).status_code == 204

    await api.wait("t")
    request = await api.the_request("t")
    deleted = await api.http.delete("/threads/t")
    assert (deleted.status_code, deleted.content) == (204, b"")
    problem(await api.http.get("/threads/t"), 404, "thread_not_found")
    problem(await api.http.get(f"/requests/{request['id']}"), 404, "request_not_found")
    problem(await api.http.delete("/threads/t"), 404, "thread_not_found")
    events = (await api.http.get("/audit?thread_id=t")).json()["items"]
    assert [entry["event"] for entry in events[-2:]] == ["request.withdrawn", "thread.deleted"]
    again = await api.wait("t")
    assert again["text"] == "Draft about tea"
    assert again["log"] == ["draft"]


UNKNOWN = ["unknown", "a" * 256, "a%2Fb", "%2F", "a b", "%00", "%FF", "..%2f..", "é"]


@pytest.mark.parametrize("thread_id", UNKNOWN)
async def test_an_unknown_thread_is_not_found(api: Api, thread_id: str) -> None:
    path = f"/threads/{thread_id}"
    run = "01a1fae8-6a12-763e-8d06-5835fdacff3d"
    body = {"assistant_id": "drafts", "input": {}}
    for response in (
        await api.http.get(path),
        await api.http.patch(path, json={"metadata": {}}),
        await api.http.delete(path),
        await api.http.get(f"{path}/state"),
        await api.http.get(f"{path}/state/{run}"),
        await api.http.post(f"{path}/state", json={"values": {}}),
        await api.http.post(f"{path}/state/checkpoint", json={"checkpoint": {}}),
        await api.http.get(f"{path}/history"),
        await api.http.post(f"{path}/history", json={}),
        await api.http.get(f"{path}/runs"),
        await api.http.get(f"{path}/runs/{run}"),
        await api.http.get(f"{path}/runs/{run}/join"),
        await api.http.post(f"{path}/runs/{run}/cancel"),
    ):
        slashed = "%2f" in thread_id.lower()
        problem(response, 404, "route_not_found" if slashed else "thread_not_found")
    for ending in ("runs", "runs/wait"):
        response = await api.http.post(f"{path}/{ending}", json=body)
        if "%2f" in thread_id.lower():
            problem(response, 404, "route_not_found")
        elif thread_id == "unknown":
            problem(response, 404, "thread_not_found")
        else:
            problem(response, 422, "invalid_input")


@pytest.mark.parametrize("thread_id", ["", "a/b", "a b", "x" * 256, "é", "\n", "a\n"])
async def test_a_thread_cannot_have_any_name(api: Api, thread_id: str) -> None:
    problem(await api.http.post("/threads", json={"thread_id": thread_id}), 422, "invalid_input")
    assert (await api.http.post("/threads/count", json={})).json() == 0


@pytest.mark.parametrize("thread_id", ["x" * 255, "jane@firm.com:2026-01_a.b"])
async def test_a_thread_can_have_a_long_or_telling_name(api: Api, thread_id: str) -> None:
    result = await api.wait(thread_id)
    assert result["__interrupt__"]
    assert (await api.http.get(f"/threads/{thread_id}")).json()["thread_id"] == thread_id


async def test_an_empty_thread_id_in_a_path_is_no_path(api: Api) -> None:
    for path in ("/threads/", "/threads//state", "/threads//runs"):
        problem(await api.http.get(path), 404, "route_not_found")
