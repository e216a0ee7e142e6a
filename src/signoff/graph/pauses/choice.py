"""`choice`: a bare dict that lists its `options` or `actions`, as tutorials write it.

The nodes of such graphs read their answer from a dict, under one or another of a few names; they
get all of them.
"""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer
from signoff.domain.jsontext import check, digest, to_json
from signoff.domain.policy import Policy
from signoff.domain.request import Question, Request
from signoff.graph.pauses.base import action, title_of, topic_of

APPROVING = frozenset({"approve", "approved", "accept", "yes", "ok", "confirm", "continue"})
"""Options that say yes, in any case: for them the node reads `approved` as true."""

STYLES = {"reject": "danger", "rejected": "danger", "deny": "danger", "no": "danger"}


class ChoiceKind:
    """A dict with a list of options, each a name or a dict with one."""

    name = "choice"

    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        return response_schema is None and isinstance(value, dict) and bool(_options(value))

    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        payload = to_json(value)
        check(payload, where="the interrupt's value")
        return Question(
            kind=self.name,
            title=title_of(payload, node=node),
            topic=topic_of(payload),
            payload=payload,
            actions=tuple(
                action(
                    name,
                    label=label,
                    style="primary" if _approves(name) else STYLES.get(name.lower(), "default"),
                    schema={"type": "object"},
                )
                for name, label in _options(value)
            ),
            policy=Policy(),
            digest=digest(payload),
        )

    def digest(self, value: Any) -> str:
        return digest(to_json(value))

    def ballot(self, request: Request, value: Any) -> Ballot:
        if isinstance(value, str):
            return Ballot(action=value)
        names = request.action_names
        if isinstance(value, dict):
            action = value.get("action")
            if action is None and isinstance(value.get("approved"), bool):
                action = next((n for n in names if _approves(n) is value["approved"]), None)
            if isinstance(action, str):
                note = value.get("feedback") or value.get("notes")
                kept = {k: v for k, v in value.items() if k != "action"}
                return Ballot(
                    action=action, values=kept, note=note if isinstance(note, str) else None
                )
        raise InvalidAnswer(
            "the answer to this question names an action",
            [FieldError("/action", f"is one of: {', '.join(names)}")],
        )

    def resume_value(self, request: Request, outcome: Outcome) -> dict[str, Any]:
        return {
            "action": outcome.action,
            "approved": _approves(outcome.action),
            "feedback": outcome.note,
            "notes": outcome.note,
            "reviewer": outcome.by,
            "user": outcome.by,
            **outcome.values,
        }


def _approves(name: str) -> bool:
    return name.lower() in APPROVING


def _options(value: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The options as name and label; none, if they are no list of distinct names."""
    listed = value.get("options") or value.get("actions")
    if not isinstance(listed, list | tuple):
        return []
    found: dict[str, str | None] = {}
    for option in listed:
        name, label = option, None
        if isinstance(option, dict):
            name = option.get("name") or option.get("value") or option.get("id")
            label = option.get("label")
        if not isinstance(name, str) or not name.strip() or len(name) > 100 or name in found:
            return []
        found[name] = label if isinstance(label, str) else None
    return list(found.items())
