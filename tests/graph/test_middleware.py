"""LangChain's `HumanInTheLoopMiddleware`, both ways, in agents that know nothing of Signoff."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from signoff import Signoff
from signoff.domain.errors import InvalidAnswer
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.thread import ThreadStatus
from signoff.service.decide import resume
from tests.conftest import OpenDesk
from tests.graph.agents import ASKED, Address, World
from tests.helpers import listed, settled, started, the_open

PAY = {"amount": "10.50", "to": {"iban": "DE1"}, "times": 2, "on": "2026-03-02", "now": True}
NOTIFY = {"to": "jane", "text": "Paid."}


def pointers(refused: pytest.ExceptionInfo[InvalidAnswer]) -> list[str]:
    return [error.pointer for error in refused.value.errors]


def said(thread: Any, name: str) -> list[tuple[str, str]]:
    """What the model was told of the calls of a tool, as JSON has it."""
    return [
        (message["status"], message["content"])
        for message in thread.values["messages"]
        if message.get("name") == name
    ]


async def submitted(desk: Signoff, request: Request, *decisions: Any) -> Any:
    await desk.decide(request.id, "submit", values={"decisions": list(decisions)}, by="jane")
    return await settled(desk)


# --- batched: one request for all calls of a message ------------------------------------------


async def test_a_batch_is_decided_item_by_item_and_delivered_together(open_desk: OpenDesk) -> None:
    world = World()
    calls = [("pay", PAY), ("look_up", {"what": "rates"}), ("notify", NOTIFY), ("notify", NOTIFY)]
    desk = await open_desk({"g": world.agent(calls)})
    await started(desk, input=ASKED)
    request = await the_open(desk)
    assert (request.kind, request.topic) == ("tool_batch", None)
    assert request.title == "3 tool calls: pay, notify (2)"
    assert request.action_names == ("submit", "approve", "reject")
    assert world.calls == []

    edited = {**PAY, "amount": "0.1", "times": 3, "factor": 2, "now": False}
    thread = await submitted(
        desk,
        request,
        {"type": "edit", "edited_action": {"args": edited}},
        {"type": "reject", "message": "She knows."},
        {"type": "respond", "message": "Told her myself."},
    )
    assert thread.status is ThreadStatus.IDLE
    assert sorted(name for name, _ in world.calls) == ["look_up", "pay"]
    paid = dict(world.calls)["pay"]
    assert paid == {
        "amount": Decimal("0.1"),
        "to": Address(iban="DE1"),
        "times": 3,
        "on": date(2026, 3, 2),
        "factor": 2.0,
        "now": False,
    }
    assert "She knows." in said(thread, "notify")[0][1]
    assert said(thread, "notify")[1] == ("success", "Told her myself.")


WRONG: list[tuple[Any, list[str]]] = [
    ([], ["/values/decisions"]),
    ([{"type": "approve"}], ["/values/decisions"]),
    ([{"type": "approve"}] * 3, ["/values/decisions"]),
    ([{"type": "reject"}, {"type": "approve"}], ["/values/decisions/0/type"]),
    ([{"type": "approve"}, {"type": "respond"}], ["/values/decisions/1/message"]),
    ([{"type": "approve"}, {"type": "sell"}], ["/values/decisions/1/type"]),
    (
        [{"type": "edit", "edited_action": {"name": "notify", "args": PAY}}, "approve"],
        ["/values/decisions/0/edited_action/name", "/values/decisions/1"],
    ),
    (
        [{"type": "edit", "edited_action": {}}, {}],
        ["/values/decisions/0/edited_action/args", "/values/decisions/1/type"],
    ),
    ("approve", ["/values/decisions"]),
]


async def test_a_wrong_count_or_a_decision_that_is_not_allowed_cannot_be_sent(
    open_desk: OpenDesk,
) -> None:
    world = World()
    agent = world.agent([("pay", PAY), ("notify", NOTIFY)], pay=["approve", "edit"])
    desk = await open_desk({"g": agent})
    await started(desk, input=ASKED)
    request = await the_open(desk)
    assert request.action_names == ("submit", "approve")  # not all of them may be rejected
    for decisions, at in WRONG:
        with pytest.raises(InvalidAnswer) as refused:
            await desk.decide(request.id, "submit", values={"decisions": decisions}, by="jane")
        assert pointers(refused) == at
        with pytest.raises(InvalidAnswer):
            await resume(desk.office, "t", {"decisions": decisions}, by="jane")
    with pytest.raises(InvalidAnswer):
        await desk.decide(request.id, "reject", by="jane")
    assert (await the_open(desk)).votes == ()
    assert world.calls == []

    thread = await submitted(desk, request, {"type": "approve"}, {"type": "reject"})
    assert thread.status is ThreadStatus.IDLE
    assert [name for name, _ in world.calls] == ["pay"]


@pytest.mark.parametrize(("action", "done"), [("approve", 2), ("reject", 0)])
async def test_a_batch_may_be_approved_or_rejected_as_a_whole(
    open_desk: OpenDesk, action: str, done: int
) -> None:
    world = World()
    desk = await open_desk({"g": world.agent([("notify", NOTIFY), ("notify", {"to": "joe"})])})
    await started(desk, input=ASKED)
    request = await the_open(desk)
    assert request.topic == "notify"
    assert request.actions[1]["label"] == "Approve all"
    await desk.decide(request.id, action, by="jane", note="Not today.")
    thread = await settled(desk)
    assert len(world.calls) == done
    assert all(("Not today." in text) is (done == 0) for _, text in said(thread, "notify"))


async def test_several_turns_ask_one_after_the_other_and_each_call_is_made_once(
    open_desk: OpenDesk,
) -> None:
    world = World()
    turns = [[("notify", {"to": str(n)})] for n in range(3)]
    desk = await open_desk({"g": world.agent(*turns)})
    await started(desk, input=ASKED)
    for n in range(3):
        request = await the_open(desk)
        assert request.title == f'notify(to="{n}")'
        assert len(world.calls) == n
        await submitted(desk, request, {"type": "approve"})
    assert [args["to"] for _, args in world.calls] == ["0", "1", "2"]
    assert [r.state for r in await listed(desk)] == [RequestState.DECIDED] * 3


async def test_the_answer_of_a_batch_may_come_in_langgraphs_own_form(open_desk: OpenDesk) -> None:
    world = World()
    desk = await open_desk({"g": world.agent([("pay", PAY), ("notify", NOTIFY)])})
    await started(desk, input=ASKED)
    edit = {"type": "edit", "edited_action": {"name": "pay", "args": {**PAY, "times": 7}}}
    await resume(desk.office, "t", {"decisions": [edit, {"type": "reject"}]}, by="jane")
    await settled(desk)
    [(name, args)] = world.calls
    assert (name, args["times"]) == ("pay", 7)
    [request] = await listed(desk)
    assert request.outcome is not None
    assert request.outcome.action == "submit"


# --- per call: a request for each -------------------------------------------------------------


async def test_parallel_calls_are_decided_each_for_itself_and_made_once(
    open_desk: OpenDesk,
) -> None:
    world = World()
    calls = [("notify", {"to": to}) for to in ("a", "b", "c")]
    desk = await open_desk({"g": world.agent(calls, mode="per_call")})
    await started(desk, input=ASKED)
    first, second, third = sorted(await listed(desk, "open"), key=lambda r: r.title)
    assert (first.kind, first.topic, first.title) == ("tool_approval", "notify", 'notify(to="a")')
    assert first.action_names == ("approve", "edit", "reject", "respond")

    await desk.decide(second.id, "approve", by="jane")
    await settled(desk)
    assert world.calls == [("notify", {"to": "b", "text": ""})]
    assert {request.id for request in await listed(desk, "open")} == {first.id, third.id}
    await desk.decide(first.id, "reject", by="jane", note="Not her.")
    await settled(desk)
    await desk.decide(third.id, "respond", by="joe", note="She knows.")
    thread = await settled(desk)
    assert thread.status is ThreadStatus.IDLE
    assert len(world.calls) == 1
    texts = sorted(text for _, text in said(thread, "notify"))
    assert texts[0] == "She knows."
    assert texts[1].endswith("with reason: Not her.")


async def test_edited_arguments_are_checked_by_the_tools_own_schema_and_keep_their_types(
    open_desk: OpenDesk,
) -> None:
    world = World()
    desk = await open_desk({"g": world.agent([("pay", PAY)], mode="per_call")})
    await started(desk, input=ASKED)
    request = await the_open(desk)
    [edit] = [action for action in request.actions if action["name"] == "edit"]
    assert edit["schema"]["properties"]["args"]["default"] == PAY
    for wrong, at in [
        ({**PAY, "times": "2"}, "/values/args/times"),
        ({**PAY, "to": {}}, "/values/args/to/iban"),
        ({**PAY, "on": "tomorrow"}, "/values/args/on"),
        ({**PAY, "amount": None}, "/values/args/amount"),
        ({key: PAY[key] for key in PAY if key != "now"}, "/values/args/now"),
    ]:
        with pytest.raises(InvalidAnswer) as refused:
            await desk.decide(request.id, "edit", values={"args": wrong}, by="jane")
        assert pointers(refused) == [at]
    with pytest.raises(InvalidAnswer) as refused:
        await desk.decide(request.id, "edit", values={"args": PAY, "name": "notify"}, by="jane")
    assert pointers(refused) == ["/values/name"]

    edited = {**PAY, "amount": "0.10", "times": 3, "factor": 1.0, "to": {"iban": "x", "bic": None}}
    await desk.decide(request.id, "edit", values={"args": edited, "name": "pay"}, by="jane")
    thread = await settled(desk)
    assert thread.status is ThreadStatus.IDLE
    [(_, paid)] = world.calls
    assert paid["amount"] == Decimal("0.10")
    assert str(paid["amount"]) == "0.10"
    assert (paid["times"], type(paid["times"]), type(paid["factor"])) == (3, int, float)


async def test_only_what_a_tool_allows_is_offered_or_taken(open_desk: OpenDesk) -> None:
    world = World()
    agent = world.agent([("pay", PAY), ("notify", NOTIFY)], mode="per_call", pay=["reject"])
    desk = await open_desk({"g": agent})
    await started(desk, input=ASKED)
    by_tool = {request.topic: request for request in await listed(desk, "open")}
    assert by_tool["pay"].action_names == ("reject",)
    with pytest.raises(InvalidAnswer):
        await desk.decide(by_tool["pay"].id, "approve", by="jane")
    with pytest.raises(InvalidAnswer) as refused:
        await desk.decide(by_tool["notify"].id, "respond", by="jane", note=" ")
    assert pointers(refused) == ["/note"]
    assert len(await listed(desk, "open")) == 2


async def test_the_answers_of_calls_may_come_in_langgraphs_own_form_all_or_none(
    open_desk: OpenDesk,
) -> None:
    world = World()
    calls = [("pay", PAY), ("notify", NOTIFY)]
    desk = await open_desk({"g": world.agent(calls, mode="per_call")})
    await started(desk, input=ASKED)
    by_tool = {request.topic: request for request in await listed(desk, "open")}
    pay, notify = by_tool["pay"].interrupt_id, by_tool["notify"].interrupt_id
    edit = {"type": "edit", "edited_action": {"name": "pay", "args": {**PAY, "times": 9}}}
    for wrong in ({"type": "sell"}, {"type": "respond"}, "approve", {"type": "edit"}):
        with pytest.raises(InvalidAnswer):
            await resume(desk.office, "t", {pay: edit, notify: wrong}, by="jane")
    assert len(await listed(desk, "open")) == 2
    reject = {"type": "reject", "message": "She knows."}
    await resume(desk.office, "t", {pay: edit, notify: reject}, by="jane")
    thread = await settled(desk)
    assert [(name, args["times"]) for name, args in world.calls] == [("pay", 9)]
    [(status, text)] = said(thread, "notify")
    assert status == "error"
    assert text.endswith("She knows.")


async def test_what_only_the_tools_own_type_refuses_shows_and_can_be_asked_again(
    open_desk: OpenDesk,
) -> None:
    """The schema of a `Decimal` takes any text. The node refuses it, and nothing is lost."""
    world = World()
    desk = await open_desk({"g": world.agent([("pay", PAY)], mode="per_call")})
    await started(desk, input=ASKED)
    request = await the_open(desk)
    wrong = {"args": {**PAY, "amount": "a lot"}}
    await desk.decide(request.id, "edit", values=wrong, by="jane")
    assert (await settled(desk)).status is ThreadStatus.ERROR
    [request] = await listed(desk)
    assert request.delivery is Delivery.FAILED
    assert "amount" in (request.delivery_error or "")
    await desk.retry(request.id, by="jane", reask=True)
    await settled(desk)
    again = await the_open(desk)
    await desk.decide(again.id, "edit", values={"args": {**PAY, "amount": "3"}}, by="jane")
    assert (await settled(desk)).status is ThreadStatus.IDLE
    assert [args["amount"] for _, args in world.calls] == [Decimal("3")]
