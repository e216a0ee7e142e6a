"""Kinds of pauses: what is recognised, what it becomes, which answers it takes."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain.agents.middleware.human_in_the_loop import _decision_schema
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import InvalidAnswer, InvalidInput
from signoff.domain.question import Pause, Question
from signoff.domain.request import Request
from signoff.pauses.any_kind import (
    ballot_of,
    check_ballot,
    digest_of,
    resume_value,
    sections,
    understand,
)
from signoff.pauses.schemas import is_object, sound

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EVERYTHING = ("approve", "edit", "reject", "respond")


def request(value: Any, schema: Any = None) -> Request:
    """A request as a pause with this value opens it."""
    question = understand(value, schema, node="review")
    assert question.digest == digest_of(value, schema)
    place = ("t", "g", "review", "i", "task", "", "c")
    names = ("thread_id", "graph", "node", "interrupt_id", "task_id", "checkpoint_ns")
    pause = Pause(**dict(zip((*names, "checkpoint_id"), place, strict=True)), position=0)
    return Request(id="r", pause=pause, question=stored(question), opened_at=NOW)


def stored(question: Question) -> Question:
    """What is left of a question in another process."""
    kept = json.loads(json.dumps([question.payload, question.actions, question.response_schema]))
    return replace(
        question, payload=kept[0], actions=tuple(kept[1]), response_schema=kept[2], remark=None
    )


def gets(asked: Request, action: str, values: Any = None, note: str | None = None) -> Any:
    """What the node gets for this decision.

    Raises:
        InvalidAnswer: It is refused.
    """
    ballot = Ballot(action=action, values=values or {}, note=note)
    check_ballot(asked, ballot)
    outcome = Outcome(action=action, values=ballot.values, note=note, by="jane", at=NOW)
    return resume_value(asked, outcome)


def resumed(asked: Request, value: Any) -> Any:
    """What the node gets for a resume value of LangGraph's own form."""
    ballot = ballot_of(asked, value)
    return gets(asked, ballot.action, ballot.values, ballot.note)


def refusal(asked: Request, action: str, values: Any = None, note: str | None = None) -> list[str]:
    with pytest.raises(InvalidAnswer) as refused:
        gets(asked, action, values, note)
    return [error.pointer for error in refused.value.errors]


# --- tool calls -----------------------------------------------------------------------------------


def per_call(*allowed: Any, args: Any = None, tool: Any = None) -> tuple[dict[str, Any], Any]:
    value = {
        "type": "tool_approval",
        "tool_call_id": "1",
        "name": "pay",
        "args": {"amount": 1} if args is None else args,
        "description": "Tool execution requires approval\n\nTool: pay\nArgs: {'amount': 1}",
    }
    schema = TypeAdapter(_decision_schema(allowed or EVERYTHING, "pay", tool)).json_schema()
    return value, schema


@pytest.mark.parametrize("allowed", [EVERYTHING, ("edit",), ("reject",), ("respond", "approve")])
def test_the_decisions_of_a_tool_call_are_read_from_its_response_schema(allowed: Any) -> None:
    asked = request(*per_call(*allowed))
    assert asked.kind == "tool_approval"
    assert asked.action_names == allowed
    assert asked.title == "pay(amount=1)"
    assert [(s.title, s.content) for s in sections(asked)] == [("pay", {"amount": 1})]


def test_what_the_author_says_of_a_call_is_shown_and_what_repeats_it_is_not() -> None:
    value, schema = per_call()
    value["description"] = value["description"].replace("requires approval", "needs **care**")
    value["args"]["text"] = "x" * 100
    asked = request(value, schema)
    assert sections(asked)[0].content == "Tool execution needs **care**"
    assert asked.title == f'pay(amount=1, text="{"x" * 58}…)'


def edited_by(args_schema: Any) -> Request:
    """A tool call whose arguments have this schema, as it stands."""
    value, schema = per_call("edit")
    schema["$defs"]["EditedAction"]["properties"]["args"] = args_schema
    return request(value, schema)


def test_arguments_are_edited_by_their_schema_with_the_definitions_that_stand_in_it() -> None:
    """As the tools of MCP servers describe them."""
    asked = edited_by(
        {
            "type": "object",
            "properties": {"to": {"$ref": "#/$defs/To"}, "rest": {"$ref": "#/properties/to"}},
            "required": ["to"],
            "$defs": {"To": {"type": "string", "minLength": 2}},
        }
    )
    assert refusal(asked, "edit", {"args": {"to": "x"}}) == ["/values/args/to"]
    assert refusal(asked, "edit", {"args": {"to": "xx", "rest": 1}}) == ["/values/args/rest"]
    edited = gets(asked, "edit", {"args": {"to": "xx"}})
    assert edited == {"type": "edit", "edited_action": {"name": "pay", "args": {"to": "xx"}}}


