"""Every route and page, as everybody that docs/reference/access.md tells of, against its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from signoff import Role, Signoff
from signoff.api import route as route_module
from signoff.api.access import ROLES as ROLES_OF_ROUTES
from signoff.api.app import OPEN
from signoff.config import Settings
from signoff.domain.errors import Conflict
from signoff.web import app as web
from signoff.web import decide
from signoff.web import route as page_module
from signoff.web.route import PageRoute
from tests.api.world import CALLERS, ELSEWHERE, NOBODY, REQUESTER, STRANGERS, World, body, world

__all__ = ["world"]


@dataclass(frozen=True)
class Row:
    """A row of the tables: the least role, who besides, and whether a reviewer may answer by it."""

    method: str
    path: str
    role: Role
    besides: str
    answers: bool

    @property
    def least(self) -> Role:
        """The least role that is let in, whatever it may then do."""
        return Role.REVIEWER if self.answers else self.role

    @property
    def is_page(self) -> bool:
        """Whether it is one of the inbox."""
        return self.path.startswith("/inbox")

    @property
    def names_something(self) -> bool:
        """Whether the path names what belongs to a graph."""
        return re.search(r"\{(request|thread)_id\}", self.path) is not None

    @property
    def names_a_message(self) -> bool:
        """Whether the path names a message, which is looked for by what the route does."""
        return "{delivery_id}" in self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "access.md"
ROW = re.compile(
    r"^\| `([A-Z]+) (/\S+)` \| `(\w+)`(?:, (admitted|involved))?"
    r"(; `reviewer`, admitted, with `command.resume`)? \|$",
    re.M,
)
ROWS = [
    Row(method, path, Role(role), "admitted" if answers else besides, bool(answers))
    for method, path, role, besides, answers in ROW.findall(DOCUMENT.read_text())
]
PAGES = [row for row in ROWS if row.is_page]
ROUTES = [row for row in ROWS if not row.is_page]


def test_the_tables_have_every_route_and_page_and_nothing_else() -> None:
    app = Signoff(graphs={}, config=Settings()).asgi_app()
    there = [
        f"{method.upper()} {path}"
        for path, item in app.openapi()["paths"].items()
        for method in item
        if path not in OPEN
    ]
    assert sorted(there) == sorted(map(str, ROUTES))
    assert {str(row): row.least for row in ROUTES} == dict(ROLES_OF_ROUTES)
    pages = {
        f"{method} {route.path}": route.role()
        for router in web.ROUTERS
        for route in router.routes
        if isinstance(route, PageRoute)
        for method in route.methods or ()
    }
    assert {str(row): row.role for row in PAGES} == pages


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


class LetIn(Conflict):
    """Whoever calls was let in: this stands in for what the route would do."""

    code = "let_in"


def let_in(*_: Any) -> None:
    """Stand in for what comes after all checks."""
    raise LetIn("Come in.")


@pytest.fixture
def stood_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no route do anything once it has let somebody in."""
    monkeypatch.setattr(route_module, "_Caller", let_in)
    monkeypatch.setattr(page_module, "_Visit", let_in)
    monkeypatch.setattr(page_module.csrf, "check", lambda *_: None)


def due(row: Row, who: str | None) -> int:
    """What somebody is due to get from a row of the tables."""
    if who in NOBODY:
        return 401
    if not CALLERS[who].includes(row.least):
        return 403
    return 404 if who in ELSEWHERE and row.names_something else 409


@pytest.mark.usefixtures("stood_in")
async def test_every_route_and_page_lets_in_whom_the_tables_let_in(world: World) -> None:
    """Nobody: 401. Too low a role: 403. Another graph's: 404. All others are let in."""
    wrong: list[tuple[Any, ...]] = []
    for who in (*NOBODY, *CALLERS):
        async with world.caller(who) as http:
            for row in ROWS:
                sent = {"data": {"a": "b"}} if row.is_page else {"content": b"{"}
                sent = {} if row.method == "GET" else sent
                response = await http.request(row.method, world.url(row.path), **sent)
                if response.status_code != due(row, who):
                    wrong.append((who, str(row), response.status_code, due(row, who)))
                if not row.is_page:
                    challenged = "www-authenticate" in response.headers
                    assert challenged == (response.status_code == 401)
    assert not wrong


ANSWER = {"assistant_id": "drafts", "command": {"resume": {"action": "approve"}}}


