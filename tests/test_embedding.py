"""The application of docs/how-to/embed.md, as it stands there, with a desk inside."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import httpx
import pytest
from langgraph.graph import START, StateGraph

from signoff import Role, Signoff, ask
from signoff.service.keys import create_key

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "embed.md"
JANE = {"name": "jane@firm.com", "password": "blue"}
SAM = {"name": "sam@firm.com", "password": "green"}


class State(TypedDict, total=False):
    """What the contract has come to."""

    decided: str


def review(state: State) -> State:
    """Legal looks at it."""
    return {"decided": ask("Send it?", actions=["approve", "reject"], to="group:legal").action}


@pytest.fixture
async def program(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> AsyncIterator[ModuleType]:
    """The program on the page, while it runs."""
    contracts = StateGraph(State)
    contracts.add_node("review", review)
    contracts.add_edge(START, "review")
    graphs = ModuleType("graphs")
    graphs.contracts = contracts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "graphs", graphs)
    monkeypatch.setenv("SIGNOFF_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    module = ModuleType("embedding")
    monkeypatch.setitem(sys.modules, "embedding", module)
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    async with module.app.router.lifespan_context(module.app):
        yield module


def browser(program: ModuleType, **headers: str) -> httpx.AsyncClient:
    """Somebody at a browser."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(program.app),
        base_url="https://firm.example",
        headers=headers,
        timeout=30,
    )


async def test_whoever_has_signed_in_to_the_application_is_known_to_signoff(
    program: ModuleType,
) -> None:
    async with browser(program) as jane, browser(program) as sam, browser(program) as nobody:
        assert (await jane.post("/sign-in", params={**JANE, "password": "red"})).status_code == 401
        for somebody, given in ((jane, JANE), (sam, SAM)):
            assert (await somebody.get("/signoff/requests")).status_code == 401
            assert (await somebody.post("/sign-in", params=given)).status_code == 200
        assert (await nobody.post("/contracts/c1")).status_code == 401
        assert (await sam.post("/contracts/c1")).json() == {"thread": "interrupted"}
        [request] = (await jane.get("/signoff/requests?assignee=me")).json()["items"]
        assert (await sam.get("/signoff/requests?assignee=me")).json()["items"] == []

        path = f"/signoff/requests/{request['id']}"
        answers: list[tuple[Any, int]] = [(nobody, 401), (sam, 403), (jane, 201)]
        for somebody, status in answers:
            decided = await somebody.post(f"{path}/decisions", json={"action": "approve"})
            assert decided.status_code == status
        entries = (await jane.get(f"{path}/audit")).json()["items"]
        [entry] = [each for each in entries if each["event"] == "request.decided"]
        assert (entry["by"], entry["method"]) == ("jane@firm.com", "application")

        for somebody, status in ((nobody, 401), (jane, 403), (sam, 200)):
            assert (await somebody.post("/signoff/threads", json={})).status_code == status
        assert (await jane.get("/signoff/inbox")).status_code == 200
        assert (await nobody.get("/signoff/inbox")).status_code == 401


async def test_programs_show_a_key_and_no_name_is_believed(program: ModuleType) -> None:
    desk: Signoff = program.desk
    _, key = await create_key(desk.office, "robot", by="test", role=Role.VIEWER)
    async with browser(program) as http:
        for headers, status in (
            ({"x-api-key": key}, 200),
            ({"x-signoff-principal": "jane@firm.com"}, 401),
            ({"cookie": "signoff_acts_as=jane%40firm.com"}, 401),
            ({"cookie": "session=guessed"}, 401),
        ):
            assert (await http.get("/signoff/requests", headers=headers)).status_code == status
