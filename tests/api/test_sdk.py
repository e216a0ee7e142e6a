"""LangGraph's own SDK, unmodified, over a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)

from tests.api.conftest import Api
from tests.people import as_


async def test_assistants(sdk: LangGraphClient) -> None:
    found = await sdk.assistants.search(graph_id="drafts")
    [assistant] = found
    assert await sdk.assistants.get(assistant["assistant_id"]) == assistant
    schemas = await sdk.assistants.get_schemas("drafts")
    assert schemas["graph_id"] == "drafts"
    page = await sdk.assistants.search(limit=2, response_format="object")
    assert [each["graph_id"] for each in page["assistants"]] == ["drafts", "failing"]
    assert await sdk.assistants.count() == 6
    assert await sdk.assistants.count(name="ING") == 2


async def test_a_graph_is_drawn_with_or_without_what_is_inside(sdk: LangGraphClient) -> None:
    def nodes(drawn: dict[str, list[dict[str, Any]]]) -> list[str]:
        return [node["id"] for node in drawn["nodes"]]

    drawn = await sdk.assistants.get_graph("nested")
    assert nodes(drawn) == ["__start__", "inner", "__end__"]
    assert [(edge["source"], edge["target"]) for edge in drawn["edges"]] == [
        ("__start__", "inner"),
        ("inner", "__end__"),
    ]
    for xray in (True, 1):
        assert "inner:first" in nodes(await sdk.assistants.get_graph("nested", xray=xray))
    inside: Any = await sdk.assistants.get_subgraphs("nested", recurse=True)
    assert list(inside) == ["inner"]
    assert set(inside["inner"]["state_schema"]["properties"]) == {"answers", "fail"}
    assert await sdk.assistants.get_subgraphs("nested", "inner") == inside
    assert await sdk.assistants.get_subgraphs("nested", "elsewhere") == {}
    with pytest.raises(NotFoundError):
        await sdk.assistants.get_graph("nothing")


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
async def test_other_strategies_than_to_wait_or_to_refuse_say_so(
    sdk: LangGraphClient, strategy: Any
) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        await sdk.runs.create("t", "drafts", input={}, multitask_strategy=strategy)
    assert refused.value.message == "multitask_strategy can only be enqueue or reject"


async def test_of_two_runs_at_once_the_second_waits_for_its_turn_or_is_refused(
    sdk: LangGraphClient, api: Api
) -> None:
    await sdk.threads.create(thread_id="t")
    first = await sdk.runs.create("t", "gate", input={"fail": False})
    await api.gate.entered.wait()
    second = await sdk.runs.create("t", "gate", input={}, multitask_strategy="enqueue")
    assert (await sdk.runs.get("t", second["run_id"]))["status"] == "pending"
    with pytest.raises(ConflictError):
        await sdk.runs.create("t", "gate", input={}, multitask_strategy="reject")
    api.gate.opened.set()
    await sdk.runs.join("t", second["run_id"])
    assert (await sdk.runs.get("t", first["run_id"]))["status"] == "success"
    history = await sdk.threads.get_history("t", metadata={"source": "input"})
    assert [state["metadata"]["run_id"] for state in history] == [  # type: ignore[index]
        second["run_id"],
        first["run_id"],
    ]


async def test_a_resume_goes_on_with_what_the_run_was_started_with(sdk: LangGraphClient) -> None:
    started: Any = {"config": {"tags": ["a"], "configurable": {"model": "small"}}}
    await sdk.runs.wait("t", "drafts", input={"topic": "tea"}, if_not_exists="create", **started)
    other: Any
    for name, other in (
        ("config", {"configurable": {"model": "large"}}),
        ("context", {"model": "large"}),
        ("interrupt_after", ["review"]),
    ):
        with pytest.raises(UnprocessableEntityError, match=f"^{name} can only be what"):
            await sdk.runs.create(
                "t", "drafts", command={"resume": "approve"}, **{**started, name: other}
            )
    assert (await sdk.threads.get("t"))["status"] == "interrupted"
    run = await sdk.runs.create(
        "t", "drafts", command={"resume": "approve"}, metadata={"from": "mail"}, **started
    )
    assert run["metadata"]["from"] == "mail"  # type: ignore[index]
    values: Any = await sdk.runs.join("t", run["run_id"])
    assert values["finished"] == 1
    [state] = await sdk.threads.get_history("t", limit=1)
    assert state["metadata"]["model"] == "small"  # type: ignore[index]
    assert state["metadata"]["from"] == "mail"  # type: ignore[index]


async def test_threads(sdk: LangGraphClient) -> None:
    thread = await sdk.threads.create(metadata={"team": "fin"}, graph_id="drafts")
    thread_id = thread["thread_id"]
    assert (await sdk.threads.get(thread_id))["metadata"] == {"team": "fin", "graph_id": "drafts"}
    same = await sdk.threads.create(thread_id=thread_id, if_exists="do_nothing")
    assert same == thread
    with pytest.raises(ConflictError) as conflict:
        await sdk.threads.create(thread_id=thread_id, if_exists="raise")
    assert conflict.value.code == "thread_exists"
    assert thread_id in conflict.value.message
    updated = await sdk.threads.update(thread_id, metadata={"level": 1})
    assert updated["metadata"]["level"] == 1
    assert await sdk.threads.update(thread_id, metadata={"level": 2}, return_minimal=True) is None
    [found] = await sdk.threads.search(metadata={"level": 2}, status="idle", ids=[thread_id])
    assert found["thread_id"] == thread_id
    assert await sdk.threads.count(metadata={"team": "fin"}) == 1
    [selected] = await sdk.threads.search(select=["thread_id", "status"])
    assert selected == {"thread_id": thread_id, "status": "idle"}
    await sdk.threads.delete(thread_id)
    with pytest.raises(NotFoundError):
        await sdk.threads.get(thread_id)


async def test_a_pause_found_by_search_is_answered_by_its_interrupt_id(
    sdk: LangGraphClient,
) -> None:
    """What an inbox that knows only LangGraph's server does."""
    thread = await sdk.threads.create()
    thread_id = thread["thread_id"]
    run = await sdk.runs.create(thread_id, "drafts", input={"topic": "tea"})
    await sdk.runs.join(thread_id, run["run_id"])
    [paused] = await sdk.threads.search(status="interrupted")
    assert paused["thread_id"] == thread_id
    [[interrupt]] = paused["interrupts"].values()
    answer = {interrupt["id"]: {"action": "approve", "note": "fine"}}
    resumed = await sdk.runs.create(thread_id, "drafts", command={"resume": answer})
    values: Any = await sdk.runs.join(thread_id, resumed["run_id"])
    assert values["decision"]["note"] == "fine"
    assert values["finished"] == 1
    assert (await sdk.runs.get(thread_id, resumed["run_id"]))["status"] == "success"
    assert [each["run_id"] for each in await sdk.runs.list(thread_id)] == [
        resumed["run_id"],
        run["run_id"],
    ]
    assert await sdk.runs.list(thread_id, status="error") == []
    with pytest.raises(ConflictError):
        await sdk.runs.create(thread_id, "drafts", command={"resume": answer})
    assert (await sdk.threads.get(thread_id))["interrupts"] == {}


