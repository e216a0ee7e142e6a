"""A desk with requests of several graphs, and somebody of each kind to call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from signoff import Role, Signoff
from signoff.domain.user import User
from signoff.ids import new_id
from signoff.service.keys import create_key, revoke_key
from signoff.service.users import put_users
from tests.api import graphs
from tests.api.conftest import client_of
from tests.conftest import OpenDesk

ROLES = list(Role)

STRANGERS = {role.value: role for role in ROLES} | {"here": Role.OPERATOR}
"""Whom the policy does not admit, of each role; one is limited to the graph that asks."""

REQUESTER = "starter"
"""An admin whom four eyes keep from deciding."""

ELSEWHERE = {"elsewhere": Role.ADMIN, "operator elsewhere": Role.OPERATOR}
"""Those of another graph."""

CALLERS: dict[str, Role] = {**STRANGERS, **ELSEWHERE, "jane": Role.REVIEWER, REQUESTER: Role.ADMIN}
"""All who have a key that opens. Jane is admitted."""

NOBODY = (None, "revoked", "expired", "unknown")
"""Without a key, or with one that opens nothing."""


@dataclass
class World:
    """What there is, and whoever calls."""

    desk: Signoff
    app: FastAPI
    params: dict[str, str]
    digest: str
    keys: dict[str, str] = field(default_factory=dict)

    def client(self, who: str | None) -> httpx.AsyncClient:
        """A client with the key of somebody, whose answers are held against their description."""
        return client_of(self.app, self._headers(who))

    def caller(self, who: str | None) -> httpx.AsyncClient:
        """A client with the key of somebody."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://signoff",
            headers=self._headers(who),
            timeout=30,
        )

    def url(self, path: str) -> str:
        """The address of a route on what there is."""
        for name, value in self.params.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    async def stands(self) -> list[str]:
        """How everything stands, to the byte, that is not about who may call."""
        found = []
        async with self.desk.office.database.connection() as conn:
            for table in ("threads", "runs", "requests", "votes", "messages", "audit_heads"):
                key = "thread_id" if table == "audit_heads" else "''"
                cursor = await conn.execute(
                    f"""
                    SELECT md5(coalesce(string_agg(row::text, ' ' ORDER BY row::text), '')) AS all
                      FROM {table} AS row WHERE {key} NOT LIKE '#%'
                    """.encode()
                )
                row = await cursor.fetchone()
                assert row is not None
                found.append(f"{table} {row['all']}")
        return found

    def _headers(self, who: str | None) -> dict[str, str]:
        return {} if who is None else {"x-api-key": self.keys[who]}


@pytest.fixture
async def world(open_desk: OpenDesk) -> World:
    """A thread of `drafts` that waits for jane, with four eyes, and one of `single`."""
    desk = await open_desk({"drafts": graphs.drafts(), "single": graphs.single()})
    people = [User(name=name, role=role) for name, role in CALLERS.items()]
    people += [
        User(name="elsewhere", role=Role.ADMIN, graphs=("single",)),
        User(name="operator elsewhere", role=Role.OPERATOR, graphs=("single",)),
        User(name="here", role=Role.OPERATOR, graphs=("drafts",)),
    ]
    await put_users(desk.office, {user.name: user for user in people}.values())
    given = {"topic": "zebra", "policy": {"to": ["jane", REQUESTER], "four_eyes": True}}
    for thread in ("before", "t"):
        run = await desk.start("drafts", given, thread_id=thread, by=REQUESTER)
        assert (await desk.wait(thread, timeout=30)).status.value == "interrupted"
        [request] = (await desk.requests(thread_id=thread)).items
        if thread == "before":
            await desk.decide(request.id, "approve", by="jane")
            await desk.wait(thread, timeout=30)
    await desk.start("single", {}, thread_id="other", by="somebody")
    await desk.wait("other", timeout=30)
    world = World(
        desk,
        desk.asgi_app(),
        {
            "request_id": request.id,
            "thread_id": "t",
            "run_id": run.id,
            "assistant_id": "drafts",
            "checkpoint_id": request.pause.checkpoint_id,
            "namespace": "review",
            "action": "approve",
            "verb": "claim",
            "graph": "drafts",
            "delivery_id": await _message_given_up(desk, request.id),
        },
        digest=request.digest,
    )
    for name in CALLERS:
        _, world.keys[name] = await create_key(desk.office, "k", by="test", user=name)
    await _keys_that_open_nothing(world)
    return world


async def _message_given_up(desk: Signoff, request_id: str) -> str:
    """A message about a request that did not arrive; its id."""
    message = new_id()
    async with desk.office.database.connection() as conn:
        await conn.execute(
            """
            INSERT INTO messages (id, thread_id, graph, request_id, occasion, by, at, channel,
                   address, recipient, state, planned_at, settled_at, error)
            VALUES (%s, 't', 'drafts', %s, 'opened', 'starter', now(), 'email', 'zebra@firm.com',
                    'jane', 'dead', now(), now(), 'There is no such zebra.')
            """,
            (message, request_id),
        )
    return message


async def _keys_that_open_nothing(world: World) -> None:
    office = world.desk.office
    key, world.keys["revoked"] = await create_key(office, "old", by="test", role=Role.ADMIN)
    await revoke_key(office, key.id, by="test")
    soon = office.now() + timedelta(seconds=60)
    _, world.keys["expired"] = await create_key(
        office, "short", by="test", role=Role.ADMIN, expires_at=soon
    )
    async with office.database.connection() as conn:
        await conn.execute("UPDATE keys SET expires_at = now() WHERE name = 'short'")
    world.keys["unknown"] = f"signoff_{'0' * 12}_{'x' * 43}"


def body(method: str, path: str, form: Any) -> dict[str, Any]:
    """How something is sent: as a form to the pages, as JSON to the API."""
    if method == "GET" or form is None:
        return {}
    return {"data": form} if path.startswith("/inbox") else {"json": form}
