"""A desk behind a real server, with a thread in each state that a thread can be in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from signoff import Role, Signoff
from signoff.config import Settings
from signoff.domain.user import User
from signoff.service.keys import create_key
from signoff.service.users import put_users
from signoff.service.verify_audit import verify_audit
from tests.api import graphs
from tests.api.conftest import serving
from tests.helpers import eventually, rows

TIMEOUT = 30.0
T = TypeVar("T")

REPLY = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "minimum": 1},
        "terms": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "rate": {"type": "number"},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        },
        "due": {"type": "string", "format": "date"},
        "kind": {"enum": ["once", "monthly", None]},
    },
    "required": ["amount"],
    "additionalProperties": False,
}
"""What a form of the fuzz asks for: nested, bounded, closed."""

TOOL_BATCH = {
    "action_requests": [
        {"name": "pay", "args": {"amount": 7, "to": {"iban": "DE00"}}, "description": "Pay"},
        {"name": "notify", "args": {"to": "jane"}, "description": "Tell"},
    ],
    "review_configs": [
        {"action_name": "pay", "allowed_decisions": ["approve", "edit", "reject"]},
        {"action_name": "notify", "allowed_decisions": ["approve", "respond"]},
    ],
}
AGENT_INBOX = [
    {
        "action_request": {"action": "pay", "args": {"amount": 7}},
        "config": {
            "allow_ignore": True,
            "allow_respond": True,
            "allow_edit": True,
            "allow_accept": True,
        },
        "description": "Pay?",
    }
]


class State(TypedDict, total=False):
    payload: Any
    schema: dict[str, Any] | None
    answer: Any


def question(state: State) -> State:
    return {"answer": interrupt(state.get("payload"), response_schema=state.get("schema"))}


def after(state: State) -> State:
    if state.get("answer") == "boom":
        raise ValueError("the answer is boom")
    return {"payload": None}


def asking() -> StateGraph[State]:
    """A graph that asks whatever its input says."""
    builder = StateGraph(State)
    builder.add_sequence([question, after])
    builder.add_edge(START, "question")
    return builder


@dataclass(frozen=True)
class Scene:
    """How a thread comes to its state."""

    graph: str
    input: dict[str, Any]
    then: Callable[[Signoff, str], Awaitable[object]] | None = None
    options: dict[str, Any] = field(default_factory=dict)


async def _request_id(desk: Signoff, thread_id: str) -> str:
    return (await desk.requests(thread_id=thread_id)).items[0].id


async def _decided(desk: Signoff, thread_id: str) -> None:
    await desk.decide(await _request_id(desk, thread_id), "approve", by="fuzz")


async def _voted(desk: Signoff, thread_id: str) -> None:
    await desk.decide(await _request_id(desk, thread_id), "approve", by="somebody")


async def _claimed(desk: Signoff, thread_id: str) -> None:
    await desk.claim(await _request_id(desk, thread_id), by="somebody")


async def _withdrawn(desk: Signoff, thread_id: str) -> None:
    await desk.withdraw(await _request_id(desk, thread_id), by="starter")


async def _failed(desk: Signoff, thread_id: str) -> None:
    await desk.decide(
        await _request_id(desk, thread_id), "respond", values={"value": "boom"}, by="fuzz"
    )


async def _cancelled(desk: Signoff, thread_id: str) -> None:
    thread = await desk.thread(thread_id)
    [run] = await rows(desk, "SELECT id::text FROM runs WHERE thread_id = %s", thread.id)
    await desk.cancel(thread_id, run["id"], by="starter")


def asks(payload: Any, schema: Any = None) -> Scene:
    return Scene("asking", {"payload": payload, "schema": schema})


def drafts(policy: dict[str, Any] | None = None, then: Any = None, topic: str = "tea") -> Scene:
    return Scene("drafts", {"topic": topic, "policy": policy or {}}, then)


SCENES = {
    "open": drafts(),
    "terms": drafts(topic="terms"),
    "voted": drafts({"quorum": 3}, _voted),
    "addressed": drafts({"to": ["group:legal"], "four_eyes": True, "within": "24h"}),
    "claimed": drafts(then=_claimed),
    "decided": drafts(then=_decided),
    "withdrawn": drafts(then=_withdrawn),
    "cancelled": drafts(then=_cancelled),
    "failed": Scene("single", {"fail": False}, _failed),
    "broken": Scene("failing", {}),
    "pair": Scene("pair", {}),
    "nested": Scene("nested", {}),
    "stopped": Scene("drafts", {"topic": "tea"}, options={"interrupt_before": ["review"]}),
    "form": asks({"question": "Terms?"}, REPLY),
    "tools": asks(TOOL_BATCH),
    "agent": asks(AGENT_INBOX),
    "choice": asks({"question": "Which?", "options": ["this", "that"]}),
    "bare": asks("Well?"),
}
"""The threads that there are, by names that stand for their ids."""

KNOWN: dict[str, list[Any]] = {
    "thread_id": ["thread of it"],
    "request_id": ["request of it"],
    "run_id": ["run of it"],
    "checkpoint_id": ["checkpoint of it", "checkpoint of stopped"],
    "assistant_id": ["drafts", "asking", "single", "pair", "nested"],
    "graph_id": ["drafts", "asking"],
    "graph": ["drafts", "asking"],
    "namespace": ["inner", "review"],
    "checkpoint_ns": ["", "inner"],
    "digest": ["digest of it", None],
    "action": ["approve", "reject", "respond", "submit", "edit", "continue", "this"],
    "as_node": ["draft", "review", "question", None],
    "to": ["jane", "group:legal", "somebody"],
    "ids": ["thread of it", "thread of open"],
    "if_not_exists": ["create", "reject", None],
    "text": ["Why?"],
    "cursor": ["1"],
    "before": ["checkpoint of it"],
    "values": [
        {},
        None,
        {"amount": 7},
        {"amount": 7, "terms": [{"name": "x", "rate": 0.5}, {"name": "y"}], "due": "2026-03-02"},
        {"amount": 0, "terms": [{"name": ""}, {}, 1, {"rate": "x"}], "due": "never", "kind": 3},
        {"value": "boom"},
        {"value": {"amount": 7}},
        {"args": {"amount": 8}},
        {"decisions": [{"type": "approve"}, {"type": "respond", "message": "no"}]},
        {"decisions": [{"type": "edit", "edited_action": {"name": "pay", "args": []}}, {}]},
        {"text": "changed", "log": ["x"]},
        {"answer": 1},
    ],
    "resume": [
        "boom",
        None,
        {"action": "approve"},
        {"action": "reject", "note": "no"},
        {"interrupt of it": {"action": "approve"}},
        {"type": "accept", "args": None},
        [{"type": "edit", "args": {"action": "pay", "args": {}}}],
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"amount": 7},
    ],
    "input": [
        {"topic": "tea"},
        {"topic": "terms", "policy": {"to": ["group:legal"], "within": "1h"}},
        {"topic": "tea", "policy": {"to": "group:strangers"}},
        {"payload": {"question": "Terms?"}, "schema": REPLY},
        {"payload": TOOL_BATCH},
        {"payload": AGENT_INBOX},
        {"payload": [{"action_request": None, "config": 1}]},
        {"payload": {"options": [1, None, {}], "question": []}},
        {"payload": {"action_requests": [{}], "review_configs": None}},
        {"payload": {}, "schema": {"type": "nonsense", "$ref": "#/nowhere"}},
        {},
        None,
        "text",
    ],
}
"""What there is and what fits, by the names of the parameters and fields that may have it."""


@dataclass
class World:
    """The desk, where it is served, and how to call it as somebody."""

    desk: Signoff
    address: str
    loop: asyncio.AbstractEventLoop
    keys: dict[Role, str]
    ids: dict[str, str] = field(default_factory=dict)
    _stamps: dict[str, Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What comes of this, in the loop of the desk."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT * 2)

    def headers(self, role: Role) -> dict[str, str]:
        """How to say that one is of this role."""
        return {"authorization": f"Bearer {self.keys[role]}"}

    def real(self, value: Any, scene: str) -> Any:
        """A value with names such as "run of decided" as what they stand for; "it" is a scene."""
        return self.run(self._real(value, scene))

    async def _real(self, value: Any, it: str) -> Any:
        if isinstance(value, dict):
            return {key: await self._real(part, it) for key, part in value.items()}
        if isinstance(value, list):
            return [await self._real(each, it) for each in value]
        if not isinstance(value, str):
            return value
        what, of, scene = value.partition(" of ")
        if not of or what not in LOOK:
            return value
        found = await rows(
            self.desk, LOOK[what], await self._thread(it if scene == "it" else scene)
        )
        return found[0]["id"] if found else value

    async def _thread(self, scene: str) -> str:
        """The thread of a scene, made anew if something has become of it."""
        if scene in self.ids and await self._stamp(self.ids[scene]) == self._stamps[scene]:
            return self.ids[scene]
        made, thread_id = SCENES[scene], f"{scene}-{next(self._numbers)}"
        await self.desk.start(
            made.graph, made.input, by="starter", thread_id=thread_id, **made.options
        )
        await self.desk.wait(thread_id, timeout=TIMEOUT)
        if made.then is not None:
            await made.then(self.desk, thread_id)
            await self.desk.wait(thread_id, timeout=TIMEOUT)
        self.ids[scene], self._stamps[scene] = thread_id, await self._stamp(thread_id)
        return thread_id

    async def _stamp(self, thread_id: str) -> Any:
        return await rows(
            self.desk,
            "SELECT (SELECT max(seq) FROM audit WHERE thread_id = t.id) AS seq, updated_at"
            "  FROM threads AS t WHERE id = %s",
            thread_id,
        )

    def check(self) -> None:
        """Fail if something is half done, or does not hold together."""
        self.run(self._check())

    async def _check(self) -> None:
        async def at_rest() -> bool:
            return not await rows(self.desk, UNDER_WAY)

        await eventually(at_rest)
        for name, statement in BROKEN.items():
            found = await rows(self.desk, statement)
            assert not found, (name, found)
        report = await verify_audit(self.desk.office.database)
        assert report.found == 0, report.findings


LOOK = {
    "thread": "SELECT id FROM threads WHERE id = %s",
    "request": "SELECT id::text FROM requests WHERE thread_id = %s ORDER BY opened_at DESC LIMIT 1",
    "interrupt": "SELECT interrupt_id AS id FROM requests WHERE thread_id = %s LIMIT 1",
    "digest": "SELECT digest AS id FROM requests WHERE thread_id = %s LIMIT 1",
    "run": "SELECT id::text FROM runs WHERE thread_id = %s ORDER BY created_at DESC LIMIT 1",
    "checkpoint": "SELECT checkpoint_id AS id FROM checkpoints WHERE thread_id = %s"
    " ORDER BY checkpoint_id DESC LIMIT 1",
}
"""What can be named of a thread, as in "request of open", and how its id is found."""

UNDER_WAY = """
    SELECT id FROM threads WHERE status = 'busy'
    UNION ALL
    SELECT thread_id FROM requests WHERE delivery = 'pending'
    UNION ALL
    SELECT query FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND state LIKE 'idle in transaction%%'
