"""`ask()` under plain LangGraph: what it sends, what it refuses, and what comes back."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import is_invalid_resume
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel, Field, ValidationError, field_validator

from signoff import Action, Decision, ask
from signoff.ask import Values, Vote
from signoff.domain import jsontext
from signoff.domain.errors import InvalidQuestion
from signoff.envelope import is_envelope
from signoff.schema import check_schema


class State(TypedDict, total=False):
    seen: Annotated[list[Any], lambda old, new: old + new]


class Terms(BaseModel):
    days: int = Field(ge=1)
    kind: str = "net"

    @field_validator("kind")
    @classmethod
    def known(cls, kind: str) -> str:
        if kind not in ("net", "gross"):
            raise ValueError("is neither net nor gross")
        return kind


CONFIG = {"configurable": {"thread_id": "contract-1"}}


def graph(node: Callable[..., Any]) -> Any:
    builder = StateGraph(State)
    builder.add_node("review", node)
    builder.add_edge(START, "review")
    return builder.compile(checkpointer=InMemorySaver())


def asking(*args: Any, **kwargs: Any) -> Any:
    """A graph of one node that asks this and keeps the decision."""
    return graph(lambda state: {"seen": [ask(*args, **kwargs)]})


def envelope(*args: Any, **kwargs: Any) -> dict[str, Any]:
    [pause] = asking(*args, **kwargs).invoke({}, CONFIG)["__interrupt__"]
    assert is_envelope(pause.value)
    jsontext.check(pause.value, where="the envelope")
    return pause.value


def decided(app: Any, answer: Any) -> Decision:
    app.invoke({}, CONFIG)
    [decision] = app.invoke(Command(resume=answer), CONFIG)["seen"]
    return decision


# --- the envelope ------------------------------------------------------------------------------


def test_the_envelope_says_all_there_is_to_say():
    assert envelope("Contract draft v1 for Acme", show={"draft": "..."}) == {
        "signoff": 1,
        "title": "Contract draft v1 for Acme",
        "show": {"draft": "..."},
        "actions": [
            {
                "name": "approve",
                "label": "Approve",
                "style": "primary",
                "note": "optional",
                "reply": None,
            },
            {
                "name": "reject",
                "label": "Reject",
                "style": "danger",
                "note": "optional",
                "reply": None,
            },
        ],
        "topic": None,
        "policy": {},
    }


def test_the_policy_has_only_what_was_given_and_iso_durations():
    policy = envelope(
        "?",
        topic="contract_review",
        to="group:legal",
        within=timedelta(hours=24),
        remind=["12h", "PT20H"],
        escalate={"after": "18h", "to": ["boss@firm.com"], "priority": "urgent"},
        otherwise="reject",
        quorum=2,
        veto=False,
        four_eyes=True,
        priority="high",
        notify=("mail", "chat", "mail"),
    )["policy"]
    assert policy == {
        "to": ["group:legal"],
        "within": "PT24H",
        "remind": ["PT12H", "PT20H"],
        "escalate": [{"after": "PT18H", "to": ["boss@firm.com"], "priority": "urgent"}],
        "otherwise": {"action": "reject", "values": {}, "note": None},
        "quorum": 2,
        "veto": False,
        "four_eyes": True,
        "priority": "high",
        "notify": ["mail", "chat"],
    }


def test_names_and_actions_may_be_mixed_and_one_may_stand_alone():
    fix = Action("request_changes", label="Ask for changes", style="primary", note="required")
    names = [
        (a["name"], a["label"], a["style"], a["note"])
        for a in envelope("?", actions=["skip", fix])["actions"]
    ]
    assert names == [
        ("skip", "Skip", "default", "optional"),
        ("request_changes", "Ask for changes", "primary", "required"),
    ]
    assert [a["name"] for a in envelope("?", actions="respond")["actions"]] == ["respond"]
    assert envelope("?", actions=fix)["actions"][0]["name"] == "request_changes"


def test_a_reply_holds_for_every_action_without_its_own_except_reject():
    own = {"type": "object", "required": ["why"]}
    actions = envelope(
        "?",
        actions=["approve", Action("hold", reply=own), Action("skip", reply={}), "reject"],
        reply=Terms,
    )["actions"]
    terms = Terms.model_json_schema()
    assert [action["reply"] for action in actions] == [terms, own, {}, None]
    [pause] = asking("?", actions=["reject"], reply=Terms).invoke({}, CONFIG)["__interrupt__"]
    assert pause.value["actions"][0]["reply"] is None


def test_tuples_and_subclasses_of_json_types_are_sent_as_what_they_are():
    message = AIMessage("the draft")
    shown = envelope("?", show={"text": message.text, "range": (1, 2)})["show"]
    assert shown == {"text": "the draft", "range": [1, 2]}
    assert type(shown["text"]) is str


def test_an_envelope_may_be_changed_by_who_gets_it_without_reaching_the_next():
    first = envelope("?", reply=Terms)
    first["actions"][0]["reply"]["properties"].clear()
    first["actions"].clear()
    assert envelope("?", reply=Terms)["actions"][0]["reply"] == Terms.model_json_schema()


def test_clients_get_a_schema_of_the_answer():
    [pause] = asking("?", reply=Terms).invoke({}, CONFIG)["__interrupt__"]
    check_schema(pause.response_schema)
    assert pause.response_schema["properties"]["action"]["enum"] == ["approve", "reject"]
    assert pause.response_schema["required"] == ["action"]


@pytest.mark.parametrize(
    "value",
    [None, "text", {"signoff": 2}, {"signoff": 1}, {"signoff": 1, "title": "x", "actions": ["a"]}],
)
def test_other_payloads_are_no_envelopes(value):
    assert not is_envelope(value)


# --- an author's mistakes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "pointer", "message"),
    [
        ({"title": ""}, "/title", "title must be a text that is not empty"),
        ({"title": None}, "/title", "title must be a text"),
        ({"title": "x" * 301}, "/title", "301 characters, more than the 300"),
        ({"title": "a\x00"}, "/title", "NUL"),
        ({"topic": ""}, "/topic", "topic must be a label"),
        ({"topic": 3}, "/topic", "topic must be a label"),
        ({"show": {"at": date(2026, 1, 1)}}, "/show/at", "/show/at is a datetime.date, not JSON"),
        ({"show": {1: 2}}, "/show", "int as a key"),
        ({"show": [float("nan")]}, "/show/0", "nan"),
        ({"show": "x" * 2**20}, None, "1 MiB"),
        ({"actions": []}, "/actions", "actions must not be empty"),
        ({"actions": {}}, "/actions", "must be a list"),
        ({"actions": None}, "/actions", "must be a list"),
        ({"actions": ["a", "b", "a"]}, "/actions/2", "actions.2 is 'a' once more"),
        ({"actions": ["a", ""]}, "/actions/1", "actions.1 is named ''"),
        ({"actions": ["with space"]}, "/actions/0", "is named 'with space'"),
        ({"actions": ["x" * 65]}, "/actions/0", "is named"),
        ({"actions": [3]}, "/actions/0", "is 3, neither a name nor an Action"),
        ({"actions": [Action(3)]}, "/actions/0", "is named 3"),
        ({"actions": [Action("a", label=" ")]}, "/actions/0/label", "not empty"),
        ({"actions": [Action("a", style="red")]}, "/actions/0/style", "must be one of default"),
        ({"actions": [Action("a", note="maybe")]}, "/actions/0/note", "must be one of optional"),
        ({"actions": [Action("a", note=[])]}, "/actions/0/note", "must be one of optional"),
        ({"actions": [Action("a", reply=3)]}, "/actions/0/reply", "must be a Pydantic model"),
        ({"reply": Terms(days=1)}, "/reply", "must be a Pydantic model"),
        ({"reply": {"type": "strin"}}, "/actions/0/reply/type", "strin"),
        ({"reply": {"type": "string"}}, "/actions/0/reply", "must describe an object"),
        ({"reply": {"enum": [date(2026, 1, 1)]}}, "/reply/enum/0", "not JSON"),
        ({"reply": {"$ref": "https://a.b/c"}}, "/actions/0/reply/$ref", "nothing is fetched"),
        ({"to": ""}, "/policy/to", "no name"),
        ({"to": 3}, "/policy/to", "must be a name or a list of names"),
        ({"within": 30}, "/policy/within", "30 is no duration: write it with its unit"),
        ({"within": "-1h"}, "/policy/within", "is no duration"),
        ({"within": "P1M"}, "/policy/within", "no fixed length"),
        ({"remind": ["1h", "soon"]}, "/policy/remind/1", "is no duration"),
        ({"within": "1h", "remind": "2h"}, "/policy/remind/0", "after the deadline"),
        ({"escalate": {"to": "x"}}, "/policy/escalate/0", "must have after"),
        ({"escalate": [{"after": "1h"}]}, "/policy/escalate/0", "what happens then"),
        ({"escalate": {"after": "1h", "too": "x"}}, "/policy/escalate/0", "has 'too'"),
        ({"escalate": {"after": "1x", "to": "x"}}, "/policy/escalate/0/after", "is no duration"),
        (
            {"within": "1h", "escalate": {"after": "2h", "to": "x"}},
            "/policy/escalate/0/after",
            "after the deadline",
        ),
        (
            {"otherwise": "skip"},
            "/policy/otherwise/action",
            "'skip' is not offered; choose approve",
        ),
        ({"otherwise": {"action": "skip"}}, "/policy/otherwise/action", "not offered"),
        ({"otherwise": 3}, "/policy/otherwise", "must be the name of an action"),
        ({"otherwise": {"action": "reject", "why": "x"}}, "/policy/otherwise", "has 'why'"),
        ({"otherwise": "approve", "reply": Terms}, "/policy/otherwise/values/days", "is required"),
        ({"quorum": 0}, "/policy/quorum", "must be a number of votes"),
        ({"quorum": True}, "/policy/quorum", "must be a number of votes"),
        ({"quorum": 2, "to": "jane"}, "/policy/quorum", "only one person can vote"),
        ({"veto": 1}, "/policy/veto", "must be True or False"),
        ({"priority": "asap"}, "/policy/priority", "must be one of low, normal, high, urgent"),
        ({"priority": []}, "/policy/priority", "must be one of low"),
    ],
)
def test_a_mistake_is_an_error_at_once_that_says_what_and_where(question, pointer, message):
    app = asking(**{"title": "Fine?", **question})
    with pytest.raises(InvalidQuestion) as caught:
        app.invoke({}, CONFIG)
    assert isinstance(caught.value, ValueError)
    assert caught.value.message.startswith("ask()")
    assert message in caught.value.message
    assert len(caught.value.message) < 400
    assert [error.pointer for error in caught.value.errors] == ([pointer] if pointer else [])
    assert not app.get_state(CONFIG).interrupts


def test_a_model_without_a_json_schema_is_refused():
    class Callback(BaseModel):
        call: Callable[[], None]

    with pytest.raises(InvalidQuestion, match="has no JSON Schema"):
        asking("?", reply=Callback).invoke({}, CONFIG)


def test_a_fallback_brings_values_that_fit():
    policy = envelope(
        "?", reply=Terms, within="1h", otherwise={"action": "approve", "values": {"days": 7}}
    )["policy"]
    assert policy["otherwise"] == {"action": "approve", "values": {"days": 7}, "note": None}


def test_a_fallback_may_leave_out_a_required_note():
    actions = ["approve", Action("reject", note="required")]
    assert envelope("?", actions=actions, otherwise="reject")["policy"]["otherwise"]["note"] is None


def test_outside_a_graph_there_is_nobody_to_ask():
    with pytest.raises(RuntimeError):
        ask("Fine?")


# --- the answer --------------------------------------------------------------------------------


def test_a_bare_action_is_an_answer():
    decision = decided(asking("Fine?"), {"action": "approve"})
    assert decision == Decision("approve")
    assert decision.approved
    assert decision.values == {}
    assert (decision.note, decision.by, decision.at, decision.votes) == (None, None, None, ())
    assert not decision.timed_out
    assert not decided(asking("Fine?"), {"action": "reject", "note": "no"}).approved


def test_a_desks_answer_fills_in_all_of_the_decision():
    vote = {"by": "jane@firm.com", "action": "approve", "values": {"days": 3}, "note": "ok"}
    decision = decided(
        asking("Fine?", reply=Terms),
        {
            "action": "approve",
            "values": {"days": 3},
            "note": "ok",
            "by": "jane@firm.com",
            "at": "2026-01-31T09:30:00+00:00",
            "timed_out": False,
            "escalated": True,
            "waited": "PT26H0.5S",
            "request_id": "r-1",
            "votes": [{**vote, "at": "2026-01-31T09:30:00+00:00"}],
        },
    )
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert decision == Decision(
        action="approve",
        values=Values(days=3, kind="net"),
        note="ok",
        by="jane@firm.com",
        at=at,
        escalated=True,
        waited=timedelta(hours=26, seconds=0.5),
        request_id="r-1",
        votes=(
            Vote(by="jane@firm.com", action="approve", values=Values(days=3), note="ok", at=at),
        ),
    )


@pytest.mark.parametrize(
    ("said", "waited"),
    [("PT0S", timedelta()), (timedelta(), timedelta()), ("PT1H30M", timedelta(minutes=90))],
)
def test_the_time_waited_is_a_timedelta_and_none_where_nobody_measured_it(said, waited):
    assert decided(asking("?"), {"action": "approve", "waited": said}).waited == waited
    assert decided(asking("?"), {"action": "approve"}).waited is None


def test_the_values_of_a_model_are_validated_and_filled_in():
    decision = decided(asking("?", reply=Terms), {"action": "approve", "values": {"days": 3}})
    assert decision.values == {"days": 3, "kind": "net"}
    assert decision.values.kind == "net"


def test_values_are_read_by_key_or_as_attributes_at_any_depth():
    reply = {"type": "object"}
    values = {"address": {"city": "Bern"}, "items": [{"sku": "a"}]}
    got = decided(asking("?", reply=reply), {"action": "approve", "values": values}).values
    assert got == values
    assert got.address.city == "Bern"
    assert got["items"][0].sku == "a"
    with pytest.raises(AttributeError, match="no value 'other'"):
        _ = got.other
    for twin in (copy.copy(got), copy.deepcopy(got), pickle.loads(pickle.dumps(got))):
        assert twin == got
        assert twin.address.city == "Bern"


BAD_ANSWERS = [
    ("approve", ""),
    (["approve"], ""),
    ({"note": "no action"}, "/action"),
    ({"action": "skip"}, "/action"),
    ({"action": 3}, "/action"),
    ({"action": "approve"}, "/values/days"),
    ({"action": "approve", "values": {"days": 0}}, "/values/days"),
    ({"action": "approve", "values": {"days": 1, "kind": "other"}}, "/values/kind"),
    ({"action": "approve", "values": {"days": 1, "kind": "\ud800"}}, "/values/kind"),
    ({"action": "reject", "values": {"days": 1}}, "/values"),
    ({"action": "reject", "note": 3}, "/note"),
    ({"action": "reject", "feedback": "no"}, "/feedback"),
    ({"action": "reject", "by": 3}, "/by"),
    ({"action": "reject", "at": "yesterday"}, "/at"),
    ({"action": "reject", "timed_out": "no"}, "/timed_out"),
    ({"action": "reject", "waited": "ages"}, "/waited"),
    ({"action": "reject", "waited": 3}, "/waited"),
    ({"action": "reject", "votes": [3]}, "/votes"),
    ({"action": "reject", "note": "x" * 2**20}, ""),
]


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize(("answer", "pointer"), BAD_ANSWERS)
def test_after_a_bad_answer_the_question_can_be_answered_again(answer, pointer, by_id):
    app = asking("Fine?", reply=Terms)
    [pause] = app.invoke({}, CONFIG)["__interrupt__"]
    for _ in range(2):
        with pytest.raises(ValidationError) as caught:
            app.invoke(Command(resume={pause.id: answer} if by_id else answer), CONFIG)
        assert is_invalid_resume(caught.value)
        [error] = caught.value.errors()
        assert error["type"] == "invalid_answer"
        assert [one["pointer"] for one in error["ctx"]["errors"]] == [pointer]
        assert [waiting.id for waiting in app.get_state(CONFIG).interrupts] == [pause.id]
    good = {"action": "approve", "values": {"days": 3}}
    result = app.invoke(Command(resume={pause.id: good} if by_id else good), CONFIG)
    assert result["seen"] == [Decision("approve", Values(days=3, kind="net"))]


async def test_after_a_bad_answer_an_async_graph_can_be_answered_again():
    async def review(state: State) -> State:
        return {"seen": [ask("Fine?")]}

    app = graph(review)
    [pause] = (await app.ainvoke({}, CONFIG))["__interrupt__"]
    with pytest.raises(ValidationError):
        await app.ainvoke(Command(resume={pause.id: {"action": "skip"}}), CONFIG)
    result = await app.ainvoke(Command(resume={pause.id: {"action": "reject"}}), CONFIG)
    assert result["seen"] == [Decision("reject")]


def test_a_fallbacks_answer_needs_no_note():
    actions = ["approve", Action("reject", note="required")]
    answer = {"action": "reject", "timed_out": True, "by": "system"}
    assert decided(asking("?", actions=actions), answer).timed_out


def test_several_questions_of_a_node_are_answered_in_order():
    def review(state: State) -> State:
        first = ask("Legal?", show=1)
        second = ask("Price?", show=2, reply=Terms)
        third = interrupt("Anything else?")
        return {"seen": [first.action, second.values.days, third]}

    app = graph(review)
    app.invoke({}, CONFIG)
    [second] = app.invoke(Command(resume={"action": "approve"}), CONFIG)["__interrupt__"]
    assert second.value["title"] == "Price?"
    app.invoke(Command(resume={"action": "approve", "values": {"days": 3}}), CONFIG)
    assert app.invoke(Command(resume="no"), CONFIG)["seen"] == ["approve", 3, "no"]


def test_a_loop_asks_until_it_is_approved():
    def review(state: State) -> Command[Any]:
        decision = ask(
            f"Draft {len(state.get('seen', []))}", actions=["approve", "request_changes"]
        )
        seen = {"seen": [decision.note]}
        return Command(update=seen, goto="__end__" if decision.approved else "review")

    app = graph(review)
    app.invoke({}, CONFIG)
    app.invoke(Command(resume={"action": "request_changes", "note": "shorter"}), CONFIG)
    [pause] = app.invoke(Command(resume={"action": "request_changes", "note": "kinder"}), CONFIG)[
        "__interrupt__"
    ]
    assert pause.value["title"] == "Draft 2"
    result = app.invoke(Command(resume={"action": "approve"}), CONFIG)
    assert result["seen"] == ["shorter", "kinder", None]
    assert "__interrupt__" not in result


async def test_parallel_branches_get_each_their_own_answer():
    async def review(state: Any) -> State:
        decision = ask("Fine?", show=state["part"], actions=["approve", "reject"])
        return {"seen": [(state["part"], decision.action)]}

    builder = StateGraph(State)
    builder.add_node("review", review)
    builder.add_conditional_edges(
        START, lambda state: [Send("review", {"part": part}) for part in "abc"]
    )
    app = builder.compile(checkpointer=InMemorySaver())
    pauses = (await app.ainvoke({}, CONFIG))["__interrupt__"]
    answers = {
        pause.id: {"action": "reject" if pause.value["show"] == "b" else "approve"}
        for pause in pauses
    }
    result = await app.ainvoke(Command(resume=answers), CONFIG)
    assert sorted(result["seen"]) == [("a", "approve"), ("b", "reject"), ("c", "approve")]


@pytest.mark.parametrize("strict", ["", "true"])
def test_a_decision_kept_in_the_state_comes_back_as_one(strict):
    program = """
