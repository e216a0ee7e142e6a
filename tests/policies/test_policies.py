"""The policies of `signoff.toml`: which wins, and what is refused with its line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.domain.errors import InvalidPolicy
from signoff.domain.notification import Occasion
from signoff.domain.policy import CALL, FIELDS, Fallback, Policy
from signoff.domain.preferences import Preferences
from signoff.domain.user import Absence, User
from signoff.pauses.fallbacks import kind_names
from signoff.policies.book import CONDITIONS, PolicyBook
from signoff.policies.reading import load

HOUR = timedelta(hours=1)
OPENED = datetime(2026, 3, 6, 16, tzinfo=UTC)  # a Friday afternoon

YES_NO = [
    {"name": "approve", "schema": None, "note": "optional"},
    {"name": "reject", "schema": None, "note": "optional"},
]
ANSWER = [{"name": "respond", "schema": {"type": "object", "required": ["value"]}, "note": "none"}]


def book(text: str, **known: Any) -> PolicyBook:
    return load(text, path=Path("signoff.toml"), **known)


def policy(text: str, call: dict[str, Any] | None = None, **place: Any) -> Policy:
    return book(text).policy_for(call or {}, **where(**place))


def where(**place: Any) -> dict[str, Any]:
    usual = {"graph": "contracts", "node": "review", "kind": "ask", "topic": None}
    return usual | {"actions": YES_NO} | place


def refused(text: str, **known: Any) -> list[str]:
    with pytest.raises(InvalidPolicy) as error:
        book(text, **known)
    assert "\n" not in error.value.message
    return error.value.message.split("; signoff.toml:")


# --- which wins --------------------------------------------------------------------------------

LAYERS = """\
[policy]
within = "3d"
remind = "1d"
otherwise = "reject"

[[policy]]
graph = "contracts"
to = "group:legal"
within = "2d"

[[policy]]
name = "drafts"
graph = "contracts"
node = "review"
to = ["jane@firm.com"]
escalate = [
  { after = "4h", to = "group:boss" },
]
"""


def test_each_field_comes_from_the_call_or_the_most_specific_table_that_sets_it():
    found = policy(LAYERS, {"within": "PT36H"})
    assert found.within == 36 * HOUR
    assert found.to == ("jane@firm.com",)
    assert found.remind == (24 * HOUR,)
    assert found.otherwise == Fallback(action="reject")
    assert found.quorum == 1
    assert found.sources == {
        "within": CALL,
        "to": "signoff.toml:15 [[policy]] drafts",
        "escalate": "signoff.toml:16 [[policy]] drafts",
        "remind": "signoff.toml:3 [policy]",
        "otherwise": "signoff.toml:4 [policy]",
    }


def test_a_table_holds_only_where_all_its_conditions_are_met():
    assert policy(LAYERS, node="sign").sources["within"] == "signoff.toml:9 [[policy]] 1"
    assert policy(LAYERS, node="sign").to == ("group:legal",)
    assert policy(LAYERS, graph="invoices").to == ()
    assert policy(LAYERS, graph="invoices").within == 72 * HOUR


def test_conditions_are_graph_node_kind_and_topic():
    for name, value in {"graph": "g", "node": "n", "kind": "ask", "topic": "t"}.items():
        text = f'[[policy]]\n{name} = "{value}"\nquorum = 2'
        place = {"graph": "x", "node": "x", "kind": "choice", "topic": None}
        assert policy(text, **place).quorum == 1
        assert policy(text, **{**place, name: value}).quorum == 2


def test_of_tables_with_equally_many_conditions_the_first_in_the_file_wins():
    text = '[[policy]]\ntopic = "t"\nquorum = 2\n[[policy]]\ngraph = "contracts"\nquorum = 3\n'
    assert policy(text, topic="t").quorum == 2
    assert policy(text, topic="u").quorum == 3
    more = text + '[[policy]]\ngraph = "contracts"\ntopic = "t"\nquorum = 4\n'
    assert policy(more, topic="t").quorum == 4


def test_defaults_are_written_in_either_form_wherever_they_stand():
    for text in (
        '[policy]\nquorum = 2\n[[policy]]\ngraph = "g"\nveto = false',
        '[[policy]]\nquorum = 2\n[[policy]]\ngraph = "g"\nveto = false',
        '[[policy]]\ngraph = "g"\nveto = false\n[policy]\nquorum = 2',
    ):
        found = policy(text, graph="g")
        assert (found.quorum, found.veto) == (2, False)
        assert found.sources["quorum"].endswith(" [policy]")
        assert found.sources["veto"].endswith(" [[policy]] 1")
        assert policy(text).veto is True


def test_an_empty_list_takes_back_what_less_specific_tables_set():
    text = """
