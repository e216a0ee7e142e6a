"""Every call of LangGraph's SDK: what is supported is tested, the rest says why it is not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import LangGraphClient

from signoff.api.unsupported import CALLS
from tests.api.conftest import Api, problem
from tests.people import as_

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "langgraph-api.md"

ROWS = re.findall(r"^\| `([a-z]+\.\w+)` \| (yes|no) \| (.*?) ?\|$", PAGE.read_text(), re.M)
"""The rows of the page: the call, whether it is supported, and what is to say."""

SUPPORTED = {call for call, supported, _ in ROWS if supported == "yes"}
REFUSED = {call: why for call, supported, why in ROWS if supported == "no"}

CLIENTS = ("assistants", "threads", "runs", "crons", "store")


@pytest.mark.parametrize("make", [get_client, get_sync_client])
def test_the_page_lists_every_call_of_the_sdk_and_no_other(make: Callable[..., Any]) -> None:
    sdk = make(url="http://127.0.0.1:1")
    parts = {name for name in dir(sdk) if not name.startswith("_")} - {"aclose", "close", "http"}
    assert parts == set(CLIENTS)
    calls = {
        f"{part}.{name}"
        for part in CLIENTS
        for name, _ in inspect.getmembers(getattr(sdk, part), inspect.isroutine)
        if not name.startswith("_")
    }
    assert {call for call, *_ in ROWS} == calls


def test_the_page_says_why_as_the_server_does() -> None:
    assert {call: why for call, _, _, why in CALLS} == REFUSED


@pytest.mark.parametrize("call", sorted(SUPPORTED))
def test_each_supported_call_is_made_in_a_test(call: str) -> None:
    here = Path(__file__).parent
    tests = [here / name for name in ("test_sdk.py", "test_streams.py")]
    assert any(f"sdk.{call}(" in test.read_text() for test in tests)


Make = Callable[[LangGraphClient], Awaitable[Any]]


async def _read(parts: Any) -> None:
    async for _ in parts:
        pass


async def _stream_v3(sdk: LangGraphClient) -> None:
    async with sdk.threads.stream("t", assistant_id="drafts") as thread:
        await thread.run.start(input={"topic": "tea"})


async def _follow_v3(sdk: LangGraphClient) -> None:
    async with sdk.threads.stream("t", assistant_id="drafts") as thread:
        await _read(thread.values)


MADE: dict[str, Make] = {
    "assistants.create": lambda sdk: sdk.assistants.create("drafts"),
    "assistants.update": lambda sdk: sdk.assistants.update("drafts", name="x"),
    "assistants.delete": lambda sdk: sdk.assistants.delete("drafts"),
    "assistants.get_versions": lambda sdk: sdk.assistants.get_versions("drafts"),
    "assistants.set_latest": lambda sdk: sdk.assistants.set_latest("drafts", 1),
    "threads.copy": lambda sdk: sdk.threads.copy("t"),
    "threads.prune": lambda sdk: sdk.threads.prune(["t"]),
    "threads.stream": _stream_v3,
    "runs.delete": lambda sdk: sdk.runs.delete("t", "r"),
    "runs.cancel_many": lambda sdk: sdk.runs.cancel_many(status="all"),
    "runs.create_batch": lambda sdk: sdk.runs.create_batch([{"assistant_id": "drafts"}]),
    "crons.create": lambda sdk: sdk.crons.create("drafts", schedule="* * * * *"),
    "crons.create_for_thread": lambda sdk: sdk.crons.create_for_thread(
        "t", "drafts", schedule="* * * * *"
    ),
    "crons.update": lambda sdk: sdk.crons.update("c", enabled=False),
    "crons.delete": lambda sdk: sdk.crons.delete("c"),
    "crons.search": lambda sdk: sdk.crons.search(),
    "crons.count": lambda sdk: sdk.crons.count(),
    "store.put_item": lambda sdk: sdk.store.put_item(["a"], "k", {}),
    "store.get_item": lambda sdk: sdk.store.get_item(["a"], "k"),
    "store.delete_item": lambda sdk: sdk.store.delete_item(["a"], "k"),
    "store.search_items": lambda sdk: sdk.store.search_items(["a"]),
    "store.list_namespaces": lambda sdk: sdk.store.list_namespaces(),
}


async def test_what_is_not_supported_says_so_and_why(sdk: LangGraphClient, api: Api) -> None:
    assert MADE.keys() == REFUSED.keys()
    for call, make in MADE.items():
        with pytest.raises(httpx.HTTPStatusError) as refused:  # all of the SDK's are that
            await make(sdk)
        document = problem(refused.value.response, 422, "not_supported")
        assert document["detail"] == f"{call} is not supported: {REFUSED[call]}"
    with pytest.raises(httpx.HTTPStatusError, match="422") as refused:
        await _follow_v3(sdk)
    assert await sdk.threads.count() == 0


async def test_a_graph_elsewhere_is_a_remote_graph(address: str) -> None:
    """LangGraph's own way of calling a graph on a server as if it were here."""
    graph = RemoteGraph("drafts", url=address, headers=as_("jane"))
    assert list((await graph.aget_graph()).nodes)[1:4] == ["draft", "review", "finish"]
    thread: Any = {"configurable": {"thread_id": "t"}}
    paused = await graph.ainvoke({"topic": "tea"}, thread)
    [asked] = paused["__interrupt__"]
    snapshot = await graph.aget_state(thread)
    assert snapshot.next == ("review",)
    assert [each.id for each in snapshot.interrupts] == [asked["id"]]
    told = [each async for each in graph.astream(Command(resume="approve"), thread)]
    assert [next(iter(each)) for each in told] == ["review", "finish"]
    await graph.aupdate_state(thread, {"text": "by hand"}, as_node="finish")
    history = [state async for state in graph.aget_state_history(thread)]
    assert history[0].values["text"] == "by hand"
    assert history[1].values["finished"] == 1
