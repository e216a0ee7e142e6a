"""Policies at work: who may decide, how many must, until when, and what happens otherwise."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph

from signoff import Signoff, ask
from signoff.domain.errors import AlreadyClaimed, Forbidden, RequestClosed
from signoff.domain.user import Absence, User
from signoff.service import inbox
from signoff.service.inbox import Search
from signoff.service.users import put_users
from tests.conftest import Clock, OpenDesk
from tests.helpers import time_kept


class State(TypedDict, total=False):
    policy: dict[str, Any]
    decision: dict[str, Any]


def review(state: State) -> State:
    decision = ask("Sign?", actions=["approve", "reject"], **state["policy"])
    return {
        "decision": {
            "action": decision.action,
            "by": decision.by,
            "timed_out": decision.timed_out,
            "escalated": decision.escalated,
            "votes": len(decision.votes),
            "hours": decision.waited / timedelta(hours=1),
        }
    }


def graph() -> StateGraph:
    builder = StateGraph(State)
    builder.add_node("review", review)
    builder.add_edge(START, "review")
    return builder


async def asked(desk: Signoff, by: str = "sales", **policy: Any) -> Any:
    """A request under this policy."""
    run = await desk.start("g", {"policy": policy}, by=by)
    await desk.wait(run.thread_id, timeout=30)
    [request] = (await desk.requests(thread_id=run.thread_id)).items
    return request


async def outcome(desk: Signoff, request: Any) -> dict[str, Any]:
    """What the node got."""
    thread = await desk.wait(request.thread_id, timeout=30)
    assert thread.error is None
    decision: dict[str, Any] = thread.values["decision"]
    return decision


async def test_a_quorum_of_equal_votes_closes_a_request_and_fewer_do_not(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": graph()})
    request = await asked(desk, quorum=2)
    first = await desk.decide(request.id, "approve", by="ann")
    assert (first.state, len(first.votes), first.missing) == ("open", 1, 1)
    again = await desk.decide(request.id, "approve", by="ann")
    assert (again.state, len(again.votes)) == ("open", 1)
    closed = await desk.decide(request.id, "approve", by="bob")
    assert closed.state == "decided"
    assert (await outcome(desk, request))["votes"] == 2


async def test_a_vote_can_be_changed_and_taken_back_while_the_request_is_open(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": graph()})
    request = await asked(desk, quorum=2, veto=False)
    await desk.decide(request.id, "approve", by="ann")
    await desk.decide(request.id, "reject", by="ann")
    changed = await desk.request(request.id)
    assert [(vote.by, vote.action) for vote in changed.votes] == [("ann", "reject")]
    taken_back = await desk.take_back(request.id, by="ann")
    assert taken_back.votes == ()
    await desk.decide(request.id, "reject", by="ann")
    await desk.decide(request.id, "reject", by="bob")
    assert (await outcome(desk, request))["action"] == "reject"
    with pytest.raises(RequestClosed):
        await desk.take_back(request.id, by="ann")


async def test_one_veto_closes_a_request_of_many_votes(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": graph()})
    request = await asked(desk, quorum=3)
    await desk.decide(request.id, "approve", by="ann")
    await desk.decide(request.id, "reject", by="bob")
    assert (await outcome(desk, request))["action"] == "reject"


async def test_thirty_votes_at_once_close_a_request_of_eight_once(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": graph()})
    request = await asked(desk, quorum=8)

    async def vote(number: int) -> bool:
        try:
            await desk.decide(request.id, "approve", by=f"reviewer-{number}")
        except RequestClosed:
            return False
        return True

    counted = await asyncio.gather(*(vote(number) for number in range(30)))
    assert counted.count(True) == 8
    assert (await outcome(desk, request))["votes"] == 8
    events = [entry["event"] for entry in await desk.audit(request_id=request.id)]
    assert (events.count("request.voted"), events.count("request.decided")) == (7, 1)


async def test_only_those_asked_may_decide_and_the_others_are_told_who_may(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": graph()})
    await put_users(desk.office, [User(name="lea", groups=("legal",)), User(name="tom")])
    request = await asked(desk, to=["group:legal", "jane@firm.com"])
    with pytest.raises(Forbidden, match=r"group:legal or jane@firm\.com"):
        await desk.decide(request.id, "approve", by="tom")
    assert (await desk.request(request.id)).votes == ()
    await desk.decide(request.id, "approve", by="lea")
    assert (await outcome(desk, request))["by"] == "lea"


async def test_whoever_started_the_run_may_not_decide_under_four_eyes(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": graph()})
    request = await asked(desk, by="sales", four_eyes=True)
    with pytest.raises(Forbidden, match="four_eyes"):
        await desk.decide(request.id, "approve", by="sales")
    await desk.decide(request.id, "approve", by="jane")
    assert (await outcome(desk, request))["by"] == "jane"


async def test_a_delegate_and_a_substitute_are_admitted(open_desk: OpenDesk, clock: Clock) -> None:
    desk = await open_desk({"g": graph()}, now=clock)
    away = Absence(substitute="sub", since=clock(), until=clock() + timedelta(days=7))
    jane = User(name="jane", absences=(away,))
    await put_users(desk.office, [jane, User(name="sub"), User(name="dan")])
    first, second = await asked(desk, to="jane"), await asked(desk, to="jane")
    with pytest.raises(Forbidden):
        await desk.decide(first.id, "approve", by="dan")
    handed_on = await desk.delegate(first.id, "dan", by="jane")
    assert [(each.by, each.to) for each in handed_on.delegations] == [("jane", "dan")]
    await desk.decide(first.id, "approve", by="dan")
    await desk.decide(second.id, "approve", by="sub")
    clock.forward(timedelta(days=8))
    third = await asked(desk, to="jane")
    with pytest.raises(Forbidden):
        await desk.decide(third.id, "approve", by="sub")


async def test_what_is_for_somebody_is_what_they_may_decide_by_name(
    open_desk: OpenDesk, clock: Clock
) -> None:
    desk = await open_desk({"g": graph()}, now=clock)
    away = Absence(substitute="sub", until=clock() + timedelta(days=7))
    jane = User(name="jane", groups=("legal",), absences=(away,))
    await put_users(desk.office, [jane, User(name="sub"), User(name="tom", groups=("legal",))])
    named = await asked(desk, to="jane")
    grouped = await asked(desk, to="group:legal", four_eyes=True, by="tom")

    async def mine(name: str) -> list[str]:
        return [each.id for each in (await desk.requests(assignee=name, sort="opened_at")).items]

    assert await mine("jane") == [named.id, grouped.id]
    assert await mine("sub") == [named.id]
    assert await mine("tom") == []

    async def told(name: str) -> set[str]:
        asked = [named.id, grouped.id]
        found = await inbox.for_somebody(desk.office, asked, by=name, graphs=None)
        assert await inbox.for_somebody(desk.office, asked, by=name, graphs=["other"]) == []
        return {each.id for each in found}

    assert await told("jane") == {named.id, grouped.id}
    assert await told("sub") == {named.id}
    assert await told("tom") == set()
    clock.forward(timedelta(days=8))
    assert await mine("sub") == []
    assert await told("sub") == set()


async def test_what_is_new_is_counted_as_far_as_lists_are(
    open_desk: OpenDesk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await open_desk({"g": graph()}, now=clock)
    await asked(desk, to="jane")
    since = clock()
    for _ in range(3):
        clock.forward(timedelta(minutes=1))
        await asked(desk, to="jane")

    async def new(**search: str) -> int:
        return await inbox.count_since(desk.office, Search(**search), since, by="jane")

    assert (await new(), await new(view="mine"), await new(q="nothing")) == (3, 3, 0)
    monkeypatch.setattr(inbox, "MOST", 1)
    assert await new(view="mine") == 2, "which says that there are more"


async def test_a_claim_shows_who_works_on_it_and_a_comment_what_was_said(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk({"g": graph()})
    request = await asked(desk)
    await desk.claim(request.id, by="ann")
    with pytest.raises(AlreadyClaimed):
        await desk.claim(request.id, by="bob")
    assert [r.id for r in (await desk.requests(assignee="ann")).items] == [request.id]
    said = await desk.comment(request.id, "See clause 4.", by="bob")
    assert [(each.by, each.text) for each in said.comments] == [("bob", "See clause 4.")]
    released = await desk.release(request.id, by="ann")
    assert released.claimed_by is None
    events = [entry["event"] for entry in await desk.audit(request_id=request.id)]
    assert events == [
        "request.opened",
        "request.claimed",
        "request.commented",
        "request.released",
    ]


async def test_a_withdrawn_request_takes_no_decision(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": graph()})
    request = await asked(desk)
    assert (await desk.withdraw(request.id, by="sales", note="no longer needed")).state == (
        "withdrawn"
    )
    with pytest.raises(RequestClosed):
        await desk.decide(request.id, "approve", by="jane")


async def test_the_clock_reminds_escalates_and_decides_in_order_and_once(
    open_desk: OpenDesk, clock: Clock
) -> None:
    desk = await open_desk({"g": graph()}, now=clock)
    request = await asked(
        desk,
        to="jane",
        within="24h",
        remind=["8h"],
        escalate=[{"after": "12h", "to": "boss"}],
        otherwise="reject",
    )
    assert request.deadline == clock() + timedelta(hours=24)
    clock.forward(timedelta(hours=9))
    await asyncio.gather(*(time_kept(desk) for _ in range(4)))
    clock.forward(timedelta(hours=4))
    await asyncio.gather(*(time_kept(desk) for _ in range(4)))
    escalated = await desk.request(request.id)
    assert (escalated.state, escalated.priority) == ("open", "high")
    assert "boss" in escalated.audience
    clock.forward(timedelta(hours=12))
    await asyncio.gather(*(time_kept(desk) for _ in range(4)))
    assert await outcome(desk, request) == {
        "action": "reject",
        "by": "system",
        "timed_out": True,
        "escalated": True,
        "votes": 0,
        "hours": 25,
    }
    events = [entry["event"] for entry in await desk.audit(request_id=request.id)]
    assert events == [
        "request.opened",
        "request.reminded",
        "request.escalated",
        "request.expired",
        "request.delivered",
    ]


async def test_without_a_fallback_a_late_request_stays_open_and_is_overdue(
    open_desk: OpenDesk, clock: Clock
) -> None:
    desk = await open_desk({"g": graph()}, now=clock)
    request = await asked(desk, within="1h")
    clock.forward(timedelta(hours=2))
    await time_kept(desk)
    await time_kept(desk)
    late = await desk.request(request.id)
    assert (late.state, late.overdue, late.wake_at) == ("open", True, None)
    assert [r.id for r in (await desk.requests(overdue=True)).items] == [request.id]
    await desk.decide(request.id, "approve", by="jane")
    assert await outcome(desk, request) == {
        "action": "approve",
        "by": "jane",
        "timed_out": False,
        "escalated": False,
        "votes": 1,
        "hours": 2,
    }


async def test_of_a_decision_and_the_deadline_at_once_exactly_one_wins(
    open_desk: OpenDesk, clock: Clock
) -> None:
    desk = await open_desk({"g": graph()}, now=clock)
    for _ in range(10):
        request = await asked(desk, within="1h", otherwise="reject")
        clock.forward(timedelta(hours=1))
        results = await asyncio.gather(
            desk.decide(request.id, "approve", by="jane"),
            time_kept(desk),
            return_exceptions=True,
        )
        refused = isinstance(results[0], RequestClosed)
        assert refused or not isinstance(results[0], BaseException)
        assert (await outcome(desk, request))["timed_out"] is refused