[policy]
within = "3d"
remind = "1d"
[[policy]]
graph = "contracts"
within = "1h"
remind = []
"""
    assert policy(text).remind == ()
    assert policy(text, graph="x").remind == (24 * HOUR,)


def test_a_desk_without_policies_has_the_call_and_the_defaults():
    for empty in (PolicyBook(), book("")):
        found = empty.policy_for({"to": ["jane"]}, **where())
        assert found == Policy.read({"to": ["jane"]}, source=CALL)
        read = empty.policy_for(found, **where())
        assert read == found


def test_settings_in_the_same_file_are_left_alone():
    assert policy('port = 1\n[graphs]\na = "b:c"\n[policy]\nquorum = 2').quorum == 2


conditions = st.fixed_dictionaries(
    {},
    optional={
        "graph": st.sampled_from(["a", "b"]),
        "node": st.sampled_from(["n", "m"]),
        "kind": st.sampled_from(["ask", "choice"]),
        "topic": st.sampled_from(["t", "u"]),
    },
)


@given(
    st.lists(
        st.tuples(
            conditions.filter(bool),
            st.dictionaries(st.sampled_from(["quorum", "priority"]), st.integers(1, 4), min_size=1),
        ),
        max_size=6,
    ),
    conditions,
)
def test_the_winner_has_the_most_conditions_and_then_comes_first(tables, place):
    words = ["", "low", "normal", "high", "urgent"]

    def written(name: str, value: int) -> str:
        return f"{name} = {value}" if name == "quorum" else f'{name} = "{words[value]}"'

    text = ""
    for asked, fields in tables:
        text += "[[policy]]\n" + "".join(f'{k} = "{v}"\n' for k, v in asked.items())
        text += "".join(f"{written(k, v)}\n" for k, v in fields.items())
    at = {"graph": "x", "node": "x", "kind": "question", "topic": None} | place
    found = book(text).policy_for({}, **at, actions=YES_NO)
    for name in ("quorum", "priority"):
        fitting = [
            (-len(asked), n, fields[name])
            for n, (asked, fields) in enumerate(tables, start=1)
            if name in fields and all(at[k] == v for k, v in asked.items())
        ]
        if not fitting:
            assert name not in found.sources
            continue
        _, n, value = min(fitting)
        assert getattr(found, name) == (value if name == "quorum" else words[value])
        assert found.sources[name].endswith(f"[[policy]] {n}")


# --- fallbacks ---------------------------------------------------------------------------------


def test_a_fallback_that_a_request_does_not_offer_is_passed_over():
    text = '[policy]\notherwise = "reject"\n[[policy]]\ngraph = "contracts"\notherwise = "escalate"'
    assert policy(text).otherwise == Fallback(action="reject")
    asked = book(text).policy_for({}, **where(kind="question", actions=ANSWER))
    assert asked.otherwise is None
    assert "otherwise" not in asked.sources
    own = book(text).policy_for({"otherwise": "approve"}, **where())
    assert own.otherwise == Fallback(action="approve")


def test_a_fallback_whose_values_do_not_fit_is_passed_over():
    terms = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    actions = [{"name": "approve", "schema": terms, "note": "optional"}]
    given = '[policy]\notherwise = { action = "approve", values = { days = %s } }'
    assert policy(given % 3, actions=actions).otherwise is not None
    assert policy(given % '"x"', actions=actions).otherwise is None


@pytest.mark.parametrize(
    ("kind", "otherwise", "said"),
    [
        ("question", '"reject"', "otherwise.action 'reject' is not offered; choose respond"),
        ("question", '"respond"', "otherwise.values.value is required"),
        ("question", '{ action = "respond", values = { value = 3 } }', None),
        ("form", '{ action = "respond", values = { any = 3 } }', None),
        ("form", '"approve"', "is not offered; choose respond (requests of kind form)"),
        ("tool_approval", '"reject"', None),
        ("tool_approval", '"edit"', "otherwise.values.args is required"),
        ("tool_approval", '{ action = "edit", values = { args = {}, name = "x" } }', None),
        ("tool_approval", '"respond"', "otherwise.note is required: it is the message"),
        ("tool_approval", '{ action = "respond", note = "Later." }', None),
        ("tool_batch", '"reject"', None),
        ("tool_batch", '"submit"', "submit takes a decision for each call, and a policy"),
        ("agent_inbox", '"ignore"', None),
        ("agent_inbox", '"approve"', "choose accept, edit, respond or ignore"),
        ("agent_inbox", '"respond"', "otherwise.note is required"),
        ("breakpoint", '"abort"', None),
        ("breakpoint", '{ action = "continue", values = { x = 1 } }', None),
        ("breakpoint", '{ action = "abort", values = { x = 1 } }', "takes no values"),
        ("ask", '"anything"', None),
        ("choice", '{ action = "anything", values = { x = 1 } }', None),
        ("choice", '{ action = "x", values = { x = 2026-01-01 } }', "is a datetime.date, not JSON"),
    ],
)
def test_a_fallback_is_one_that_requests_of_the_kind_can_have(kind, otherwise, said):
    text = f'[[policy]]\nkind = "{kind}"\notherwise = {otherwise}'
    if said is None:
        assert book(text).rules[0].policy.otherwise is not None
    else:
        [message] = refused(text)
        assert message.startswith("signoff.toml:3: ")
        assert said in message


def test_every_kind_of_the_contract_is_known():
    contract = (Path(__file__).parents[2] / "docs" / "reference" / "contract.md").read_text()
    for kind in kind_names():
        assert f"`{kind}`" in contract


# --- where it comes from -----------------------------------------------------------------------


def test_each_field_is_explained_with_its_value_and_source():
    explained = book(LAYERS).explain({"within": "36h"}, **where())
    assert [each.field for each in explained] == list(FIELDS)
    found = {each.field: (each.value, each.source) for each in explained}
    assert found["within"] == ("PT36H", CALL)
    assert found["to"] == (["jane@firm.com"], "signoff.toml:15 [[policy]] drafts")
    assert found["escalate"][0] == [{"after": "PT4H", "to": ["group:boss"]}]
    assert found["veto"] == (True, "default")
    assert found["otherwise"][0] == {"action": "reject", "values": {}, "note": None}
    assert found["calendar"] == (None, "default")
    assert all(each.remark is None for each in explained)


def test_a_fallback_that_was_passed_over_is_explained():
    explained = book(LAYERS).explain({}, **where(kind="question", actions=ANSWER))
    found = next(each for each in explained if each.field == "otherwise")
    assert (found.value, found.source) == (None, "default")
    assert found.remark == (
        "signoff.toml:4 [policy] does not fit: action 'reject' is not offered; choose respond"
    )


def test_a_policy_can_be_tried_without_a_question():
    nobody = {"graph": "contracts", "node": "review", "kind": None, "topic": None, "actions": None}
    assert book(LAYERS).policy_for({}, **nobody).otherwise == Fallback(action="reject")
    asked = book(LAYERS).policy_for({}, **{**nobody, "kind": "question"})
    assert asked.otherwise is None


# --- calendars and users -----------------------------------------------------------------------

OFFICE = """\
[[calendar]]
name = "office"
timezone = "UTC"
hours = "mon-fri 09:00-17:00"

