"""The agent behind LangChain's middleware as it is served: in a batch, and call by call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signoff.client import Request
from signoff.domain.errors import Forbidden, InvalidAnswer
from tests.examples.conftest import Example

FIN = "fin@firm.com"


def begin(example: Example, graph: str, thread: str, number: int = 17) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Refund invoice {number}."}]
    return example.start(graph, thread, messages=messages)


def book(example: Example, name: str) -> list[dict[str, Any]]:
    path = example.effects / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def submit(example: Example, request: Request, *decisions: Any, by: str = FIN) -> dict[str, Any]:
    return example.decide(request, "submit", by, values={"decisions": list(decisions)})


def test_a_batch_is_decided_call_by_call_and_goes_on_together(example: Example) -> None:
    begin(example, "batched", "b")
    request = example.open("b")
    assert request.title == "2 tool calls: refund, ask_colleague"
    assert [action.name for action in request.actions] == ["submit"]
    edit = {"type": "edit", "edited_action": {"args": {"invoice": 17, "amount": "20.00"}}}
    respond = {"type": "respond", "message": "Sorry!"}
    with pytest.raises(Forbidden, match="group:finance"):
        submit(example, request, edit, respond, by="clerk@firm.com")
    for wrong in ([edit], [respond, edit], [edit, {"type": "approve"}]):
        with pytest.raises(InvalidAnswer):
            submit(example, request, *wrong)
    before = book(example, "refunds")
    submit(example, request, edit, respond)
    [refund] = book(example, "refunds")[len(before) :]
    assert refund["amount"] == "20.00"

    email = example.open("b")
    assert (email.topic, email.policy.get("to")) == ("send_email", [])
    done = submit(example, email, {"type": "approve"}, by="clerk@firm.com")
    assert done["status"] == "idle"
    assert book(example, "emails")[-1]["text"] == "Refunded 20.00 EUR. Sorry!"


def test_calls_by_themselves_wait_side_by_side_each_for_its_people(example: Example) -> None:
    begin(example, "per_call", "c")
    asked = {request.topic: request for request in example.all_open("c")}
    assert asked.keys() == {"refund", "ask_colleague"}
    assert asked["refund"].deadline is not None
    example.decide(asked["ask_colleague"], "respond", note="It was our mistake.")
    with pytest.raises(Forbidden, match="group:finance"):
        example.decide(asked["refund"], "approve", "clerk@firm.com")
    for amount in (None, [20], "20,00 EUR"):
        args = {"invoice": "17", "amount": amount}
        with pytest.raises(InvalidAnswer) as refused:
            example.decide(asked["refund"], "edit", FIN, values={"args": args})
        assert "/values/args/invoice" in [error.pointer for error in refused.value.errors]
    before = book(example, "refunds")
    example.decide(asked["refund"], "reject", FIN, note="It was paid back in May.")
    assert book(example, "refunds") == before

    email = example.open("c")
    assert email.payload["args"]["text"] == "We cannot refund this. It was our mistake."
    edited = {"to": "ada@customer.com", "text": "We paid that back in May."}
    done = example.decide(email, "edit", values={"args": edited})
    assert done["status"] == "idle"
    assert book(example, "emails")[-1]["text"] == edited["text"]


def test_what_needs_nobody_asks_nobody(example: Example) -> None:
    done = begin(example, "batched", "none", number=3)
    assert done["values"]["messages"][-1]["content"] == "There is no such invoice."
    assert example.requests("none") == []
