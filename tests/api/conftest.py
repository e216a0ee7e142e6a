"""A desk, its API, and a client that holds every answer against the OpenAPI document."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from signoff import Signoff
from signoff.config import Settings
from tests.api import graphs
from tests.api.graphs import Gate
from tests.conftest import OpenDesk
from tests.people import as_, named


class Contract:
    """The OpenAPI document, which is the same whatever is set, and whether it has an answer."""

    def __init__(self) -> None:
        self.document = Signoff(graphs={}, config=Settings()).asgi_app().openapi()
        self._components = {"components": closed(self.document["components"])}
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path)
            for path in sorted(self.document["paths"], key=lambda path: path.count("{"))
        ]

    async def check(self, response: httpx.Response) -> None:
        """Fail if the route does not document this answer."""
        operation = self._operation(response.request)
        if operation is None:
            return
        await response.aread()
        documented = operation["responses"].get(str(response.status_code))
        assert documented, f"{response.status_code} of {response.url.path} is not documented"
        content = documented.get("content")
        if not content:
            assert response.content == b""
            return
        media_type = response.headers["content-type"]
        assert media_type in content, f"{media_type} is not documented"
        schema = {**content[media_type]["schema"], **self._components}
        errors = list(Draft202012Validator(schema).iter_errors(response.json()))
        assert not errors, (str(response.url), [f"{e.json_path}: {e.message}" for e in errors])

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for pattern, path in self._paths:
            if pattern.fullmatch(request.url.path):
                found: dict[str, Any] | None = self.document["paths"][path].get(
                    request.method.lower()
                )
                if found is not None:
                    return found
        return None


@cache
def contract() -> Contract:
    """What every answer is held against; to make it takes longer than most tests."""
    return Contract()


def closed(schema: Any) -> Any:
    """The schema, with no more properties allowed than it lists."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(part) for key, part in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


@dataclass
class Api:
    """An API under test."""

    desk: Signoff
    app: FastAPI
    gate: Gate
    http: httpx.AsyncClient
    """Calls as jane."""

    async def wait(self, thread_id: str, graph: str = "drafts", **order: Any) -> Any:
        """Start a run on a new thread, and its result."""
        order.setdefault("input", {"topic": "tea"} if graph == "drafts" else {"fail": False})
        response = await self.http.post(
            f"/threads/{thread_id}/runs/wait",
            json={"assistant_id": graph, "if_not_exists": "create", **order},
        )
        assert response.status_code == 200, response.text
        return response.json()

    async def the_request(self, thread_id: str) -> dict[str, Any]:
        """The one open request of a thread."""
        response = await self.http.get(
            "/requests", params={"thread_id": thread_id, "state": "open"}
        )
        [request] = response.json()["items"]
        return dict(request)

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client that says other things of itself than jane."""
        return client_of(self.app, headers)


def client_of(app: FastAPI, headers: dict[str, str]) -> httpx.AsyncClient:
    """A client of an application in this process."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://127.0.0.1",
        headers=headers,
        event_hooks={"response": [contract().check]},
        timeout=30,
    )


@pytest.fixture
async def api(open_desk: OpenDesk) -> AsyncIterator[Api]:
    """The API of a desk with a few graphs."""
    gate = Gate()
    desk = await open_desk(
        {
            "drafts": graphs.drafts(),
            "pair": graphs.pair(),
            "single": graphs.single(),
            "nested": graphs.nested(),
            "failing": graphs.failing(),
            "gate": gate.graph(),
        }
    )
    app = desk.asgi_app(authenticate=named)
    async with client_of(app, as_("jane")) as http:
        yield Api(desk, app, gate, http)
    gate.opened.set()


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """A real server on a free port of this machine; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        )
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=[listening])
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await server.shutdown(sockets=[listening])


@pytest.fixture
async def address(api: Api) -> AsyncIterator[str]:
    """The address of a real server of the API."""
    async with serving(api.app) as url:
        yield url


@pytest.fixture
async def sdk(address: str) -> AsyncIterator[LangGraphClient]:
    """The SDK's client, which calls as jane."""
    async with get_client(url=address, headers=as_("jane")) as client:
        yield client


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, which has this status and code."""
    assert (response.status_code, response.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), response.text
    document = json.loads(response.content)
    assert (document["status"], document["code"]) == (status, code), document
    assert document["type"] == f"urn:signoff:problem:{code}"
    assert document["title"]
    assert document["detail"]
    return dict(document)
