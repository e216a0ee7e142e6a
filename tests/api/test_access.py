"""Who may call what: every route with every kind of caller, held against the table in the docs."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from signoff import Principal, Role, Signoff
from signoff.api import route as route_module
from signoff.api.access import ROLES as ROLES_OF_ROUTES
from signoff.api.app import OPEN
from signoff.config import Settings
from signoff.domain.errors import Conflict
from signoff.domain.user import User
from signoff.service.keys import create_key, revoke_key
from signoff.service.users import put_users
from signoff.web import app as web
from signoff.web import decide
from signoff.web import route as page_module
from signoff.web.route import PageRoute
from tests.api import graphs
from tests.api.conftest import client_of, problem, serving
from tests.conftest import OpenDesk

TABLE = re.compile(
    r"^\| `([A-Z]+) (/\S+)` \| `(\w+)`(; `reviewer` with `command.resume`)? \|$", re.M
)
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "access.md"
DOCUMENTED = {
    f"{method} {path}": (Role(role), bool(answers))
    for method, path, role, answers in TABLE.findall(DOCUMENT.read_text())
    if not path.startswith("/inbox")
}
"""The least role of each route, and whether a reviewer may answer by it."""

ANSWER = {"assistant_id": "drafts", "command": {"resume": {"action": "approve"}}}

ROLES = list(Role)


@dataclass
class World:
    """A desk with a request that waits, and somebody of each kind to call."""

    desk: Signoff
    app: FastAPI
    params: dict[str, str]
    keys: dict[str, str] = field(default_factory=dict)

    def client(self, who: str | None) -> httpx.AsyncClient:
        """A client with the key of somebody."""
        return client_of(
            self.app, {} if who is None else {"authorization": f"Bearer {self.keys[who]}"}
        )

    def url(self, path: str) -> str:
        """The address of a route on what there is."""
        for name, value in self.params.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    async def state(self) -> tuple[Any, ...]:
        """How the request stands, which nobody may change here."""
        request = await self.desk.request(self.params["request_id"])
        return request.state, request.votes, request.claimed_by, request.delegations


@pytest.fixture
async def world(open_desk: OpenDesk) -> World:
    """A thread of `drafts` that waits for jane, with four eyes, and one of `single`."""
    desk = await open_desk({"drafts": graphs.drafts(), "single": graphs.single()})
    policy = {"policy": {"to": ["jane", "admin", "starter"], "four_eyes": True}}
    run = await desk.start("drafts", {"topic": "tea", **policy}, thread_id="t", by="starter")
    thread = await desk.wait("t", timeout=30)
    assert thread.status.value == "interrupted"
    [request] = (await desk.requests(thread_id="t")).items
    await desk.start("single", {}, thread_id="other", by="starter")
    await desk.wait("other", timeout=30)
    world = World(
        desk,
        desk.asgi_app(authenticate=lambda _request: None),
        {
            "request_id": request.id,
            "thread_id": "t",
            "run_id": run.id,
            "assistant_id": "drafts",
            "checkpoint_id": request.pause.checkpoint_id,
            "namespace": "review",
            "delivery_id": run.id,
        },
    )
    people = [User(name=role.value, role=role) for role in ROLES]
    people += [
        User(name="jane"),
        User(name="starter", role=Role.ADMIN),
        User(name="elsewhere", role=Role.ADMIN, graphs=("single",)),
        User(name="here", role=Role.OPERATOR, graphs=("drafts",)),
    ]
    await put_users(desk.office, people)
    for user in people:
        _, world.keys[user.name] = await create_key(desk.office, "k", by="test", user=user.name)
    key, world.keys["revoked"] = await create_key(desk.office, "old", by="test", role=Role.ADMIN)
    await revoke_key(desk.office, key.id, by="test")
    soon = desk.office.now() + timedelta(seconds=60)
    _, world.keys["expired"] = await create_key(
        desk.office, "short", by="test", role=Role.ADMIN, expires_at=soon
    )
    async with desk.office.database.connection() as conn:
        await conn.execute("UPDATE keys SET expires_at = now() WHERE name = 'short'")
    return world


def test_the_table_in_the_docs_has_every_route_and_nothing_else() -> None:
    app = Signoff(graphs={}, config=Settings()).asgi_app()
    there = [
        f"{method.upper()} {path}"
        for path, item in app.openapi()["paths"].items()
        for method in item
        if path not in OPEN
    ]
    assert sorted(there) == sorted(DOCUMENTED) == sorted(ROLES_OF_ROUTES)
    assert {route: role for route, (role, answers) in DOCUMENTED.items() if not answers} == {
        route: role for route, role in ROLES_OF_ROUTES.items() if not DOCUMENTED[route][1]
    }


class LetIn(Conflict):
    """Whoever calls was let in: this stands in for what the route would do."""

    code = "let_in"


def let_in(*args: Any) -> None:
    """Stand in for what comes after all checks."""
    raise LetIn("Come in.")


async def test_every_route_with_every_kind_of_caller(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody: 401. Too low a role: 403. Another graph's: 404. All others are let in."""
    monkeypatch.setattr(route_module, "_Caller", let_in)
    wrong: list[tuple[Any, ...]] = []
    for who in (None, "revoked", "expired", *ROLES, "jane", "starter", "elsewhere", "here"):
        role = {"jane": Role.REVIEWER, "here": Role.OPERATOR}.get(str(who), Role.ADMIN)
        role = Role(who) if who in ROLES else role
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(world.app),
            base_url="http://signoff",
            headers={} if who is None else {"x-api-key": world.keys[who]},
        ) as http:
            for route, (least, answers) in DOCUMENTED.items():
                method, path = route.split(" ")
                expected = 409
                if who in (None, "revoked", "expired"):
                    expected = 401
                elif not role.includes(Role.REVIEWER if answers else least):
                    expected = 403
                elif who == "elsewhere" and re.search(r"\{(request|thread)_id\}", path):
                    expected = 404
                response = await http.request(method, world.url(path), content=b"{")
                if response.status_code != expected:
                    wrong.append((who, route, response.status_code, expected))
                assert ("www-authenticate" in response.headers) == (response.status_code == 401)
    assert not wrong


