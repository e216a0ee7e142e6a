"""Requests over HTTP: listed, shown, decided, retried, with their audit and state."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.conftest import Api, problem
from tests.people import as_


async def test_a_pause_is_listed_shown_and_decided_and_its_thread_goes_on(api: Api) -> None:
    paused = await api.wait("t")
    [interrupt] = paused["__interrupt__"]
    listed = (await api.http.get("/requests")).json()
    assert (listed["total"], listed["next_cursor"]) == (1, None)
    [request] = listed["items"]
    assert request["interrupt_id"] == interrupt["id"]
    assert request["payload"] == interrupt["value"]
    assert (request["thread_id"], request["graph"], request["node"]) == ("t", "drafts", "review")
    assert [action["name"] for action in request["actions"]] == ["approve", "reject"]
    shown = (await api.http.get(f"/requests/{request['id']}")).json()
    assert shown == request

    decided = await api.http.post(
        f"/requests/{request['id']}/decisions",
        json={"action": "approve", "note": "fine", "digest": request["digest"]},
    )
    assert decided.status_code == 201
    assert decided.json()["state"] == "decided"
    assert decided.json()["outcome"]["by"] == "jane"
    thread = await api.desk.wait("t", timeout=30)
    assert thread.values is not None
    assert thread.values["decision"]["note"] == "fine"
    assert thread.values["finished"] == 1
    assert (await api.http.get(f"/requests/{request['id']}")).json()["delivery"] == "delivered"


async def test_filters_narrow_the_list_and_states_may_be_several(api: Api) -> None:
    for thread_id in ("a", "b", "c"):
        await api.wait(thread_id)
    await api.wait("q", "single")
    request = await api.the_request("a")
    await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})

    async def threads(query: str) -> list[str]:
        response = await api.http.get(f"/requests?{query}")
        assert response.status_code == 200, response.text
        assert response.json()["total"] == len(response.json()["items"])
        return sorted(item["thread_id"] for item in response.json()["items"])

    assert await threads("state=open") == ["b", "c", "q"]
    assert await threads("state=open,decided") == ["a", "b", "c", "q"]
    assert await threads("state=open&state=decided") == ["a", "b", "c", "q"]
    assert await threads("graph=single") == ["q"]
    assert await threads("node=review&state=open") == ["b", "c"]
    assert await threads("kind=question") == ["q"]
    assert await threads("topic=quiz") == ["q"]
    assert await threads("topic=drafts&thread_id=b") == ["b"]
    assert await threads("q=first") == ["q"]
    assert await threads("q=%25") == []
    assert await threads("priority=normal") == ["a", "b", "c", "q"]
    assert await threads("priority=urgent") == []
    assert await threads("overdue=true") == []
    assert await threads("assignee=me") == []


@pytest.mark.parametrize("sort", ["opened_at", "-opened_at", "-closed_at", "deadline", "priority"])
async def test_pages_follow_one_another_without_a_gap(api: Api, sort: str) -> None:
    for number in range(5):
        await api.wait(f"t{number}")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        params = {"limit": "2", "sort": sort} | ({"cursor": cursor} if cursor else {})
        page = (await api.http.get("/requests", params=params)).json()
        assert page["total"] == 5
        seen += [item["thread_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert sorted(seen) == [f"t{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("state=nonsense", "/state"),
        ("state=open,nonsense", "/state"),
        ("state=", "/state"),
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=many", "/limit"),
        ("sort=payload", "/sort"),
        ("priority=huge", "/priority"),
        ("overdue=perhaps", "/overdue"),
        ("cursor=garbage", "/cursor"),
        ("cursor=WyItb3BlbmVkX2F0IiwgNSwgNV0", "/cursor"),
        # ["-opened_at", "2026-W10-1", ""], ["-opened_at", "nonsense", "<uuid>"], ["opened_at", ...]
        ("cursor=WyItb3BlbmVkX2F0IiwgIjIwMjYtVzEwLTEiLCAiIl0", "/cursor"),
        (
            "cursor=WyItb3BlbmVkX2F0IiwgIm5vbnNlbnNlIiwgIjAxYTFmYWU4LTZhMTItNzYzZS04ZDA2LTU4MzVmZ"
            "GFjZmYzZCJd",
            "/cursor",
        ),
        ("graph=%00", ""),
        ("q=a%00b", ""),
    ],
)
async def test_a_bad_filter_is_refused_and_named(api: Api, query: str, pointer: str) -> None:
    document = problem(
        await api.http.get(f"/requests?{query}"),
        422,
        "invalid_json" if pointer == "" else "invalid_input",
    )
    assert [each["pointer"] for each in document["errors"]] == [pointer]


async def test_a_decision_that_does_not_fit_is_refused_with_pointers(api: Api) -> None:
    await api.wait("t", input={"topic": "terms"})
    request = await api.the_request("t")
    path = f"/requests/{request['id']}/decisions"

    async def refused(body: object, code: str = "invalid_answer") -> list[str]:
        document = problem(await api.http.post(path, json=body), 422, code)
        return [error["pointer"] for error in document["errors"]]

    assert await refused({"action": "explode"}) == ["/action"]
    assert await refused({"action": "approve", "values": {"amount": "much"}}) == ["/values/amount"]
    assert await refused({"action": "approve"}) == ["/values/amount"]
    assert await refused({}, "invalid_input") == ["/action"]
    assert await refused([], "invalid_input") == [""]
    assert await refused({"action": 5}, "invalid_input") == ["/action"]
    assert await refused({"action": "approve", "valeus": {}}, "invalid_input") == ["/valeus"]
    assert await refused({"action": "approve", "values": []}, "invalid_input") == ["/values"]
    assert (await api.the_request("t"))["votes"] == []
    stale = {"action": "reject", "values": {"amount": 1}, "digest": "sha256:0"}
    problem(await api.http.post(path, json=stale), 409, "stale_digest")
    fine = {"action": "approve", "values": {"amount": 1}, "digest": request["digest"]}
    assert (await api.http.post(path, json=fine)).status_code == 201


async def test_a_closed_request_takes_no_decision_but_the_same_again(api: Api) -> None:
    await api.wait("t")
    path = f"/requests/{(await api.the_request('t'))['id']}/decisions"
    first = await api.http.post(path, json={"action": "approve"})
    again = await api.http.post(path, json={"action": "approve"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["outcome"] == first.json()["outcome"]
    document = problem(await api.http.post(path, json={"action": "reject"}), 409, "request_closed")
    assert (document["request_id"], document["state"]) == (first.json()["id"], "decided")
    async with api.client(**as_("joe")) as other:
        problem(await other.post(path, json={"action": "approve"}), 409, "request_closed")


async def test_an_idempotency_key_answers_as_the_first_time(api: Api) -> None:
    for thread_id in ("t", "u"):
        await api.wait(thread_id)
    path = f"/requests/{(await api.the_request('t'))['id']}/decisions"
    other = f"/requests/{(await api.the_request('u'))['id']}/decisions"
    key = {"Idempotency-Key": "k1"}
    body = {"action": "approve", "note": "once"}
    responses = await asyncio.gather(
        *(api.http.post(path, json=body, headers=key) for _ in range(8))
    )
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["outcome"]["at"] for response in responses}) == 1
    upper = await api.http.post(
        path.upper().replace("REQUESTS", "requests").replace("DECISIONS", "decisions"),
        json=body,
        headers=key,
    )
    assert upper.status_code == 201
    reused = await api.http.post(other, json=body, headers=key)
    problem(reused, 422, "idempotency_key_reused")
    problem(
        await api.http.post(path, json={"action": "reject"}, headers=key),
        422,
        "idempotency_key_reused",
    )
    for bad in ("", "x" * 256):
        refused = await api.http.post(other, json=body, headers={"Idempotency-Key": bad})
        problem(refused, 422, "invalid_input")
    assert (await api.the_request("u"))["state"] == "open"


async def test_a_failed_delivery_is_shown_and_asked_anew(api: Api) -> None:
    await api.wait("t", "single")
    request = await api.the_request("t")
    path = f"/requests/{request['id']}"
    problem(await api.http.post(f"{path}/retry", json={}), 409, "not_retryable")
    body = {"action": "respond", "values": {"value": "boom"}}
    await api.http.post(f"{path}/decisions", json=body)
    await api.desk.wait("t", timeout=30)
    failed = (await api.http.get(path)).json()
    assert failed["delivery"] == "failed"
    assert "the answer is boom" in failed["delivery_error"]
    [task] = (await api.http.get("/threads/t/state")).json()["tasks"]
    assert "the answer is boom" in task["error"]
    problem(await api.http.post(f"{path}/retry", json={"reask": "x"}), 422, "invalid_input")
    retried = await api.http.post(f"{path}/retry", json={"reask": True})
    assert retried.status_code == 200
    await api.desk.wait("t", timeout=30)
    anew = await api.the_request("t")
    assert anew["id"] != request["id"]
    [task] = (await api.http.get("/threads/t/state")).json()["tasks"]
    assert ([each["id"] for each in task["interrupts"]], task["error"]) == (
        [anew["interrupt_id"]],
        None,
    )


async def test_what_happened_to_a_request_and_on_a_thread_is_told_in_order(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
    await api.desk.wait("t", timeout=30)
    told = (await api.http.get(f"/requests/{request['id']}/audit")).json()
    events = [entry["event"] for entry in told["items"]]
    assert events == ["request.opened", "request.decided", "request.delivered"]
    assert told["items"][1]["by"] == "jane"
    thread = (await api.http.get("/audit?thread_id=t")).json()
    assert [entry["seq"] for entry in thread["items"]] == [1, 2, 3, 4]
    assert thread["next_cursor"] is None
    pages = []
    cursor = "0"
    while cursor is not None:
        page = (await api.http.get(f"/audit?thread_id=t&limit=3&cursor={cursor}")).json()
        pages.append(page["items"])
        cursor = page["next_cursor"]
    assert [len(page) for page in pages] == [3, 1]
    assert pages[0] + pages[1] == thread["items"]
    assert (await api.http.delete("/threads/t")).status_code == 204
    after = (await api.http.get("/audit?thread_id=t")).json()["items"]
    assert after[:4] == thread["items"]
    assert after[-1]["event"] == "thread.deleted"


async def test_the_state_at_the_pause_stays_what_it_was(api: Api) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    before = (await api.http.get(f"/requests/{request['id']}/state")).json()
    assert before["values"] == {"topic": "tea", "text": "Draft about tea", "log": ["draft"]}
    assert before["next"] == ["review"]
    assert before["checkpoint_id"] == request["checkpoint_id"]
    await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
    await api.desk.wait("t", timeout=30)
    after = (await api.http.get(f"/requests/{request['id']}/state")).json()
    assert after["values"] == before["values"]


async def test_the_state_at_a_pause_in_a_subgraph_is_that_of_the_subgraph(api: Api) -> None:
    await api.wait("t", "nested")
    request = await api.the_request("t")
    state = (await api.http.get(f"/requests/{request['id']}/state")).json()
    assert state["next"] == ["first"]
    assert state["checkpoint"]["checkpoint_ns"].startswith("inner:")


UNKNOWN = [
    "not-a-uuid",
    "7d1c53a1-9d4e-4f3f-8a43-0f2b1d6c5e90",
    "%00",
    "a" * 300,
    "01a1fae86a12763e8d065835fdacff3d",
]


@pytest.mark.parametrize("request_id", UNKNOWN)
async def test_an_unknown_request_is_not_found(api: Api, request_id: str) -> None:
    path = f"/requests/{request_id}"
    for response in (
        await api.http.get(path),
        await api.http.get(f"{path}/audit"),
        await api.http.get(f"{path}/state"),
        await api.http.post(f"{path}/decisions", json={"action": "approve"}),
        await api.http.post(f"{path}/retry", json={}),
    ):
        problem(response, 404, "request_not_found")


async def test_figures_are_those_of_what_was_decided(api: Api) -> None:
    await api.wait("t1")
    request = await api.the_request("t1")
    await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
    await api.wait("t2")
    stats = (await api.http.get("/stats", params={"days": 7})).json()
    assert (stats["open"], stats["decided"], len(stats["days"])) == (1, 1, 7)
    assert stats["reviewers"][0]["reviewer"] == "jane"
    problem(await api.http.get("/stats", params={"days": 0}), 422, "invalid_input")


async def test_several_are_decided_in_one_call_each_by_itself(api: Api) -> None:
    ids = []
    for thread in ("a", "b", "c"):
        await api.wait(thread)
        page = (await api.http.get("/requests", params={"thread_id": thread})).json()
        ids.append(page["items"][0]["id"])
    unknown = "01900000-0000-7000-8000-000000000000"
    body = {
        "decisions": [
            {"request_id": ids[0], "action": "approve", "note": "fine"},
            {"request_id": unknown, "action": "approve"},
            {"request_id": ids[1], "action": "burn"},
            {"request_id": ids[2], "action": "approve", "digest": "of another"},
            {"request_id": ids[0], "action": "approve", "note": "fine"},
            {"request_id": ids[0], "action": "reject"},
        ]
    }
    answer = await api.http.post("/requests/decisions", json=body)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [each["request_id"] for each in results] == [
        each["request_id"] for each in body["decisions"]
    ]
    assert [each["status"] for each in results] == [201, 404, 422, 409, 201, 409]
    assert results[0]["request"]["state"] == "decided"
    assert [each["problem"]["code"] for each in results if "problem" in each] == [
        "request_not_found",
        "invalid_answer",
        "stale_digest",
        "request_closed",
    ]
    await api.desk.wait("a", timeout=30)
    still = (await api.http.get("/requests", params={"state": "open"})).json()["items"]
    assert {each["id"] for each in still} == set(ids[1:])


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"decisions": []}, "/decisions"),
        ({"decisions": [{"action": "approve"}]}, "/decisions/0/request_id"),
        ({"decisions": [{"request_id": "x", "action": "approve"}] * 201}, "/decisions"),
    ],
    ids=["none", "which", "too many"],
)
async def test_several_decisions_have_to_be_well_formed(
    api: Api, body: dict[str, object], at: str
) -> None:
    answer = await api.http.post("/requests/decisions", json=body)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [at]


async def test_a_filter_that_takes_one_value_is_refused_with_two(api: Api) -> None:
    both = await api.http.get("/requests?graph=drafts&graph=pair&limit=1")
    assert problem(both, 422, "invalid_input")["errors"] == [
        {"pointer": "/graph", "message": "can be given once"}
    ]
    several = await api.http.get("/requests?state=open&state=decided&graph=drafts")
    assert several.status_code == 200
