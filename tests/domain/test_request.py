"""A request: what people and time do to it, what closes it, and that nothing changes it then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.domain.admission import Reviewer
from signoff.domain.decision import Ballot
from signoff.domain.errors import (
    AlreadyClaimed,
    Forbidden,
    InvalidInput,
    RequestClosed,
    SignoffError,
    StaleDigest,
)
from signoff.domain.policy import CALL, Policy
from signoff.domain.question import Pause, Question
from signoff.domain.request import Delivery, Request, RequestState
from signoff.domain.timetable import MomentKind, deadline, moments

OPENED = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def opened(*, involved: tuple[str, ...] = (), **fields: Any) -> Request:
    policy = Policy.read(fields, source=CALL)
    timetable = moments(policy, OPENED)
    return Request(
        id="r1",
        pause=Pause(
            thread_id="t",
            graph="g",
            node="n",
            interrupt_id="i",
            task_id="k",
            checkpoint_ns="",
            checkpoint_id="c",
            position=0,
        ),
        question=Question(
            kind="ask",
            title="Pay?",
            topic=None,
            payload={},
            actions=tuple({"name": name} for name in ("approve", "change", "reject")),
            policy=policy,
            digest="sha256:1",
        ),
        opened_at=OPENED,
        involved=involved,
        timetable=timetable,
        deadline=deadline(timetable),
    )


def at(hours: float) -> datetime:
    return OPENED + hours * HOUR


def who(name: str, *groups: str) -> Reviewer:
    return Reviewer(name=name, groups=frozenset(groups))


def vote(
    request: Request, by: str, action: str = "approve", hours: float = 1, **ballot: Any
) -> Request:
    return request.with_vote(Ballot(action=action, **ballot), by=by, at=at(hours))


# --- votes -------------------------------------------------------------------------------------


def test_one_vote_closes_a_request_that_asks_for_no_more():
    closed = vote(opened(), "jane", note="fine", values={"days": 3})
    assert (closed.state, closed.delivery) == (RequestState.DECIDED, Delivery.PENDING)
    assert closed.outcome is not None
    assert closed.outcome.to_json() == {
        "action": "approve",
        "values": {"days": 3},
        "note": "fine",
        "by": "jane",
        "at": at(1).isoformat(),
        "timed_out": False,
        "escalated": False,
    }
    assert (closed.waited, closed.closed_at, closed.missing) == (HOUR, at(1), 0)
    assert opened().waited is None


def test_a_repeat_of_ones_own_vote_changes_nothing_open_or_closed():
    once = vote(opened(quorum=2), "jane")
    assert vote(once, "jane", hours=2) is once
    closed = vote(once, "tom")
    assert vote(closed, "jane", hours=9) is closed
    with pytest.raises(RequestClosed):
        vote(closed, "jane", "reject")


def test_a_quorum_closes_with_the_vote_that_completes_it():
    request = opened(quorum=2, to=["jane", "tom", "zoe"])
    request = vote(request, "jane", values={"days": 3})
    request = vote(request, "tom", values={"days": 4})
    assert (request.state, request.outcome, request.missing) == (RequestState.OPEN, None, 1)
    closed = vote(request, "zoe", values={"days": 3}, hours=5, note="so be it")
    assert closed.outcome is not None
    assert (closed.outcome.by, closed.outcome.note) == ("zoe", "so be it")
    assert closed.outcome.values == {"days": 3}
    assert [each.by for each in closed.votes] == ["jane", "tom", "zoe"]
    assert closed.waited == 5 * HOUR


def test_a_vote_can_be_changed_and_taken_back_while_the_request_is_open():
    request = vote(opened(quorum=2, veto=False), "jane", "reject")
    changed = vote(request, "jane", "approve", 2)
    assert [(each.by, each.action, each.at) for each in changed.votes] == [
        ("jane", "approve", at(2))
    ]
    back = changed.without_vote("jane")
    assert (back.votes, back.missing) == ((), 2)
    assert back.without_vote("jane") is back
    closed = vote(vote(back, "jane"), "tom")
    with pytest.raises(RequestClosed):
        closed.without_vote("jane")


def test_one_rejection_closes_where_there_is_a_veto():
    assert vote(opened(quorum=3), "jane", "reject").state is RequestState.DECIDED
    assert vote(opened(quorum=3, veto=False), "jane", "reject").state is RequestState.OPEN


def test_a_vote_on_something_else_is_refused():
    with pytest.raises(StaleDigest):
        vote(opened(), "jane", digest="sha256:2")
    assert vote(opened(), "jane", digest="sha256:1").outcome


def test_a_vote_after_the_deadline_counts_as_long_as_nothing_closed_the_request():
    late = vote(opened(within="1h", otherwise="reject"), "jane", hours=2)
    assert late.outcome is not None
    assert (late.outcome.by, late.outcome.timed_out) == ("jane", False)


# --- people ------------------------------------------------------------------------------------


def test_a_claim_says_who_works_on_it_and_shuts_nobody_out():
    request = opened(to=["jane", "tom"]).claim(who("jane"))
    assert request.claimed_by == "jane"
    assert request.claim(who("jane")) is request
    with pytest.raises(AlreadyClaimed, match="is claimed by jane") as refused:
        request.claim(who("tom"))
    assert refused.value.claimed_by == "jane"
    with pytest.raises(AlreadyClaimed):
        request.release("tom")
    with pytest.raises(Forbidden):
        opened(to="jane").claim(who("eve"))
    released = request.release("jane")
    assert released.claimed_by is None
    assert released.release("tom") is released
    assert vote(request, "tom").outcome


def test_a_delegate_is_admitted_and_the_chain_is_kept():
    request = opened(to="jane").claim(who("jane"))
    request = request.delegate(who("jane"), "bob", at=at(1))
    assert request.claimed_by is None
    request = request.delegate(who("bob"), "group:tax", at=at(2))
    assert [(each.by, each.to, each.right) for each in request.delegations] == [
        ("jane", "bob", "jane"),
        ("bob", "group:tax", "jane"),
    ]
    assert request.admit(who("tim", "tax")) == "jane"
    assert request.delegate(who("bob"), "group:tax", at=at(3)) is request
    with pytest.raises(Forbidden):
        request.delegate(who("eve"), "sam", at=at(3))
    with pytest.raises(InvalidInput, match="somebody else"):
        request.delegate(who("jane"), "jane", at=at(3))
    for nobody in ("", "group:", " "):
        with pytest.raises(InvalidInput):
            request.delegate(who("jane"), nobody, at=at(3))


def test_delegating_gains_no_votes():
    request = opened(to=["jane", "tom"], quorum=2)
    request = request.delegate(who("jane"), "bob", at=at(1))
    for voter in ("jane", "bob"):
        right = request.admit(who(voter))
        request = request.with_vote(Ballot(action="approve"), by=voter, at=at(2), right=right)
    assert (request.state, request.missing) == (RequestState.OPEN, 1)
    assert [each.on_behalf_of for each in request.votes] == [None, "jane"]
    assert request.votes[1].to_json()["on_behalf_of"] == "jane"
    assert "on_behalf_of" not in request.votes[0].to_json()
    assert vote(request, "tom").outcome


def test_with_four_eyes_it_is_not_delegated_to_who_is_involved():
    request = opened(to="jane", four_eyes=True, involved=("sales",))
    with pytest.raises(InvalidInput, match="four_eyes"):
        request.delegate(who("jane"), "sales", at=at(1))
    assert opened(to="jane", involved=("sales",)).delegate(who("jane"), "sales", at=at(1))


def test_who_is_admitted_or_started_the_run_takes_a_request_back():
    request = opened(to="jane", four_eyes=True, involved=("sales",))
    for somebody in ("jane", "sales"):
        withdrawn = request.withdraw(who(somebody), at=at(1))
        assert (withdrawn.state, withdrawn.closed_at) == (RequestState.WITHDRAWN, at(1))
        assert (withdrawn.outcome, withdrawn.delivery) == (None, Delivery.NONE)
    with pytest.raises(Forbidden):
        request.withdraw(who("eve"), at=at(1))


def test_comments_are_kept_in_order():
    request = opened().comment("why?", by="jane", at=at(1)).comment("so", by="tom", at=at(2))
    assert [(each.by, each.text) for each in request.comments] == [("jane", "why?"), ("tom", "so")]
    for text in ("", "  \n", "x" * 10_001):
        with pytest.raises(InvalidInput, match="a comment has"):
            request.comment(text, by="jane", at=at(3))


# --- time --------------------------------------------------------------------------------------

TIMED = {
    "to": "jane",
    "within": "24h",
    "remind": ["4h", "8h"],
    "escalate": [
        {"after": "12h", "to": "ann"},
        {"after": "20h", "to": "zoe", "priority": "urgent"},
    ],
    "otherwise": {"action": "reject", "values": {"why": "late"}, "note": "Nobody answered."},
}


def happened(request: Request, hours: float) -> tuple[Request, list[str]]:
    after, done = request.advance(at(hours))
    return after, [f"{moment.kind} {moment.step}" for moment in done]


def test_a_request_goes_through_its_timetable():
    request = opened(**TIMED)
    assert request.wake_at == at(4)
    assert happened(request, 3.9) == (request, [])
    request, done = happened(request, 4)
    assert (done, request.wake_at, request.reached) == (["remind 0"], at(8), ())
    assert happened(request, 4) == (request, [])
    request, done = happened(request, 8)
    with pytest.raises(Forbidden):
        request.admit(who("ann"))
    request, done = happened(request, 12)
    assert (done, request.priority) == (["escalate 0"], "high")
    assert request.admit(who("ann")) == "ann"
    request, done = happened(request, 20)
    assert (done, request.priority) == (["escalate 1"], "urgent")
    assert request.wake_at == request.deadline == at(24)
    request, done = happened(request, 24)
    assert done == ["expire 0"]
    assert (request.state, request.delivery) == (RequestState.EXPIRED, Delivery.PENDING)
    assert request.outcome is not None
    assert request.outcome.to_json() == {
        "action": "reject",
        "values": {"why": "late"},
        "note": "Nobody answered.",
        "by": "system",
        "at": at(24).isoformat(),
        "timed_out": True,
        "escalated": True,
    }
    assert (request.waited, request.wake_at) == (24 * HOUR, None)


def test_a_worker_that_was_down_escalates_expires_and_reminds_nobody_of_what_is_over():
    request, done = happened(opened(**TIMED), 9000)
    assert done == ["escalate 0", "escalate 1", "expire 0"]
    assert request.outcome is not None
    assert (request.outcome.escalated, request.closed_at) == (True, at(9000))


def test_several_missed_reminders_are_one():
    request, done = happened(opened(**TIMED), 9)
    assert done == ["remind 1"]
    assert request.wake_at == at(12)
    assert [moment.passed_at for moment in request.timetable[:2]] == [at(9), at(9)]


def test_without_a_fallback_a_request_stays_open_overdue_and_goes_on():
    request = opened(to="jane", within="1h", escalate={"after": "1h", "to": "ann"}, remind="1h")
    assert not request.overdue
    request, done = happened(request, 2)
    assert done == ["escalate 0", "remind 0", "expire 0"]
    assert (request.state, request.overdue, request.wake_at) == (RequestState.OPEN, True, None)
    assert happened(request, 3) == (request, [])
    closed = vote(request, "jane", hours=5)
    assert closed.outcome is not None
    assert (closed.outcome.timed_out, closed.outcome.escalated) == (False, True)
    assert not closed.overdue


def test_nothing_happens_before_its_time_or_twice():
    request = opened(**TIMED)
    early = at(3)
    assert request.remind(early) is request
    assert request.escalate(0, early) is request
    assert request.expire(early) is request
    assert opened().expire(at(9)) == opened()
    escalated = request.escalate(0, at(12))
    assert escalated.escalate(0, at(13)) is escalated
    assert escalated.escalate(1, at(13)) is escalated
    assert [step.to for step in escalated.reached] == [("ann",)]


def test_another_policy_is_applied_as_if_it_had_been_there_from_the_start():
    request = vote(opened(quorum=3, to=["jane", "tom", "zoe"], within="1h"), "jane", hours=0.1)
    request = vote(request, "tom", hours=0.2)
    given = {"quorum": 3, "to": "ann", "remind": "1h", "within": "5h", "otherwise": "reject"}
    policy = Policy.read(given | {"escalate": {"after": "2h", "to": "bob"}}, source="file")
    applied = request.reapply(policy, moments(policy, OPENED), at=at(3))
    assert (applied.policy, applied.deadline, applied.votes) == (policy, at(5), request.votes)
    assert applied.wake_at == at(2)
    applied, done = happened(applied, 3)
    assert done == ["escalate 0"]
    again = applied.reapply(policy, moments(policy, OPENED), at=at(3))
    assert again == applied, "what has happened does not happen once more"
    fewer = Policy.read({"quorum": 2}, source="file")
    closed = request.reapply(fewer, (), at=at(3))
    assert closed.outcome is not None
    assert (closed.outcome.by, closed.closed_at) == ("tom", at(3))


# --- a closed request never changes ------------------------------------------------------------

TRANSITIONS: dict[str, Callable[[Request], object]] = {
    "with_vote": lambda r: vote(r, "eve", "change"),
    "without_vote": lambda r: r.without_vote("jane"),
    "claim": lambda r: r.claim(who("jane")),
    "release": lambda r: r.release("jane"),
    "delegate": lambda r: r.delegate(who("jane"), "bob", at=at(9)),
    "comment": lambda r: r.comment("late", by="jane", at=at(9)),
    "withdraw": lambda r: r.withdraw(who("jane"), at=at(9)),
    "advance": lambda r: r.advance(at(99)),
    "remind": lambda r: r.remind(at(99)),
    "escalate": lambda r: r.escalate(0, at(99)),
    "expire": lambda r: r.expire(at(99)),
    "reapply": lambda r: r.reapply(Policy(), (), at=at(9)),
}


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_a_closed_request_refuses_every_transition(transition):
    request = opened(**TIMED)
    for closed in (
        vote(request, "jane"),
        request.advance(at(99))[0],
        request.withdraw(who("jane"), at=at(1)),
    ):
        with pytest.raises(RequestClosed):
            TRANSITIONS[transition](closed)


people = st.sampled_from(["jane", "tom", "zoe", "ann", "bob", "sales", "eve"])
reviewers = st.builds(who, people, st.sampled_from(["legal", "tax"]))
ballots = st.builds(
    Ballot,
    action=st.sampled_from(["approve", "change", "reject"]),
    values=st.sampled_from([{}, {"days": 1}, {"days": 2}]),
    digest=st.sampled_from([None, None, "sha256:1", "sha256:2"]),
)
policies = st.fixed_dictionaries(
    {},
    optional={
        "to": st.lists(st.sampled_from(["jane", "tom", "zoe", "group:legal"]), unique=True),
        "four_eyes": st.booleans(),
        "quorum": st.integers(1, 3),
        "veto": st.booleans(),
        "within": st.sampled_from(["30m", "1h", "3h"]),
        "remind": st.lists(st.sampled_from(["20m", "30m", "50m", "2h"]), max_size=3),
        "escalate": st.lists(
            st.builds(
                lambda after, to: {"after": after, "to": to},
                st.sampled_from(["10m", "30m", "1h", "4h"]),
                people,
            ),
            max_size=3,
        ),
        "otherwise": st.sampled_from(["reject", "approve"]),
    },
)
steps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 5, 10, 40, 200]),  # minutes that pass before
        st.one_of(
            st.tuples(st.just("vote"), reviewers, ballots),
            st.tuples(st.just("take back"), reviewers),
            st.tuples(st.just("claim"), reviewers),
            st.tuples(st.just("release"), reviewers),
            st.tuples(st.just("delegate"), reviewers, people | st.just("group:tax")),
            st.tuples(st.just("comment"), reviewers),
            st.tuples(st.just("withdraw"), st.just(who("zoe"))),
            st.tuples(st.just("duty")),
            st.tuples(st.just("expire")),
            st.tuples(st.just("escalate"), st.integers(0, 3)),
            st.tuples(st.just("remind")),
            st.tuples(st.just("reapply"), policies),
        ),
    ),
    max_size=25,
)


def do(request: Request, now: datetime, step: tuple[Any, ...]) -> Request:
    """What the services of a desk do with a request."""
    match step:
        case "vote", reviewer, ballot:
            right = request.admit(reviewer)
            return request.with_vote(ballot, by=reviewer.name, at=now, right=right)
        case "take back", reviewer:
            return request.without_vote(reviewer.name)
        case "claim", reviewer:
            return request.claim(reviewer)
        case "release", reviewer:
            return request.release(reviewer.name)
        case "delegate", reviewer, to:
            return request.delegate(reviewer, to, at=now)
        case "comment", reviewer:
            return request.comment("hm", by=reviewer.name, at=now)
        case "withdraw", reviewer:
            return request.withdraw(reviewer, at=now)
        case ("duty",):
            return request.advance(now)[0]
        case ("expire",):
            return request.expire(now)
        case "escalate", n:
            return request.escalate(n, now)
        case ("remind",):
            return request.remind(now)
        case "reapply", fields:
            policy = Policy.read(fields, source="file")
            return request.reapply(policy, moments(policy, OPENED), at=now)
    raise AssertionError(step)


def history(request: Request, sequence: list[Any]) -> list[Request]:
    """The request after each step; unchanged by what is refused."""
    now, states = OPENED, [request]
    for minutes, step in sequence:
        now += minutes * MINUTE
        try:
            request = do(request, now, step)
        except SignoffError:
            assert step[0] not in ("duty", "expire", "escalate", "remind") or request.closed_at
        states.append(request)
    return states


@given(policies, steps)
def test_whatever_happens_a_request_is_closed_once_and_never_changes_then(fields, sequence):
    request = opened(involved=("sales", "jane"), **fields)
    states = history(request, sequence)
    for before, after in pairwise(states):
        if before.state is not RequestState.OPEN:
            assert after is before
        # What is kept about a request hangs together.
        is_open = after.state is RequestState.OPEN
        assert is_open is (after.closed_at is None) is (after.waited is None)
        assert (after.outcome is not None) is (after.state in ("decided", "expired"))
        assert (after.delivery is Delivery.PENDING) is (after.outcome is not None)
        assert len({each.by for each in after.votes}) == len(after.votes)
        assert is_open or after.wake_at is None
        assert after.deadline == deadline(after.timetable)
        assert not is_open or after.missing > 0
    end = states[-1]
    if end.outcome is not None:
        assert end.outcome.timed_out is (end.state is RequestState.EXPIRED)
        assert end.outcome.timed_out is (end.outcome.by == "system")
        assert end.outcome.escalated is bool(end.reached)
        assert end.outcome.timed_out or end.outcome.by in {each.by for each in end.votes}


@given(policies, steps)
def test_the_same_sequence_gives_the_same_end(fields, sequence):
    request = opened(**fields)
    assert history(request, sequence) == history(request, sequence)


@given(policies, st.lists(st.integers(1, 120), min_size=1, max_size=12))
def test_whenever_somebody_looks_everything_happens_once_in_order_and_in_time(fields, waits):
    request, now, done = opened(**fields), OPENED, []
    planned = request.timetable
    for minutes in waits:
        now += minutes * MINUTE
        wake_at = request.wake_at
        if request.state is not RequestState.OPEN:
            break
        request, happened = request.advance(now)
        assert bool(happened) is (wake_at is not None and wake_at <= now)
        assert len([m for m in happened if m.kind is MomentKind.REMIND]) <= 1
        assert request.wake_at is None or request.wake_at > now
        done += [(m.kind, m.step) for m in happened]
    assert len(set(done)) == len(done)
    order = [(m.kind, m.step) for m in planned]
    assert sorted(done, key=order.index) == done
    for moment in planned:
        late = (
            moment.kind is not MomentKind.REMIND
            and moment.at <= now
            and moment.at <= (request.closed_at or now)
        )
        assert not late or (moment.kind, moment.step) in done


@given(policies, st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_how_often_somebody_looked_makes_no_difference_to_the_end(fields, waits):
    now, often = OPENED, opened(**fields)
    for minutes in waits:
        now += minutes * MINUTE
        if often.state is RequestState.OPEN:
            often, _ = often.advance(now)
    once, _ = opened(**fields).advance(now)
    assert (often.state, often.reached, often.priority) == (once.state, once.reached, once.priority)
    assert (often.outcome is None) is (once.outcome is None)
    if often.outcome is not None and once.outcome is not None:
        assert often.outcome.action == once.outcome.action
        assert often.outcome.escalated == once.outcome.escalated