[[policy]]
topic = "slow"
calendar = "office"
within = "4h"
"""


def test_a_timetable_is_in_the_time_of_the_policys_calendar():
    offices = book(OFFICE)
    slow = offices.policy_for({}, **where(topic="slow"))
    [expire] = offices.timetable(slow, OPENED)
    assert expire.at == datetime(2026, 3, 9, 12, tzinfo=UTC)
    fast = offices.policy_for({"within": "4h"}, **where())
    assert offices.timetable(fast, OPENED)[0].at == OPENED + 4 * HOUR
    with pytest.raises(InvalidPolicy, match="there is no calendar 'office'"):
        PolicyBook().timetable(slow, OPENED)


USERS = """\
[[user]]
name = "jane@firm.com"
groups = ["legal", "boss"]
email = "jane@firm.com"
timezone = "Europe/Berlin"
away = [
  { from = 2026-03-28, until = 2026-03-29, substitute = "tom" },
  { from = 2026-12-24T12:00:00+01:00, substitute = "tom" },
]
[[user]]
name = "tom"
away = { until = 2026-01-31, substitute = "jane@firm.com" }
"""


def test_users_have_groups_and_substitutes_while_they_are_away():
    jane, tom = book(USERS, users=[]).users
    assert jane == User(
        name="jane@firm.com",
        groups=("legal", "boss"),
        email="jane@firm.com",
        absences=(
            # Both days, the second of which is an hour shorter there.
            Absence(
                substitute="tom",
                since=datetime(2026, 3, 27, 23, tzinfo=UTC),
                until=datetime(2026, 3, 29, 22, tzinfo=UTC),
            ),
            Absence(substitute="tom", since=datetime(2026, 12, 24, 11, tzinfo=UTC)),
        ),
        preferences=Preferences(timezone=ZoneInfo("Europe/Berlin")),
    )
    until = datetime(2026, 2, 1, tzinfo=UTC)
    assert tom == User(name="tom", absences=(Absence(substitute="jane@firm.com", until=until),))


def test_users_say_how_they_are_told():
    text = """[[user]]
