"""Streams of runs, with LangGraph's own SDK as the client."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any, TypedDict

import httpx
import orjson
import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.types import Interrupt, interrupt
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from signoff import Signoff
from signoff.clock import utcnow
from signoff.db.group import Stream, Write
from signoff.db.stream_events import PAGE, PAGE_SIZE
from signoff.domain.run import Run, RunKind, RunStatus
from signoff.domain.thread import Lease
from signoff.graph.streaming import Publisher
from signoff.graph.wish import Wish
from signoff.ids import new_id
from signoff.service.stream import forget_streams
from signoff.worker import engine
from tests.api.conftest import serving
from tests.api.graphs import Gate, failing
from tests.conftest import OpenDesk
from tests.helpers import TIMEOUT, eventually, rows
from tests.people import as_, named


class State(TypedDict, total=False):
    topic: str
    log: Annotated[list[str], operator.add]


def draft(state: State) -> State:
    get_stream_writer()("drafting")
    return {"log": ["draft"]}


def review(state: State) -> State:
    get_stream_writer()("before the question")
    answer = interrupt("Fine?")
    get_stream_writer()(f"after the answer {answer}")
    return {"log": [answer]}


def finish(state: State) -> State:
    return {"log": ["finish"]}


def drafts() -> StateGraph[State]:
    builder = StateGraph(State)
    builder.add_sequence([draft, review, finish])
    builder.add_edge(START, "draft")
    return builder


def nested() -> StateGraph[State]:
    builder = StateGraph(State)
    builder.add_node("inner", drafts().compile())
    builder.add_edge(START, "inner")
    return builder


def talking() -> StateGraph[State]:
    model = GenericFakeChatModel(messages=iter([AIMessage("one two")] * 9))

    async def talk(state: State) -> State:
        return {"log": [str((await model.ainvoke("hello")).content)]}

    builder = StateGraph(State)
    builder.add_node("talk", talk)
    builder.add_edge(START, "talk")
    return builder


class Chat(TypedDict, total=False):
    lengths: list[int]


def chatty() -> StateGraph[Chat]:
    """A graph that says one word after the other, as long as it is told."""

    def chat(state: Chat) -> Chat:
        for number, length in enumerate(state["lengths"]):
            get_stream_writer()([number, "x" * length])
        return {}

    builder = StateGraph(Chat)
    builder.add_node("chat", chat)
    builder.add_edge(START, "chat")
    return builder


def pair(gate: Gate) -> StateGraph[State]:
    """A question, and beside it a branch that takes as long as the gate is closed."""

    async def slow(state: State) -> State:
        gate.entered.set()
        await gate.opened.wait()
        return {"log": ["slow"]}

    builder = StateGraph(State)
    for name, node in (("review", review), ("slow", slow)):
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder


@pytest.fixture
def gate() -> Gate:
    """What the slow branch of the graph `pair` waits for."""
    return Gate()


@pytest.fixture
async def desk(open_desk: OpenDesk, gate: Gate) -> AsyncIterator[Signoff]:
    """A desk whose graphs stream."""
    served: Signoff = await open_desk(
        {
            "drafts": drafts(),
            "nested": nested(),
            "talking": talking(),
            "failing": failing(),
            "pair": pair(gate),
            "chatty": chatty(),
        }
    )
    yield served
    gate.opened.set()


@pytest.fixture
async def address(open_desk: OpenDesk, desk: Signoff) -> AsyncIterator[str]:
    """The address of a server that executes nothing itself: a worker elsewhere does."""
    server = await open_desk(dict.fromkeys(desk.office.catalog, drafts()), work=False)
    async with serving(server.asgi_app(authenticate=named)) as url:
        yield url


@pytest.fixture
async def sdk(address: str) -> AsyncIterator[LangGraphClient]:
    """The SDK's client, which calls as jane."""
    async with get_client(url=address, headers=as_("jane")) as client:
        async with asyncio.timeout(6 * TIMEOUT):
            yield client


async def streamed(parts: Any) -> list[tuple[str, Any]]:
    return [(part.event, part.data) async for part in parts]