PAGES = re.compile(r"^\| `([A-Z]+) (/inbox\S*)` \| `(\w+)` \|$", re.M)


async def test_every_page_with_every_kind_of_caller(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the routes of the API, from the same document."""
    there = {
        (method, route.path): route.role()
        for router in web.ROUTERS
        for route in router.routes
        if isinstance(route, PageRoute)
        for method in route.methods or ()
    }
    found = PAGES.findall(DOCUMENT.read_text())
    assert {(method, path): role for method, path, role in found} == there
    monkeypatch.setattr(page_module, "_Visit", let_in)
    monkeypatch.setattr(page_module.csrf, "check", lambda *_: None)
    for who in (None, "revoked", *ROLES, "elsewhere"):
        role = Role(who) if who in ROLES else Role.ADMIN
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(world.app),
            base_url="http://signoff",
            headers={} if who is None else {"x-api-key": world.keys[who]},
        ) as http:
            for (method, path), least in there.items():
                expected = 409
                if who in (None, "revoked"):
                    expected = 401
                elif not role.includes(least):
                    expected = 403
                elif who == "elsewhere" and re.search(r"\{(request|thread)_id\}", path):
                    expected = 404
                form = {"a": "b"} if method == "POST" else None
                response = await http.request(method, world.url(path), data=form)
                assert (who, path, response.status_code) == (who, path, expected)


def test_the_pages_of_links_are_in_the_docs_and_take_nobody_who_is_signed_in() -> None:
    there = {
        f"{method} {route.path}"
        for route in decide.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    found = re.findall(
        r"^\| `(\S+ /decide/\S+)` \| whoever has the link \|$", DOCUMENT.read_text(), re.M
    )
    assert set(found) == there


async def test_pages_show_nothing_of_other_graphs_and_no_more_than_a_role_may(
    world: World,
) -> None:
    request_id = world.params["request_id"]
    async with world.client("elsewhere") as http:
        page = (await http.get("/inbox?view=open")).text
        assert request_id not in page
        assert "drafts" not in page
        assert (await http.get(f"/inbox/requests/{request_id}")).status_code == 404
    async with world.client("here") as http:
        assert request_id in (await http.get("/inbox?view=open")).text
    for who, offered in (("jane", True), ("reviewer", False), ("viewer", False)):
        async with world.client(who) as http:
            page = (await http.get(f"/inbox/requests/{request_id}")).text
            assert ("/decisions/approve" in page) == offered, who


async def test_to_start_a_run_takes_an_operator_and_to_answer_a_reviewer(world: World) -> None:
    for end in ("", "/wait", "/stream"):
        for who in ("viewer", "reviewer", "jane"):
            async with world.client(who) as http:
                start = {"assistant_id": "drafts", "input": {"topic": "tea"}}
                response = await http.post(f"/threads/t/runs{end}", json=start)
                problem(response, 403, "forbidden")
                response = await http.post(f"/threads/t/runs{end}", json={"assistant_id": "drafts"})
                problem(response, 403, "forbidden")
    async with world.client("jane") as http:
        answered = await http.post("/threads/t/runs/wait", json=ANSWER)
        assert answered.json()["decision"]["by"] == "jane"


@pytest.mark.parametrize("who", ["reviewer", "operator", "starter", "here"])
async def test_no_role_is_a_way_around_the_policy(world: World, who: str) -> None:
    """Strangers of each role, and an admin who has started the run, under four eyes."""
    before = await world.state()
    path = f"/requests/{world.params['request_id']}"
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"{path}/decisions", {"action": "approve"}),
        ("PUT", f"{path}/claim", None),
        ("POST", f"{path}/delegations", {"to": who}),
        *(("POST", f"/threads/t/runs{end}", ANSWER) for end in ("", "/wait", "/stream")),
        ("POST", "/threads/t/state", {"values": {"decision": {}}, "as_node": "review"}),
    ]
    async with world.client(who) as http:
        for method, url, body in calls:
            response = await http.request(method, url, json=body)
            problem(response, 403, "forbidden")
        assert (await http.get(path)).status_code == 200
    assert await world.state() == before


async def test_a_state_is_not_written_where_it_would_stand_in_for_several_votes(
    world: World,
) -> None:
    policy = {"policy": {"to": ["admin", "jane"], "quorum": 2}}
    await world.desk.start("drafts", {"topic": "tea", **policy}, thread_id="two", by="starter")
    await world.desk.wait("two", timeout=30)
    async with world.client("admin") as http:
        by_hand = {"values": {"decision": {}}, "as_node": "review"}
        refused = await http.post("/threads/two/state", json=by_hand)
        assert "2 more votes" in problem(refused, 403, "forbidden")["detail"]


async def test_what_belongs_to_another_graph_is_nowhere(world: World) -> None:
    async with world.client("elsewhere") as http, world.client("here") as here:
        for client, graph, thread in ((http, "single", "other"), (here, "drafts", "t")):
            page = (await client.get("/requests")).json()
            assert ({each["graph"] for each in page["items"]}, page["total"]) == ({graph}, 1)
            assert (await client.get("/requests?q=e")).json()["total"] <= 1
            found = await client.post("/threads/search", json={})
            assert [each["thread_id"] for each in found.json()] == [thread]
            assert found.headers["x-pagination-total"] == "1"
            found = await client.post("/threads/search", json={"ids": ["t", "other"]})
            assert [each["thread_id"] for each in found.json()] == [thread]
            assert (await client.post("/threads/count", json={})).json() == 1
            assistants = (await client.post("/assistants/search", json={})).json()
            assert [each["graph_id"] for each in assistants] == [graph]
            assert (await client.post("/assistants/count", json={})).json() == 1
            assert (await client.get(f"/audit?thread_id={thread}")).status_code == 200
        problem(await http.get("/audit?thread_id=t"), 404, "thread_not_found")
        for end in ("", "/schemas", "/graph", "/subgraphs", "/subgraphs/review"):
            problem(await http.get(f"/assistants/drafts{end}"), 404, "graph_not_found")
        order = {"assistant_id": "drafts", "input": {}, "if_not_exists": "create"}
        problem(await http.post("/threads/new/runs", json=order), 404, "graph_not_found")
        taken = {"thread_id": "t", "if_exists": "do_nothing"}
        problem(await http.post("/threads", json=taken), 409, "thread_exists")
        labelled = {"thread_id": "new", "metadata": {"graph_id": "drafts"}}
        problem(await http.post("/threads", json=labelled), 404, "graph_not_found")


async def test_a_thread_of_no_graph_yet_is_its_makers(world: World) -> None:
    async with world.client("elsewhere") as http, world.client("here") as other:
        assert (await http.post("/threads", json={"thread_id": "mine"})).status_code == 200
        assert (await http.get("/threads/mine")).status_code == 200
        problem(await other.get("/threads/mine"), 404, "thread_not_found")
        assert (await http.post("/threads/count", json={})).json() == 2
        assert (await other.post("/threads/count", json={})).json() == 1
        order = {"assistant_id": "single", "input": {}}
        assert (await http.post("/threads/mine/runs/wait", json=order)).status_code == 200
        assert (await http.get("/threads/mine")).json()["status"] == "interrupted"


async def test_the_audit_of_a_thread_that_had_another_graph_before_is_not_shown(
    world: World,
) -> None:
    async with world.client("starter") as http:
        assert (await http.delete("/threads/t")).status_code == 204
    order = {"assistant_id": "single", "input": {}, "if_not_exists": "create"}
    async with world.client("here") as http:
        assert (await http.get("/audit?thread_id=t")).status_code == 200
    async with world.client("elsewhere") as http:
        assert (await http.post("/threads/t/runs/wait", json=order)).status_code == 200
        problem(await http.get("/audit?thread_id=t"), 404, "thread_not_found")
    async with world.client("admin") as http:
        assert len((await http.get("/audit?thread_id=t")).json()["items"]) > 4


async def test_events_are_those_of_ones_own_graphs_and_end_when_a_key_is_revoked(
    world: World,
) -> None:
    desk = world.desk
    key, text = await create_key(
        desk.office, "watch", by="test", role=Role.VIEWER, graphs=["single"]
    )
    async with serving(world.app) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
        headers = {"x-api-key": text, "last-event-id": "0-0"}
        async with http.stream("GET", "/events", headers=headers) as stream:
            lines = stream.aiter_lines()
            seen = [json.loads(each[5:]) async for each in head(lines, 1)]
            assert {entry["thread_id"] for entry in seen} == {"other"}
            await revoke_key(desk.office, key.id, by="test")
            await desk.start("drafts", {"topic": "tea"}, thread_id="more", by="starter")
            with pytest.raises(httpx.HTTPError):
                seen = [json.loads(each[5:]) async for each in head(lines, 9)]
        assert (await http.get("/events", headers=headers)).status_code == 401


async def head(lines: AsyncIterator[str], count: int) -> AsyncIterator[str]:
    """The first events of a stream."""
    async for line in lines:
        if line.startswith("data:"):
            yield line
            count -= 1
            if not count:
                return


async def test_two_keys_at_once_are_nobody_and_other_tokens_count_for_nothing(
    world: World,
) -> None:
    async with client_of(world.app, {}) as http:
        for headers, status in (
            ({"authorization": f"Bearer {world.keys['viewer']}"}, 200),
            ({"authorization": f"bearer {world.keys['viewer']}"}, 200),
            ({"x-api-key": world.keys["viewer"]}, 200),
            ({"x-api-key": "lsv2_something", "authorization": world.keys["viewer"]}, 401),
            ({"x-api-key": "lsv2", "authorization": f"Bearer {world.keys['viewer']}"}, 200),
            ({"authorization": f"Basic {world.keys['viewer']}"}, 401),
            (
                {
                    "x-api-key": world.keys["admin"],
                    "authorization": f"Bearer {world.keys['viewer']}",
                },
                401,
            ),
        ):
            response = await http.get("/requests", headers=headers)
            assert response.status_code == status, headers


async def test_a_key_decides_by_its_own_name_and_in_its_groups(world: World) -> None:
    policy = {"policy": {"to": ["group:bots"]}}
    await put_users(world.desk.office, [User(name="robot", groups=("bots",))])
    for thread in ("a", "b"):
        await world.desk.start("drafts", {"topic": "tea", **policy}, thread_id=thread, by="x")
        await world.desk.wait(thread, timeout=30)
    _, bot = await create_key(world.desk.office, "bot", by="test", groups=["bots"])
    _, other = await create_key(world.desk.office, "other", by="test", groups=["people"])
    for text, thread, status in ((other, "a", 403), (bot, "a", 201)):
        [request] = (await world.desk.requests(thread_id=thread)).items
        async with client_of(world.app, {"x-api-key": text}) as http:
            mine = (await http.get("/requests?assignee=me&thread_id=a")).json()["total"]
            assert mine == (status == 201)
            response = await http.post(
                f"/requests/{request.id}/decisions", json={"action": "approve"}
            )
            assert response.status_code == status, response.text
    request = await world.desk.request(request.id)
    assert [vote.by for vote in request.votes] == ["key:bot"]


async def test_the_hook_of_an_application_says_who_calls(world: World) -> None:
    async def authenticate(request: httpx.Request) -> Principal | None:
        name = request.headers.get("x-user")
        return None if name is None else Principal(name=name, role=Role.VIEWER)

    app = world.desk.asgi_app(authenticate=authenticate)  # type: ignore[arg-type]
    async with client_of(app, {"x-user": "ann"}) as http:
        assert (await http.get("/requests")).status_code == 200
        problem(await http.post("/threads", json={}), 403, "forbidden")
        by_key = await http.get("/requests", headers={"x-api-key": world.keys["elsewhere"]})
        assert by_key.json()["total"] == 1
    async with client_of(app, {}) as http:
        problem(await http.get("/requests"), 401, "unauthenticated")