from typing import TypedDict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from signoff import Decision, ask
State = TypedDict("State", {"review": Decision})
def review(state):
    global given
    given = ask("Fine?", reply={"type": "object"})
    return {"review": given}
builder = StateGraph(State)
builder.add_node("review", review)
builder.add_edge(START, "review")
graph = builder.compile(checkpointer=InMemorySaver())
config = {"configurable": {"thread_id": "1"}}
graph.invoke({}, config)
vote = {"by": "jane", "action": "approve", "values": {"a": {"b": 1}}, "at": "2026-01-31T09:30:00Z"}
graph.invoke(Command(resume={**vote, "votes": [vote]}), config)
kept = graph.get_state(config).values["review"]
assert kept == given and kept.values.a.b == kept.votes[0].values.a.b == 1, kept
"""
    environment = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": strict}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_a_decision_can_be_made_for_a_test():
    assert Decision("approve", Values(days=3)).values.days == 3


def test_asking_costs_far_less_than_a_millisecond():
    show = {"draft": "lorem ipsum " * 100, "history": [{"v": n, "by": "x"} for n in range(8)]}
    costs = []

    def review(state: State) -> None:
        start = time.perf_counter()
        try:
            ask("Fine?", show=show, reply=Terms, to="group:legal", within="24h", otherwise="reject")
        finally:
            costs.append(time.perf_counter() - start)

    app = graph(review)
    for n in range(50):
        app.invoke({}, {"configurable": {"thread_id": str(n)}})
    assert sorted(costs)[len(costs) // 2] < 0.001
