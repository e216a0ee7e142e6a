"""Whatever people, the clock, crashes and several workers do, in whatever order.

Random sequences are played through the services on a real database, and step by step through the
domain in memory. What the database holds is what the transitions make, whether a step was done
once, by several processes at the same time, or was torn off in the middle and done again; and its
node gets an outcome once, also when the worker that brings it is taken for dead.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph

from signoff import Action, Signoff, ask
from signoff.config import Settings
from signoff.domain.admission import Reviewer
from signoff.domain.decision import Ballot
from signoff.domain.errors import RequestClosed, SignoffError
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.user import User
from signoff.service.users import put_users
from tests.acceptance.ledger import Ledger
from tests.conftest import Clock
from tests.helpers import time_kept

GROUPS = {"jane": ("legal",), "tom": ("legal",), "lea": ("legal",), "zoe": ("tax",), "ann": ()}
PEOPLE = (*GROUPS, "starter")
TIMEOUT = 30.0

Step = tuple[Any, ...]


class State(TypedDict, total=False):
    policy: dict[str, Any]
    got: Annotated[list[dict[str, Any]], operator.add]


# --- what can happen -----------------------------------------------------------------------------

people = st.sampled_from(PEOPLE)
voters = st.sampled_from(["jane", "tom", "lea", "jane", "tom", "lea", *PEOPLE])
ballots = st.sampled_from(
    [
        Ballot(action="approve"),
        Ballot(action="approve"),
        Ballot(action="approve", note="fine"),
        Ballot(action="change", values={"days": 1}),
        Ballot(action="change", values={"days": 2}),
        Ballot(action="reject"),
    ]
)
duty = st.just(("duty",))
votes = st.tuples(st.just("vote"), voters, ballots)
taking_back = st.tuples(st.just("take back"), voters)
steps = st.one_of(
    votes,
    votes,
    duty,
    taking_back,
    st.tuples(st.just("claim"), people),
    st.tuples(st.just("release"), people),
    st.tuples(st.just("delegate"), people, st.sampled_from(["ann", "zoe", "group:tax"])),
    st.tuples(st.just("withdraw"), st.just("zoe")),
)
minutes = st.sampled_from([0, 0, 0, 5, 15, 40, 200])


@dataclass(frozen=True)
class Alone:
    """A step done by several processes at once; one of them may die in the middle of it."""

    step: Step
    copies: int
    dies_after: int | None


@dataclass(frozen=True)
class Race:
    """Two steps at the same time."""

    steps: tuple[Step, Step]


turns = st.one_of(
    st.builds(
        Alone,
        steps,
        st.integers(1, 3),
        st.one_of(st.none(), st.integers(0, 40).map(lambda n: n**2)),
    ),
    st.builds(Race, st.tuples(votes, st.one_of(votes, taking_back, duty, steps))),
)
sequences = st.lists(st.tuples(minutes, turns), min_size=1, max_size=15)
policies = st.builds(
    lambda fields, timed: {**fields, **timed},
    st.fixed_dictionaries(
        {"quorum": st.sampled_from([1, 2, 2, 2, 3])},
        optional={
            "to": st.sampled_from(
                [["group:legal"], ["group:legal", "zoe"], ["group:legal", "ann"]]
            ),
            "four_eyes": st.booleans(),
            "veto": st.booleans(),
        },
    ),
    st.sampled_from(
        [
            {},
            {"remind": ["5m", "20m"]},
            {"within": "1h"},
            {"within": "1h", "otherwise": "reject"},
            {
                "within": "1h",
                "remind": ["20m", "50m"],
                "escalate": [{"after": "10m", "to": "ann"}, {"after": "30m", "to": "group:tax"}],
                "otherwise": {"action": "change", "values": {"days": 9}},
            },
        ]
    ),
)


# --- how it happens ------------------------------------------------------------------------------


class Stage:
    """Three processes that people use, on a clock of the test's, and two workers."""

    def __init__(self, url: str, folder: Path) -> None:
        self.clock = Clock()
        self.opened_at = self.clock()
        self.threads = (f"t{number}" for number in count())
        self._url = url
        self._settings = Settings(
            data_dir=folder, shutdown_grace=timedelta(seconds=1), takeover=timedelta(seconds=1)
        )

    async def open(self, stack: AsyncExitStack) -> None:
        for work in (True, True, False, False, False):
            # The workers' clock stands still, so that no duty of theirs comes between the steps.
            now = (lambda: self.opened_at) if work else self.clock
            desk = Signoff(self._url, {"g": self._graph()}, self._settings, work=work, now=now)
            await stack.enter_async_context(desk)
            self.desks = [] if work else [*self.desks, desk]
        users = [User(name=name, groups=groups) for name, groups in GROUPS.items()]
        await put_users(self.desks[0].office, users)

    def _graph(self) -> StateGraph[Any]:
        def review(state: State) -> State:
            decision = ask(
                "Sign?",
                actions=["approve", Action("change", reply={"type": "object"}), "reject"],
                **state["policy"],
            )
            got = {"action": decision.action, "values": decision.values, "by": decision.by}
            return {"got": [{**got, "note": decision.note, "timed_out": decision.timed_out}]}

        builder: StateGraph[Any] = StateGraph(State)
        builder.add_node(review)
        builder.add_edge(START, "review")
        return builder

    async def opened(self, policy: dict[str, Any]) -> Request:
        """A new request under this policy."""
        self.clock.time = self.opened_at
        thread_id = next(self.threads)
        await self.desks[0].start("g", {"policy": policy}, by="starter", thread_id=thread_id)
        await self.desks[0].wait(thread_id, timeout=TIMEOUT)
        [request] = (await self.desks[0].requests(thread_id=thread_id)).items
        return request

    def done(self, desk: Signoff, request: Request, step: Step) -> Coroutine[Any, Any, object]:
        """A step, by the services."""
        match step:
            case "vote", by, Ballot() as ballot:
                return desk.decide(
                    request.id, ballot.action, by=by, values=ballot.values, note=ballot.note
                )
            case "take back", by:
                return desk.take_back(request.id, by=by)
            case "claim", by:
                return desk.claim(request.id, by=by)
            case "release", by:
                return desk.release(request.id, by=by)
            case "delegate", by, to:
                return desk.delegate(request.id, to, by=by)
            case "withdraw", by:
                return desk.withdraw(request.id, by=by)
            case ("duty",):
                return time_kept(desk)
        raise AssertionError(step)

    async def play(self, request: Request, turn: Alone | Race) -> None:
        """Have it happen; what is refused, is refused."""
        if isinstance(turn, Race):
            await self._all(
                self.done(desk, request, step)
                for desk, step in zip(self.desks, turn.steps, strict=False)
            )
            return
        if turn.dies_after is not None:
            dying = asyncio.ensure_future(self.done(self.desks[-1], request, turn.step))
            for _ in range(turn.dies_after):
                await asyncio.sleep(0)  # a turn of the loop, of which a step takes some hundreds
            dying.cancel()
            await asyncio.wait([dying])
            if not dying.cancelled():
                dying.exception()
        await self._all(self.done(d, request, turn.step) for d in self.desks[: turn.copies])

    async def take_away(self, request: Request) -> None:
        """Take the thread from the worker that has it, as from one that is taken for dead, if one
        has it by now or soon."""
        async with self.desks[0].office.database.connection() as conn:
            for _ in range(20):
                cursor = await conn.execute(
                    "UPDATE threads SET leased_by = NULL, epoch = epoch + 1"
                    " WHERE id = %s AND leased_by IS NOT NULL RETURNING id",
                    (request.thread_id,),
                )
                if await cursor.fetchone() is not None:
                    return

    async def _all(self, coroutines: Any) -> None:
        for result in await asyncio.gather(*coroutines, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, SignoffError):
                raise result