def test_arguments_whose_schema_cannot_be_used_may_be_anything() -> None:
    asked = edited_by({"type": "object", "properties": {"to": {"$ref": "https://example.com/to"}}})
    assert gets(asked, "edit", {"args": {"to": 1}})["edited_action"]["args"] == {"to": 1}
    assert refusal(asked, "edit", {"args": 1}) == ["/values/args"]


def batch(*allowed: tuple[str, ...]) -> dict[str, Any]:
    return {
        "action_requests": [{"name": f"tool{n}", "args": {"n": n}} for n in range(len(allowed))],
        "review_configs": [
            {"action_name": f"tool{n}", "allowed_decisions": list(each)}
            for n, each in enumerate(allowed)
        ],
    }


def test_calls_of_one_tool_may_share_a_review_config() -> None:
    value = batch(("approve",), ("reject",))
    value["action_requests"] += [{"name": "tool0", "args": {"x": 1}, "description": "Once more."}]
    asked = request(value)
    assert asked.title == "3 tool calls: tool0 (2), tool1"
    decisions = [{"type": "approve"}, {"type": "reject"}, {"type": "approve"}]
    assert gets(asked, "submit", {"decisions": decisions}) == {"decisions": decisions}
    titles = [section.title for section in sections(asked)]
    assert titles == ["1. tool0", "2. tool1", "3. tool0", None]


# --- the Agent Inbox ------------------------------------------------------------------------------


def inbox(**config: bool) -> dict[str, Any]:
    allowed = dict.fromkeys(("allow_accept", "allow_edit", "allow_respond", "allow_ignore"), False)
    return {
        "action_request": {"action": "send", "args": {"n": 1, "when": None}},
        "config": {**allowed, **config},
        "description": "# Send it?",
    }


def test_the_agent_inbox_gets_a_list_of_one_whatever_it_sends() -> None:
    all_of_them = dict.fromkeys(("allow_accept", "allow_edit", "allow_respond", "allow_ignore"), 1)
    value = inbox(**dict.fromkeys(all_of_them, True))
    for asked in (request([value]), request(value)):
        assert asked.kind == "agent_inbox"
        assert asked.action_names == ("accept", "edit", "respond", "ignore")
        assert gets(asked, "accept") == [{"type": "accept", "args": None}]
        assert gets(asked, "ignore") == [{"type": "ignore", "args": None}]
        said = gets(asked, "respond", note=" No. ")
        assert said == [{"type": "response", "args": " No. "}]
        args = {"n": 2, "when": "2026-03-02", "f": 1.0}
        [edited] = gets(asked, "edit", {"args": args})
        assert edited == {"type": "edit", "args": {"action": "send", "args": args}}
        assert type(edited["args"]["args"]["f"]) is float
        assert resumed(asked, [edited]) == [edited]
        assert resumed(asked, said) == said
        assert resumed(asked, {"type": "accept", "args": {}}) == gets(asked, "accept")
        assert refusal(asked, "respond") == ["/note"]
        assert refusal(asked, "edit", {"args": "n=2"}) == ["/values/args"]


def test_the_agent_inbox_offers_what_its_config_allows() -> None:
    asked = request([inbox(allow_ignore=True, allow_respond=True)])
    assert asked.action_names == ("respond", "ignore")
    assert refusal(asked, "accept") == ["/action"]
    for wrong in (
        [{"type": "accept", "args": None}],
        [{"type": "response", "args": {"n": 1}}],
        [{"type": "ignore"}, {"type": "ignore"}],
        "ignore",
        [],
    ):
        with pytest.raises(InvalidAnswer):
            resumed(asked, wrong)


# --- forms ----------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Tree(BaseModel):
    name: str
    below: list[Tree] = []


class Terms(TypedDict):
    days: int
    colour: Colour


FORMS: list[tuple[Any, Any, Any, str]] = [
    (Terms, {"days": 3, "colour": "red"}, {"days": "x", "colour": "red"}, "/values/days"),
    (Cat | Dog, {"kind": "dog", "name": "Rex"}, {"kind": "dog"}, "/values/name"),
    (Cat | Dog, {"kind": "cat", "lives": 7}, {"kind": "cow"}, "/values/kind"),
    (
        Tree,
        {"name": "a", "below": [{"name": "b"}]},
        {"name": "a", "below": [{}]},
        "/values/below/0/name",
    ),
    (bool, True, "yes", "/values/value"),
    (int, 3, True, "/values/value"),
    (list[Tree], [{"name": "a"}], [{"name": 1}], "/values/value/0/name"),
    (Colour, "blue", "green", "/values/value"),
    (Terms | None, None, 3, "/values/value"),
    ({"type": "string", "minLength": 2}, "ok", "x", "/values/value"),
    (
        {"$ref": "#/definitions/n", "definitions": {"n": {"type": "integer"}}},
        4,
        "4",
        "/values/value",
    ),
    ({"type": "array", "items": {"$ref": "#"}}, [[], [[]]], [1], "/values/value/0"),
]


