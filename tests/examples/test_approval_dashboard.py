"""The approval dashboard over its own routes, on a real server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import httpx
import pytest

from tests.api.conftest import serving
from tests.examples.conftest import EXAMPLES

JANE = {"X-User": "jane"}
CHAIRS = {"item": "chairs", "amount": 900}


@pytest.fixture
async def http(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the dashboard."""
    for name in ("app", "graph"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(EXAMPLES / "approval_dashboard"))
    monkeypatch.chdir(tmp_path)
    module = import_module("app")
    app = module.create_app(module.new_desk(database_url))
    async with (
        app.router.lifespan_context(app),
        serving(app) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        yield client
    for name in ("app", "graph"):
        sys.modules.pop(name, None)


async def begun(http: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    """A workflow, and the approval that it waits for."""
    started = await http.post("/workflows", json=CHAIRS, headers={"X-User": "sales"})
    assert started.status_code == 201
    workflow: str = started.json()["workflow_id"]
    [approval] = [
        each
        for each in (await http.get("/approvals/pending")).json()
        if each["workflow_id"] == workflow
    ]
    return workflow, approval


async def test_an_approval_is_pending_until_it_is_decided_and_a_second_one_is_refused(
    http: httpx.AsyncClient,
) -> None:
    workflow, approval = await begun(http)
    assert (approval["status"], approval["title"]) == ("pending", "Order chairs for 900 EUR?")
    assert approval["details"] == CHAIRS
    path = f"/approvals/{approval['id']}"

    decided = await http.post(
        f"{path}/decide", json={"approved": True, "comment": "Fine."}, headers=JANE
    )
    assert decided.json()["status"] == "approved"
    status = (await http.get(f"{path}/status")).json()
    assert (status["status"], status["decided_by"], status["comment"]) == (
        *("approved", "jane", "Fine."),
    )
    late = await http.post(f"{path}/decide", json={"approved": False}, headers={"X-User": "tom"})
    assert late.status_code == 409
    assert (await http.get("/approvals/pending")).json() == []

    again = await http.post(f"/workflows/{workflow}/approve", headers=JANE)
    assert again.status_code == 409


async def test_of_ten_who_decide_at_once_one_is_told_that_they_did(http: httpx.AsyncClient) -> None:
    _, approval = await begun(http)
    path = f"/approvals/{approval['id']}/decide"
    answers = await asyncio.gather(
        *(
            http.post(path, json={"approved": n % 2 == 0}, headers={"X-User": f"user-{n}"})
            for n in range(10)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9


async def test_a_workflow_is_approved_by_its_own_route_and_ordered_once(
    http: httpx.AsyncClient,
) -> None:
    workflow, _ = await begun(http)
    approved = await http.post(f"/workflows/{workflow}/approve", headers=JANE)
    state = approved.json()["state"]
    assert (state["status"], state["approval"]["by"]) == ("ordered", "jane")
    assert state["approval"]["order"].startswith("PO-")


async def test_what_is_unknown_or_unnamed_is_refused(http: httpx.AsyncClient) -> None:
    _, approval = await begun(http)
    verdict = {"approved": True}
    path = f"/approvals/{approval['id']}/decide"
    assert (await http.post(path, json=verdict)).status_code == 422  # nobody
    assert (await http.post(path, json={}, headers=JANE)).status_code == 422
    unknown = "/approvals/01a1fc50-ba23-7942-86aa-83aba8f32dda"
    assert (await http.get(f"{unknown}/status")).status_code == 404
    assert (await http.post(f"{unknown}/decide", json=verdict, headers=JANE)).status_code == 404
    assert (await http.post("/workflows/nothing/approve", headers=JANE)).status_code == 404


async def test_signoffs_own_api_is_mounted_beside_it(http: httpx.AsyncClient) -> None:
    _, approval = await begun(http)
    requests = await http.get("/signoff/requests", headers=JANE)
    assert [each["id"] for each in requests.json()["items"]] == [approval["id"]]
    assert (await http.get("/signoff/requests")).status_code == 401