@pytest.fixture(scope="module")
def stage(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stage, asyncio.Runner]]:
    """Processes that are there for all examples, and the loop that they run in."""
    with asyncio.Runner() as runner:
        stack, stage = AsyncExitStack(), Stage(module_database_url, tmp_path_factory.mktemp("desk"))
        try:
            runner.run(stage.open(stack))
            yield stage, runner
        finally:
            runner.run(stack.aclose())


# --- what it must come to ------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """A request in memory, and the audit of how it came to be so."""

    request: Request
    events: tuple[tuple[str, str], ...] = field(default=(("request.opened", "system"),))

    def after(self, step: Step, now: datetime) -> Expected:
        """What a step makes of it; the same if it is refused."""
        try:
            after, happened = _transition(self.request, step, now)
        except SignoffError:
            return self
        return self if after is self.request else Expected(after, (*self.events, *happened))

    def after_all(self, steps: tuple[Step, ...], now: datetime) -> Expected:
        expected = self
        for step in steps:
            expected = expected.after(step, now)
        return expected


NAMES = {
    "take back": "request.vote_taken_back",
    "claim": "request.claimed",
    "release": "request.released",
    "delegate": "request.delegated",
    "withdraw": "request.withdrawn",
}
MOMENTS = {"remind": "request.reminded", "escalate": "request.escalated"}


def _transition(request: Request, step: Step, now: datetime) -> tuple[Request, Any]:
    if step == ("duty",):
        after, moments = request.advance(now)
        last = "request.overdue" if after.outcome is None else "request.expired"
        return after, [(MOMENTS.get(moment.kind, last), "system") for moment in moments]
    kind, by = step[:2]
    groups = frozenset(GROUPS.get(by, ()))
    reviewer = Reviewer(name=by, groups=groups)
    match step:
        case "vote", _, Ballot() as ballot:
            right = request.admit(reviewer)
            after = request.with_vote(ballot, by=by, at=now, right=right)
            return after, [("request.voted" if after.outcome is None else "request.decided", by)]
        case "take back", _:
            after = request.without_vote(by)
        case "claim", _:
            after = request.claim(reviewer)
        case "release", _:
            after = request.release(by)
        case "delegate", _, to:
            after = request.delegate(reviewer, to, at=now)
        case "withdraw", _:
            after = request.withdraw(reviewer, at=now)
    return after, [(NAMES[kind], by)]