name = "jane"
apprise = ["slack://${SLACK_TOKEN}/#legal", "tgram://123:abc/456"]
notify = { channels = ["email", "slack"], about = "groups" }
quiet = { hours = "20:00-07:00", days = ["sat", "sun"], urgent = false }
digest = "daily 08:00"
timezone = "Europe/Berlin"
"""
    [jane] = book(text, users=[]).users
    assert [channel for channel, _ in jane.ways] == ["slack", "telegram"]
    assert jane.wishes.to_json() == {
        "notify": {
            "channels": ["email", "slack"],
            "occasions": [each.value for each in Occasion],
            "about": "groups",
        },
        "quiet": {"hours": "20:00-07:00", "days": ["sat", "sun"], "urgent": False},
        "digest": "daily 08:00",
        "timezone": "Europe/Berlin",
    }


def test_what_is_wrong_with_how_users_are_told_is_said_with_its_line_and_no_secret():
    text = """[[user]]
name = "jane"
apprise = ["slack://a/b/c",
  "syslog://secret"]
quiet = "at night"
digest = "sometimes"
"""
    said = refused(text, users=[])
    assert [each.removeprefix("signoff.toml:").split(" is ")[0] for each in said] == [
        "4: apprise.1",
        "5: quiet",
        "6: digest",
    ]
    assert "secret" not in str(said)


def test_no_group_can_be_named_that_there_is_not_and_who_may_still_come_is_a_doubt():
    text = """[policy]
