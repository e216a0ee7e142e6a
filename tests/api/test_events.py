"""`GET /events`: what happens to requests, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from tests.api.conftest import Api, problem
from tests.helpers import TIMEOUT
from tests.people import as_


class Frames:
    """The events of an open answer, one after the other."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> dict[str, Any]:
        """The next event; a failure if none comes."""
        fields: dict[str, Any] = {}
        async with asyncio.timeout(TIMEOUT):
            async for line in self._lines:
                if not line and fields:
                    return fields
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = orjson.loads(value) if name == "data" else value
        raise AssertionError("the stream has ended")

    async def until(self, event: str) -> dict[str, Any]:
        """The next event of this name."""
        while (found := await self.next())["event"] != event:
            pass
        return found


@asynccontextmanager
async def opened(address: str, **headers: str) -> AsyncIterator[Frames]:
    """The events of a desk from now on."""
    async with (
        httpx.AsyncClient(base_url=address, headers={**as_("jane"), **headers}) as http,
        http.stream("GET", "/events") as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Frames(response.aiter_lines())


async def test_each_transition_of_a_request_is_an_event_named_after_it(
    api: Api, address: str
) -> None:
    await api.wait("before")
    async with opened(address) as events:
        await api.wait("t")
        event = await events.next()
        request = await api.the_request("t")
        assert event["event"] == "request.opened"
        assert event["data"]["request_id"] == request["id"]
        assert event["data"]["thread_id"] == "t"
        await api.http.put(f"/requests/{request['id']}/claim")
        assert (await events.next())["event"] == "request.claimed"
        await api.http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
        decided = await events.next()
        assert (decided["event"], decided["data"]["by"]) == ("request.decided", "jane")
        assert (await events.next())["event"] == "request.delivered"
    audit = (await api.http.get(f"/requests/{request['id']}/audit")).json()["items"]
    assert decided["data"] in audit


async def test_a_reader_who_was_away_gets_what_it_missed_and_nothing_twice(
    api: Api, address: str
) -> None:
    async with opened(address) as events:
        await asyncio.gather(*(api.wait(f"t{number}") for number in range(5)))
        first = await events.next()
    await asyncio.gather(*(api.wait(f"t{number}") for number in range(5, 250)))
    seen = [first["data"]["thread_id"]]
    async with opened(address, **{"Last-Event-ID": first["id"]}) as events:
        while len(seen) < 250:
            event = await events.next()
            assert event["event"] == "request.opened"
            seen.append(event["data"]["thread_id"])
    assert sorted(seen) == sorted(f"t{number}" for number in range(250))


async def test_what_commits_late_is_not_missed(api: Api, address: str) -> None:
    """A transaction that began earlier and commits later has lower ids than what was read."""
    async with opened(address) as events:
        async with api.desk.office.database.transaction() as conn:
            await conn.execute(
                "INSERT INTO audit (thread_id, request_id, event, body, at) VALUES "
                "('late', gen_random_uuid(), 'request.late', '{\"event\":\"request.late\"}', now())"
            )
            await api.wait("t")
        names = {(await events.next())["event"] for _ in range(2)}
    assert names == {"request.late", "request.opened"}


async def test_an_id_that_no_event_can_have_is_refused(api: Api) -> None:
    for id in ("", "x", "1", "1-2-3", "9" * 40 + "-1"):
        response = await api.http.get("/events", headers={"Last-Event-ID": id})
        problem(response, 422, "invalid_input")


async def test_it_ends_when_the_server_is_about_to_stop(api: Api, address: str) -> None:
    async with (
        httpx.AsyncClient(base_url=address, headers=as_("jane")) as http,
        http.stream("GET", "/events") as response,
    ):
        api.desk.notices.close()
        async with asyncio.timeout(TIMEOUT):
            assert await response.aread() == b""
