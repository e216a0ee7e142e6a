"""What would have become of requests under another policy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from signoff.domain.admission import Reviewer
from signoff.domain.decision import Ballot
from signoff.domain.errors import Forbidden
from signoff.domain.policy import CALL, Policy
from signoff.domain.replay import Replay, TakenBack, replay, timed_out
from signoff.domain.request import Request, RequestState
from signoff.domain.timetable import moments
from signoff.domain.user import Absence, Directory, User
from tests.domain.test_request import OPENED, opened

GROUPS = {"jane": {"legal"}, "tom": {"legal"}, "ceo": {"board"}}


def hours(number: float) -> datetime:
    return OPENED + timedelta(hours=number)


LATER = hours(1000)


def who(name: str, _at: datetime) -> Reviewer:
    return Reviewer(name=name, groups=frozenset(GROUPS.get(name, ())))


def under(**fields: Any) -> Policy:
    return Policy.read(fields, source=CALL)


def voted(request: Request, by: str, action: str, at: datetime) -> Request:
    right = request.admit(who(by, at))
    return request.with_vote(Ballot(action=action), by=by, at=at, right=right)


def again(request: Request, *, now: datetime = LATER, **fields: Any) -> Replay:
    ballots = fields.pop("ballots", ())
    policy = under(**fields)
    return replay(
        request,
        policy,
        moments(policy, request.opened_at),
        ballots=ballots,
        directory=who,
        now=now,
    )


def test_a_decision_that_would_have_come_too_late_times_out():
    request = voted(opened(), "jane", "approve", hours(5))
    found = again(request, within="4h", otherwise="reject")
    assert found.differs
    assert found.timing_differs
    assert found.outcome_differs
    assert found.after.state is RequestState.EXPIRED
    assert found.after.outcome is not None
    assert (found.after.outcome.action, found.after.closed_at) == ("reject", hours(4))
    assert not again(request, within="6h", otherwise="reject").differs


def test_a_request_that_timed_out_would_have_been_decided_by_the_vote_that_did_not_suffice():
    request = voted(opened(quorum=2, within="4h", otherwise="reject"), "jane", "approve", hours(1))
    request, _ = request.advance(hours(4))
    found = again(request, within="4h", otherwise="reject")
    assert (timed_out(found.before), timed_out(found.after)) == (True, False)
    assert found.after.outcome is not None
    assert (found.after.outcome.action, found.after.outcome.by) == ("approve", "jane")


def test_whoever_would_not_have_been_asked_is_refused():
    request = voted(opened(to="group:legal"), "jane", "approve", hours(1))
    found = again(request, to="group:board")
    assert found.asked_differs
    assert found.refused == ("jane",)
    assert found.after.state is RequestState.OPEN
    escalated = again(request, to="group:board", escalate={"after": "30m", "to": "group:legal"})
    assert escalated.refused == ()
    assert escalated.after.state is RequestState.DECIDED


def test_a_higher_quorum_would_have_left_it_open_until_its_deadline():
    request = voted(opened(), "jane", "approve", hours(1))
    found = again(request, quorum=2, within="4h", otherwise="reject")
    assert found.after.state is RequestState.EXPIRED
    early = again(request, quorum=2, within="4h", otherwise="reject", now=hours(2))
    assert early.after.state is RequestState.OPEN


def test_votes_that_were_changed_or_taken_back_count_as_long_as_they_stood():
    first = voted(opened(quorum=2, veto=False), "jane", "approve", hours(1))
    vote = first.votes[0]
    without = first.without_vote("jane")
    request = voted(without, "tom", "reject", hours(3))
    ballots = [vote, TakenBack(by="jane", at=hours(2))]
    found = again(request, ballots=ballots)
    assert found.after.outcome is not None
    assert (found.after.outcome.action, found.after.closed_at) == ("approve", hours(1))
    kept = again(request, ballots=ballots, quorum=2, veto=False)
    assert not kept.differs
    assert [each.by for each in kept.after.votes] == ["tom"]


def test_a_decision_just_after_the_deadline_still_counts_if_it_did_then():
    fields = {"within": "4h", "otherwise": "reject", "remind": "2h"}
    request = voted(opened(**fields), "jane", "approve", hours(4.001))
    assert not again(request, **fields).differs
    assert again(request, within="3h", otherwise="reject").timing_differs


def test_whoever_was_admitted_then_is_where_the_same_people_are_asked():
    stood_in = Reviewer(name="sub", substitute_of=frozenset({"jane"}))
    request = opened(to="jane", quorum=2)
    request = request.with_vote(
        Ballot(action="approve"), by="sub", at=hours(1), right=request.admit(stood_in)
    )
    assert not again(request, to="jane", quorum=2).differs
    closed = again(request, to="jane").after
    assert (closed.state, closed.votes[0].on_behalf_of) == (RequestState.DECIDED, "jane")
    for fields in ({"to": "tom"}, {"to": "jane", "four_eyes": True}):
        assert again(request, **fields).refused == ("sub",)


def test_a_withdrawn_request_ends_then_unless_it_would_have_ended_before():
    request = opened(to="jane").withdraw(who("jane", hours(5)), at=hours(5))
    assert again(request).after.state is RequestState.WITHDRAWN
    assert again(request, within="4h", otherwise="reject").after.state is RequestState.EXPIRED


def test_a_delegate_votes_if_whoever_delegated_would_have_been_asked():
    request = opened(to="jane").delegate(who("jane", hours(1)), "zoe", at=hours(1))
    request = voted(request, "zoe", "approve", hours(2))
    assert not again(request, to="jane").differs
    found = again(request, to="tom")
    assert found.refused == ("jane", "zoe")


def test_a_directory_knows_who_stood_in_for_whom_and_when():
    away = Absence(substitute="tom", since=hours(1), until=hours(3))
    directory = Directory([User(name="jane", absences=(away,)), User(name="tom", groups=("hr",))])
    assert directory.reviewer("tom", hours(2)).substitute_of == {"jane"}
    assert directory.reviewer("tom", hours(3)).substitute_of == frozenset()
    assert directory.reviewer("tom", hours(3)).groups == {"hr"}
    assert directory.reviewer("zoe", hours(2)) == Reviewer(name="zoe")


policies = st.fixed_dictionaries(
    {},
    optional={
        "quorum": st.integers(1, 3),
        "veto": st.booleans(),
        "to": st.sampled_from(["group:legal", "jane", "group:board"]),
        "within": st.sampled_from(["2h", "5h"]),
        "otherwise": st.sampled_from(["approve", "reject"]),
        "remind": st.just(["1h"]),
        "escalate": st.just([{"after": "90m", "to": "tom"}]),
    },
)
acts = st.lists(
    st.tuples(
        st.sampled_from(["jane", "tom", "ceo"]),
        st.sampled_from(["approve", "reject"]),
        st.integers(1, 100).map(lambda minutes: timedelta(minutes=minutes)),
        st.booleans(),
    ),
    max_size=8,
)


@given(policies, acts, policies)
def test_the_same_policy_makes_no_difference_and_another_one_no_impossible_request(
    fields: dict[str, Any], done: list[Any], other: dict[str, Any]
):
    request, now, ballots = opened(**fields), OPENED, []
    for by, action, passed, late in done:
        now += passed
        if request.state is RequestState.OPEN and not late:
            request, _ = request.advance(now)
        if request.state is not RequestState.OPEN or by not in GROUPS:
            continue
        try:
            request = voted(request, by, action, now)
        except Forbidden:
            continue
        ballots += request.votes
    if request.state is RequestState.OPEN:
        request, _ = request.advance(now)
    same = again(request, now=now, ballots=ballots, **fields)
    assert same.after.state == request.state
    assert same.after.outcome == request.outcome
    assert not same.differs
    after = again(request, now=now, ballots=ballots, **other).after
    assert (after.outcome is not None) == (
        after.state in (RequestState.DECIDED, RequestState.EXPIRED)
    )
    assert after.closed_at is None or after.closed_at <= now
