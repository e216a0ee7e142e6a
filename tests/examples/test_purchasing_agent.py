"""The purchasing agent as it is served: what is free is done, what is not waits, call by call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signoff.domain.errors import Forbidden, InvalidAnswer
from tests.examples.conftest import Example

BEA = "bea@firm.com"
PAPER = {"sku": "PAP-A4", "quantity": 50, "supplier": "Northern Paper"}


def begin(example: Example, thread: str, wish: str = "Buy 50 packs of paper.") -> dict[str, Any]:
    messages = [{"role": "user", "content": wish}]
    return example.start("purchasing_agent", thread, messages=messages)


def book(example: Example, name: str) -> list[dict[str, Any]]:
    path = example.effects / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def last(thread: dict[str, Any]) -> str:
    said: str = thread["values"]["messages"][-1]["content"]
    return said


def test_looking_up_is_free_and_an_order_waits_for_a_buyer(example: Example) -> None:
    begin(example, "order")
    request = example.open("order")
    assert request.payload["show"] == {"tool": "create_purchase_order", "args": PAPER}
    assert request.deadline is not None
    before = book(example, "orders")
    with pytest.raises(Forbidden, match="group:buyers"):
        example.decide(request, "approve", "requester@firm.com")
    assert book(example, "orders") == before

    example.decide(request, "approve", BEA)
    [order] = book(example, "orders")[len(before) :]
    assert {name: order[name] for name in PAPER} == PAPER


def test_two_calls_of_one_message_wait_side_by_side_and_each_is_done_once(
    example: Example,
) -> None:
    begin(example, "notify")
    example.answer("notify", "approve", BEA)
    before = book(example, "messages")
    first, second = example.all_open("notify")
    assert {first.topic, second.topic} == {"notify"}

    example.decide(second, "approve")
    assert [request.id for request in example.all_open("notify")] == [first.id]
    done = example.decide(first, "reject", note="They know.")
    assert done["status"] == "idle"
    assert last(done).endswith("1 of 2 people were notified.")
    [sent] = book(example, "messages")[len(before) :]
    assert sent["recipient"] == second.payload["show"]["args"]["recipient"]


def test_the_arguments_of_a_call_can_be_edited_by_its_own_schema(example: Example) -> None:
    begin(example, "edited")
    request = example.open("edited")
    with pytest.raises(InvalidAnswer) as refused:
        example.decide(request, "edit", BEA, values={**PAPER, "quantity": "many"})
    assert [error.pointer for error in refused.value.errors] == ["/values/quantity"]

    before = book(example, "orders")
    edited = example.decide(request, "edit", BEA, values={**PAPER, "quantity": 20})
    [order] = book(example, "orders")[len(before) :]
    assert order["quantity"] == 20
    [told] = [m for m in edited["values"]["messages"] if m.get("name") == "create_purchase_order"]
    assert f"changed by {BEA}" in told["content"]


def test_a_rejected_order_is_told_to_the_model_which_stops(example: Example) -> None:
    before = book(example, "orders")
    begin(example, "rejected", "Buy 3 toner cartridges.")
    done = example.answer("rejected", "reject", BEA, note="There is plenty.")
    assert done["status"] == "idle"
    assert last(done) == f"Nothing was ordered. Rejected by {BEA}: There is plenty."
    assert book(example, "orders") == before


def test_what_needs_nobody_asks_nobody(example: Example) -> None:
    done = begin(example, "nothing", "Buy a yacht.")
    assert (done["status"], last(done)) == ("idle", "There is no such product.")
    assert example.requests("nothing") == []