async def test_wait(sdk: LangGraphClient) -> None:
    created: list[Any] = []
    result: Any = await sdk.runs.wait(
        "t",
        "drafts",
        input={"topic": "tea"},
        if_not_exists="create",
        metadata={"a": 1},
        config={"recursion_limit": 30, "tags": ["x"]},
        multitask_strategy="enqueue",
        on_disconnect="continue",
        durability="sync",
        on_run_created=created.append,
    )
    assert result["__interrupt__"][0]["value"]["title"] == "Is the draft about tea fine?"
    assert created[0]["thread_id"] == "t"
    assert (await sdk.runs.get("t", created[0]["run_id"]))["status"] == "success"
    done: Any = await sdk.runs.wait("t", "drafts", command={"resume": {"action": "reject"}})
    assert done["decision"]["action"] == "reject"


async def test_a_run_without_a_thread_gets_one_that_is_kept(sdk: LangGraphClient) -> None:
    given: Any = {"input": {"topic": "tea"}}
    created: list[Any] = []
    waited: Any = await sdk.runs.wait(None, "drafts", **given, on_run_created=created.append)
    assert waited["__interrupt__"]
    parts = [part async for part in sdk.runs.stream(None, "drafts", **given)]
    assert parts[-1].data == waited | {"__interrupt__": parts[-1].data["__interrupt__"]}
    run = await sdk.runs.create(None, "drafts", **given, on_completion="keep")
    await sdk.runs.join(run["thread_id"], run["run_id"])
    paused = {thread["thread_id"] for thread in await sdk.threads.search(status="interrupted")}
    assert len(paused) == 3
    assert {created[0]["thread_id"], run["thread_id"]} <= paused
    for refused in ({"command": {"resume": "approve"}}, {**given, "on_completion": "delete"}):
        with pytest.raises(UnprocessableEntityError):
            await sdk.runs.create(None, "drafts", **refused)
    assert await sdk.threads.count() == 3


