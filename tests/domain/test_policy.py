"""Policies: how they are read, written and merged, and what they cannot keep."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.domain.errors import FieldError, InvalidPolicy
from signoff.domain.policy import (
    BY_MESSAGE,
    CALL,
    FIELDS,
    PRIORITIES,
    Fallback,
    Policy,
    Step,
    merge,
    rank,
)

HOUR = timedelta(hours=1)
FULL = {
    "to": ["jane@firm.com", "group:legal"],
    "four_eyes": True,
    "quorum": 2,
    "veto": False,
    "priority": "high",
    "within": "PT24H",
    "remind": ["PT4H", "PT12H"],
    "escalate": [{"after": "PT20H", "to": ["group:boss"], "priority": "urgent"}],
    "otherwise": {"action": "reject", "values": {"why": 1}, "note": "too late"},
    "notify": ["mail"],
    "sign_in_within": "PT15M",
    "by_message": "sign_in",
    "calendar": "office",
}


def refused(given, *, source=CALL):
    with pytest.raises(InvalidPolicy) as error:
        Policy.read(given, source=source)
    return error.value


def test_a_policy_without_anything_has_the_defaults():
    policy = Policy.read({}, source=CALL)
    assert policy == Policy()
    assert (policy.to, policy.quorum, policy.veto, policy.four_eyes) == ((), 1, True, False)
    assert (policy.priority, policy.within, policy.otherwise) == ("normal", None, None)
    assert policy.to_json() == {}


def test_a_policy_is_read_and_written_with_the_source_of_each_field():
    policy = Policy.read(FULL, source="here")
    assert policy.escalate == (
        Step(after=20 * HOUR, to=("group:boss",), priority="urgent", notify=()),
    )
    assert policy.otherwise == Fallback(action="reject", values={"why": 1}, note="too late")
    assert policy.to_json() == {**FULL, "sources": dict.fromkeys(FULL, "here")}
    assert list(FULL) == list(FIELDS)
    assert Policy.from_json(policy.to_json()) == policy


def test_fields_come_as_people_write_them():
    policy = Policy.read(
        {
            "to": "jane",
            "within": HOUR,
            "remind": "30m",
            "escalate": {"after": "45m", "to": {"b", "a"}},
            "otherwise": "reject",
            "notify": ("mail", "mail"),
        },
        source=CALL,
    )
    assert policy.to == ("jane",)
    assert policy.remind == (HOUR / 2,)
    assert policy.escalate[0].to == ("a", "b")
    assert policy.otherwise == Fallback(action="reject")
    assert policy.notify == ("mail",)


def test_what_was_set_to_the_default_is_still_set():
    policy = Policy.read({"veto": True, "remind": []}, source="here")
    assert policy.to_json() == {
        "veto": True,
        "remind": [],
        "sources": dict.fromkeys(policy.sources, "here"),
    }
    assert merge([policy, Policy.read({"veto": False}, source="there")]).veto is True


def test_json_without_sources_was_given_by_the_call():
    policy = Policy.from_json({"within": "PT1H", "to": ["jane"]})
    assert policy.sources == {"within": CALL, "to": CALL}
    assert Policy.from_json({}) == Policy()


@pytest.mark.parametrize(
    ("given", "pointer", "said"),
    [
        ({"too": "x"}, "/too", "is no field of a policy; it has to, four_eyes"),
        ({"to": 3}, "/to", "must be a name or a list of names"),
        ({"to": ["jane", ""]}, "/to", "has '' in it, which is no name"),
        ({"to": "group:"}, "/to", "which is no name"),
        ({"to": "system"}, "/to", "which is no name"),
        ({"to": [[]]}, "/to", "which is no name"),
        ({"four_eyes": "yes"}, "/four_eyes", "must be True or False"),
        ({"quorum": 0}, "/quorum", "must be a number of votes, 1 to 10,000"),
        ({"quorum": True}, "/quorum", "must be a number of votes, 1 to 10,000"),
        ({"quorum": 2**70}, "/quorum", "must be a number of votes, 1 to 10,000"),
        (
            {"otherwise": {"action": "reject", "values": {"due": date(2026, 3, 2)}}},
            "/otherwise/values/due",
            "is a datetime.date, not JSON",
        ),
        ({"priority": "asap"}, "/priority", "must be one of low, normal, high, urgent"),
        ({"within": 30}, "/within", "is wrong: 30 is no duration"),
        ({"within": "1M"}, "/within", "is wrong: '1M' is no duration"),
        ({"remind": ["1h", "soon"]}, "/remind/1", "is no duration"),
        ({"escalate": [{"to": "x"}]}, "/escalate/0", "must have after"),
        ({"escalate": [{"after": "1h", "to": ["a"], "x": 1}]}, "/escalate/0", "has 'x'"),
        ({"escalate": {"after": "1h", "priority": 1}}, "/escalate/0/priority", "must be one of"),
        ({"otherwise": []}, "/otherwise", "must be the name of an action"),
        ({"otherwise": {"action": 1}}, "/otherwise/action", "must be a string"),
        ({"otherwise": {"action": "x", "values": 1}}, "/otherwise/values", "must be an object"),
        ({"otherwise": {"action": "x", "note": 1}}, "/otherwise/note", "must be a string"),
        ({"otherwise": {"action": "x", "why": 1}}, "/otherwise", "has 'why'"),
        ({"sign_in_within": 15}, "/sign_in_within", "15 is no duration"),
        ({"by_message": True}, "/by_message", "must be one of yes, sign_in, no"),
        ({"calendar": ""}, "/calendar", "must be the name of a calendar"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(given, pointer, said):
    error = refused(given)
    [found] = error.errors
    assert found.pointer == pointer
    assert said in found.message
    assert error.message.startswith(pointer[1:].replace("/", "."))


def test_all_that_is_wrong_is_said_at_once():
    assert [each.pointer for each in refused({"quorum": 0, "veto": 1, "to": "x"}).errors] == [
        "/quorum",
        "/veto",
    ]


# --- merging -----------------------------------------------------------------------------------


def test_the_first_layer_that_sets_a_field_wins_it():
    policy = merge(
        [
            Policy.read({"within": "1h"}, source=CALL),
            Policy.read({"within": "2h", "to": "jane"}, source="file 2"),
            Policy.read({"to": "tom", "quorum": 2}, source="file 1"),
        ]
    )
    assert (policy.within, policy.to, policy.quorum, policy.veto) == (HOUR, ("jane",), 2, True)
    assert policy.sources == {"within": CALL, "to": "file 2", "quorum": "file 1"}


values = {
    "to": st.lists(st.sampled_from(["jane", "tom", "group:legal"]), unique=True),
    "four_eyes": st.booleans(),
    "quorum": st.integers(1, 9),
    "veto": st.booleans(),
    "priority": st.sampled_from(PRIORITIES),
    "within": st.sampled_from(["1h", "P2D", HOUR]),
    "remind": st.lists(st.sampled_from(["1m", "2h", HOUR])),
    "escalate": st.lists(
        st.fixed_dictionaries(
            {"after": st.sampled_from(["1h", "2h"]), "to": st.just(["group:boss"])},
            optional={"priority": st.sampled_from(PRIORITIES), "notify": st.just(["mail"])},
        )
    ),
    "otherwise": st.sampled_from(["reject", {"action": "x", "values": {"a": [1]}, "note": "n"}]),
    "notify": st.lists(st.sampled_from(["mail", "chat"]), unique=True),
    "sign_in_within": st.sampled_from(["15m", HOUR]),
    "by_message": st.sampled_from(BY_MESSAGE),
    "calendar": st.just("office"),
}
layers = st.builds(
    lambda given, source: Policy.read(given, source=source),
    st.fixed_dictionaries({}, optional=values),
    st.sampled_from([CALL, "file:1", "file:2"]),
)


@given(st.lists(layers, max_size=4))
def test_merged_policies_read_back_as_they_were_and_each_field_has_one_source(policies):
    merged = merge(policies)
    assert Policy.from_json(merged.to_json()) == merged
    for name in FIELDS:
        first = next((each for each in policies if name in each.sources), Policy())
        assert getattr(merged, name) == getattr(first, name)
        assert merged.sources.get(name) == first.sources.get(name)


@given(layers, layers, layers)
def test_it_does_not_matter_in_which_order_layers_are_put_together(one, two, three):
    assert one.over(two).over(three) == one.over(two.over(three)) == merge([one, two, three])


@given(layers)
def test_a_field_can_be_taken_out(policy):
    for name in FIELDS:
        without = policy.without(name)
        assert name not in without.sources
        assert getattr(without, name) == getattr(Policy(), name)
        assert without.over(policy) == policy


# --- what cannot be kept -----------------------------------------------------------------------


def test_moments_after_the_deadline_are_a_problem_and_at_the_deadline_they_are_not():
    escalate = [{"after": "1h", "to": "x"}, {"after": "61m", "to": "y"}]
    policy = Policy.read(
        {"within": "1h", "remind": ["1h", "30m", "2h"], "escalate": escalate}, source=CALL
    )
    assert policy.problems() == [
        FieldError("/remind/2", "comes after the deadline, which is within PT1H"),
        FieldError("/escalate/1/after", "comes after the deadline, which is within PT1H"),
    ]
    assert policy.without("within").problems() == []


@pytest.mark.parametrize(
    ("given", "possible"),
    [
        ({"quorum": 9}, True),
        ({"quorum": 2, "to": "jane"}, False),
        ({"quorum": 2, "to": ["jane", "tom"]}, True),
        ({"quorum": 3, "to": ["jane", "tom"]}, False),
        ({"quorum": 3, "to": ["jane", "group:legal"]}, True),
        ({"quorum": 2, "to": "jane", "escalate": {"after": "1h", "to": "tom"}}, True),
        ({"quorum": 2, "to": "jane", "escalate": {"after": "1h", "to": "jane"}}, False),
        ({"quorum": 9, "to": "jane", "escalate": {"after": "1h", "to": "group:boss"}}, True),
    ],
)
def test_a_quorum_is_of_no_more_votes_than_people(given, possible):
    problems = Policy.read(given, source=CALL).problems()
    assert [each.pointer for each in problems] == ([] if possible else ["/quorum"])


def test_an_impossible_quorum_is_said_in_words():
    [problem] = Policy.read({"to": "jane", "quorum": 2}, source=CALL).problems()
    assert problem.message == "asks for 2 votes, and only one person can vote"


# --- escalation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "before", "after"),
    [
        (None, "low", "normal"),
        (None, "high", "urgent"),
        (None, "urgent", "urgent"),
        ("urgent", "low", "urgent"),
        ("low", "high", "high"),
    ],
)
def test_a_step_raises_the_priority_and_never_lowers_it(own, before, after):
    assert Step(after=HOUR, priority=own).raised(before) == after


def test_priorities_rank_from_low_to_urgent():
    assert [rank(priority) for priority in PRIORITIES] == [0, 1, 2, 3]
