"""`choice`: a bare dict that lists its `options` or `actions`, as tutorials write it.

The nodes of such graphs read their answer from a dict, under one or another of a few names; they
get all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    payload_of,
    title_of,
    topic_of,
    untitled,
)

APPROVING = frozenset({"approve", "approved", "accept", "yes", "ok", "confirm", "continue"})
"""Options that say yes, in any case: for them the node reads `approved` as true."""

KEYS = ("options", "actions")
"""Where the options stand."""

MAX_NAME = 100
"""The longest name of an option, in characters."""

REJECTING = frozenset({"reject", "rejected", "deny", "denied", "decline", "no", "cancel", "abort"})
"""Options that say no, in any case."""


class ChoiceKind(PauseKind):
    """A dict with a list of options, each a name or a dict with one."""

    name = "choice"

    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        return (
            response_schema is None
            and isinstance(value, dict)
            and any(value.get(key) is not None for key in KEYS)
        )

    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        payload = payload_of(value)
        return Question(
            kind=self.name,
            title=title_of(payload, node=node),
            topic=topic_of(payload),
            payload=payload,
            actions=tuple(
                action(
                    name,
                    label=label,
                    style=_style(name),
                    schema={"type": "object"},
                )
                for name, label in _options(value)
            ),
            policy=Policy(),
            digest=self.digest(value, response_schema),
        )

    def sections(self, question: Question) -> list[Section]:
        rest = untitled(question.payload, question.title)
        shown = {key: part for key, part in rest.items() if key not in KEYS}
        return [Section(None, shown)] if shown else []

    def ballot(self, request: Request, value: Any) -> Ballot:
        if isinstance(value, str):
            return Ballot(action=value)
        names = request.action_names
        if isinstance(value, dict):
            action = value.get("action")
            if action is None and isinstance(value.get("approved"), bool):
                action = _meant(names, approved=value["approved"])
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
        decided: dict[str, Any] = {
            "action": outcome.action,
            "reviewer": outcome.by,
            "user": outcome.by,
        }
        if _approves(outcome.action) or _rejects(outcome.action):
            decided["approved"] = _approves(outcome.action)
        return {
            "approved": False,
            "feedback": outcome.note,
            "notes": outcome.note,
            **outcome.values,
            **decided,  # comes last: no values tell the node that something else was decided
        }


def _approves(name: str) -> bool:
    return name.lower() in APPROVING


def _rejects(name: str) -> bool:
    return name.lower() in REJECTING


def _style(name: str) -> str:
    return "primary" if _approves(name) else "danger" if _rejects(name) else "default"


def _meant(names: Sequence[str], *, approved: bool) -> str | None:
    """The one option that a bare `approved` can stand for; none if there are several."""
    fitting = [name for name in names if (_approves if approved else _rejects)(name)]
    if not fitting and not approved:
        fitting = [name for name in names if not _approves(name)]
    return fitting[0] if len(fitting) == 1 else None


def _listed(value: dict[str, Any]) -> list[Any] | None:
    """What it lists as its options."""
    found = [value.get(key) for key in KEYS]
    lists = [each for each in found if isinstance(each, list)]
    return next((each for each in lists if each), lists[0] if lists else None)


def _options(value: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The options as name and label.

    Raises:
        Malformed: They are no list of distinct names.
    """
    listed = _listed(value)
    if listed is None:
        raise Malformed("its options are no list")
    found: dict[str, str | None] = {}
    for n, option in enumerate(listed, 1):
        name, label = option, None
        if isinstance(option, dict):
            name = option.get("name") or option.get("value") or option.get("id")
            label = option.get("label")
        if not isinstance(name, str) or not name.strip():
            raise Malformed(f"its option {n} has no name")
        if len(name) > MAX_NAME:
            raise Malformed(f"the name of its option {n} has over {MAX_NAME} characters")
        if name in found:
            raise Malformed(f"it has the option {name!r} twice")
        found[name] = label if isinstance(label, str) else None
    if not found:
        raise Malformed("it lists no options")
    return list(found.items())
