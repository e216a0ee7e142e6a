"""`agent_inbox`: the `HumanInterrupt` of LangChain's Agent Inbox.

`[{"action_request": {"action", "args"}, "config": {"allow_ignore", "allow_respond", "allow_edit",
"allow_accept"}, "description"}]`, or the bare object. The answer is always a list of one, `{"type",
"args"}`: the args are None, a text, or the edited action.
"""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer
from signoff.domain.policy import Policy
from signoff.domain.question import Question
from signoff.domain.request import Request
from signoff.pauses.base import (
    Malformed,
    PauseKind,
    Section,
    action,
    allowed_actions,
    call_line,
    payload_of,
)
from signoff.pauses.schemas import ANY_OBJECT, Schema, properties
from signoff.pauses.tool_approval import called

ACTIONS = ("accept", "edit", "respond", "ignore")
"""What a person may do, the most usual first; each has its switch in the config."""

TYPES = {"respond": "response"}
"""Where the type of the answer is another word than the action."""


class AgentInboxKind(PauseKind):
    """One request of the Agent Inbox."""

    name = "agent_inbox"
    actions = (
        action("accept", style="primary"),
        action("edit", schema=properties({"args": ANY_OBJECT}, required=("args",))),
        action("respond", note="required"),
        action("ignore", style="danger"),
    )
    messages = frozenset({"respond"})

    def recognises(self, value: Any, response_schema: Schema | None) -> bool:
        several = value if isinstance(value, list) else [value]
        return any(isinstance(each, dict) and "action_request" in each for each in several)

    def read(self, value: Any, response_schema: Schema | None, *, node: str) -> Question:
        payload = payload_of(value)
        asked = _asked(payload)
        if not isinstance(asked["action_request"], dict):
            raise Malformed("its action_request is no object")
        name, args = called(asked["action_request"], "action")
        edit = properties({"args": ANY_OBJECT | {"default": args}}, required=("args",))
        return Question(
            kind=self.name,
            title=call_line(name, args),
            topic=name,
            payload=payload,
            actions=allowed_actions(self, _allowed(asked), edit=edit),
            policy=Policy(),
            digest=self.digest(value, response_schema),
            response_schema=response_schema,
        )

    def sections(self, question: Question) -> list[Section]:
        asked = _asked(question.payload)
        described = asked.get("description")
        told = [Section(None, described)] if isinstance(described, str) and described else []
        asks = asked["action_request"]
        return [*told, Section(asks["action"], asks["args"])]

    def ballot(self, request: Request, value: Any) -> Ballot:
        answer = value[0] if isinstance(value, list) and len(value) == 1 else value
        type_ = answer.get("type") if isinstance(answer, dict) else None
        if not isinstance(type_, str):
            names = ", ".join(TYPES.get(name, name) for name in request.action_names)
            raise InvalidAnswer(
                "the answer to the Agent Inbox is a list of one answer with a type",
                [FieldError("/0/type", f"is one of: {names}")],
            )
        action, args = next((a for a, t in TYPES.items() if t == type_), type_), answer.get("args")
        if action == "respond":
            if not isinstance(args, str):
                raise _refuse("must be a string", at="/0/args")
            return Ballot(action=action, note=args)
        if action == "edit":
            name = _asked(request.payload)["action_request"]["action"]
            if not isinstance(args, dict) or args.get("action") != name:
                raise _refuse(
                    f"must be an object with the action {name} and its args", at="/0/args"
                )
            return Ballot(action=action, values={key: args[key] for key in args if key != "action"})
        return Ballot(action=action)

    def resume_value(self, request: Request, outcome: Outcome) -> list[dict[str, Any]]:
        args: Any = None
        if outcome.action == "respond":
            args = outcome.note
        elif outcome.action == "edit":
            name = _asked(request.payload)["action_request"]["action"]
            args = {"action": name, "args": outcome.values["args"]}
        return [{"type": TYPES.get(outcome.action, outcome.action), "args": args}]


def _asked(payload: Any) -> dict[str, Any]:
    """The one request that is asked.

    Raises:
        Malformed: There are several.
    """
    if not isinstance(payload, list):
        return dict(payload)
    if len(payload) != 1:
        raise Malformed(f"it lists {len(payload)} requests, and there is one answer")
    return dict(payload[0])


def _allowed(asked: dict[str, Any]) -> list[str]:
    config = asked.get("config")
    if not isinstance(config, dict):
        raise Malformed("its config is no object")
    switches = {each: config.get(f"allow_{each}", False) for each in ACTIONS}
    for each, switch in switches.items():
        if not isinstance(switch, bool):
            raise Malformed(f"allow_{each} in its config is neither true nor false")
    allowed = [each for each in ACTIONS if switches[each]]
    if not allowed:
        raise Malformed("its config allows nothing")
    return allowed


def _refuse(message: str, *, at: str) -> InvalidAnswer:
    return InvalidAnswer("the answer does not fit the Agent Inbox", [FieldError(at, message)])
