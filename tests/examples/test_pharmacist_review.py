"""The pharmacy over its own routes, on a real server: nothing is dispensed that nobody released."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import serving
from tests.examples.conftest import EXAMPLES

FOLDER = EXAMPLES / "pharmacist_review"
COUNTER, PETRA, PAUL = "counter", "petra@pharmacy.org", "paul@pharmacy.org"
BERGER = {
    "patient": "M. Berger",
    "prescription": "Ibuprofen 800 mg every 6 h",
    "takes": ["warfarin"],
    "egfr": 55,
}
LIND = {"patient": "A. Lind", "prescription": "Paracetamol 1000 mg every 8 h"}


@pytest.fixture
async def http(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the pharmacy, which hands out into `tmp_path`."""
    monkeypatch.setenv("SIGNOFF_EXAMPLE_FOLDER", str(tmp_path))
    monkeypatch.setenv("SIGNOFF_EXAMPLE_MODEL", "")
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("app", "graph"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    known = set(sys.modules)
    module = import_module("app")
    app = module.create_app(module.new_desk(database_url))
    async with (
        app.router.lifespan_context(app),
        serving(app) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        yield client
    for name in set(sys.modules) - known:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


async def start(http: httpx.AsyncClient, order: dict[str, Any]) -> dict[str, Any]:
    started = await http.post("/orders/start", json=order, headers={"X-User": COUNTER})
    assert started.status_code == 201, started.text
    begun: dict[str, Any] = started.json()
    return begun


async def review(
    http: httpx.AsyncClient, order: dict[str, Any], decision: str, by: str = PETRA, **said: Any
) -> httpx.Response:
    """Review an order in the version that the reviewer has seen."""
    body = {"order_id": order["order_id"], "version": order["version"], "decision": decision}
    return await http.post("/orders/review", json={**body, **said}, headers={"X-User": by})


def dispensed(folder: Path) -> list[str]:
    path = folder / "dispensed.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["label"] for line in lines]


async def test_an_order_waits_after_its_check_with_all_that_speaks_against_it(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    order = await start(http, BERGER)
    assert (order["status"], order["drug"], order["version"]) == ("review", "ibuprofen", 1)
    assert [(flag["risk"], flag["severity"]) for flag in order["flags"]] == [
        ("dose", "critical"),
        ("interaction", "critical"),
        ("kidney", "warning"),
    ]
    headers = {"X-User": PETRA}
    [request] = (await http.get("/signoff/requests", headers=headers)).json()["items"]
    assert request["title"] == "ibuprofen 800 mg every 6 h for M. Berger (v1)"
    assert (request["kind"], request["payload"]["when"]) == ("breakpoint", "after")
    assert dispensed(tmp_path) == []


async def test_what_is_approved_is_dispensed_once(http: httpx.AsyncClient, tmp_path: Path) -> None:
    order = await start(http, LIND)
    assert order["flags"] == []
    approved = await review(http, order, "approve")
    assert approved.json()["status"] == "dispensed"
    assert dispensed(tmp_path) == ["paracetamol 1000 mg every 8 h"]
    assert (await review(http, order, "approve", PAUL)).status_code == 409
    assert dispensed(tmp_path) == ["paracetamol 1000 mg every 8 h"]


async def test_a_revision_is_checked_and_reviewed_anew_and_the_log_has_all_of_it(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    first = await start(http, BERGER)
    said = {"dose_mg": 400, "every_hours": 8, "note": "Too much."}
    second = (await review(http, first, "revise", **said)).json()
    assert (second["version"], second["dose_mg"], second["status"]) == (2, 400, "review")
    assert [flag["risk"] for flag in second["flags"]] == ["interaction", "kidney"]

    third = (await review(http, second, "revise", PAUL, dose_mg=200)).json()
    assert (third["version"], third["dose_mg"], third["every_hours"]) == (3, 200, 8)
    done = (await review(http, third, "reject", note="Still with warfarin.")).json()
    assert (done["status"], dispensed(tmp_path)) == ("rejected", [])
    assert [(entry["event"], entry["by"]) for entry in done["log"]] == [
        ("read", "system"),
        ("assessed v1: 3 flags", "system"),
        ("revise", PETRA),
        ("v2: 400 mg every 8 h", "system"),
        ("assessed v2: 2 flags", "system"),
        ("revise", PAUL),
        ("v3: 200 mg every 8 h", "system"),
        ("assessed v3: 2 flags", "system"),
        ("reject", PETRA),
        ("rejected", "system"),
    ]
    assert [entry.get("note") for entry in done["log"]][2] == "Too much."
    assert (await http.get(f"/orders/{first['order_id']}")).json() == done


async def test_a_review_of_a_version_that_is_gone_changes_nothing(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    first = await start(http, BERGER)
    second = (await review(http, first, "revise", dose_mg=400)).json()
    assert (await review(http, first, "approve", PAUL)).status_code == 409
    assert (await http.get(f"/orders/{first['order_id']}")).json() == second
    assert dispensed(tmp_path) == []


async def test_of_pharmacists_who_review_at_once_one_is_heard(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    order = await start(http, LIND)
    answers = await asyncio.gather(
        *(review(http, order, "approve", by) for by in [PETRA, PAUL] * 4),
        *(review(http, order, "reject", by) for by in [PETRA, PAUL] * 4),
    )
    heard = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} == {200, 409}
    log = (await http.get(f"/orders/{order['order_id']}")).json()["log"]
    assert len([entry for entry in log if entry["by"] != "system"]) == 1
    assert len({answer.json()["status"] for answer in heard}) == 1
    assert len(dispensed(tmp_path)) == (heard[0].json()["status"] == "dispensed")


async def test_who_may_not_review_or_sends_what_does_not_fit_is_refused(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    order = await start(http, LIND)
    assert (await review(http, order, "approve", COUNTER)).status_code == 403
    assert (await review(http, order, "approve", "tom")).status_code == 403
    assert (await review(http, order, "perhaps")).status_code == 422
    unknown = {**order, "order_id": "nothing"}
    assert (await review(http, unknown, "approve")).status_code == 404
    nobody = await http.post("/orders/start", json=LIND)
    assert nobody.status_code == 422
    assert dispensed(tmp_path) == []


async def test_in_the_inbox_continuing_without_a_decision_asks_again(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Over Signoff's own API, beside the pharmacy's."""
    order = await start(http, LIND)
    http.headers["X-User"] = PETRA
    waiting = {"thread_id": order["order_id"], "state": "open"}
    [request] = (await http.get("/signoff/requests", params=waiting)).json()["items"]
    decisions = f"/signoff/requests/{request['id']}/decisions"

    wrong = {"log": [{"event": 1}], "decision": "yes", "patient": "somebody else"}
    refused = await http.post(decisions, json={"action": "continue", "values": wrong})
    assert refused.status_code == 422
    assert {error["pointer"] for error in refused.json()["errors"]} >= {
        "/values/log/0/event",
        "/values/decision",
    }
    taken = await http.post(decisions, json={"action": "continue"})
    assert taken.status_code == 201

    path = f"/signoff/threads/{order['order_id']}/runs/{{}}/join"
    runs = (await http.get(f"/signoff/threads/{order['order_id']}/runs")).json()
    await http.get(path.format(runs[0]["run_id"]))
    [again] = (await http.get("/signoff/requests", params=waiting)).json()["items"]
    assert again["id"] != request["id"]
    assert dispensed(tmp_path) == []
    assert (await review(http, order, "approve")).json()["status"] == "dispensed"


async def test_a_prescription_that_cannot_be_read_is_an_error_of_the_order(
    http: httpx.AsyncClient,
) -> None:
    order = await start(http, {**LIND, "prescription": "as discussed"})
    assert "no prescription can be read in 'as discussed'" in order["error"]
    assert order["status"] is None