@pytest.mark.parametrize(("type_", "good", "bad", "at"), FORMS)
def test_a_form_is_answered_by_what_fits_its_schema(
    type_: Any, good: Any, bad: Any, at: str
) -> None:
    schema = type_ if isinstance(type_, dict) else TypeAdapter(type_).json_schema()
    asked = request({"question": "Which?", "draft": 3}, schema)
    assert (asked.kind, asked.title, asked.action_names) == ("form", "Which?", ("respond",))
    assert [section.content for section in sections(asked)] == [{"draft": 3}]

    def values(value: Any) -> Any:
        return value if is_object(schema) else {"value": value}

    assert gets(asked, "respond", values(good)) == good
    assert resumed(asked, good) == good
    assert refusal(asked, "respond", values(bad)) == [at]
    with pytest.raises(InvalidAnswer):
        resumed(asked, bad)


# --- choices --------------------------------------------------------------------------------------


def test_values_add_to_what_was_chosen_and_change_neither_that_nor_who_chose_it() -> None:
    asked = request({"question": "Go on?", "options": ["approve", "reject", "ship it"]})
    forged = {"action": "approve", "approved": True, "reviewer": "boss", "user": "boss"}
    given = gets(asked, "reject", {**forged, "result": 3, "notes": "mine"}, "no")
    assert given == {
        "action": "reject",
        "approved": False,
        "reviewer": "jane",
        "user": "jane",
        "feedback": "no",
        "notes": "mine",
        "result": 3,
    }
    assert gets(asked, "ship it")["approved"] is False
    assert gets(asked, "ship it", {"approved": True})["approved"] is True
    assert resumed(asked, {"action": "approve", "reviewer": "boss"})["reviewer"] == "jane"


# --- what looks like a kind and is none -----------------------------------------------------------

INBOX = inbox(allow_accept=True)
CALL, CALL_SCHEMA = per_call()

MALFORMED: list[tuple[Any, Any, str]] = [
    (CALL, None, "a tool approval, but it has no response schema"),
    (CALL | {"args": "x"}, CALL_SCHEMA, "the args of pay are no object"),
    (CALL | {"name": None}, CALL_SCHEMA, "its name is no text"),
    (CALL, {"type": "string"}, "a decision that is unknown: None"),
    (CALL, {"properties": {"type": {"const": "sell"}}}, "a decision that is unknown: 'sell'"),
    ({"action_requests": []}, None, "a tool batch, but its action_requests are no list"),
    ({"action_requests": [{"name": "x", "args": {}}]}, None, "its review_configs are no list"),
    (batch(("approve",)) | {"review_configs": []}, None, "it has no review config for tool0"),
    (batch(("approve",), ()), None, "the review config for tool1 allows no decision"),
    (batch(("sell",)), None, "allows what is unknown: 'sell'"),
    (batch(("approve",)) | {"action_requests": ["x"]}, None, "its call 1 is no object"),
    ([INBOX, INBOX], None, "an agent inbox, but it lists 2 requests"),
    (INBOX | {"config": {}}, None, "its config allows nothing"),
    (INBOX | {"config": {"allow_edit": "yes"}}, None, "allow_edit in its config is neither"),
    (INBOX | {"action_request": 3}, None, "its action_request is no object"),
    (INBOX | {"action_request": {"action": "a", "args": []}}, None, "the args of a are no object"),
    ("Age?", {"type": "numeral"}, "a form, but its response schema cannot be used"),
    ("Age?", {"$ref": "https://example.com/age"}, "nothing is fetched"),
    ("Age?", {"$ref": "#"}, "lead round in circles"),
    ({"options": ["a", 2]}, None, "a choice, but its option 2 has no name"),
    ({"actions": ["a", "a"]}, None, "it has the option 'a' twice"),
    ({"options": []}, None, "it lists no options"),
    ({"options": {"a": "A"}}, None, "a choice, but its options are no list"),
]


@pytest.mark.parametrize(("value", "schema", "why"), MALFORMED)
def test_what_is_malformed_is_a_plain_question_that_says_why(
    value: Any, schema: Any, why: str
) -> None:
    question = understand(value, schema, node="review")
    assert question.kind == "question"
    assert question.remark is not None
    assert why in question.remark
    asked = request(value, schema)
    assert gets(asked, "respond", {"value": {"any": 1}}) == {"any": 1}
    assert resumed(asked, [1]) == [1]


@dataclass
class Chosen:
    """As an author may put it: no dict, and no list."""

    question: str
    options: tuple[str, ...]


class Reviewed(BaseModel):
    """As LangChain has it, in a model."""

    action_requests: list[dict[str, Any]]
    review_configs: list[dict[str, Any]]


