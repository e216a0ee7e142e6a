"""What a program gives a graph, as JSON."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.graph.message import add_messages
from pydantic import BaseModel

from signoff.domain.errors import InvalidJSON
from signoff.domain.jsontext import MAX_DEPTH, check
from signoff.domain.plain import plain


class Line(BaseModel):
    item: str
    on: date


@dataclass
class Order:
    lines: tuple[Line, ...]


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": [1, 1.5, True, None, "x"]}, {"a": [1, 1.5, True, None, "x"]}),
        ({"a": (1, (2,))}, {"a": [1, [2]]}),
        (Point(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (
            Order((Line(item="pen", on=date(2026, 1, 2)),)),
            {"lines": [{"item": "pen", "on": "2026-01-02"}]},
        ),
    ],
)
def test_models_dataclasses_and_tuples_become_json(given: Any, expected: Any) -> None:
    assert plain(given) == expected
    check(plain(given), where="/input")


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("hi", id="1", name="jo"),
        SystemMessage([{"type": "text", "text": "be kind"}], id="2"),
        ToolMessage("done", tool_call_id="c", status="error", artifact={"n": 1}, id="3"),
        AIMessage("", tool_calls=[{"name": "pay", "args": {"n": 1}, "id": "c"}], id="4"),
    ],
)
def test_a_message_is_the_same_message_to_the_graph(message: Any) -> None:
    given = plain({"messages": [message]})
    check(given, where="/input")
    [taken] = add_messages([], given["messages"])
    assert (type(taken), taken.content, taken.id, taken.name) == (
        type(message),
        message.content,
        message.id,
        message.name,
    )
    assert getattr(taken, "tool_calls", None) == getattr(message, "tool_calls", None)


def test_a_pair_of_role_and_text_is_a_message_to_the_graph() -> None:
    [taken] = add_messages([], plain([("user", "hi")]))
    assert (type(taken), taken.content) == (HumanMessage, "hi")


def cycle() -> list[Any]:
    inside: list[Any] = []
    inside.append([inside, inside])
    return inside


def widening() -> list[Any]:
    value: list[Any] = []
    for _ in range(MAX_DEPTH + 10):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "given", [Decimal(1), {"a": {1, 2}}, [object()], [b"x"], Line, cycle(), widening()]
)
def test_what_has_no_json_is_refused_as_before(given: Any) -> None:
    with pytest.raises(InvalidJSON):
        check(plain(given), where="/input")
