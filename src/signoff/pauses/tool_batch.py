"""`tool_batch`: LangChain's `HumanInTheLoopMiddleware` as it is by default.

One pause for all tool calls of a message: `{"action_requests": [{"name", "args", "description"}],
"review_configs": [{"action_name", "allowed_decisions"}]}`. The answer is `{"decisions": [...]}`,
one for each call, in order. A wrong count, or a decision that is not allowed, would leave the
thread stuck; neither can be sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
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
    call_line,
    line,
    payload_of,
)
from signoff.pauses.schemas import ANY_OBJECT, Schema, properties
from signoff.pauses.tool_approval import DECISIONS, call_sections, called

MAX_ITEMS = 1000
"""The most calls that a batch may have."""


@dataclass(frozen=True, slots=True)
class Item:
    """A call of a batch, and what may be decided about it."""

    name: str
    args: dict[str, Any]
    allowed: tuple[str, ...]

    def schema(self) -> Schema:
        """The JSON Schema of a decision about it."""
        branches = [self._branch(decision) for decision in self.allowed]
        return {"title": call_line(self.name, self.args), "oneOf": branches}

    def _branch(self, decision: str) -> Schema:
        fields: Schema = {"type": {"const": decision}}
        if decision == "edit":
            edited = {"name": {"const": self.name}, "args": ANY_OBJECT | {"default": self.args}}
            fields["edited_action"] = properties(edited, required=("args",))
        elif decision == "reject":
            return properties(fields | {"message": {"type": "string"}}, required=("type",))
        elif decision == "respond":
            fields["message"] = {"type": "string", "pattern": r"\S"}
        return properties(fields, required=tuple(fields))


class ToolBatchKind(PauseKind):
    """The tool calls of one message."""

    name = "tool_batch"
    actions = (
        action("approve", style="primary"),
        action("reject", style="danger"),
    )
    no_fallback = MappingProxyType(
        {
            "submit": "takes a decision for each call, and a policy cannot know how many there "
            "are: choose approve or reject"
        }
    )

    def recognises(self, value: Any, response_schema: Schema | None) -> bool:
        return isinstance(value, dict) and "action_requests" in value

    def read(self, value: Any, response_schema: Schema | None, *, node: str) -> Question:
        payload = payload_of(value)
        items = _items(payload)
        together = "" if len(items) == 1 else " all"
        for_all = [
            action(each, label=f"{each.capitalize()}{together}", style=style)
            for each, style in (("approve", "primary"), ("reject", "danger"))
            if all(each in item.allowed for item in items)
        ]
        decisions = {
            "type": "array",
            "prefixItems": [item.schema() for item in items],
            "minItems": len(items),
            "maxItems": len(items),
        }
        submit = properties({"decisions": decisions}, required=("decisions",))
        names = {item.name for item in items}
        return Question(
            kind=self.name,
            title=_title(items),
            topic=items[0].name if len(names) == 1 else None,
            payload=payload,
            actions=(action("submit", schema=submit), *for_all),
            policy=Policy(),
            digest=self.digest(value, response_schema),
            response_schema=response_schema,
        )

    def sections(self, question: Question) -> list[Section]:
        calls = question.payload["action_requests"]
        if len(calls) == 1:
            return call_sections(calls[0], "name")
        return [
            section
            for n, call in enumerate(calls, 1)
            for section in call_sections(call, "name", title=f"{n}. {call['name']}")
        ]

    def ballot(self, request: Request, value: Any) -> Ballot:
        if not isinstance(value, dict) or not isinstance(value.get("decisions"), list):
            raise InvalidAnswer(
                "the answer to a batch of tool calls is a decision for each",
                [FieldError("/decisions", "must be a list with a decision for each call")],
            )
        return Ballot(action="submit", values={"decisions": value["decisions"]})

    def resume_value(self, request: Request, outcome: Outcome) -> dict[str, Any]:
        calls = request.payload["action_requests"]
        if outcome.action == "submit":
            given = zip(outcome.values["decisions"], calls, strict=True)
            return {"decisions": [_decision(each, call["name"]) for each, call in given]}
        decision = {"type": outcome.action}
        if outcome.action == "reject" and outcome.note:
            decision["message"] = outcome.note
        return {"decisions": [dict(decision) for _ in calls]}


def _decision(given: dict[str, Any], name: str) -> dict[str, Any]:
    """A decision in the middleware's form, which always names the tool."""
    if given["type"] != "edit":
        return given
    return {**given, "edited_action": {"name": name, "args": given["edited_action"]["args"]}}


def _items(payload: dict[str, Any]) -> list[Item]:
    """The calls of a batch.

    Raises:
        Malformed: It is no batch as the middleware makes it.
    """
    requests, configs = payload["action_requests"], payload.get("review_configs")
    if not isinstance(requests, list) or not requests:
        raise Malformed("its action_requests are no list, or an empty one")
    if len(requests) > MAX_ITEMS:
        raise Malformed(f"it has over {MAX_ITEMS} calls")
    if not isinstance(configs, list) or not all(isinstance(each, dict) for each in configs):
        raise Malformed("its review_configs are no list of objects")
    items = []
    for n, request in enumerate(requests):
        if not isinstance(request, dict):
            raise Malformed(f"its call {n + 1} is no object")
        name, args = called(request, "name")
        items.append(Item(name, args, _allowed(name, n, configs)))
    return items


def _allowed(name: str, n: int, configs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What may be decided about the call at position `n`: by its own config, which stands at the
    same position, or by the first that is for the tool."""
    own = [each for each in (*configs[n : n + 1], *configs) if each.get("action_name") == name]
    if not own:
        raise Malformed(f"it has no review config for {name}")
    allowed = own[0].get("allowed_decisions")
    if not isinstance(allowed, list) or not allowed:
        raise Malformed(f"the review config for {name} allows no decision")
    unknown = [each for each in allowed if each not in DECISIONS]
    if unknown:
        raise Malformed(f"the review config for {name} allows what is unknown: {unknown[0]!r}")
    return tuple(dict.fromkeys(allowed))


def _title(items: Sequence[Item]) -> str:
    if len(items) == 1:
        return call_line(items[0].name, items[0].args)
    counts = Counter(item.name for item in items)
    named = (f"{name} ({count})" if count > 1 else name for name, count in counts.items())
    return line(f"{len(items)} tool calls: {', '.join(named)}")
