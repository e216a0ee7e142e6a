"""Bad bodies: each is answered with a problem document, nothing is stored, and nothing is a 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from signoff.api.body import MAX_BODY
from signoff.domain.jsontext import MAX_BYTES
from tests.api.conftest import Api, problem

ROUTES = ["/threads", "/threads/search", "/threads/t/runs", "/threads/t/state", "/requests/x/retry"]
JSON = {"content-type": "application/json"}


@pytest.fixture(autouse=True)
async def nothing_stored(api: Api) -> AsyncIterator[None]:
    """Whatever a test here sends leaves no thread behind."""
    yield
    assert (await api.http.post("/threads/count", json={})).json() == 0


async def post(api: Api, path: str, content: bytes, **headers: str) -> httpx.Response:
    """Send these bytes."""
    return await api.http.post(path, content=content, headers={**JSON, **headers})


MALFORMED = [
    b"{",
    b"nonsense",
    b'{"thread_id": }',
    b'{"thread_id": "t"} x',
    b"{'thread_id': 't'}",
    b'{"limit": NaN}',
    b'{"limit": -Infinity}',
    b'"\x01"',
    b"\xef\xbb\xbf{}",
    b" ",
]

NOT_TO_BE_KEPT = [
    b'{"metadata": {"a": "\xff"}}',
    '{"metadata": {"a": "x"}}'.encode("utf-16"),
    b'{"metadata": {"a": "\\ud800"}}',
    b'{"metadata": {"\\udfff": 1}}',
    b'{"metadata": {"a": ["\\u0000"]}}',
    b'{"\\u0000": 1}',
    b'{"\\ud800": 1}',
    b'{"metadata": {"a": 18446744073709551616}}',
    b'{"metadata": {"a": 1e999}}',
    b'{"metadata": {"a": ' + b"9" * 5000 + b"}}",
    b'{"metadata": ' + b"[" * 65 + b"]" * 65 + b"}",
    b'{"metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
    b"[" * 200_000,
    b'{"a":' * 100_000,
]


@pytest.mark.parametrize("path", ROUTES)
async def test_malformed_json_is_refused(api: Api, path: str) -> None:
    for content in MALFORMED:
        problem(await post(api, path, content), 400, "malformed_json")


@pytest.mark.parametrize("path", ROUTES)
async def test_json_that_cannot_be_kept_is_refused(api: Api, path: str) -> None:
    for content in NOT_TO_BE_KEPT:
        problem(await post(api, path, content), 422, "invalid_json")


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"metadata": {"a": ["\\u0000"]}}', "/metadata/a/0"),
        (b'{"metadata": {"a/b": {"c~": "\\ud800"}}}', "/metadata/a~1b/c~0"),
        (b'{"input": 18446744073709551616}', "/input"),
    ],
)
async def test_the_place_of_what_cannot_be_kept_is_named(
    api: Api, content: bytes, pointer: str
) -> None:
    document = problem(await post(api, "/threads", content), 422, "invalid_json")
    assert [error["pointer"] for error in document["errors"]] == [pointer]


async def test_nesting_within_the_limit_is_kept(api: Api) -> None:
    nested: Any = 1
    for _ in range(63):
        nested = [nested]
    made = await api.http.post("/threads", json={"thread_id": "t", "metadata": {"a": nested}})
    assert made.json()["metadata"] == {"a": nested}
    await api.http.delete("/threads/t")


async def test_a_body_has_to_be_declared_to_be_json(api: Api) -> None:
    for declared in ("text/plain", "application/x-www-form-urlencoded", "", "application/xml"):
        response = await api.http.post(
            "/threads", content=b"{}", headers={"content-type": declared}
        )
        problem(response, 415, "unsupported_media_type")
    for declared in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"):
        response = await api.http.post(
            "/threads/search", content=b"{}", headers={"content-type": declared}
        )
        assert response.status_code == 200


@pytest.mark.parametrize("path", ROUTES)
async def test_a_body_over_the_limit_is_refused(api: Api, path: str) -> None:
    content = b'{"metadata": {"a": "' + b"x" * MAX_BODY + b'"}}'
    response = await post(api, path, content)
    problem(response, 413, "too_large")
    assert response.headers["connection"] == "close"


async def test_a_value_over_one_mebibyte_is_refused_and_one_below_is_kept(api: Api) -> None:
    for size, fits in ((MAX_BYTES - 20, True), (MAX_BYTES, False)):
        body = json.dumps({"thread_id": "t", "metadata": {"a": "x" * size}}).encode()
        response = await post(api, "/threads", body)
        if fits:
            assert response.status_code == 200
            await api.http.delete("/threads/t")
        else:
            problem(response, 413, "too_large")


async def test_no_more_than_the_limit_is_read_of_a_body_without_a_length(
    api: Api, address: str
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 64 * MAX_BODY:
            sent += 65536
            yield b" " * 65536

    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /threads HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\nX-Test-User: jane\r\n\r\n"
    )
    answer = asyncio.create_task(reader.readuntil(b"}"))
    for chunk in endless():
        writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        try:
            await writer.drain()
        except ConnectionError:
            break
        if answer.done():
            break
    head, _, body = (await answer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["code"] == "too_large"
    assert sent < 16 * MAX_BODY
    writer.close()


async def test_a_length_over_the_limit_is_refused_before_anything_is_read(
    api: Api, address: str
) -> None:
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /threads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n"
        b"Content-Type: application/json\r\nX-Test-User: jane\r\n\r\n"
    )
    answer = await reader.readuntil(b"}")
    assert answer.startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_body_that_breaks_off_stores_nothing_and_is_no_bug(api: Api, address: str) -> None:
    url = urlsplit(address)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /threads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
        b"Content-Type: application/json\r\nX-Test-User: jane\r\n\r\n" + b'{"thread'
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with httpx.AsyncClient(base_url=address) as http:
        assert (await http.get("/healthz")).status_code == 200


async def test_a_decision_over_the_limit_is_not_taken(api: Api) -> None:
    await api.wait("t", "single")
    request = await api.the_request("t")
    path = f"/requests/{request['id']}/decisions"
    for values in ({"value": "x" * MAX_BYTES}, {"value": ["x" * 1000] * 1050}):
        body = {"action": "respond", "values": values}
        problem(await api.http.post(path, json=body), 413, "too_large")
    for content in (
        b'{"action": "respond", "values": {"value": "\\u0000"}}',
        b'{"action": "respond", "values": {"value": 1}, "note": "\\ud800"}',
        b'{"action": "respond\\u0000", "values": {"value": 1}}',
    ):
        problem(await post(api, path, content), 422, "invalid_json")
    assert (await api.the_request("t"))["votes"] == []
    await api.http.delete("/threads/t")


async def test_what_is_missing_or_too_much_is_said_plainly(api: Api) -> None:
    refused = await api.http.post("/requests/x/decisions", json={"action": 1, "more": 2})
    assert refused.json()["errors"] == [
        {"pointer": "/action", "message": "must be a string"},
        {"pointer": "/more", "message": "is not known here"},
    ]
    refused = await api.http.post("/requests/x/decisions", json={})
    assert refused.json()["errors"] == [{"pointer": "/action", "message": "is required"}]
    refused = await api.http.post("/requests/x/decisions", json=[])
    assert refused.json()["errors"] == [{"pointer": "", "message": "must be an object"}]