to = ["jane@firm.com", "tim", "group:legla"]
escalate = { after = "1h", to = "group:tax" }
"""
    assert book(text).rules
    assert refused(text, users=[User(name="zoe", groups=("legal",))]) == [
        "signoff.toml:2: to names 'legla', and there is no such group (did you mean legal?)",
        "3: escalate.0.to names 'tax', and there is no such group",
    ]
    there = book(text, users=[User(name="zoe", groups=("legla", "tax")), User(name="jim")])
    assert there.doubts == (
        "signoff.toml:2: to names 'jane@firm.com', and there is no such user",
        "signoff.toml:2: to names 'tim', and there is no such user (did you mean jim?)",
    )
    everybody = [User(name="tim", groups=("tax", "legla"))]
    known = book(USERS + text, users=everybody)
    assert (known.rules[0].policy.to[1], known.doubts) == ("tim", ())
    assert refused(
        '[[user]]\nname = "tom"\naway = { until = 2026-01-01, substitute = "x" }', users=[]
    )


def test_a_group_that_people_bring_from_their_provider_may_still_come():
    text = '[policy]\nto = "group:legal"\n[oidc]\nclient_id = "x"\n'
    users = [User(name="zoe", groups=("tax",))]
    assert "names 'legal'" in refused(text, users=users)[0]
    doubts = ("signoff.toml:2: to names 'legal', and there is no such group",)
    assert book(text + 'groups_claim = "groups"\n', users=users).doubts == doubts
    assert book(text, users=users, groups_come=True).doubts == doubts


def test_a_policy_for_a_graph_or_node_that_there_is_not_is_a_doubt():
    text = """[[policy]]
