"""Deciding: the first closing decision wins, and nothing changes what is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.types import interrupt

from signoff.db import decisions, runs
from signoff.db.decisions import Recording
from signoff.domain.admission import Reviewer
from signoff.domain.decision import Ballot
from signoff.domain.errors import (
    Conflict,
    IdempotencyKeyReused,
    InvalidAnswer,
    InvalidInput,
    NothingPending,
    RequestClosed,
    RequestNotFound,
    StaleDigest,
    ThreadNotFound,
)
from signoff.domain.request import Request
from signoff.domain.thread import ThreadStatus
from signoff.ids import new_id
from signoff.service.decide import resume
from signoff.service.resuming import resume_of
from signoff.service.voting import closing_of, voted
from tests.conftest import OpenDesk
from tests.helpers import (
    TIMEOUT,
    Log,
    blocked,
    chain,
    events,
    fork,
    listed,
    rows,
    settled,
    started,
    the_open,
)


def review(state: Log) -> Log:
    return {"seen": [interrupt({"question": "which?", "options": ["yes", "no"]})]}


def left(state: Log) -> Log:
    return {"seen": [interrupt("left?")]}


def right(state: Log) -> Log:
    return {"seen": [interrupt("right?")]}


async def paused(open_desk: OpenDesk, **options: Any) -> tuple[Any, Request]:
    desk = await open_desk({"g": chain(review)}, **options)
    await started(desk)
    return desk, await the_open(desk)


async def test_of_many_contradicting_decisions_from_two_processes_one_wins(
    open_desk: OpenDesk,
) -> None:
    desk, request = await paused(open_desk, connections=8)
    other = await open_desk({"g": chain(review)}, work=False, connections=8)

    async def vote(number: int) -> str | None:
        action = "yes" if number % 2 else "no"
        try:
            decided = await (desk if number % 3 else other).decide(
                request.id, action, by=f"reviewer-{number % 32}"
            )
        except RequestClosed:
            return None
        return str(decided.outcome.by)

    outcomes = [by for by in await asyncio.gather(*map(vote, range(64))) if by]
    # One's own repeat returns the first answer; everybody else's comes too late.
    assert len(set(outcomes)) == 1
    thread = await settled(desk)
    assert (thread.status, len(thread.values["seen"])) == (ThreadStatus.IDLE, 1)
    closed = await desk.request(request.id)
    assert (closed.outcome.by, len(closed.votes)) == (outcomes[0], 1)
    assert (await events(desk)).count("request.decided") == 1
    assert len(await rows(desk, "SELECT 1 FROM runs WHERE kind = 'resume'")) == 1


async def test_the_same_idempotency_key_returns_the_first_answer(open_desk: OpenDesk) -> None:
    desk, request = await paused(open_desk)
    same = [
        desk.decide(request.id, "yes", by="jane", note="fine", idempotency_key="k")
        for _ in range(8)
    ]
    answers = await asyncio.gather(*same)
    assert all(answer.outcome == answers[0].outcome for answer in answers)
    await settled(desk)
    again = await desk.decide(request.id, "yes", by="jane", note="fine", idempotency_key="k")
    assert again.outcome == answers[0].outcome
    with pytest.raises(IdempotencyKeyReused):
        await desk.decide(request.id, "no", by="jane", idempotency_key="k")
    with pytest.raises(RequestClosed):  # somebody else's key is another key
        await desk.decide(request.id, "yes", by="john", note="fine", idempotency_key="k")
    for wrong in ("", "x" * 256):
        with pytest.raises(InvalidInput):
            await desk.decide(request.id, "yes", by="jane", idempotency_key=wrong)


async def test_an_idempotency_key_is_good_for_one_request(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": chain(review)})
    for name in ("t1", "t2"):
        await started(desk, thread_id=name)
    first, second = await the_open(desk, "t1"), await the_open(desk, "t2")
    outcomes = await asyncio.gather(
        desk.decide(first.id, "yes", by="jane", idempotency_key="k"),
        desk.decide(second.id, "yes", by="jane", idempotency_key="k"),
        return_exceptions=True,
    )
    assert sum(isinstance(each, IdempotencyKeyReused) for each in outcomes) == 1
    states = [(await desk.request(each.id)).state.value for each in (first, second)]
    assert sorted(states) == ["decided", "open"]


async def test_what_does_not_fit_is_refused_and_stores_nothing(open_desk: OpenDesk) -> None:
    desk, request = await paused(open_desk)
    before = await rows(desk, "SELECT * FROM requests"), await rows(desk, "SELECT * FROM audit")
    for action, values, note, pointer in (
        ("maybe", {}, None, "/action"),
        ("yes", {"x": float("nan")}, None, "/values/x"),
        ("yes", {"x": "\x00"}, None, "/values/x"),
        ("yes", {"\ud800": 1}, None, "/values"),
        ("yes", {"x": {1: 2}}, None, "/values/x"),
        ("yes", {}, "a \x00 note", "/note"),
    ):
        with pytest.raises((InvalidAnswer, InvalidInput)) as refused:
            await desk.decide(request.id, action, by="jane", values=values, note=note)
        assert [error.pointer for error in refused.value.errors] == [pointer]
    for by in ("", "system", " jane", "a\x00b", "x" * 256):
        with pytest.raises(InvalidInput):
            await desk.decide(request.id, "yes", by=by)
    with pytest.raises(StaleDigest):
        await desk.decide(request.id, "yes", by="jane", digest="sha256:other")
    for unknown in (new_id(), "no id", "\x00", ""):
        with pytest.raises(RequestNotFound):
            await desk.decide(unknown, "yes", by="jane")
    for unknown in ("nowhere", "with/slash", "\x00"):
        with pytest.raises(ThreadNotFound):
            await resume(desk.office, unknown, "yes", by="jane")
    assert before == (
        await rows(desk, "SELECT * FROM requests"),
        await rows(desk, "SELECT * FROM audit"),
    )
    assert await rows(desk, "SELECT * FROM votes") == []


async def test_several_answers_in_one_resume_are_taken_all_or_none(open_desk: OpenDesk) -> None:
    desk = await open_desk({"g": fork(review, left)})
    await started(desk)
    asked = {request.title: request for request in await listed(desk)}
    good, bad = asked["left?"].interrupt_id, asked["which?"].interrupt_id
    with pytest.raises(InvalidAnswer):
        await resume(desk.office, "t", {good: "fine", bad: "maybe"}, by="jane")
    assert {request.state.value for request in await listed(desk)} == {"open"}
    await resume(desk.office, "t", {good: "fine", bad: {"action": "yes"}}, by="jane")
    assert (await settled(desk)).status is ThreadStatus.IDLE


async def test_resumes_at_once_answer_once(open_desk: OpenDesk) -> None:
    desk, _request = await paused(open_desk)
    outcomes = await asyncio.gather(
        *(resume(desk.office, "t", "yes", by=f"reviewer-{number}") for number in range(16)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, NothingPending) for each in outcomes) == 15
    assert len((await settled(desk)).values["seen"]) == 1


VALUES = st.sampled_from([1, 1.0, "1", True, None, [1], {"a": 1}])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("decide"),
            st.integers(0, 2),
            st.sampled_from(["jane", "john"]),
            VALUES,
            st.sampled_from([None, "k1", "k2"]),
        ),
        st.tuples(st.just("resume"), st.integers(0, 2), st.sampled_from(["jane", "john"]), VALUES),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("start")),
        st.tuples(st.just("settle")),
    ),
    min_size=3,
    max_size=14,
)

REFUSED = (Conflict, InvalidInput)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_people_do_a_closed_request_never_changes(database_url: str, steps: Any) -> None:
    asyncio.run(_play(database_url, steps))


_plays = 0


async def _play(database_url: str, steps: Any) -> None:
    """Do all this to one thread with three questions, and watch what is closed."""
    global _plays
    from signoff import Signoff
    from signoff.config import Settings

    _plays += 1
    thread_id = f"t{_plays}"
    async with Signoff(database_url, {"g": fork(review3, left, right)}, Settings()) as desk:
        await started(desk, thread_id=thread_id)
        closed: dict[str, tuple[Any, ...]] = {}
        for what, *arguments in steps:
            try:
                if what == "decide":
                    number, by, value, key = arguments
                    request = (await listed(desk, thread_id=thread_id))[number]
                    await desk.decide(
                        request.id,
                        "respond",
                        by=by,
                        values={"value": value},
                        idempotency_key=key and f"{thread_id}-{key}",
                    )
                elif what == "resume":
                    number, by, value = arguments
                    request = (await listed(desk, thread_id=thread_id))[number]
                    await resume(desk.office, thread_id, {request.interrupt_id: value}, by=by)
                elif what == "cancel":
                    [run] = await rows(
                        desk,
                        "SELECT id FROM runs WHERE thread_id = %s ORDER BY created_at DESC LIMIT 1",
                        thread_id,
                    )
                    await desk.cancel(thread_id, str(run["id"]), by="boss")
                elif what == "start":
                    await desk.start("g", {}, by="starter", thread_id=thread_id)
                else:
                    await settled(desk, thread_id)
            except REFUSED:
                pass
            for request in await listed(desk, thread_id=thread_id):
                face = (request.state, request.outcome, request.votes, request.closed_at)
                if request.id in closed:
                    assert closed[request.id] == face
                elif request.state != "open":
                    closed[request.id] = face
                    assert (request.outcome is not None) == (request.state == "decided")
        thread = await settled(desk, thread_id)
        requests = await listed(desk, thread_id=thread_id)
        assert all(request.delivery != "pending" for request in requests)
        if any(request.state == "open" for request in requests):
            assert thread.status is ThreadStatus.INTERRUPTED
        elif thread.status is ThreadStatus.INTERRUPTED:
            assert any(request.delivery == "failed" for request in requests)


def review3(state: Log) -> Log:
    return {"seen": [interrupt("middle?")]}


async def test_a_decision_that_joins_a_resume_that_is_about_to_begin_is_delivered(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It relies on the resume that is queued; so that must not begin before it has committed."""
    reached, go = asyncio.Event(), asyncio.Event()
    begin_next_of = runs.begin_next_of

    async def begin_later(*arguments: Any, **options: Any) -> Any:
        reached.set()
        await go.wait()
        return await begin_next_of(*arguments, **options)

    client = await open_desk({"g": fork(left, right)}, work=False)
    await open_desk({"g": fork(left, right)})
    await started(client)
    monkeypatch.setattr(runs, "begin_next_of", begin_later)
    first, second = await listed(client)
    await client.decide(first.id, "respond", values={"value": 1}, by="jane")
    await asyncio.wait_for(reached.wait(), TIMEOUT)
    ballot = Ballot(action="respond", values={"value": 2})
    after = voted(client.office, second, ballot, Reviewer(name="jane"))
    closing = closing_of(second, after, None)
    run = resume_of(client.office, second, by="jane")
    async with client.office.database.transaction() as conn:
        await decisions.record(conn, Recording(closings=[closing], run=run, worker=None))
        go.set()
        await blocked(client.office.database)
    thread = await settled(client)
    assert [r.delivery.value for r in await listed(client)] == ["delivered", "delivered"]
    assert (thread.status, sorted(thread.values["seen"])) == (ThreadStatus.IDLE, [1, 2])
