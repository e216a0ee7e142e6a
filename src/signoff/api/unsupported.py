"""The calls of LangGraph's SDK that are refused, each with its reason: no client is left to guess.

`docs/reference/langgraph-api.md` lists the same, besides all that is supported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter

from signoff.api.route import Caller, Route
from signoff.domain.errors import NotSupported
from signoff.domain.principal import Role


class _Refused(Route):
    """A route that does nothing, whoever calls."""

    def role(self) -> Role:
        return Role.VIEWER


router = APIRouter(route_class=_Refused, include_in_schema=False)

ASSISTANTS = "each graph has one assistant, made by the project's configuration"
CRONS = "Signoff has no clock for runs: have a scheduler start them"
STORE = "Signoff keeps no store: give your graphs one of their own"

CALLS: tuple[tuple[str, str, str, str], ...] = (
    ("assistants.create", "POST", "/assistants", ASSISTANTS),
    ("assistants.update", "PATCH", "/assistants/{id}", ASSISTANTS),
    ("assistants.delete", "DELETE", "/assistants/{id}", ASSISTANTS),
    ("assistants.get_versions", "POST", "/assistants/{id}/versions", ASSISTANTS),
    ("assistants.set_latest", "POST", "/assistants/{id}/latest", ASSISTANTS),
    (
        "threads.copy",
        "POST",
        "/threads/{id}/copy",
        "a copy would wait for an answer that nobody was asked for",
    ),
    (
        "threads.prune",
        "POST",
        "/threads/prune",
        "what was decided rests on a thread's history: delete whole threads",
    ),
    (
        "threads.stream",
        "POST",
        "/threads/{id}/stream/events",
        "follow a thread with `threads.join_stream`, and start runs with `runs.stream`",
    ),
    (
        "threads.stream",
        "POST",
        "/threads/{id}/commands",
        "follow a thread with `threads.join_stream`, and start runs with `runs.stream`",
    ),
    (
        "runs.delete",
        "DELETE",
        "/threads/{id}/runs/{run}",
        "requests and the audit refer to it: delete the thread",
    ),
    ("runs.cancel_many", "POST", "/runs/cancel", "cancel one by one"),
    ("runs.create_batch", "POST", "/runs/batch", "create them one by one"),
    ("crons.create", "POST", "/runs/crons", CRONS),
    ("crons.create_for_thread", "POST", "/threads/{id}/runs/crons", CRONS),
    ("crons.update", "PATCH", "/runs/crons/{cron}", CRONS),
    ("crons.delete", "DELETE", "/runs/crons/{cron}", CRONS),
    ("crons.search", "POST", "/runs/crons/search", CRONS),
    ("crons.count", "POST", "/runs/crons/count", CRONS),
    ("store.put_item", "PUT", "/store/items", STORE),
    ("store.get_item", "GET", "/store/items", STORE),
    ("store.delete_item", "DELETE", "/store/items", STORE),
    ("store.search_items", "POST", "/store/items/search", STORE),
    ("store.list_namespaces", "POST", "/store/namespaces", STORE),
)
"""Each call by its name in the SDK, its method and path, and why it is not supported."""


def _refuse(call: str, why: str) -> Callable[..., Awaitable[None]]:
    async def refused(_caller: Caller) -> None:
        raise NotSupported(f"{call} is not supported: {why}")

    return refused


for _call, _method, _path, _why in CALLS:
    router.add_api_route(_path, _refuse(_call, _why), methods=[_method])
