"""`tool_approval`: LangChain's `HumanInTheLoopMiddleware` with `interrupt_mode="per_call"`.

One pause per tool call, `{"type": "tool_approval", "tool_call_id", "name", "args", "description"}`.
Its response schema lists the decisions that are allowed, and what the tool's arguments look like;
the answer is one of these decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from signoff.pauses.schemas import (
    ANY_OBJECT,
    Schema,
    followed,
    member,
    properties,
    sound,
)

DECISIONS = ("approve", "edit", "reject", "respond")
"""What the middleware knows."""

DESCRIPTION = "Tool execution requires approval"
"""What the middleware says of any call, unless it is told to say something else."""

_EDIT = properties(
    {"args": ANY_OBJECT, "name": {"type": "string"}},
    required=("args",),
)


class ToolApprovalKind(PauseKind):
    """A single tool call."""

    name = "tool_approval"
    actions = (
        action("approve", style="primary"),
        action("edit", schema=_EDIT),
        action("reject", style="danger"),
        action("respond", note="required"),
    )
    messages = frozenset({"respond"})

    def recognises(self, value: Any, response_schema: Schema | None) -> bool:
        return isinstance(value, dict) and value.get("type") == self.name

    def read(self, value: Any, response_schema: Schema | None, *, node: str) -> Question:
        payload = payload_of(value)
        name, args = called(payload, "name")
        if response_schema is None:
            raise Malformed("it has no response schema, which would say what decisions it takes")
        allowed = _allowed(response_schema)
        edit = _edit(allowed["edit"], response_schema, name, args) if "edit" in allowed else None
        return Question(
            kind=self.name,
            title=call_line(name, args),
            topic=name,
            payload=payload,
            actions=allowed_actions(self, allowed, edit=edit),
            policy=Policy(),
            digest=self.digest(value, response_schema),
            response_schema=response_schema,
        )

    def sections(self, question: Question) -> list[Section]:
        return call_sections(question.payload, "name")

    def ballot(self, request: Request, value: Any) -> Ballot:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            names = ", ".join(request.action_names)
            raise InvalidAnswer(
                "the answer to a tool call is a decision with a type",
                [FieldError("/type", f"is one of: {names}")],
            )
        if kind == "edit":
            return Ballot(action=kind, values=_edited_action(value))
        note = value.get("message")
        if not isinstance(note, str | None):
            raise InvalidAnswer("a message is a text", [FieldError("/message", "must be a string")])
        return Ballot(action=kind, note=note)

    def resume_value(self, request: Request, outcome: Outcome) -> dict[str, Any]:
        if outcome.action == "edit":
            edited = {"name": request.payload["name"], "args": outcome.values["args"]}
            return {"type": "edit", "edited_action": edited}
        if outcome.note and outcome.action in ("reject", "respond"):
            return {"type": outcome.action, "message": outcome.note}
        return {"type": outcome.action}


def called(payload: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """What is to be called with what; `name` is the key of the former.

    Raises:
        Malformed: It does not say so.
    """
    if not isinstance(called := payload.get(name), str) or not called.strip():
        raise Malformed(f"its {name} is no text")
    if not isinstance(args := payload.get("args"), dict):
        raise Malformed(f"the args of {called} are no object")
    return called, args


def call_sections(call: Mapping[str, Any], name: str, *, title: str | None = None) -> list[Section]:
    """What is shown of a call: what its author says of it, and its arguments.

    With a `title` it stands above both, as there are other calls.
    """
    described = description_of(call.get("description"), call[name])
    if described is None:
        return [Section(title or call[name], call["args"])]
    if title is None:
        return [Section(None, described), Section(call[name], call["args"])]
    return [Section(title, described), Section(None, call["args"])]


def description_of(text: Any, name: str) -> str | None:
    """What a description says beyond the call itself, which the middleware's own only repeats."""
    if not isinstance(text, str):
        return None
    said, repeated, _ = text.partition(f"\n\nTool: {name}\nArgs: ")
    return None if repeated and said == DESCRIPTION else said.strip() or None


def args_schema(name: str, schema: Schema, root: Schema, args: Any) -> Schema:
    """The values of an `edit`: arguments by the tool's own schema, as far as that can be used.

    The arguments that were asked for stand in it as the default, for forms to begin with.
    """
    moved, beside = member("args", schema, root)
    values = _edit_values(name, moved | {"default": args}) | beside
    return values if sound(values) else _edit_values(name, ANY_OBJECT | {"default": args})


def _edit_values(name: str, args: Schema) -> Schema:
    return properties({"args": args, "name": {"const": name}}, required=("args",))


def _allowed(schema: Schema) -> dict[str, Schema]:
    """The decisions that a response schema allows, in its order, with the schema of each.

    Raises:
        Malformed: It is no schema of such decisions.
    """
    several = schema.get("oneOf") or schema.get("anyOf")
    allowed: dict[str, Schema] = {}
    for each in several if isinstance(several, list) else [schema]:
        branch = followed(each, schema)
        fields = branch.get("properties")
        type_ = followed(fields.get("type"), schema) if isinstance(fields, dict) else {}
        word = type_.get("const")
        if word not in DECISIONS:
            raise Malformed(f"its response schema allows a decision that is unknown: {word!r}")
        allowed[word] = branch
    return allowed


def _edit(branch: Schema, root: Schema, name: str, args: Any) -> Schema:
    edited = followed(branch["properties"].get("edited_action"), root)
    fields = edited.get("properties")
    args_are = fields.get("args") if isinstance(fields, dict) else None
    return args_schema(name, args_are if isinstance(args_are, dict) else ANY_OBJECT, root, args)


def _edited_action(decision: Mapping[str, Any]) -> dict[str, Any]:
    edited = decision.get("edited_action")
    if not isinstance(edited, dict):
        raise InvalidAnswer(
            "an edit says what to call instead",
            [FieldError("/edited_action", "must be an object with the args")],
        )
    return dict(edited)