def attempt(row: Row, world: World) -> Any:
    """What would be done by a route for which one has to be admitted, if one were."""
    request_id = world.params["request_id"]
    return {
        "POST /requests/decisions": {
            "decisions": [{"request_id": request_id, "action": "approve"}]
        },
        "POST /requests/{request_id}/decisions": {"action": "approve"},
        "PUT /requests/{request_id}/claim": None,
        "POST /requests/{request_id}/delegations": {"to": "jane"},
        "POST /requests/{request_id}/withdrawal": {"note": "never mind"},
        "POST /threads/{thread_id}/state": {"values": {"decision": {}}, "as_node": "review"},
        "POST /threads/{thread_id}/runs": ANSWER,
        "POST /threads/{thread_id}/runs/wait": ANSWER,
        "POST /threads/{thread_id}/runs/stream": ANSWER,
        "POST /inbox/together/decisions": {
            "id": request_id,
            "action": "approve",
            f"digest:{request_id}": world.digest,
        },
        "POST /inbox/rows/{request_id}/{verb}": {"a": "b"},
        "POST /inbox/requests/{request_id}/decisions/{action}": {"digest": world.digest},
        "POST /inbox/requests/{request_id}/{verb}": {"a": "b"},
    }[str(row)]


def not_admitted() -> Iterator[tuple[str, Row]]:
    """Everybody, and what they may not do whatever their role."""
    for row in ROWS:
        for who in STRANGERS:
            if row.besides:
                yield who, row
        if row.besides == "admitted":
            yield REQUESTER, row