async def test_a_run_is_streamed_to_its_pause_as_langgraphs_server_does_it(
    sdk: LangGraphClient,
) -> None:
    parts = await streamed(
        sdk.runs.stream(
            "t",
            "drafts",
            input={"topic": "tea"},
            stream_mode=["values", "updates", "custom"],
            if_not_exists="create",
        )
    )
    [run] = await sdk.runs.list("t")
    [interrupts] = (await sdk.threads.get("t"))["interrupts"].values()
    question = [{"value": "Fine?", "id": interrupts[0]["id"], "response_schema": None}]
    drafted = {"topic": "tea", "log": ["draft"]}
    assert parts == [
        ("metadata", {"run_id": run["run_id"], "attempt": 1}),
        ("values", {"topic": "tea", "log": []}),
        ("custom", "drafting"),
        ("updates", {"draft": {"log": ["draft"]}}),
        ("values", drafted),
        ("custom", "before the question"),
        ("updates", {"__interrupt__": question}),
        ("values", {**drafted, "__interrupt__": question}),
    ]


async def test_a_resume_is_streamed_in_modes_of_its_own(sdk: LangGraphClient) -> None:
    await sdk.runs.wait("t", "drafts", input={"topic": "tea"}, if_not_exists="create")
    parts = await streamed(
        sdk.runs.stream("t", "drafts", command={"resume": "yes"}, stream_mode="updates")
    )
    assert parts[0][0] == "metadata"
    assert parts[1:] == [
        ("updates", {"review": {"log": ["yes"]}}),
        ("updates", {"finish": {"log": ["finish"]}}),
    ]


async def test_the_threads_stream_goes_on_with_the_run_that_a_decision_resumes(
    sdk: LangGraphClient, desk: Signoff
) -> None:
    await sdk.threads.create(thread_id="t")
    seen: list[tuple[str, Any]] = []
    paused = asyncio.Event()

    async def follow() -> None:
        async for part in await sdk.threads.join_stream("t", last_event_id="-1"):
            seen.append((part.event, part.data))
            if part.event == "metadata" and "status" in part.data:
                if paused.is_set():
                    return
                paused.set()

    following = asyncio.create_task(follow())
    first = await sdk.runs.create(
        "t", "drafts", input={"topic": "tea"}, stream_mode=["custom", "updates"]
    )
    await asyncio.wait_for(paused.wait(), TIMEOUT)
    # The pause was announced once it was there.
    [request] = (await desk.requests(thread_id="t")).items
    await desk.decide(request.id, "respond", values={"value": "yes"}, by="joe")
    await asyncio.wait_for(following, TIMEOUT)
    second, _ = await sdk.runs.list("t")
    question = [{"value": "Fine?", "id": request.interrupt_id, "response_schema": None}]
    assert seen == [
        ("metadata", {"run_id": first["run_id"], "attempt": 1}),
        ("custom", "drafting"),
        ("updates", {"draft": {"log": ["draft"]}}),
        ("custom", "before the question"),
        ("updates", {"__interrupt__": question}),
        ("metadata", {"status": "run_done", "run_id": first["run_id"]}),
        ("metadata", {"run_id": second["run_id"], "attempt": 1}),
        ("custom", "before the question"),
        ("custom", "after the answer yes"),
        ("updates", {"review": {"log": ["yes"]}}),
        ("updates", {"finish": {"log": ["finish"]}}),
        ("metadata", {"status": "run_done", "run_id": second["run_id"]}),
    ]


async def test_a_pause_is_told_while_the_branch_beside_it_still_runs(
    sdk: LangGraphClient, desk: Signoff, gate: Gate
) -> None:
    told: list[Any] = []
    async with asyncio.timeout(TIMEOUT):
        async for part in sdk.runs.stream(
            "t", "pair", input={}, stream_mode=["updates", "tasks"], if_not_exists="create"
        ):
            told.append((part.event, part.data))
            if part.event == "updates" and "__interrupt__" in part.data:
                # Whoever hears of it finds it.
                [request] = (await desk.requests(thread_id="t")).items
                assert [each["id"] for each in part.data["__interrupt__"]] == [request.interrupt_id]
                gate.opened.set()
    course = [
        (event, data.get("name") or next(iter(data)), "result" in data)
        for event, data in told
        if event != "metadata"
    ]
    assert sorted(course[:2]) == [("tasks", "review", False), ("tasks", "slow", False)]
    assert course[2:] == [
        ("updates", "__interrupt__", False),
        ("tasks", "review", True),
        ("updates", "slow", False),
        ("tasks", "slow", True),
    ]


