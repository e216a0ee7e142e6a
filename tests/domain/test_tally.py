"""Counting votes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.domain.decision import Vote
from signoff.domain.policy import Policy
from signoff.domain.tally import missing, settle, tally

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def vote(by, action="approve", values=None, *, right=None):
    return Vote(by=by, action=action, values=values or {}, note=None, at=NOW, on_behalf_of=right)


def test_one_vote_closes_where_nothing_else_is_said():
    assert settle([], Policy()) is None
    assert settle([vote("jane")], Policy()) == (vote("jane"),)


def test_a_quorum_of_votes_for_one_action_closes():
    policy = Policy(quorum=2)
    votes = [vote("a"), vote("b", "change"), vote("c")]
    assert settle(votes[:2], policy) is None
    assert settle(votes, policy) == (votes[0], votes[2])
    assert missing(votes[:2], policy) == 1
    assert missing([], policy) == 2


def test_one_rejection_closes_unless_the_policy_says_otherwise():
    votes = [vote("a"), vote("b", "reject")]
    assert settle(votes, Policy(quorum=3)) == (votes[1],)
    assert settle(votes, Policy(quorum=3, veto=False)) is None
    assert missing([vote("a")], Policy(quorum=3)) == 2


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({"days": 3}, {"days": 3}, True),
        ({"days": 3, "net": True}, {"net": True, "days": 3.0}, True),
        ({"days": 3}, {"days": 4}, False),
        ({"days": 1}, {"days": True}, False),
        ({"days": [0, {"a": False}]}, {"days": [0, {"a": 0}]}, False),
        ({"days": [1, 2]}, {"days": [2, 1]}, False),
        ({"days": [1]}, {"days": [1, 2]}, False),
        ({}, {"days": None}, False),
    ],
)
def test_votes_with_different_values_do_not_add_up(one, other, together):
    votes = [vote("a", values=one), vote("b", values=other)]
    assert (settle(votes, Policy(quorum=2)) is not None) is together


def test_a_right_counts_once_whoever_uses_it():
    policy = Policy(quorum=2)
    votes = [vote("jane"), vote("bob", right="jane"), vote("zoe", right="jane")]
    assert settle(votes, policy) is None
    assert missing(votes, policy) == 1
    assert settle([*votes, vote("tom")], policy) == (*votes, vote("tom"))


def test_what_is_missing_is_shown_for_each_action_the_nearest_first():
    votes = [vote("a", "change"), vote("b"), vote("c"), vote("d", values={"x": 1})]
    assert [each.to_json() for each in tally(votes, Policy(quorum=3))] == [
        {"action": "approve", "values": {}, "by": ["b", "c"], "missing": 1},
        {"action": "change", "values": {}, "by": ["a"], "missing": 2},
        {"action": "approve", "values": {"x": 1}, "by": ["d"], "missing": 2},
    ]
    assert tally([], Policy()) == ()


votes = st.lists(
    st.builds(
        vote,
        st.sampled_from("abcdefgh"),
        st.sampled_from(["approve", "reject", "change"]),
        st.sampled_from([{}, {"x": 1}, {"x": True}]),
        right=st.none() | st.sampled_from("ab"),
    ),
    max_size=10,
    unique_by=lambda each: each.by,
)


@given(votes, st.integers(1, 5), st.booleans())
def test_votes_close_exactly_when_nothing_is_missing(cast, quorum, veto):
    policy = Policy(quorum=quorum, veto=veto)
    winning = settle(cast, policy)
    assert (winning is None) is (missing(cast, policy) > 0)
    if winning is not None:
        assert all(each.agrees_with(winning[0]) for each in winning)
        vetoed = veto and winning[0].action == "reject"
        assert vetoed or len({each.right for each in winning}) == quorum
        before = cast[: cast.index(winning[-1])]
        assert settle(before, policy) is None