graph = "contract"
node = "review"
quorum = 2
[[policy]]
node = "reviw"
quorum = 2
[[policy]]
graph = "contracts"
node = "draft"
kind = "ask"
quorum = 2
"""
    known = {"contracts": ["review", "sign"], "invoices": ["pay"]}
    assert book(text).doubts == ()
    assert book(text, graphs=known).doubts == (
        "signoff.toml:2: graph names 'contract', and there is no such graph (did you mean"
        " contracts?)",
        "signoff.toml:6: node names 'reviw', and there is no such node (did you mean review?)",
        "signoff.toml:10: node names 'draft', and there is no such node of graph 'contracts'; they"
        " are review, sign",
    )
    # Of a graph that only other processes have, nobody here knows the nodes.
    [only] = book(text, graphs={"contracts": None}).doubts
    assert "'contract'" in only


def test_nobody_stands_in_for_themselves():
    text = '[[user]]\nname = "tom"\naway = { until = 2026-01-01, substitute = "tom" }'
    assert refused(text) == ["signoff.toml:3: away.0.substitute is the user who is away"]


def test_a_group_may_be_named_as_policies_name_it():
    [tom] = book('[[user]]\nname = "tom"\ngroups = ["group:legal", "legal", "tax"]').users
    assert tom.groups == ("legal", "tax")


def test_only_channels_that_there_are_are_notified():
    text = '[policy]\nnotify = "mial"\nescalate = { after = "1h", notify = ["chat", "mail"] }'
    assert book(text).rules
    assert refused(text, channels=["mail"]) == [
        "signoff.toml:2: notify names 'mial', and there is no such channel (did you mean mail?)",
        "3: escalate.0.notify names 'chat', and there is no such channel",
    ]


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[policy]\nwithin\n", "2: Expected '=' after a key"),
        ("policy = 3", "1: policy must be a list of tables: [[policy]]"),
        ("[user]\nname = 'x'", "1: user must be a list of tables: [[user]]"),
        ("[policy]\n\nwihtin = '1h'", "3: wihtin is no field of a policy; it has to, four_eyes"),
        ("[[policy]]\ngraf = 'x'", "2: graf is no field of a policy"),
        ("[[policy]]\ngraph = 3\nquorum = 2", "2: graph must be a text that is not empty"),
        ("[[policy]]\ngraph = ''", "2: graph must be a text that is not empty"),
        ("[[policy]]\ngraph = 'x'\nname = []", "3: name must be a text that is not empty"),
        ("[[policy]]\nkind = 'aks'", "2: kind names 'aks', and there is no such kind (did you"),
        (
            "[[policy]]\nkind = 'xyz'",
            "2: kind names 'xyz', and there is no such kind; they are ask, tool_",
        ),
        (
            "[[policy]]\nquorum = 2\n[[policy]]\nveto = true",
            "3: policy has no conditions, as another",
        ),
        ("[policy]\nquorum = 0", "2: quorum must be a number of votes, 1 to 10,000"),
        ("[policy]\nto = 'jane'\nquorum = 2", "3: quorum asks for 2 votes, and only one person"),
        ("[policy]\nto = ['a', 'b']\nquorum = 3", "3: quorum asks for 3 votes, and only 2 people"),
        ("[policy]\nwithin = 3", "2: within is wrong: 3 is no duration"),
        ("[policy]\nremind = ['1h',\n 'x']", "3: remind.1 is wrong: 'x' is no duration"),
        ("[policy]\nwithin='1h'\nremind = ['1h',\n'2h']", "4: remind.1 comes after the deadline"),
        (
            "[policy]\nwithin='1h'\n[[policy.escalate]]\nto='a'\nafter = '2h'",
            "5: escalate.0.after comes after the deadline, which is within PT1H",
        ),
        ("[policy]\n[policy.otherwise]\nvalues = {}", "2: otherwise must be the name of an act"),
        ("[policy]\n[policy.otherwise]\naction = 'x'\nwhy = 1", "2: otherwise has 'why'"),
        ("[policy]\ncalendar = 'x'", "2: calendar names 'x', and there is no such calendar"),
        (OFFICE + "calender = 'office'", "10: calender is no field"),
        ("[[calendar]]\nname = 'x'\ntimezone = 'UTC'", "1: hours is missing"),
        (OFFICE.replace("UTC", "UCT2"), "3: timezone 'UCT2' is no time zone (did you mean UCT?)"),
        (OFFICE + OFFICE, "11: name is 'office' once more"),
        ("[[user]]\nname = 'group:x'", "2: name is 'group:x', which is no name"),
        ("[[user]]\nname = 'x'\nemail = 'x'", "3: email must be an e-mail address"),
        ("[[user]]\nname = 'system'", "2: name is 'system', which is no name"),
        ("[[user]]\nname = 'x'\ngroups = 'a'", "3: groups must be a list of groups"),
        ("[[user]]\nname = 'x'\ngroups = ['a',\n'']", "4: groups.1 is '', which is no name"),
        ("[[user]]\nname = 'x'\nboss = 'a'", "3: boss is not known here; a user has name, groups"),
        ("[[user]]\nname = 'x'\nrole = 'a'", "3: role is 'a'; it is one of viewer, reviewer"),
        ("[[user]]\nname = 'x'\ngraphs = ''", "3: graphs must be a list of graphs"),
        ("[[user]]\nname = 'key:x'", "2: name is 'key:x', which is the name of an API key"),
        ("[[user]]\nname = 'x'\naway = [3]", "3: away.0 must have a substitute"),
        ("[[user]]\nname = 'x'\naway = {substitute='y', to=1}", "3: away.0 has 'to'; it takes"),
        (
            "[[user]]\nname = 'x'\naway = {substitute='y', until=2026-01-01T10:00:00}",
            "3: away.0.until must be a date such as",
        ),
        (
            "[[user]]\nname = 'x'\naway = {substitute='y', from=2026-01-02, until=2026-01-01}",
            "3: away.0.until comes before from",
        ),
        ("[[user]]\nname = 'x'\ntimezone = 3", "3: timezone 3 is no time zone"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, said):
    message = refused(text)[0]
    assert message.startswith("signoff.toml:")
    assert said in message.removeprefix("signoff.toml:")
    assert message.removeprefix("signoff.toml:").startswith(said.partition(":")[0])


def test_all_that_is_wrong_is_said_at_once_in_order():
    text = (
        "[[policy]]\nkind = 'x'\nquorum = 0\n[[user]]\n[[calendar]]\nname = 3\n[policy]\nwithin = 1"
    )
    said = refused(text)
    assert [message.removeprefix("signoff.toml:").partition(":")[0] for message in said] == (
        ["2", "3", "4", "5", "5", "6", "8"]
    )
    text = "[policy]\nto = 'group:nope'\nwithin = '1h'\nremind = '2h'\nquorum = 0\n'a/b~' = 1\n"
    said = refused(text, users=[])
    assert [message.removeprefix("signoff.toml:").partition(":")[0] for message in said] == (
        ["2", "4", "5", "6"]
    )


def test_errors_point_into_the_document():
    with pytest.raises(InvalidPolicy) as error:
        book("[[policy]]\ngraph = 'x'\nescalate = [{after = '1h', to = 3}]")
    assert [each.pointer for each in error.value.errors] == ["/policy/0/escalate/0/to"]


def test_tables_that_hold_together_are_judged_together():
    text = (
        "[policy]\nremind = '2h'\nto = 'jane'\n[[policy]]\ngraph = 'x'\nwithin = '1h'\nquorum = 2"
    )
    assert refused(text) == [
        "signoff.toml:2: remind.0 comes after the deadline, which is within PT1H:"
        " within is from signoff.toml:6 [[policy]] 1",
        "7: quorum asks for 2 votes, and only one person can vote:"
        " to is from signoff.toml:3 [policy]",
    ]
    mended = text + "\nremind = '30m'\nto = 'group:legal'"
    assert book(mended)
    # One of these may hold without the other.
    either = "[[policy]]\ngraph = 'x'\nremind = '2h'\n[[policy]]\ntopic = 'y'\nwithin = '1h'"
    assert book(either)
    assert book("[policy]\nveto = false\n" + either)


def test_what_only_meets_at_a_request_is_kept_and_its_late_reminders_are_left_out():
    text = "[policy]\nremind = ['30m', '2h']\nescalate = { after = '3h', to = 'boss' }"
    call = {"within": "1h", "otherwise": "reject"}
    found = policy(text, call)
    assert [each.pointer for each in found.problems()] == ["/remind/1", "/escalate/0/after"]
    kinds = [each.kind.value for each in PolicyBook().timetable(found, OPENED)]
    assert kinds == ["remind", "expire"]


def test_conditions_are_no_fields():
    assert not set(CONDITIONS) & set(FIELDS)


@pytest.mark.parametrize("page", ["reference/policies.md", "how-to/deadlines.md"])
def test_the_examples_of_the_documentation_can_be_loaded(page):
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        loaded = book(example)
        assert loaded.rules or loaded.users


def test_every_field_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "policies.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)[: len(FIELDS)] == list(FIELDS)
    assert all(f"`{kind}`" in text for kind in kind_names())


def test_a_deadline_of_the_how_to_falls_where_it_says():
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "deadlines.md").read_text()
    office = book(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[1])
    found = office.policy_for({}, **where())
    new_york = ZoneInfo("America/New_York")
    for friday, due in [("2026-03-06", "2026-03-10"), ("2026-09-04", "2026-09-09")]:
        opened_at = datetime.fromisoformat(f"{friday}T16:00").replace(tzinfo=new_york)
        expire = office.timetable(found, opened_at)[-1]
        assert expire.at == datetime.fromisoformat(f"{due}T16:00").replace(tzinfo=new_york)


@pytest.mark.parametrize(
    "away", ["until = 9999-12-31", "from = 0001-01-01T00:00:00+14:00, until = 2026-01-01"]
)
def test_an_absence_beyond_the_calendar_is_refused_with_its_line(away: str):
    [said] = refused(f'[[user]]\nname = "jane"\naway = [{{ {away}, substitute = "tom" }}]')
    assert said.startswith("signoff.toml:3: away.0.")
    assert said.endswith("which is beyond the calendar")