"""
"""What goes on by itself, and must come to an end."""

BROKEN = {
    "a run that nobody works on": """
        SELECT runs.* FROM runs JOIN threads ON threads.id = thread_id
         WHERE runs.status IN ('queued', 'running') AND threads.status <> 'busy'
    """,
    "a lease of a thread at rest": "SELECT id FROM threads WHERE leased_by IS NOT NULL",
    "an open request on a thread that does not wait": """
        SELECT requests.id, threads.status FROM requests JOIN threads ON threads.id = thread_id
         WHERE state = 'open' AND threads.status NOT IN ('interrupted', 'error')
    """,
    "an outcome without its votes": """
        SELECT id FROM requests
         WHERE state = 'decided' AND NOT EXISTS (
               SELECT FROM votes WHERE request_id = requests.id
                  AND action = requests.outcome->>'action')
    """,
    "a request whose end is not in the audit": """
        SELECT id, state FROM requests
         WHERE state <> 'open' AND NOT EXISTS (
               SELECT FROM audit WHERE request_id = requests.id
                  AND event = 'request.' || requests.state)
    """,
    "two ends of a request": """
        SELECT request_id FROM audit
         WHERE event IN ('request.decided', 'request.expired', 'request.withdrawn',
                         'request.superseded')
         GROUP BY 1 HAVING count(*) > 1
    """,
    "an outcome that was delivered twice": """
        SELECT request_id FROM audit WHERE event = 'request.delivered'
         GROUP BY 1 HAVING count(*) > 1
    """,
}
"""What must not be, in a database at rest."""


@contextmanager
def open_world(url: str, folder: Path) -> Iterator[World]:
    """A world on a migrated database."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="world", daemon=True)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(TIMEOUT * 2)

    stack = AsyncExitStack()
    try:
        yield run(_opened(stack, url, folder, loop))
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _opened(
    stack: AsyncExitStack, url: str, folder: Path, loop: asyncio.AbstractEventLoop
) -> World:
    served = {
        "asking": asking(),
        "drafts": graphs.drafts(),
        "single": graphs.single(),
        "failing": graphs.failing(),
        "pair": graphs.pair(),
        "nested": graphs.nested(),
    }
    settings = Settings(data_dir=folder, shutdown_grace="1s", key_rate=10_000_000)
    desk = await stack.enter_async_context(Signoff(url, served, settings))
    await put_users(desk.office, [User(name="jane", groups=("legal",))])
    keys = {}
    for role in Role:
        _, keys[role] = await create_key(
            desk.office, role.value, by="fuzz", role=role, groups=("legal",)
        )
    app = desk.asgi_app(authenticate=lambda _request: None)
    return World(desk, await stack.enter_async_context(serving(app)), loop, keys)
