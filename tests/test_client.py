"""The client of Signoff's own routes, both kinds of it, over a real server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import pytest

from signoff import errors
from signoff.client import AsyncClient, Client
from signoff.clock import utcnow
from signoff.db import messages
from signoff.domain.errors import RateLimited
from signoff.domain.user import User
from signoff.ids import new_id
from signoff.service.keys import create_key
from signoff.service.users import put_users
from tests.api.conftest import Api, address, api
from tests.people import as_

__all__ = ["address", "api"]

T = TypeVar("T")


class Both:
    """The async client; and the sync one in a thread of its own, called the same way."""

    def __init__(self, url: str, kind: str, by: str | None = "jane") -> None:
        headers = None if by is None else as_(by)
        self.sync = Client(url, headers=headers) if kind == "sync" else None
        self.other = AsyncClient(url, headers=headers)

    async def call(self, name: str, *args: Any, **more: Any) -> Any:
        """Call a method by its name."""
        if self.sync is not None:
            return await asyncio.to_thread(getattr(self.sync, name), *args, **more)
        return await getattr(self.other, name)(*args, **more)

    async def listed(self, **filters: Any) -> list[Any]:
        """All of `all_requests`."""
        if self.sync is not None:
            return await asyncio.to_thread(lambda: list(self.sync.all_requests(**filters)))
        return [request async for request in self.other.all_requests(**filters)]

    async def close(self) -> None:
        """Close both."""
        if self.sync is not None:
            self.sync.close()
        await self.other.aclose()


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, address: str) -> Any:
    """A client of either kind, as jane."""
    both = Both(address, request.param)
    yield both
    await both.close()


async def test_a_request_is_found_shown_and_decided(api: Api, client: Both) -> None:
    await api.wait("t")
    page = await client.call("requests", state=["open", "decided"], thread_id="t")
    assert (page.total, page.next_cursor) == (1, None)
    [request] = page.items
    assert request == await client.call("request", request.id)
    assert request.title == "Is the draft about tea fine?"
    assert request.actions[0].name == "approve"
    assert request.opened_at.tzinfo is not None
    state = await client.call("state", request.id)
    assert state.values["text"] == "Draft about tea"
    assert state.checkpoint_id == request.checkpoint_id
    decided = await client.call(
        "decide",
        request.id,
        "approve",
        note="fine",
        values={},
        digest=request.digest,
        idempotency_key="k",
    )
    assert decided.outcome.by == "jane"
    assert decided.outcome.note == "fine"
    again = await client.call("decide", request.id, "approve", note="fine", idempotency_key="k")
    assert again.outcome == decided.outcome
    thread = await api.desk.wait("t", timeout=30)
    assert thread.values is not None
    assert thread.values["finished"] == 1
    told = await client.call("audit", request.id)
    assert [entry.event for entry in told.items][:2] == ["request.opened", "request.decided"]
    assert (await client.call("thread_audit", "t")).items[0].event == "run.created"
    assert (await client.call("thread_audit", "t", cursor="2")).items[0].seq == 3


async def test_a_request_is_claimed_handed_on_and_taken_back(api: Api, client: Both) -> None:
    await api.wait("t", input={"topic": "tea", "policy": {"quorum": 2}})
    request_id = (await api.the_request("t"))["id"]
    assert (await client.call("claim", request_id)).claimed_by == "jane"
    assert [each.id for each in await client.listed(assignee="me")] == [request_id]
    assert (await client.call("release", request_id)).claimed_by is None
    handed_on = await client.call("delegate", request_id, "group:tax")
    assert [(each.by, each.to) for each in handed_on.delegations] == [("jane", "group:tax")]
    commented = await client.call("comment", request_id, "See clause 4.")
    assert [each.text for each in commented.comments] == ["See clause 4."]
    assert len((await client.call("decide", request_id, "approve")).votes) == 1
    assert (await client.call("take_back", request_id)).votes == []
    assert (await client.call("withdraw", request_id, note="mine")).state == "withdrawn"
    with pytest.raises(errors.RequestClosed):
        await client.call("claim", request_id)


async def test_all_pages_are_fetched_one_by_one(api: Api, client: Both) -> None:
    for number in range(5):
        await api.wait(f"t{number}")
    found = await client.listed(limit=2, sort="opened_at")
    assert [request.thread_id for request in found] == [f"t{number}" for number in range(5)]


async def test_what_the_desk_refuses_is_raised_as_the_library_raises_it(
    api: Api, client: Both
) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    with pytest.raises(errors.RequestNotFound):
        await client.call("request", "a b?c#d")
    with pytest.raises(errors.InvalidAnswer) as invalid:
        await client.call("decide", request["id"], "explode")
    assert [error.pointer for error in invalid.value.errors] == ["/action"]
    with pytest.raises(errors.StaleDigest):
        await client.call("decide", request["id"], "approve", digest="sha256:0")
    with pytest.raises(errors.NotRetryable):
        await client.call("retry", request["id"], reask=True)
    with pytest.raises(errors.InvalidInput, match="limit"):
        await client.call("requests", limit=1000)
    with pytest.raises(errors.ThreadNotFound):
        await client.call("thread_audit", "unknown")
    await client.call("decide", request["id"], "approve")
    with pytest.raises(errors.RequestClosed) as closed:
        await client.call("decide", request["id"], "reject")
    assert (closed.value.request_id, closed.value.state) == (request["id"], "decided")


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_nobody_is_refused(address: str, kind: str) -> None:
    nobody = Both(address, kind, by=None)
    with pytest.raises(errors.Unauthenticated):
        await nobody.call("requests")
    await nobody.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_caller_may_have_any_name(api: Api, address: str, kind: str) -> None:
    await api.wait("t")
    request = await api.the_request("t")
    jürgen = Both(address, kind, by="jürgen@firm.com")
    assert (await jürgen.call("decide", request["id"], "approve")).outcome.by == "jürgen@firm.com"
    await jürgen.close()


def _answering(status: int, **content: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(status, request=request, **content)


def test_an_error_of_something_on_the_way_stays_one_of_httpx() -> None:
    transport = httpx.MockTransport(_answering(502, text="<h1>Bad gateway</h1>"))
    with (
        Client("http://desk", transport=transport) as client,
        pytest.raises(httpx.HTTPStatusError, match="502"),
    ):
        client.requests()


def test_a_code_that_this_client_does_not_know_is_still_a_refusal() -> None:
    document = {
        "type": "urn:signoff:problem:too_early",
        "title": "Too early",
        "status": 425,
        "detail": "Come back later.",
        "code": "too_early",
        "hint": "from a newer server",
    }
    transport = httpx.MockTransport(_answering(425, json=document))
    with (
        Client("http://desk", transport=transport) as client,
        pytest.raises(errors.SignoffError, match="Come back later") as refused,
    ):
        client.requests()
    assert refused.value.code == "too_early"


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and "close" not in name
        }

    assert methods(Client) == methods(AsyncClient)


async def test_a_key_says_who_calls_and_too_many_calls_are_an_error_of_their_own(
    address: str, api: Api
) -> None:
    _, text = await create_key(api.desk.office, "program", by="ann")
    api.desk.office.keyring.rates.per_minute = 1
    async with AsyncClient(address, api_key=text) as desk:
        assert (await desk.requests()).total == 0
        with pytest.raises(RateLimited) as error:
            await desk.requests()
        assert error.value.retry_after.total_seconds() > 1


async def test_the_audit_is_narrowed_and_listed_page_by_page(api: Api, client: Both) -> None:
    before = utcnow()
    await api.wait("t")
    [request] = (await client.call("requests", thread_id="t")).items
    first = await client.call("audit_entries", thread_id="t", limit=1)
    rest = await client.call("audit_entries", thread_id="t", cursor=first.next_cursor)
    told = [entry.event for entry in [*first.items, *rest.items]]
    assert told == [entry.event for entry in (await client.call("thread_audit", "t")).items]
    events = ["run.created", "request.opened"]
    found = await client.call("audit_entries", event=events, since=before, sort="-at")
    assert [entry.event for entry in found.items] == ["request.opened", "run.created"]
    assert found.items[0].request_id == request.id
    later = await client.call("audit_entries", since=utcnow() + timedelta(days=1))
    assert later.items == []
    with pytest.raises(errors.InvalidInput):
        await client.call("audit_entries", cursor="x")


@pytest.fixture(params=["sync", "async"])
async def operator(request: pytest.FixtureRequest, address: str) -> Any:
    """A client of either kind, of somebody who may do anything."""
    both = Both(address, request.param, "admin")
    yield both
    await both.close()


async def test_messages_are_listed_and_sent_again(api: Api, operator: Both) -> None:
    now = utcnow()
    draft = messages.Draft(
        id=new_id(),
        thread_id="t",
        graph="drafts",
        occasion="opened",
        by="jane",
        at=now,
        channel="email",
        address="tom@firm.com",
        due_at=now + timedelta(days=1),
        entry=1,
    )
    async with api.desk.office.database.transaction() as conn:
        await messages.insert(conn, [draft])
    [found] = (await operator.call("deliveries", state=["waiting", "dead"])).items
    assert (found.id, found.state) == (draft.id, "waiting")
    assert found == await operator.call("delivery", draft.id)
    assert (await operator.call("deliveries", state="dead")).items == []
    with pytest.raises(errors.Conflict):
        await operator.call("redeliver", draft.id)
    async with api.desk.office.database.transaction() as conn:
        await conn.execute("UPDATE messages SET state = 'dead', due_at = NULL, settled_at = now()")
    # Whoever sends may have taken it by the time that the answer tells of it.
    assert (await operator.call("redeliver", draft.id)).id == draft.id
    with pytest.raises(errors.DeliveryNotFound):
        await operator.call("delivery", new_id())


async def test_preferences_are_read_and_sent_back(api: Api, operator: Both) -> None:
    with pytest.raises(errors.UserNotFound):
        await operator.call("preferences")
    await put_users(api.desk.office, [User(name="admin", email="admin@firm.com")])
    said = await operator.call("preferences")
    hourly = said.model_copy(update={"digest": "hourly"})
    assert await operator.call("choose_preferences", hourly) == hourly
    assert await operator.call("preferences") == hourly
    quiet = await operator.call("choose_preferences", {"quiet": {"hours": "20:00-07:00"}})
    assert (quiet.quiet.hours, quiet.digest) == ("20:00-07:00", "none")
    with pytest.raises(errors.InvalidInput) as refused:
        await operator.call("choose_preferences", {"timezone": "Nowhere"})
    assert [each.pointer for each in refused.value.errors] == ["/timezone"]
    assert await operator.call("reset_preferences") == said
