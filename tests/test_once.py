"""`once()`: an effect happens once, whatever makes its node run again."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from signoff import once
from signoff.domain.errors import LeaseLost
from signoff.once import Begun, _Recent, idempotency_key


class State(TypedDict, total=False):
    seen: Annotated[list[Any], lambda old, new: old + new]


CONFIG: dict[str, Any] = {"configurable": {"thread_id": "contract-1"}}


class Effects(list[tuple[str, str]]):
    """What was done to the world: the name of each effect, with its idempotency key."""

    def do(self, name: str) -> Callable[[str], str]:
        def effect(key: str) -> str:
            self.append((name, key))
            return f"{name} {len(self)}"

        return effect

    def ado(self, name: str) -> Callable[[str], Awaitable[str]]:
        async def effect(key: str) -> str:
            await asyncio.sleep(0)
            return self.do(name)(key)

        return effect

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]


@pytest.fixture
def effects() -> Effects:
    return Effects()


@pytest.fixture
def another_process(monkeypatch) -> Callable[[], None]:
    """What this process remembers is forgotten, as it is by the next one."""
    module = importlib.import_module("signoff.once")
    return lambda: monkeypatch.setattr(module, "_recent", _Recent(256))


def graph(*nodes: Any, **kwargs: Any) -> Any:
    """These nodes side by side."""
    builder = StateGraph(State)
    for n, node in enumerate(nodes):
        builder.add_node(f"node{n}", node, **kwargs)
        builder.add_edge(START, f"node{n}")
    return builder.compile(checkpointer=InMemorySaver())


# --- under plain LangGraph ---------------------------------------------------------------------


def test_an_effect_is_not_repeated_when_its_node_resumes(effects, another_process):
    def node(state: State) -> State:
        receipt = once("pay", effects.do("pay"))
        return {"seen": [receipt, interrupt("Fine?"), once("mail", effects.do("mail"))]}

    app = graph(node)
    app.invoke({}, CONFIG)
    another_process()
    assert app.invoke(Command(resume="yes"), CONFIG)["seen"] == ["pay 1", "yes", "mail 2"]
    assert effects == [
        ("pay", idempotency_key("contract-1", "pay")),
        ("mail", idempotency_key("contract-1", "mail")),
    ]


async def test_an_async_node_awaits_effects_of_either_kind(effects, another_process):
    async def node(state: State) -> State:
        first = await once("pay", effects.ado("pay"))
        second = await once("log", effects.do("log"))
        third = await once("mail", lambda key: effects.ado("mail")(key))
        return {"seen": [first, second, third, interrupt("Fine?")]}

    app = graph(node)
    await app.ainvoke({}, CONFIG)
    another_process()
    result = await app.ainvoke(Command(resume="yes"), CONFIG)
    assert result["seen"] == ["pay 1", "log 2", "mail 3", "yes"]
    assert effects.names == ["pay", "log", "mail"]


async def test_a_sync_node_of_an_async_graph_gets_the_result_itself(effects):
    def node(state: State) -> State:
        return {"seen": [once("pay", effects.do("pay")), interrupt("Fine?")]}

    app = graph(node)
    await app.ainvoke({}, CONFIG)
    assert (await app.ainvoke(Command(resume=1), CONFIG))["seen"] == ["pay 1", 1]
    assert effects.names == ["pay"]


async def test_a_sync_graph_in_a_running_event_loop_gets_the_result_itself(effects):
    app = graph(lambda state: {"seen": [once("pay", effects.do("pay"))]})
    assert app.invoke({}, CONFIG)["seen"] == ["pay 1"]


def test_an_effect_need_not_take_the_key():
    app = graph(lambda state: {"seen": [once("a", lambda: 1), once("b", str)]})
    assert app.invoke({}, CONFIG)["seen"] == [1, idempotency_key("contract-1", "b")]


def test_the_same_key_twice_in_a_node_is_one_effect(effects, another_process):
    def node(state: State) -> State:
        twice = [once("pay", effects.do("pay")), once("pay", effects.do("pay"))]
        return {"seen": [*twice, interrupt("Fine?")]}

    app = graph(node)
    app.invoke({}, CONFIG)
    another_process()
    assert app.invoke(Command(resume=1), CONFIG)["seen"] == ["pay 1", "pay 1", 1]
    assert effects.names == ["pay"]


def test_one_effect_is_not_mistaken_for_another_when_their_order_changes(effects, another_process):
    order = ["a", "b"]

    def node(state: State) -> State:
        done = {name: once(name, effects.do(name)) for name in order}
        interrupt("Fine?")
        return {"seen": [done]}

    app = graph(node)
    app.invoke({}, CONFIG)
    order.reverse()
    assert app.invoke(Command(resume=1), CONFIG)["seen"] == [{"a": "a 1", "b": "b 2"}]
    assert effects.names == ["a", "b"]
    another_process()
    app.invoke({}, CONFIG)
    order.reverse()
    another_process()
    [_, done] = app.invoke(Command(resume=1), CONFIG)["seen"]
    assert {name: text.split()[0] for name, text in done.items()} == {"a": "a", "b": "b"}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_effect_is_not_repeated_when_its_node_is_retried(effects, asynchronous):
    attempts = []

    def fail_at_first() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError

    def node(state: State) -> State:
        receipt = once("pay", effects.do("pay"))
        fail_at_first()
        return {"seen": [receipt, interrupt("Fine?")]}

    async def anode(state: State) -> State:
        receipt = await once("pay", effects.ado("pay"))
        fail_at_first()
        return {"seen": [receipt, interrupt("Fine?")]}

    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ConnectionError)
    app = graph(anode if asynchronous else node, retry_policy=policy)
    await app.ainvoke({}, CONFIG)
    assert (await app.ainvoke(Command(resume=1), CONFIG))["seen"] == ["pay 1", 1]
    assert effects.names == ["pay"]


def test_an_effect_that_raises_is_not_noted(effects):
    def failing(key: str) -> str:
        effects.do("pay")(key)
        if len(effects) == 1:
            raise ConnectionError("the bank is away")
        return "paid"

    app = graph(lambda state: {"seen": [once("pay", failing)]})
    with pytest.raises(ConnectionError, match="the bank is away"):
        app.invoke({}, CONFIG)
    assert app.invoke(None, CONFIG)["seen"] == ["paid"]
    assert effects == [("pay", idempotency_key("contract-1", "pay"))] * 2


def test_another_visit_in_a_loop_repeats_it_with_the_same_idempotency_key(effects):
    def node(state: State) -> Command[Any]:
        update = {"seen": [once("pay", effects.do("pay"))]}
        return Command(update=update, goto="node0" if len(effects) < 2 else "__end__")

    graph(node).invoke({}, CONFIG)
    assert effects == [("pay", idempotency_key("contract-1", "pay"))] * 2


def test_another_thread_has_effects_of_its_own(effects):
    app = graph(lambda state: {"seen": [once("pay", effects.do("pay"))]})
    app.invoke({}, CONFIG)
    app.invoke({}, {"configurable": {"thread_id": "contract-2"}})
    assert len(set(effects)) == 2


def test_without_a_checkpointer_an_effect_happens_all_the_same(effects):
    builder = StateGraph(State)
    builder.add_node("node", lambda state: {"seen": [once("pay", effects.do("pay"))]})
    builder.add_edge(START, "node")
    app = builder.compile()
    assert app.invoke({})["seen"] == ["pay 1"]
    assert app.invoke({})["seen"] == ["pay 2"]
    assert len(set(effects)) == 2


@pytest.mark.parametrize("key", ["", "x" * 201, None, 3, "a\x00", "a\ud800"])
def test_a_key_that_cannot_be_kept_is_refused(key):
    with pytest.raises(ValueError, match=r"once\(\)"):
        once(key, lambda: None)


@pytest.mark.parametrize("effect", [None, "pay", lambda a, b: None, lambda *, a: None])
def test_an_effect_that_takes_something_else_is_refused(effect):
    with pytest.raises(TypeError, match=r"once\(\)"):
        once("pay", effect)


def test_an_async_effect_needs_an_async_node(effects):
    for effect in (effects.ado("pay"), lambda key: effects.ado("pay")(key)):
        app = graph(lambda state, effect=effect: {"seen": [once("pay", effect)]})
        with pytest.raises(TypeError, match="needs an async node"):
            app.invoke({}, CONFIG)
    assert not effects


def test_outside_a_graph_there_is_no_thread_to_keep_it_for():
    with pytest.raises(RuntimeError, match="inside a node"):
        once("pay", lambda: None)
    with pytest.raises(RuntimeError, match="inside a node"):
        RunnableLambda(lambda _: once("pay", lambda: None)).invoke(1)


# --- with a desk -------------------------------------------------------------------------------


class Log:
    """An effect log in memory, as a desk keeps one for the thread of a run."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.results: dict[str, Any] = {}
        self.begun: list[str] = []
        self.completing = asyncio.Event()
        self.completed = asyncio.Event()

    async def begin(self, key: str) -> Begun:
        assert asyncio.get_running_loop() is self.loop
        await asyncio.sleep(0)
        self.begun.append(key)
        return Begun(
            done=key in self.results, result=self.results.get(key), idempotency_key=f"key of {key}"
        )

    async def complete(self, key: str, result: Any) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.completing.set()
        await asyncio.sleep(0)
        self.results[key] = result
        self.completed.set()