def test_models_and_dataclasses_are_read_as_the_json_that_they_are() -> None:
    asked = request(Chosen("Go on?", ("yes", "no")))
    assert (asked.kind, asked.title, asked.action_names) == ("choice", "Go on?", ("yes", "no"))
    assert request(Reviewed(**batch(EVERYTHING))).kind == "tool_batch"
    assert request((INBOX,)).kind == "agent_inbox"


@pytest.mark.parametrize("value", ["Age?", 3, None, {"question": "Age?"}, [1], {"type": "x"}])
def test_what_looks_like_nothing_is_a_question_without_a_remark(value: Any) -> None:
    question = understand(value, None, node="review")
    assert (question.kind, question.remark) == ("question", None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e9, 1e9)
    | st.text("ab "),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=6,
)
HOLES = [CALL, batch(EVERYTHING, ("approve",)), [INBOX], {"options": ["a", {"name": "b"}]}]


@given(
    value=st.sampled_from(HOLES),
    junk=JSON,
    data=st.data(),
    schema=st.sampled_from([None, CALL_SCHEMA]),
)
@settings(max_examples=300, deadline=None)
def test_no_payload_is_lost_however_broken(value: Any, junk: Any, data: Any, schema: Any) -> None:
    """A pause with junk anywhere in it is read as something that a person can answer."""
    broken = [deepcopy(value)]
    place: Any = broken
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not place[key] or not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = junk
            break
        place = place[key]
    asked = request(broken[0], schema)
    assert asked.title.strip()
    assert asked.actions
    assert all(action["schema"] is None or sound(action["schema"]) for action in asked.actions)
    assert sections(asked) is not None


# --- what is taken is taken by the node, what is refused never gets there -------------------------

DECISION = st.one_of(
    st.builds(lambda t: {"type": t}, st.sampled_from([*EVERYTHING, "sell"])),
    st.builds(
        lambda t, m: {"type": t, "message": m}, st.sampled_from(EVERYTHING), JSON | st.just("No.")
    ),
    st.builds(
        lambda n, a: {"type": "edit", "edited_action": {"name": n, "args": a}},
        st.sampled_from(["pay", "tool0", "tool1", "x"]),
        JSON | st.fixed_dictionaries({"amount": st.integers() | st.text("1")}),
    ),
    JSON,
)


def pay(amount: int, note: str = "") -> str:
    """Pay."""
    return "paid"


PAY_TOOL = StructuredTool.from_function(pay)


@given(decision=DECISION, allowed=st.lists(st.sampled_from(EVERYTHING), min_size=1, unique=True))
@settings(max_examples=100, deadline=None)
def test_the_middleware_takes_every_decision_on_a_call_that_signoff_takes(
    decision: Any, allowed: Any
) -> None:
    answer_type = TypeAdapter(_decision_schema(allowed, "pay", PAY_TOOL))
    asked = request(per_call()[0], answer_type.json_schema())
    try:
        value = resumed(asked, decision)
    except InvalidInput:
        return
    answer_type.validate_python(value)
    assert value["type"] in allowed
    if value["type"] == "edit":
        assert value == {"type": "edit", "edited_action": decision["edited_action"]}


@given(decisions=st.lists(DECISION, max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_batch_that_signoff_takes_has_an_allowed_decision_for_each_call(decisions: Any) -> None:
    configs = [("approve", "edit"), ("reject", "respond")]
    asked = request(batch(*configs))
    try:
        value = resumed(asked, {"decisions": decisions})
    except InvalidInput:
        return
    assert len(value["decisions"]) == 2
    for n, (decision, allowed) in enumerate(zip(value["decisions"], configs, strict=True)):
        assert decision["type"] in allowed
        if decision["type"] == "edit":
            assert decision["edited_action"]["name"] == f"tool{n}"
            assert isinstance(decision["edited_action"]["args"], dict)
        if decision["type"] == "respond":
            assert decision["message"].strip()


ANSWER = JSON | st.fixed_dictionaries(
    {"days": st.integers(-5, 5) | st.text("1"), "colour": st.sampled_from(["red", "x"])},
    optional={"more": st.none()},
)
FORM_TYPES: list[Any] = [Terms, Cat | Dog, int, list[int], Terms | None]
ADAPTERS: list[TypeAdapter[Any]] = [TypeAdapter(type_) for type_ in FORM_TYPES]


@given(adapter=st.sampled_from(ADAPTERS), value=ANSWER)
@settings(max_examples=300, deadline=None)
def test_langgraph_takes_every_answer_to_a_form_that_signoff_takes(
    adapter: TypeAdapter[Any], value: Any
) -> None:
    try:
        taken = resumed(request("?", adapter.json_schema()), value)
    except InvalidInput:
        return
    adapter.validate_python(taken)
    assert taken == value