async def test_whom_the_policy_does_not_admit_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers of each role, and under four eyes an admin who has started the run."""
    monkeypatch.setattr(page_module.csrf, "check", lambda *_: None)
    before = await world.stands()
    wrong: list[tuple[Any, ...]] = []
    for who, row in not_admitted():
        async with world.caller(who) as http:
            sent = body(row.method, row.path, attempt(row, world))
            response = await http.request(row.method, world.url(row.path), **sent)
        status = response.status_code
        if row.path == "/requests/decisions" and status == 200:
            status = response.json()["results"][0]["status"]
        if row.path == "/inbox/together/decisions" and status == 409:
            status = 403 if "is for" in response.text or "four_eyes" in response.text else status
        if status != 403:
            wrong.append((who, str(row), response.status_code, response.text[:300]))
    assert not wrong
    assert await world.stands() == before
    for row in ROWS:
        if row.besides == "admitted" and row.path.endswith("{request_id}/decisions"):
            async with world.client("jane") as http:
                decided = await http.post(world.url(row.path), json=attempt(row, world))
                assert decided.status_code == 201


ROUNDABOUT: list[dict[str, Any]] = [
    {},
    {"input": None},
    {"input": {"topic": "more"}},
    {"input": {"decision": {"action": "approve"}}, "multitask_strategy": "enqueue"},
    {"input": {"topic": "more"}, "multitask_strategy": "interrupt"},
    {"input": {"topic": "more"}, "multitask_strategy": "rollback"},
    {"command": {"goto": "finish"}},
    {"command": {"update": {"decision": {"action": "approve"}}}},
    {"command": {"resume": {"action": "approve"}, "goto": "finish"}},
    {"command": {"resume": {"unknown": {"action": "approve"}}}},
    {"input": {"topic": "more"}, "command": {"resume": {"action": "approve"}}},
    {"interrupt_before": "*", "command": {"resume": {"action": "approve"}}},
    {"checkpoint": {"checkpoint_id": "latest"}, "input": None},
]


@pytest.mark.parametrize("who", ["here", "admin"])
async def test_nothing_that_a_run_is_started_with_is_a_way_around_the_policy(
    world: World, who: str
) -> None:
    desk = world.desk
    async with world.caller(who) as http:
        for order in ROUNDABOUT:
            order = {"assistant_id": "drafts", **order}
            response = await http.post("/threads/t/runs", json=order)
            assert response.status_code in (200, 403, 409, 422), (order, response.text)
            thread = await desk.wait("t", timeout=30)
            for request in (await desk.requests(thread_id="t")).items:
                assert request.outcome is None, order
                assert not request.votes, order
            # The graph may have been started anew, and asks anew: it came past no question.
            assert "finished" not in (thread.values or {}), order
        if who == "admin":
            for state in (
                {"values": {"decision": {"action": "approve"}}},
                {"values": None, "as_node": "review"},
                {"values": {}, "as_node": "finish"},
                {"values": None, "as_node": "__end__"},
            ):
                response = await http.post("/threads/t/state", json=state)
                assert response.status_code in (403, 422), (state, response.text)
    assert (await desk.request(world.params["request_id"])).outcome is None


FOR_EVER = {"GET /events", "GET /inbox/live"}
"""They do not end by themselves, and have tests of their own."""

NARROWED = "?thread_id=t&request_id={request_id}&graph=drafts&q=zeb&assignee=jane&view=open"


def looks(row: Row, world: World) -> list[Any]:
    """What somebody sends who tries to learn of what they may not know of; None is nothing."""
    request_id = world.params["request_id"]
    drafts = {"assistant_id": "drafts", "input": {}}
    return {
        "POST /requests/decisions": [
            {"decisions": [{"request_id": request_id, "action": "approve"}]}
        ],
        "POST /assistants/search": [{}, {"graph_id": "drafts"}],
        "POST /assistants/count": [{}, {"graph_id": "drafts"}],
        "POST /threads": [
            {"thread_id": "t", "if_exists": "do_nothing"},
            {"metadata": {"graph_id": "drafts"}},
        ],
        "POST /threads/search": [
            {}, {"ids": ["t"]}, {"metadata": {"graph_id": "drafts"}}, {"status": "interrupted"},
            {"values": {"topic": "zebra"}}, {"sort_by": "updated_at"},
        ],
        "POST /threads/count": [{}, {"status": "interrupted"}],
        "POST /runs": [drafts],
        "POST /runs/wait": [drafts],
        "POST /runs/stream": [drafts],
        "POST /inbox/together": [{"id": request_id}],
        "POST /inbox/together/decisions": [{"id": request_id, "action": "approve"}],
        "POST /inbox/start/{graph}": [{"thread": "t"}],
    }.get(str(row), [None])  # fmt: skip


@pytest.mark.parametrize("who", list(ELSEWHERE))
async def test_what_belongs_to_another_graph_shows_nowhere(
    world: World, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists, counts, searches, figures, the audit, the inbox, refusals: none tells of it."""
    monkeypatch.setattr(page_module.csrf, "check", lambda *_: None)
    secrets = ["zebra", REQUESTER, "jane", world.params["run_id"], world.digest]
    before = await world.stands()
    found: list[tuple[Any, ...]] = []
    async with world.caller(who) as http, world.caller("here") as here:
        for row in ROWS:
            if row.names_something or str(row) in FOR_EVER or "sign-out" in row.path:
                continue
            if row.names_a_message and not row.is_page:
                continue  # the refusal names it: see below
            for sent in looks(row, world):
                for query in ("", NARROWED):
                    url = world.url(row.path + query)
                    arguments = body(row.method, row.path, sent)
                    response = await http.request(row.method, url, **arguments)
                    text = response.text.replace("jane@firm.com", "")  # what a field shows empty
                    shown = [secret for secret in secrets if secret in text]
                    if shown or response.status_code >= 500:
                        found.append((str(row), query, sent, response.status_code, shown))
        assert not found
        assert await world.stands() == before
        # And whoever may know of it sees it in the same places.
        for path in (
            "/requests",
            "/audit",
            "/stats",
            "/deliveries",
            "/inbox?view=open",
            "/inbox/overview",
        ):
            shown = [secret for secret in secrets if secret in (await here.get(path)).text]
            assert shown, path
        for path in ("/threads/search", "/threads/count"):
            assert (await here.post(path, json={})).text != (await http.post(path, json={})).text


async def test_what_names_it_is_answered_as_if_there_were_nothing(world: World) -> None:
    """In the same words as for what there is not."""
    unknown = "01a1fc50-ba23-7942-86aa-83aba8f32dda"
    nothing = {"thread_id": "nothing.here", "request_id": unknown, "delivery_id": unknown}
    compared = 0
    async with world.caller("elsewhere") as http:
        for row in ROUTES:
            if not (row.names_something or row.names_a_message):
                continue
            path = row.path
            for name, value in nothing.items():
                path = path.replace(f"{{{name}}}", value)
            sent = body(row.method, row.path, {})
            hidden = await http.request(row.method, world.url(row.path), **sent)
            absent = await http.request(row.method, world.url(path), **sent)
            assert hidden.status_code == 404
            if absent.status_code != 404:  # what is sent is looked at before it is looked for
                continue
            compared += 1
            told, expected = hidden.json(), absent.json()
            for name, value in nothing.items():
                if f"{{{name}}}" in row.path:
                    expected["detail"] = expected["detail"].replace(value, world.params[name])
            assert told["detail"].split(", and")[0].rstrip(".") == expected["detail"].rstrip(".")
            assert {**told, "detail": "", "call_id": ""} == {
                **expected, "detail": "", "call_id": "",
            }  # fmt: skip
    assert compared > 10