@pytest.fixture
async def log() -> Log:
    return Log()


def with_desk(log: Log) -> dict[str, Any]:
    return {"configurable": {"thread_id": "contract-1", "__signoff": SimpleNamespace(effects=log)}}


def paying(effects: Effects, *, asynchronous: bool) -> Callable[[Any], Any]:
    def node(state: Any) -> State:
        return {"seen": [once("pay", effects.do("pay"))]}

    async def anode(state: Any) -> State:
        return {"seen": [await once("pay", effects.ado("pay"))]}

    return anode if asynchronous else node


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_desk_keeps_an_effect_for_the_whole_thread(log, effects, asynchronous):
    node = paying(effects, asynchronous=asynchronous)
    for app in (graph(node), graph(node), graph(graph(node))):
        assert (await app.ainvoke({}, with_desk(log)))["seen"] == ["pay 1"]
    assert effects == [("pay", "key of pay")]
    assert log.results == {"pay": "pay 1"}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_branches_that_come_to_an_effect_together_share_it(log, effects, asynchronous):
    builder = StateGraph(State)
    builder.add_node("node", paying(effects, asynchronous=asynchronous))
    builder.add_conditional_edges(START, lambda state: [Send("node", {}) for _ in range(8)])
    app = builder.compile(checkpointer=InMemorySaver())
    assert (await app.ainvoke({}, with_desk(log)))["seen"] == ["pay 1"] * 8
    assert effects.names == ["pay"]


