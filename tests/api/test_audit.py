"""The audit over HTTP: all of it, page by page, and what it is narrowed by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from signoff import Principal, Role
from signoff.db.audit_list import NOT_LATER
from signoff.domain.user import User
from signoff.service import list_audit
from signoff.service.users import put_users
from tests.api import graphs
from tests.api.conftest import Api, client_of, problem
from tests.conftest import Clock, OpenDesk
from tests.helpers import eventually
from tests.people import as_, named


async def pages(http: httpx.AsyncClient, **query: Any) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    found, cursor = [], None
    while True:
        params = query if cursor is None else {**query, "cursor": cursor}
        page = (await http.get("/audit", params=params)).raise_for_status().json()
        found.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def entries(http: httpx.AsyncClient, **query: Any) -> list[tuple[str, str]]:
    """The thread and the event of all entries."""
    return [
        (each["thread_id"], each["event"]) for page in await pages(http, **query) for each in page
    ]


THREAD = ["run.created", "request.opened", "request.decided", "request.delivered"]


async def happened(api: Api) -> None:
    """Something happens on two threads, and everything is to be seen."""
    await put_users(api.desk.office, [User(name="joe")], by="ann")
    for thread in ("t1", "t2"):
        await api.wait(thread)
        request = await api.the_request(thread)
        await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
        await api.desk.wait(thread, timeout=30)

    async def all_told() -> bool:
        return len(await entries(api.http)) == 9

    await eventually(all_told)


async def test_everything_is_told_in_order_and_page_by_page(api: Api) -> None:
    await happened(api)
    everything = [("#access", "user.added"), *(("t1", each) for each in THREAD)]
    everything += [("t2", each) for each in THREAD]
    assert await entries(api.http) == everything
    assert await entries(api.http, limit=2) == everything
    assert await entries(api.http, limit=4, sort="-at") == everything[::-1]
    [seen, *_] = await pages(api.http, limit=3)
    assert [each["seq"] for each in seen] == [1, 1, 2]


async def test_it_is_narrowed_by_what_happened_who_did_it_and_to_what(api: Api) -> None:
    await happened(api)
    request = (await api.http.get("/requests?thread_id=t1")).json()["items"][0]["id"]
    for query, found in (
        ({"event": "request.decided,user.added"}, 3),
        ({"event": ["request.decided", "user.added"], "by": "jane"}, 2),
        ({"by": "ann"}, 1),
        ({"by": "nobody"}, 0),
        ({"request_id": request}, 3),
        ({"request_id": request, "event": "request.decided"}, 1),
        ({"request_id": request, "thread_id": "t1"}, 3),
        ({"thread_id": "t2", "by": "jane"}, 2),
        ({"thread_id": "#access"}, 1),
    ):
        assert len(await entries(api.http, **query)) == found, query
        assert len(await entries(api.http, **query, sort="-at", limit=1)) == found, query
    await api.http.delete("/threads/t1")
    assert len(await entries(api.http, request_id=request)) == 3
    newest = await entries(api.http, thread_id="t1", sort="-at", limit=1)
    assert newest[0] == ("t1", "thread.deleted")
    assert len(newest) == 5


async def test_what_happened_since_then_is_found_without_reading_what_was_before(
    open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await open_desk({"drafts": graphs.drafts()}, now=clock)
    monkeypatch.setattr("signoff.db.audit_list.NEAR", 1)
    for name in ("a", "b", "c", "d", "e"):
        await put_users(desk.office, [User(name=name)], by=name)
        clock.forward(NOT_LATER + timedelta(minutes=1))
    since = (clock() - 2 * (NOT_LATER + timedelta(minutes=1))).isoformat()
    scanned: list[int] = []
    read = list_audit.audit_list.everything

    async def counted(*args: Any, **more: Any) -> Any:
        rows = await read(*args, **more)
        scanned.append(len(rows))
        return rows

    monkeypatch.setattr(list_audit.audit_list, "everything", counted)
    app = desk.asgi_app(authenticate=named)
    async with client_of(app, as_("jane")) as http:
        for sort in ("at", "-at"):
            found = [
                each["by"] for page in await pages(http, since=since, sort=sort) for each in page
            ]
            assert sorted(found) == ["d", "e"]
    assert scanned[0] < 5


async def test_a_long_search_goes_on_with_the_next_page(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await happened(api)
    monkeypatch.setattr(list_audit, "PART", 2)
    monkeypatch.setattr(list_audit, "PARTS", 1)
    for sort in ("at", "-at"):
        found = await pages(api.http, event="user.added", sort=sort)
        assert len(found) == 5
        assert [each["by"] for page in found for each in page] == ["ann"]


async def test_users_keys_and_policies_are_for_admins_of_everything(api: Api) -> None:
    await happened(api)
    await api.wait("other", "single")
    people = {
        "viewer": Principal(name="viewer", role=Role.VIEWER),
        "part": Principal(name="part", role=Role.ADMIN, graphs=frozenset({"single"})),
        "none": Principal(name="none", role=Role.ADMIN, graphs=frozenset({"pair"})),
    }
    app = api.desk.asgi_app(authenticate=lambda request: people[request.headers["x-who"]])
    for who, threads in (("viewer", {"t1", "t2", "other"}), ("part", {"other"}), ("none", set())):
        async with client_of(app, {"x-who": who}) as http:

            async def all_told(http: Any = http, threads: set[str] = threads) -> bool:
                return {thread for thread, _ in await entries(http)} == threads

            await eventually(all_told)
            assert {thread for thread, _ in await entries(http, sort="-at")} == threads
            response = await http.get("/audit", params={"thread_id": "#access"})
            problem(response, 404, "thread_not_found")
            request = (await api.http.get("/requests?thread_id=t1")).json()["items"][0]["id"]
            response = await http.get("/audit", params={"request_id": request})
            if who == "viewer":
                assert len(response.json()["items"]) == 3
            else:
                problem(response, 404, "request_not_found")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "cursor=x", "cursor=3", "thread_id=t&cursor=1-1",
        "since=2026-11-21T12:00:00", "since=yesterday", "sort=by",
    ],
)  # fmt: skip
async def test_a_list_that_is_not_well_formed_is_refused(api: Api, query: str) -> None:
    await api.wait("t")
    problem(await api.http.get(f"/audit?{query}"), 422, "invalid_input")
    problem(await api.http.get("/audit?event=%00"), 422, "invalid_json")


@pytest.mark.parametrize("thread_id", ["unknown", "%00", "a" * 256, "%20", "%23nothing"])
async def test_the_audit_of_an_unknown_thread_is_not_found(api: Api, thread_id: str) -> None:
    problem(await api.http.get(f"/audit?thread_id={thread_id}"), 404, "thread_not_found")


@pytest.mark.parametrize("request_id", ["x", "%00", "7d1c53a1-9d4e-4f3f-8a43-0f2b1d6c5e90"])
async def test_the_audit_of_an_unknown_request_is_not_found(api: Api, request_id: str) -> None:
    problem(await api.http.get(f"/audit?request_id={request_id}"), 404, "request_not_found")
