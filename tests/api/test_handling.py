"""What people do with a request short of deciding it, and decisions of several people."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api, problem
from tests.people import as_

JANE = as_("jane")
JOE = as_("joe")


async def test_a_request_is_claimed_by_one_and_released(api: Api) -> None:
    await api.wait("t")
    path = f"/requests/{(await api.the_request('t'))['id']}"
    claimed = (await api.http.put(f"{path}/claim", headers=JANE)).json()
    assert (claimed["claimed_by"], claimed["audience"]) == ("jane", ["jane"])
    problem(await api.http.put(f"{path}/claim", headers=JOE), 409, "already_claimed")
    mine = (await api.http.get("/requests?assignee=me", headers=JANE)).json()
    assert [each["id"] for each in mine["items"]] == [claimed["id"]]
    assert (await api.http.get("/requests?assignee=me", headers=JOE)).json()["items"] == []
    assert (await api.http.delete(f"{path}/claim", headers=JANE)).json()["claimed_by"] is None


async def test_a_stranger_to_a_request_may_not_touch_it_until_it_is_handed_on(api: Api) -> None:
    await api.wait("t", input={"topic": "tea", "policy": {"to": "jane"}})
    path = f"/requests/{(await api.the_request('t'))['id']}"
    decision = {"action": "approve"}
    refused = problem(
        await api.http.post(f"{path}/decisions", json=decision, headers=JOE), 403, "forbidden"
    )
    assert "jane" in refused["detail"]
    problem(await api.http.put(f"{path}/claim", headers=JOE), 403, "forbidden")
    to_joe = {"to": "joe"}
    problem(await api.http.post(f"{path}/delegations", json=to_joe, headers=JOE), 403, "forbidden")
    handed_on = await api.http.post(f"{path}/delegations", json=to_joe, headers=JANE)
    assert handed_on.status_code == 201
    assert handed_on.json()["delegations"][0]["to"] == "joe"
    decided = await api.http.post(f"{path}/decisions", json=decision, headers=JOE)
    assert decided.json()["votes"][0]["on_behalf_of"] == "jane"


async def test_votes_are_counted_and_taken_back_until_there_are_enough(api: Api) -> None:
    await api.wait("t", input={"topic": "tea", "policy": {"quorum": 2}})
    path = f"/requests/{(await api.the_request('t'))['id']}/decisions"
    decision = {"action": "approve"}
    first = (await api.http.post(path, json=decision, headers=JANE)).json()
    assert (first["state"], first["missing"]) == ("open", 1)
    assert (await api.http.delete(path, headers=JANE)).json()["votes"] == []
    for principal in (JANE, JOE):
        last = await api.http.post(path, json=decision, headers=principal)
    assert (last.json()["state"], len(last.json()["votes"])) == ("decided", 2)
    problem(await api.http.delete(path, headers=JANE), 409, "request_closed")


async def test_a_request_is_commented_and_withdrawn(api: Api) -> None:
    await api.wait("t")
    path = f"/requests/{(await api.the_request('t'))['id']}"
    said = await api.http.post(f"{path}/comments", json={"text": "See 4."}, headers=JOE)
    assert [each["text"] for each in said.json()["comments"]] == ["See 4."]
    problem(await api.http.post(f"{path}/comments", json={"text": " "}), 422, "invalid_input")
    withdrawn = await api.http.post(f"{path}/withdrawal", json={"note": "not needed"})
    assert withdrawn.json()["state"] == "withdrawn"
    problem(await api.http.post(f"{path}/withdrawal", json={}), 409, "request_closed")


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("PUT", "claim"),
        ("DELETE", "claim"),
        ("POST", "delegations"),
        ("POST", "comments"),
        ("POST", "withdrawal"),
        ("DELETE", "decisions"),
    ],
)
async def test_an_unknown_request_is_not_found(api: Api, method: str, route: str) -> None:
    body = {"delegations": {"to": "joe"}, "comments": {"text": "x"}}.get(route, {})
    for unknown in ("nothing", "01a1fb3c-4a87-755c-8c70-c7ff19a4f11a"):
        json = body if method == "POST" else None
        response = await api.http.request(method, f"/requests/{unknown}/{route}", json=json)
        problem(response, 404, "request_not_found")