async def test_the_same_key_twice_in_a_node_is_one_effect_of_the_desk(log, effects):
    async def node(state: State) -> State:
        calls = [once("pay", effects.ado("pay")), once("pay", effects.ado("pay"))]
        return {"seen": list(await asyncio.gather(*calls))}

    assert (await graph(node).ainvoke({}, with_desk(log)))["seen"] == ["pay 1", "pay 1"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_effect_that_raises_is_not_noted_by_the_desk(log, effects, asynchronous):
    def failing(key: str) -> str:
        effects.do("pay")(key)
        raise ConnectionError

    def node(state: State) -> State:
        return {"seen": [once("pay", failing)]}

    async def anode(state: State) -> State:
        return {"seen": [await once("pay", failing)]}

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await graph(anode if asynchronous else node).ainvoke({}, with_desk(log))
    assert effects.names == ["pay", "pay"]
    assert not log.results
    node = paying(effects, asynchronous=asynchronous)
    assert (await graph(node).ainvoke({}, with_desk(log)))["seen"] == ["pay 3"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_a_desk_refuses_reaches_the_node(log, effects, asynchronous, monkeypatch):
    async def refuse(*args: Any) -> Any:
        raise LeaseLost("another worker has taken over")

    node = paying(effects, asynchronous=asynchronous)
    for method in ("complete", "begin"):
        monkeypatch.setattr(log, method, refuse)
        with pytest.raises(LeaseLost):
            await graph(node).ainvoke({}, with_desk(log))
    assert effects.names == ["pay"]
    monkeypatch.undo()
    assert (await graph(node).ainvoke({}, with_desk(log)))["seen"] == ["pay 2"]


async def test_an_effect_that_happened_is_noted_even_if_its_run_is_cancelled_then(log, effects):
    run = asyncio.create_task(graph(paying(effects, asynchronous=True)).ainvoke({}, with_desk(log)))
    await log.completing.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await log.completed.wait()
    assert log.results == {"pay": "pay 1"}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_effect_within_itself_is_refused_instead_of_waiting_forever(log, asynchronous):
    def node(state: State) -> State:
        return {"seen": [once("pay", lambda: once("pay", lambda: 1))]}

    async def anode(state: State) -> State:
        return {"seen": [await once("pay", lambda: once("pay", lambda: 1))]}

    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="inside its own effect"):
            await graph(anode if asynchronous else node).ainvoke({}, with_desk(log))


async def test_a_sync_graph_in_the_desks_own_loop_is_refused_instead_of_blocking_it(log, effects):
    inner = graph(paying(effects, asynchronous=False))

    async def node(state: State) -> Any:
        return inner.invoke({})

    with pytest.raises(RuntimeError, match="ainvoke"):
        await graph(node).ainvoke({}, with_desk(log))


async def test_a_node_in_an_event_loop_of_its_own_reaches_the_desks(log, effects):
    def node(state: State) -> State:
        async def work() -> Any:
            return await once("pay", effects.ado("pay"))

        return {"seen": [asyncio.run(work())]}

    assert (await graph(node).ainvoke({}, with_desk(log)))["seen"] == ["pay 1"]
    assert log.results == {"pay": "pay 1"}
