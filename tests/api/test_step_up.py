"""A policy that asks for a fresh sign-in: wherever somebody decides, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from signoff import Principal, Role, Signoff
from signoff.domain.policy import Policy
from signoff.domain.principal import DEV
from signoff.domain.user import User
from signoff.policies.book import PolicyBook, Rule
from signoff.service.keys import create_key
from signoff.service.users import put_users
from tests.api import graphs
from tests.api.conftest import client_of, problem
from tests.conftest import Clock, OpenDesk

POLICY = {"sign_in_within": "15m"}
STALE = timedelta(minutes=15, seconds=1)
CHALLENGE = (
    'Bearer error="insufficient_user_authentication", '
    'error_description="Sign in again to decide this", max_age="900"'
)


@pytest.fixture
async def desk(open_desk: OpenDesk, clock: Clock) -> Signoff:
    """A desk whose reviews take a sign-in of the last 15 minutes, by a clock that stands still."""
    opened: Signoff = await open_desk({"drafts": graphs.drafts()}, now=clock)
    return opened


async def asked(desk: Signoff, thread_id: str = "t", **policy: Any) -> str:
    """The id of the request of a new thread."""
    given = {"topic": "tea", "policy": {**POLICY, **policy}}
    await desk.start("drafts", given, thread_id=thread_id, by="starter")
    await desk.wait(thread_id, timeout=30)
    [request] = (await desk.requests(thread_id=thread_id)).items
    return request.id


@asynccontextmanager
async def client(
    desk: Signoff, signed_in_at: datetime | None, method: str = "password", name: str = "jane"
) -> AsyncIterator[httpx.AsyncClient]:
    """The client of somebody who has signed in at that moment."""
    principal = Principal(name=name, role=Role.ADMIN, method=method, signed_in_at=signed_in_at)

    def authenticate(_request: Request) -> Principal:
        return principal

    async with client_of(desk.asgi_app(authenticate=authenticate), {}) as http:
        yield http


def ways(request_id: str) -> list[tuple[str, str, Any]]:
    """All ways to decide a request of thread `t`, and what is as much as that."""
    answer = {"assistant_id": "drafts", "command": {"resume": {"action": "approve"}}}
    by_hand = {"values": {"decision": {}}, "as_node": "review"}
    return [
        ("POST", f"/requests/{request_id}/decisions", {"action": "approve"}),
        *(("POST", f"/threads/t/runs{end}", answer) for end in ("", "/wait", "/stream")),
        ("POST", "/threads/t/state", {**by_hand, "checkpoint": None}),
        ("POST", f"/requests/{request_id}/delegations", {"to": "tom"}),
        ("POST", f"/requests/{request_id}/withdrawal", {}),
    ]


@pytest.mark.parametrize("signed_in", [STALE, None])
async def test_a_sign_in_that_is_too_old_decides_nothing(
    desk: Signoff, clock: Clock, signed_in: timedelta | None
) -> None:
    """Also where an application knows who calls, and does not say since when."""
    request_id = await asked(desk)
    at = None if signed_in is None else clock() - signed_in
    async with client(desk, at) as http:
        for method, path, body in ways(request_id):
            response = await http.request(method, path, json=body)
            refused = problem(response, 401, "sign_in_too_old")
            assert refused["max_age"] == 900, path
            assert response.headers["www-authenticate"] == CHALLENGE
        bulk = {"decisions": [{"request_id": request_id, "action": "approve"}]}
        [result] = (await http.post("/requests/decisions", json=bulk)).json()["results"]
        assert (result["status"], result["problem"]["max_age"]) == (401, 900)
    request = await desk.request(request_id)
    assert (request.state.value, request.votes, request.delegations) == ("open", (), ())
    assert request.version == 0


@pytest.mark.parametrize("way", [0, 1, 2, 4, 5, 6])
async def test_a_fresh_one_does(desk: Signoff, clock: Clock, way: int) -> None:
    request_id = await asked(desk)
    before = await desk.request(request_id)
    method, path, body = ways(request_id)[way]
    async with client(desk, clock() - timedelta(minutes=15)) as http:
        response = await http.request(method, path, json=body)
        assert response.status_code < 300, response.text
    assert await desk.request(request_id) != before


async def test_to_look_claim_and_comment_takes_no_fresh_sign_in(
    desk: Signoff, clock: Clock
) -> None:
    request_id = await asked(desk)
    path = f"/requests/{request_id}"
    async with client(desk, clock() - STALE) as http:
        assert (await http.get(path)).json()["policy"]["sign_in_within"] == "PT15M"
        assert (await http.put(f"{path}/claim")).status_code == 200
        assert (await http.delete(f"{path}/claim")).status_code == 200
        assert (await http.post(f"{path}/comments", json={"text": "Hm."})).status_code < 300


async def test_a_vote_is_not_taken_back_with_an_old_sign_in(desk: Signoff, clock: Clock) -> None:
    request_id = await asked(desk, quorum=2)
    path = f"/requests/{request_id}/decisions"
    signed_in_at = clock()
    async with client(desk, signed_in_at) as http:
        assert (await http.post(path, json={"action": "approve"})).status_code == 201
        clock.forward(STALE)
        problem(await http.delete(path), 401, "sign_in_too_old")
        problem(await http.post(path, json={"action": "reject"}), 401, "sign_in_too_old")
    assert [vote.action for vote in (await desk.request(request_id)).votes] == ["approve"]


async def test_a_repeat_is_answered_and_a_closed_request_says_so_whatever_the_sign_in(
    desk: Signoff, clock: Clock
) -> None:
    request_id = await asked(desk)
    path = f"/requests/{request_id}/decisions"
    async with client(desk, clock()) as http:
        assert (await http.post(path, json={"action": "approve"})).status_code == 201
        clock.forward(STALE)
        assert (await http.post(path, json={"action": "approve"})).status_code == 201
        problem(await http.post(path, json={"action": "reject"}), 409, "request_closed")


async def test_a_stranger_is_not_sent_to_sign_in(desk: Signoff, clock: Clock) -> None:
    request_id = await asked(desk, to=["tom"])
    async with client(desk, clock() - STALE) as http:
        response = await http.post(f"/requests/{request_id}/decisions", json={"action": "approve"})
        problem(response, 403, "forbidden")


@pytest.mark.parametrize("user", [None, "jane"])
async def test_an_api_key_never_decides_it(desk: Signoff, user: str | None) -> None:
    request_id = await asked(desk)
    await put_users(desk.office, [User(name="jane", role=Role.ADMIN), User(name="tom")])
    role = Role.ADMIN if user is None else None
    _, key = await create_key(desk.office, "robot", by="ann", user=user, role=role)
    app = desk.asgi_app(authenticate=lambda _request: None)
    async with client_of(app, {"x-api-key": key}) as http:
        for method, path, body in ways(request_id):
            refused = problem(await http.request(method, path, json=body), 403, "forbidden")
            assert "within 15m, which an API key cannot" in refused["detail"]
    assert (await desk.request(request_id)).version == 0


async def test_on_ones_own_machine_and_in_ones_own_program_nobody_signs_in(
    desk: Signoff,
) -> None:
    request_id = await asked(desk)
    async with client(desk, None, method=DEV) as http:
        response = await http.post(f"/requests/{request_id}/decisions", json={"action": "approve"})
        assert response.status_code == 201
    request_id = await asked(desk, "u")
    assert (await desk.decide(request_id, "approve", by="jane")).outcome is not None


async def test_a_breakpoint_is_passed_with_a_fresh_sign_in_only(
    open_desk: OpenDesk, clock: Clock
) -> None:
    book = PolicyBook(rules=(Rule(conditions={}, policy=Policy.read(POLICY, source="file")),))
    desk = await open_desk({"drafts": graphs.drafts()}, now=clock, policies=lambda: book)
    await desk.start(
        "drafts", {"topic": "tea"}, thread_id="t", by="starter", interrupt_before=["review"]
    )
    await desk.wait("t", timeout=30)
    go_on = {"assistant_id": "drafts", "input": None}
    async with client(desk, clock() - STALE) as http:
        problem(await http.post("/threads/t/runs", json=go_on), 401, "sign_in_too_old")
    async with client(desk, clock()) as http:
        assert (await http.post("/threads/t/runs", json=go_on)).status_code == 200
