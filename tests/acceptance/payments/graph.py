"""Pays what a person approves, and at every step waits for the test's word to go on.

The same graph twice, with sync and with async nodes. Its one effect is a link that can be created
only once, named by the idempotency key that `once()` hands over.
"""

import asyncio
import json
import operator
import os
import socket
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

from langgraph.config import get_config, get_stream_writer
from langgraph.graph import START, StateGraph

from signoff import ask, once
from signoff.worker import engine

if "POLL" in os.environ:
    engine.POLL = float(os.environ["POLL"])  # takes away the safety net that no wake-up needs


class State(TypedDict, total=False):
    """`steps` are the nodes whose results were kept, in order."""

    amount: int
    action: str
    receipt: str
    steps: Annotated[list[str], operator.add]


def gate(place: str) -> None:
    """Tell the test that this process has come to a place, and go on when it says so."""
    thread_id = get_config()["configurable"]["thread_id"]
    here = {"place": place, "thread_id": thread_id, "pid": os.getpid(), "at": time.time()}
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ["GATES"])
        line.sendall(json.dumps(here).encode() + b"\n")
        if not line.recv(1):
            raise ConnectionError("the test has ended")


def pay(key: str) -> str:
    """The effect: a link that exists once and says for whom and by whom it was made, so that no
    kill can part the deed from its record; whoever finds it there leaves another that says so."""
    gate("paying")
    effects = Path(os.environ["EFFECTS"])
    record = f"{get_config()['configurable']['thread_id']} {os.getpid()}"
    try:
        os.symlink(record, effects / "performed" / key)
    except FileExistsError:
        os.symlink(record, effects / "repeated" / uuid4().hex)
    gate("paid")
    return key


def question(state: State) -> dict[str, Any]:
    """What the reviewer is asked."""
    return {"title": f"Pay {state['amount']}?", "show": {"amount": state["amount"]}}


def prepare(state: State) -> State:
    gate("prepare")
    return {"steps": ["prepare"]}


def review(state: State) -> State:
    gate("review")
    decision = ask(**question(state), actions=["approve", "reject"])
    gate("reviewed")
    return {"action": decision.action, "steps": ["review"]}


def finalize(state: State) -> State:
    gate("finalize")
    try:
        receipt = once("pay", pay)
    except Exception as error:
        gate(f"refused: {type(error).__name__}")
        raise
    gate("finalized")
    return {"receipt": receipt, "steps": ["finalize"]}


async def prepare_async(state: State) -> State:
    await asyncio.to_thread(gate, "prepare")
    return {"steps": ["prepare"]}


async def review_async(state: State) -> State:
    await asyncio.to_thread(gate, "review")
    decision = ask(**question(state), actions=["approve", "reject"])
    await asyncio.to_thread(gate, "reviewed")
    return {"action": decision.action, "steps": ["review"]}


async def finalize_async(state: State) -> State:
    await asyncio.to_thread(gate, "finalize")
    receipt = await once("pay", pay_async)
    await asyncio.to_thread(gate, "finalized")
    return {"receipt": receipt, "steps": ["finalize"]}


async def pay_async(key: str) -> str:
    return await asyncio.to_thread(pay, key)


def chain(**nodes: Any) -> StateGraph[Any]:
    """A graph of these nodes, one after the other."""
    builder: StateGraph[Any] = StateGraph(State)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder


def route(state: State) -> str:
    """Where to go on: asked as `prepare` ends, and again with the values of a reviewer."""
    gate("route")
    return "finalize"


def stopping() -> Any:
    """A graph that pays after a breakpoint, to which a reviewer may add."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("prepare", prepare)
    builder.add_node("finalize", finalize)
    builder.add_edge(START, "prepare")
    builder.add_conditional_edges("prepare", route, ["finalize"])
    return builder.compile(interrupt_before=["finalize"])


def tell(state: State) -> State:
    """Streams what it does, and stands in the middle of that."""
    write = get_stream_writer()
    for number in range(50):
        write(number)
    gate("half told")
    for number in range(50, 100):
        write(number)
    return {"steps": ["tell"]}


telling = chain(tell=tell, review=review)
payment_at_breakpoint = stopping()
payment = chain(prepare=prepare, review=review, finalize=finalize)
payment_async = chain(prepare=prepare_async, review=review_async, finalize=finalize_async)