class Recording:
    """Stands for the group commit, and keeps what it is given to write."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, write: Write) -> asyncio.Future[None]:
        self.sent += [orjson.loads(row)["data"] for _, _, row in write.rows]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def test_what_tells_of_a_question_waits_for_it_and_holds_up_what_comes_behind() -> None:
    run = Run(
        id=new_id(),
        thread_id="t",
        graph="g",
        kind=RunKind.START,
        status=RunStatus.RUNNING,
        by="jane",
        options={"stream_mode": ["custom", "updates"]},
        created_at=utcnow(),
        updated_at=utcnow(),
    )
    group, stream = Recording(), Stream(Lease("t", 1))

    def told() -> list[str]:
        return group.sent[1:]  # without the metadata

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    publisher = Publisher(Wish.of(run), run, stream, group, known=["old"])  # type: ignore[arg-type]
    publisher.put((), "updates", {"__interrupt__": [Interrupt(1, id="old")]})
    publisher.put((), "updates", {"__interrupt__": [Interrupt(1, id="new")]})
    publisher.put((), "custom", "behind it")
    await settle()
    assert ['"old"' in data for data in told()] == [True]
    publisher.is_asked(["other"])
    await settle()
    assert len(told()) == 1
    publisher.is_asked(["new"])
    await settle()
    assert ['"new"' in told()[1], *told()[2:]] == [True, '"behind it"']
    publisher.put((), "updates", {"__interrupt__": [Interrupt(1, id="never stored")]})
    publisher.put((), "custom", "the last")
    await publisher.close()
    assert told()[3:] == ['"the last"']


async def test_checkpoints_are_named_as_in_the_threads_state(sdk: LangGraphClient) -> None:
    parts = await streamed(
        sdk.runs.stream(
            "t", "drafts", input={}, stream_mode=["checkpoints", "debug"], if_not_exists="create"
        )
    )
    shown = [data for event, data in parts if event == "checkpoints"]
    debugged = [
        data["payload"]
        for event, data in parts
        if event == "debug" and data["type"] == "checkpoint"
    ]
    assert debugged == shown
    history = await sdk.threads.get_history("t")
    for name in ("checkpoint", "parent_checkpoint", "next"):
        assert [each[name] for each in shown] == [each[name] for each in reversed(history)]  # type: ignore[literal-required]
    assert "__" not in "".join(key for each in shown for key in each["config"]["configurable"])
    resumed = await streamed(
        sdk.runs.stream("t", "drafts", command={"resume": "yes"}, stream_mode="checkpoints")
    )
    steps = [data["metadata"]["step"] for event, data in resumed if event == "checkpoints"]
    assert steps == [1, 2, 3]


async def test_the_stream_of_a_cancelled_run_ends_with_that(
    sdk: LangGraphClient, gate: Gate
) -> None:
    await sdk.threads.create(thread_id="t")
    run = await sdk.runs.create("t", "pair", input={})
    await gate.entered.wait()
    after = await sdk.runs.create("t", "drafts", input={})
    parts = sdk.runs.join_stream("t", run["run_id"])
    following = asyncio.create_task(streamed(parts))
    await sdk.runs.cancel("t", run["run_id"], wait=True)
    error = {"error": "UserInterrupt", "message": "The run was cancelled"}
    assert (await following)[-1] == ("error", error)
    await sdk.runs.join("t", after["run_id"])


async def test_a_thread_is_followed_from_the_moment_of_the_answers_head(
    sdk: LangGraphClient, address: str
) -> None:
    await sdk.runs.wait("t", "drafts", input={}, if_not_exists="create")
    async with (
        httpx.AsyncClient(base_url=address, headers=as_("jane")) as http,
        http.stream("GET", "/threads/t/stream") as response,
    ):
        await sdk.runs.create("t", "drafts", command={"resume": "yes"}, stream_mode="custom")
        lines = response.aiter_lines()
        assert await anext(lines) == "event: metadata"
        while await anext(lines) != 'data: "after the answer yes"':
            pass


async def test_a_reader_who_leaves_stops_nothing(sdk: LangGraphClient, gate: Gate) -> None:
    stream = sdk.runs.stream(
        "t", "pair", input={}, stream_mode="custom", if_not_exists="create"
    ).__aiter__()
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    gate.opened.set()
    [run] = await sdk.runs.list("t")
    values: Any = await sdk.runs.join("t", run["run_id"])
    assert values["log"] == ["slow"]
    assert ("custom", "before the question") in await streamed(
        sdk.runs.join_stream("t", run["run_id"])
    )


async def test_a_reader_who_does_not_read_holds_up_nobody(
    sdk: LangGraphClient, address: str
) -> None:
    lengths = [100_000] * 60  # more than fits on the way between a server and a client
    order = {"assistant_id": "chatty", "input": {"lengths": lengths}, "if_not_exists": "create"}
    async with (
        httpx.AsyncClient(base_url=address, headers=as_("jane")) as http,
        http.stream("POST", "/threads/t/runs/stream", json={**order, "stream_mode": "custom"}) as r,
    ):
        [run] = await sdk.runs.list("t")
        await sdk.runs.join("t", run["run_id"])
        lines = [line async for line in r.aiter_lines() if line.startswith("data: [")]
    assert [orjson.loads(line[6:])[0] for line in lines] == list(range(60))


async def test_a_reader_comes_back_behind_any_event(sdk: LangGraphClient) -> None:
    all_parts = [
        part
        async for part in sdk.runs.stream(
            "t", "drafts", input={}, stream_mode=["custom", "debug"], if_not_exists="create"
        )
    ]
    [run] = await sdk.runs.list("t")
    ids = [int(part.id or 0) for part in all_parts]
    assert ids == sorted(set(ids))
    for number, part in enumerate(all_parts):
        rest = [
            each async for each in sdk.runs.join_stream("t", run["run_id"], last_event_id=part.id)
        ]
        assert rest == all_parts[number + 1 :]
    joined = [each async for each in sdk.runs.join_stream("t", run["run_id"])]
    assert joined == all_parts
    custom = await streamed(sdk.runs.join_stream("t", run["run_id"], stream_mode="custom"))
    assert [event for event, _ in custom] == ["metadata", "custom", "custom"]


async def test_much_is_read_by_many_in_pages(sdk: LangGraphClient) -> None:
    lengths = [3] * (2 * PAGE) + [PAGE_SIZE // 2] * 5 + [3]

    async def numbers(parts: Any) -> list[int]:
        return [data[0] for event, data in await streamed(parts) if event == "custom"]

    order: Any = {"input": {"lengths": lengths}, "stream_mode": "custom", "if_not_exists": "create"}
    threads = ["s", "t", "u"]
    read = await asyncio.gather(*(numbers(sdk.runs.stream(t, "chatty", **order)) for t in threads))
    assert read == [list(range(len(lengths)))] * 3
    [run] = await sdk.runs.list("t")
    again = [sdk.runs.join_stream("t", run["run_id"]) for _ in range(5)]
    assert await asyncio.gather(*map(numbers, again)) == [read[0]] * 5


async def test_what_subgraphs_stream_is_named_after_them(sdk: LangGraphClient) -> None:
    parts = await streamed(
        sdk.runs.stream(
            "t",
            "nested",
            input={},
            stream_mode=["custom", "updates"],
            stream_subgraphs=True,
            if_not_exists="create",
        )
    )
    inner = {event.partition(":")[0] for event, _ in parts if "|" in event}
    assert inner == {"custom|inner", "updates|inner"}
    outer = await streamed(sdk.runs.stream("u", "nested", input={}, if_not_exists="create"))
    assert {event for event, _ in outer} == {"metadata", "values"}


async def test_messages_come_token_by_token(sdk: LangGraphClient) -> None:
    parts = await streamed(
        sdk.runs.stream("t", "talking", input={}, stream_mode="messages", if_not_exists="create")
    )
    names = [event for event, _ in parts[1:]]
    assert names[0] == "messages/metadata"
    assert set(names[1:]) == {"messages/partial"}
    [[id, about]] = parts[1][1].items()
    assert about["metadata"]["langgraph_node"] == "talk"
    texts = [message["content"] for _, [message] in parts[2:]]
    assert texts[-1] == "one two"
    assert all(texts[-1].startswith(text) for text in texts)
    assert {message["id"] for _, [message] in parts[2:]} == {id}
    tuples = await streamed(
        sdk.runs.stream(
            "u", "talking", input={}, stream_mode="messages-tuple", if_not_exists="create"
        )
    )
    assert {event for event, _ in tuples[1:]} == {"messages"}
    assert "".join(data[0]["content"] for _, data in tuples[1:]) == "one two"


async def test_the_second_version_of_the_sdks_streams(sdk: LangGraphClient) -> None:
    parts: list[Any] = [
        part
        async for part in sdk.runs.stream(
            "t",
            "nested",
            input={"topic": "tea"},
            stream_mode=["values", "custom"],
            stream_subgraphs=True,
            if_not_exists="create",
            version="v2",
        )
    ]
    [drafting] = [part for part in parts if part["data"] == "drafting"]
    assert drafting["type"] == "custom"
    assert drafting["ns"][0].startswith("inner:")
    paused = [part for part in parts if part["type"] == "values" and part["ns"] == []][-1]
    [asked] = paused["interrupts"]
    assert asked["value"] == "Fine?"


async def test_a_failure_is_the_last_event(sdk: LangGraphClient) -> None:
    parts = await streamed(
        sdk.runs.stream("t", "failing", input={"fail": True}, if_not_exists="create")
    )
    assert parts[-1] == ("error", {"error": "ValueError", "message": "nothing works"})


async def test_of_a_run_that_writes_nothing_its_end_is_told(
    sdk: LangGraphClient, desk: Signoff, gate: Gate
) -> None:
    paused = await sdk.runs.wait("t", "drafts", input={}, if_not_exists="create")
    assert await rows(desk, "SELECT 1 AS one FROM stream_events") == []
    [run] = await sdk.runs.list("t")
    head = ("metadata", {"run_id": run["run_id"], "attempt": 1})
    assert await streamed(sdk.runs.join_stream("t", run["run_id"])) == [head, ("values", paused)]

    await sdk.runs.wait("u", "failing", input={}, if_not_exists="create", raise_error=False)
    [run] = await sdk.runs.list("u")
    failed = await streamed(sdk.runs.join_stream("u", run["run_id"]))
    assert failed[1:] == [("error", {"error": "ValueError", "message": "nothing works"})]

    waiting = asyncio.create_task(sdk.runs.wait("v", "pair", input={}, if_not_exists="create"))
    await gate.entered.wait()
    [run] = await sdk.runs.list("v")
    following = asyncio.create_task(streamed(sdk.runs.join_stream("v", run["run_id"])))
    await sdk.runs.cancel("v", run["run_id"])
    assert [event for event, _ in await following] == ["metadata", "error"]
    await waiting


async def test_a_run_in_the_background_streams_its_values(sdk: LangGraphClient) -> None:
    await sdk.threads.create(thread_id="t")
    run = await sdk.runs.create("t", "drafts", input={"topic": "tea"})
    told = await streamed(sdk.runs.join_stream("t", run["run_id"]))
    assert [event for event, _ in told] == ["metadata", "values", "values", "values"]
    resumed = await sdk.runs.create("t", "drafts", command={"resume": "yes"})
    told = await streamed(sdk.runs.join_stream("t", resumed["run_id"]))
    assert told[-1] == ("values", {"topic": "tea", "log": ["draft", "yes", "finish"]})
    await sdk.threads.create(thread_id="u")
    run = await sdk.runs.create("u", "drafts", input={}, stream_mode=[])
    assert len(await streamed(sdk.runs.join_stream("u", run["run_id"]))) == 2


async def test_what_is_not_there_and_what_cannot_be_streamed_is_refused(
    sdk: LangGraphClient,
) -> None:
    with pytest.raises(UnprocessableEntityError, match="stream_mode"):
        await streamed(sdk.runs.stream("t", "drafts", input={}, stream_mode="events"))
    with pytest.raises(NotFoundError):
        await streamed(sdk.runs.join_stream("t", "0"))
    with pytest.raises(NotFoundError):
        await streamed(await sdk.threads.join_stream("t"))
    await sdk.runs.wait("t", "drafts", input={}, if_not_exists="create")
    with pytest.raises(UnprocessableEntityError, match="run_modes"):
        await streamed(await sdk.threads.join_stream("t", stream_mode="lifecycle"))
    with pytest.raises(UnprocessableEntityError, match="no id of an event"):
        await streamed(await sdk.threads.join_stream("t", last_event_id="x"))


async def test_old_events_are_deleted(desk: Signoff) -> None:
    await desk.start("drafts", {}, by="jane", thread_id="t", stream="custom")
    kept = [event.event async for event in desk.stream("t", until_rest=True)]
    assert kept == ["metadata", "custom", "custom", "values", "metadata"]
    await forget_streams(desk.office, timedelta(hours=1))
    again = [event.event async for event in desk.stream("t", until_rest=True)]
    assert again == kept
    await forget_streams(desk.office, timedelta())
    assert [event async for event in desk.stream("t", until_rest=True)] == []


async def test_the_worker_deletes_what_was_kept_long_enough(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CLEAN_UP", timedelta(milliseconds=50))
    desk: Signoff = await open_desk({"drafts": drafts()}, keep_streams="1s")
    await desk.start("drafts", {}, by="jane", thread_id="t", stream="custom")
    assert len([event async for event in desk.stream("t", until_rest=True)]) == 5

    async def gone() -> bool:
        return not await rows(desk, "SELECT 1 AS one FROM stream_events")

    await eventually(gone)
