"""Who may decide: the people of the policy, and those to whom they pass it on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from signoff.domain.admission import Delegation, Reviewer, admit, admits
from signoff.domain.errors import Forbidden, InvalidInput
from signoff.domain.policy import Policy, Step
from signoff.domain.principal import check_principal
from signoff.domain.user import Absence, User, reviewer

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
LEGAL = Policy(to=("jane", "group:legal"))


def who(name, *groups, substitute_of=()):
    return Reviewer(name=name, groups=frozenset(groups), substitute_of=frozenset(substitute_of))


def handed(by, to, right=None):
    return Delegation(by=by, to=to, right=right or by, at=NOW)


def refusal(reviewer, policy=LEGAL, **more):
    with pytest.raises(Forbidden) as error:
        admit(reviewer, policy, **more)
    assert not admits(reviewer, policy, **more)
    return error.value.message


def test_anybody_is_admitted_where_nobody_is_named():
    assert admit(who("stranger"), Policy()) == "stranger"


def test_users_and_groups_that_are_named_are_admitted():
    assert admit(who("jane"), LEGAL) == "jane"
    assert admit(who("tom", "sales", "legal"), LEGAL) == "tom"
    assert admits(who("tom", "legal"), LEGAL)


def test_who_is_not_admitted_hears_who_is():
    assert refusal(who("eve", "sales")) == (
        "This request is for jane or group:legal, and eve is none of them."
    )
    assert "for jane, and" in refusal(who("eve"), Policy(to=("jane",)))
    three = Policy(to=("a", "group:b", "c"))
    assert "for a, group:b or c, and" in refusal(who("eve"), three)


def test_a_refusal_names_neither_members_nor_delegates_nor_substitutes():
    said = refusal(who("eve"), delegations=[handed("jane", "zoe")])
    assert "zoe" not in said


def test_a_user_named_like_a_group_is_not_the_group():
    refusal(who("legal"))
    refusal(who("x", "jane"))
    refusal(who("group:legal"))
    with pytest.raises(InvalidInput, match="is a group"):
        check_principal("group:legal")


# --- four eyes ---------------------------------------------------------------------------------

FOUR_EYES = Policy(to=("jane", "group:legal"), four_eyes=True)


def test_with_four_eyes_whoever_is_involved_is_not_admitted():
    said = refusal(who("jane", "legal"), FOUR_EYES, involved=["jane", "customer"])
    assert "(four_eyes): it is for jane or group:legal." in said
    assert admit(who("tom", "legal"), FOUR_EYES, involved=["jane"]) == "tom"
    assert admit(who("jane"), LEGAL, involved=["jane"]) == "jane"


def test_with_four_eyes_and_nobody_named_the_others_are_admitted():
    anyone = Policy(four_eyes=True)
    assert "for any other reviewer." in refusal(who("jane"), anyone, involved=["jane"])
    assert admits(who("tom"), anyone, involved=["jane"])


def test_nobody_stands_in_for_who_is_barred():
    refusal(who("bob", substitute_of=["jane"]), FOUR_EYES, involved=["jane"])


def test_being_barred_weighs_more_than_being_delegated_to():
    delegations = [handed("tom", "sam")]
    assert admits(who("sam"), FOUR_EYES, delegations=delegations)
    refusal(who("sam"), FOUR_EYES, delegations=delegations, involved=["sam"])


# --- escalation, delegation, substitution ------------------------------------------------------


def test_escalation_steps_add_people_once_they_are_reached():
    step = Step(after=DAY, to=("group:boss",))
    refusal(who("ann", "boss"))
    assert admit(who("ann", "boss"), LEGAL, reached=[step]) == "ann"
    assert admit(who("jane"), LEGAL, reached=[step]) == "jane"
    assert "for jane, group:legal or group:boss, and" in refusal(who("eve"), reached=[step])


def test_a_delegate_decides_with_the_right_of_the_one_who_delegated():
    delegations = [handed("jane", "bob"), handed("bob", "group:tax", right="jane")]
    assert admit(who("bob"), LEGAL, delegations=delegations) == "jane"
    assert admit(who("tim", "tax"), LEGAL, delegations=delegations) == "jane"
    assert admit(who("jane"), LEGAL, delegations=delegations) == "jane"
    refusal(who("eve", "sales"), delegations=delegations)


def test_ones_own_right_comes_first():
    assert admit(who("tom", "legal"), LEGAL, delegations=[handed("jane", "tom")]) == "tom"


def test_a_substitute_decides_with_the_right_of_the_user_that_is_named():
    assert admit(who("bob", substitute_of=["jane"]), LEGAL) == "jane"
    assert admit(who("bob", substitute_of=["zoe"]), LEGAL, delegations=[handed("jane", "zoe")]) == (
        "jane"
    )
    step = Step(after=DAY, to=("ann",))
    assert admit(who("bob", substitute_of=["ann"]), LEGAL, reached=[step]) == "ann"
    refusal(who("bob", substitute_of=["ann"]))


def test_a_group_is_not_stood_in_for():
    tom = User(name="tom", groups=("legal",), absences=(Absence(substitute="bob"),))
    bob = reviewer("bob", [tom], at=NOW)
    assert bob.substitute_of == {"tom"}
    refusal(bob)


# --- users -------------------------------------------------------------------------------------


def test_a_substitute_stands_in_from_the_first_to_before_the_last_moment():
    jane = User(
        name="jane",
        absences=(
            Absence(substitute="bob", since=NOW, until=NOW + DAY),
            Absence(substitute="zoe", until=NOW - DAY),
            Absence(substitute="tim", since=NOW + 2 * DAY),
        ),
    )
    for at, stands_in in [
        (NOW - 2 * DAY, {"zoe"}),
        (NOW - timedelta(seconds=1), set()),
        (NOW, {"bob"}),
        (NOW + DAY - timedelta(seconds=1), {"bob"}),
        (NOW + DAY, set()),
        (NOW + 300 * DAY, {"tim"}),
    ]:
        assert jane.substitutes(at) == stands_in


def test_a_reviewer_has_the_groups_and_absent_colleagues_of_the_moment():
    users = [
        User(name="jane", absences=(Absence(substitute="bob", until=NOW + DAY),)),
        User(name="bob", groups=("legal", "tax"), absences=(Absence(substitute="zoe"),)),
        User(name="zoe"),
    ]
    assert reviewer("bob", users, at=NOW) == who("bob", "legal", "tax", substitute_of=["jane"])
    assert reviewer("bob", users, at=NOW + DAY) == who("bob", "legal", "tax")
    assert reviewer("zoe", users, at=NOW) == who("zoe", substitute_of=["bob"])
    assert reviewer("stranger", users, at=NOW) == who("stranger")


def test_a_delegation_is_shown_with_its_chain():
    assert handed("bob", "group:tax", right="jane").to_json() == {
        "by": "bob",
        "to": "group:tax",
        "right": "jane",
        "at": NOW.isoformat(),
    }