def timeless(request: Request) -> Request:
    """A request without how often it was stored and how far its delivery has come; votes of the
    same instant are in the order of their voters, as the clock does not tell them apart."""
    votes = tuple(sorted(request.votes, key=lambda vote: (vote.at, vote.by)))
    return replace(request, votes=votes, version=0, delivery=Delivery.NONE, delivered_at=None)


async def seen(desk: Signoff, request: Request) -> Expected:
    """A request as it is stored, and its audit up to the delivery."""
    stored = await desk.request(request.id)
    entries = await desk.audit(request_id=request.id)
    events = [(e["event"], e["by"]) for e in entries if e["event"] != "request.delivered"]
    return Expected(timeless(stored), tuple(events))


async def check(
    stage: Stage, policy: dict[str, Any], sequence: list[Any], *, worker_dies: bool = False
) -> Request:
    """Play a sequence; what is stored is what the transitions make, after each turn."""
    opened = await stage.opened(policy)
    expected = Expected(timeless(opened))
    for passing, turn in sequence:
        stage.clock.forward(timedelta(minutes=passing))
        before = await stage.desks[0].request(opened.id)
        dying = [stage.take_away(opened)] if worker_dies else []
        await asyncio.gather(stage.play(opened, turn), *dying)
        now = stage.clock()
        orders = permutations(turn.steps) if isinstance(turn, Race) else [(turn.step,)]
        possible = [expected.after_all(tuple(order), now) for order in orders]
        possible = [replace(each, request=timeless(each.request)) for each in possible]
        stored = await seen(stage.desks[1], opened)
        assert stored in possible
        assert before.state is RequestState.OPEN or stored.request == timeless(before)
        expected = stored
    await settled(stage, expected)
    return expected.request


async def settled(stage: Stage, expected: Expected) -> None:
    """An outcome has reached its node once; nothing else has."""
    request = expected.request
    thread = await stage.desks[0].wait(request.thread_id, timeout=TIMEOUT)
    audited = [e["event"] for e in await stage.desks[0].audit(request_id=request.id)]
    closings = [e for e in audited if e in ("request.decided", "request.expired")]
    stored = await stage.desks[0].request(request.id)
    assert thread.error is None
    got = thread.values.get("got", [])
    if request.outcome is None:
        assert (stored.delivery, got, closings) == (Delivery.NONE, [], [])
        return
    outcome = request.outcome.to_json()
    assert got == [{key: outcome[key] for key in got[0]}]
    assert stored.delivery is Delivery.DELIVERED
    assert (len(closings), audited.count("request.delivered")) == (1, 1)
    with pytest.raises(RequestClosed):
        await stage.desks[0].decide(request.id, "approve", by="jane", note="too late")


bounded = settings(
    max_examples=130,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@bounded
@given(policies, sequences, st.sampled_from([False, False, False, True]))
def test_whatever_happens_there_is_one_end_and_the_audit_tells_how_it_came(
    stage: tuple[Stage, asyncio.Runner],
    policy: dict[str, Any],
    sequence: list[Any],
    worker_dies: bool,
) -> None:
    desks, runner = stage
    runner.run(check(desks, policy, sequence, worker_dies=worker_dies))


@settings(bounded, max_examples=40)
@given(policies, sequences)
def test_the_same_sequence_gives_the_same_end_however_many_do_it_and_die(
    stage: tuple[Stage, asyncio.Runner], policy: dict[str, Any], sequence: list[Any]
) -> None:
    desks, runner = stage
    calm = [
        (passing, Alone(step, 1, None))
        for passing, turn in sequence
        if isinstance(turn, Alone)
        for step in [turn.step]
    ]
    wild = [(passing, turn) for passing, turn in sequence if isinstance(turn, Alone)]
    one, other = (runner.run(check(desks, policy, each)) for each in (calm, wild))
    assert replace(one, id="", pause=other.pause, run_id=None) == replace(other, id="", run_id=None)


def test_no_chain_was_broken(stage: tuple[Stage, asyncio.Runner], module_database_url: str) -> None:
    """After all that the tests above have done; the last of this module."""
    desks, runner = stage
    request = runner.run(
        check(desks, {}, [(0, Alone(("vote", "jane", Ballot(action="approve")), 3, 9))])
    )
    with Ledger(module_database_url) as ledger:
        threads = ledger.rows("SELECT id FROM threads")
        assert request.thread_id in [each["id"] for each in threads]
        assert [each["id"] for each in threads if not ledger.chain_is_whole(each["id"])] == []