async def test_wait_raises_what_the_run_failed_with(sdk: LangGraphClient) -> None:
    with pytest.raises(Exception, match=r"^ValueError: nothing works$"):
        await sdk.runs.wait("t", "failing", input={"fail": True}, if_not_exists="create")
    result: Any = await sdk.runs.wait("t", "failing", input={"fail": True}, raise_error=False)
    assert result["__error__"] == {"error": "ValueError", "message": "nothing works"}


async def test_state_and_history(sdk: LangGraphClient) -> None:
    await sdk.runs.wait("t", "drafts", input={"topic": "tea"}, if_not_exists="create")
    state = await sdk.threads.get_state("t")
    assert state["next"] == ["review"]
    history = await sdk.threads.get_history("t", limit=5)
    assert history[0]["checkpoint"] == state["checkpoint"]
    earlier = await sdk.threads.get_history("t", before=history[0]["checkpoint"])
    assert earlier == history[1:]
    at = history[1]["checkpoint"]
    assert await sdk.threads.get_state("t", checkpoint=at) == history[1]
    assert at["checkpoint_id"] is not None
    by_id = await sdk.threads.get_state("t", checkpoint_id=at["checkpoint_id"])
    assert by_id == history[1]
    some = await sdk.threads.get_state("t", select=["values.topic"])
    assert some == {"values": {"topic": "tea"}}
    updated = await sdk.threads.update_state("t", {"text": "by hand"}, as_node="draft")
    after = await sdk.threads.get_state("t", subgraphs=True)
    assert after["checkpoint"] == updated["checkpoint"]
    assert after["values"]["text"] == "by hand"  # type: ignore[call-overload]


async def test_cancel(sdk: LangGraphClient, api: Api) -> None:
    await sdk.threads.create(thread_id="t")
    run = await sdk.runs.create("t", "gate", input={"fail": False})
    await api.gate.entered.wait()
    with pytest.raises(ConflictError):
        await sdk.runs.create("t", "gate", input={}, multitask_strategy="reject")
    with pytest.raises(ConflictError):
        await sdk.threads.delete("t")
    await sdk.runs.cancel("t", run["run_id"], wait=True)
    assert (await sdk.runs.get("t", run["run_id"]))["status"] == "interrupted"
    await sdk.threads.delete("t")


async def test_errors_have_their_code_and_message(sdk: LangGraphClient, address: str) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        await sdk.runs.create("t", "drafts", input={}, after_seconds=5)
    assert refused.value.code == "not_supported"
    assert refused.value.message == "after_seconds is not supported"
    async with get_client(url=address) as nobody:
        with pytest.raises(AuthenticationError):
            await nobody.threads.get("t")


async def test_the_sync_client_works_as_well(address: str) -> None:
    def work() -> Any:
        with get_sync_client(url=address, headers=as_("jane")) as sdk:
            sdk.runs.wait("t", "drafts", input={"topic": "tea"}, if_not_exists="create")
            return sdk.runs.wait("t", "drafts", command={"resume": "approve"})

    assert (await asyncio.to_thread(work))["finished"] == 1
