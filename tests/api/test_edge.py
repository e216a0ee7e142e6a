"""What every call has around it: its id, its limits, and what its answer says to browsers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from signoff import Signoff
from signoff.api.edge import Patient
from signoff.config import Settings
from tests.api.conftest import Api, client_of, problem
from tests.people import as_, named

ROUTES = ["/requests", "/threads/nobody", "/nowhere", "/healthz", "/openapi.json", "/docs", "/"]
PAGES = ["/inbox", "/inbox/sign-in", "/inbox/nowhere", "/inbox/static/0/style.css"]


def app(database_url: str, **settings: Any) -> FastAPI:
    """The application of a desk that is not open: enough to be refused by."""
    return Signoff(database_url, {}, Settings(**settings)).asgi_app()


@pytest.mark.parametrize("path", ROUTES + PAGES)
async def test_every_answer_tells_browsers_what_not_to_do(api: Api, path: str) -> None:
    headers = (await api.http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "strict-transport-security" not in headers


async def test_browsers_are_to_come_by_https_where_people_do(database_url: str) -> None:
    for url, said in (
        ("https://signoff.firm.com", "max-age=31536000"),
        ("http://signoff", None),
    ):
        async with client_of(app(database_url, public_url=url), {}) as http:
            for path in ("/healthz", "/requests", "/inbox/sign-in"):
                got = (await http.get(path)).headers.get("strict-transport-security")
                assert got == said


async def test_a_call_has_the_id_that_it_brings_or_a_new_one(api: Api) -> None:
    answer = await api.http.get("/requests", headers={"x-request-id": "proxy-1/2"})
    assert answer.headers["x-request-id"] == "proxy-1/2"
    for unfit in ("", "a b", "a" * 129, "<script>", "-x"):
        first = await api.http.get("/requests", headers={"x-request-id": unfit})
        second = await api.http.get("/requests", headers={"x-request-id": unfit})
        ids = {first.headers["x-request-id"], second.headers["x-request-id"]}
        assert len(ids) == 2
        assert unfit not in ids


async def test_a_problem_says_in_which_call(api: Api) -> None:
    answer = await api.http.get("/threads/nobody", headers={"x-request-id": "this-one"})
    assert problem(answer, 404, "thread_not_found")["call_id"] == "this-one"


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("signoff.firm.com", True),
        ("Signoff.Firm.com:443", True),
        ("a.b.internal", True),
        ("[::1]:8124", True),
        ("internal", False),
        ("evil.com", False),
        ("signoff.firm.com.evil.com", False),
        ("xinternal", False),
        ("", False),
    ],
)
async def test_a_server_answers_to_the_names_that_it_goes_by(
    database_url: str, host: str, served: bool
) -> None:
    names = ("signoff.firm.com", "*.internal", "::1")
    async with client_of(app(database_url, allowed_hosts=names), {"host": host}) as http:
        for path in ("/inbox/sign-in", "/openapi.json"):
            answer = await http.get(path)
            if served:
                assert answer.status_code != 421
            else:
                problem(answer, 421, "unknown_host")
        assert (await http.get("/healthz")).status_code == 200


async def slowly() -> AsyncIterator[bytes]:
    """A body that never ends."""
    yield b"{"
    await asyncio.Event().wait()


@pytest.fixture
async def hasty(open_desk: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that waits for nobody."""
    desk = await open_desk({}, read_timeout=timedelta(milliseconds=50), work=False)
    transport = httpx.ASGITransport(desk.asgi_app(authenticate=named))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=as_("jane")
    ) as http:
        yield http


async def test_a_body_that_does_not_arrive_in_time_is_refused(hasty: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    answer = await hasty.post("/threads", content=slowly(), headers=headers)
    problem(answer, 408, "call_too_slow")
    assert answer.headers["connection"] == "close"


async def test_a_form_that_does_not_arrive_in_time_is_refused(hasty: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await hasty.post("/inbox/sign-in", content=slowly(), headers=headers)
    assert (answer.status_code, "took too long" in answer.text) == (408, True)


async def test_whoever_has_sent_a_body_may_wait_for_the_answer() -> None:
    """The server listens for who goes away meanwhile, which is no body that is late."""
    took = asyncio.Event()

    async def nobody_leaves() -> Any:
        if took.is_set():
            await asyncio.Event().wait()
        took.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    receive = Patient(nobody_leaves, seconds=0.0)
    assert (await receive())["type"] == "http.request"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(receive(), 0.01)
