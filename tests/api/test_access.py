"""Who may call what, in particular; `test_matrix` has every route and page with everybody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from signoff import Principal, Role
from signoff.domain.user import User
from signoff.service.keys import create_key, revoke_key
from signoff.service.users import put_users
from tests.api.conftest import client_of, problem, serving
from tests.api.world import World, world

__all__ = ["world"]

ANSWER = {"assistant_id": "drafts", "command": {"resume": {"action": "approve"}}}


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
        for client, graph, thread, count in (
            (http, "single", "other", 1),
            (here, "drafts", "t", 2),
        ):
            page = (await client.get("/requests")).json()
            assert ({each["graph"] for each in page["items"]}, page["total"]) == ({graph}, count)
            assert (await client.get("/requests?q=e")).json()["total"] <= count
            found = await client.post("/threads/search", json={})
            assert found.json()[0]["thread_id"] == thread
            assert found.headers["x-pagination-total"] == str(count)
            found = await client.post("/threads/search", json={"ids": ["t", "other"]})
            assert [each["thread_id"] for each in found.json()] == [thread]
            assert (await client.post("/threads/count", json={})).json() == count
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
        assert (await other.post("/threads/count", json={})).json() == 2
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
            await desk.start("single", {}, thread_id="more", by="starter")
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
