"""Kinds of pauses: how a graph asks, and what it expects as the answer.

Each kind is one module with a class that keeps the `PauseKind` protocol. The first kind in
`KINDS` that recognises a pause reads it; `question` recognises everything.
"""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer
from signoff.domain.jsontext import check
from signoff.domain.request import Question, Request
from signoff.graph.pauses.ask import AskKind
from signoff.graph.pauses.base import PauseKind
from signoff.graph.pauses.choice import ChoiceKind
from signoff.graph.pauses.question import QuestionKind
from signoff.schema import validate

KINDS: tuple[PauseKind, ...] = (AskKind(), ChoiceKind(), QuestionKind())

_BY_NAME = {kind.name: kind for kind in KINDS}

__all__ = ["KINDS", "ballot_of", "check_ballot", "digest_of", "resume_value", "understand"]


def understand(value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
    """The question that an interrupt's value asks.

    Raises:
        TooLarge: The value is over 1 MiB as JSON.
        InvalidPolicy: Its policy is none that this version knows, so `ask()` of another wrote it.
    """
    return _kind_of(value, response_schema).read(value, response_schema, node=node)


def digest_of(value: Any, response_schema: dict[str, Any] | None) -> str:
    """The digest of what a reviewer sees of an interrupt: the same in every process."""
    return _kind_of(value, response_schema).digest(value)


def check_ballot(request: Request, ballot: Ballot) -> None:
    """Return if the request has this action and its values and note fit.

    Raises:
        InvalidAnswer: They do not; with an error for each place.
    """
    action = next((a for a in request.question.actions if a["name"] == ballot.action), None)
    if action is None:
        names = ", ".join(request.action_names)
        raise InvalidAnswer(
            f"there is no action {ballot.action!r} here",
            [FieldError("/action", f"is none of: {names}")],
        )
    check(ballot.values, where="/values")
    check(ballot.note, where="/note")
    errors = []
    if action["schema"] is not None:
        errors += validate(action["schema"], ballot.values, pointer="/values")
    elif ballot.values:
        errors.append(FieldError("/values", f"the action {ballot.action!r} takes no values"))
    noted = bool(ballot.note and ballot.note.strip())
    if action["note"] == "required" and not noted:
        errors.append(FieldError("/note", "is required"))
    elif action["note"] == "none" and noted:
        errors.append(FieldError("/note", f"the action {ballot.action!r} takes no note"))
    if errors:
        raise InvalidAnswer("the answer does not fit the question", errors)


def ballot_of(request: Request, value: Any) -> Ballot:
    """The ballot that a resume value of LangGraph's own form stands for, not yet checked.

    Raises:
        InvalidAnswer: It stands for none.
    """
    return _BY_NAME[request.question.kind].ballot(request, value)


def resume_value(request: Request, outcome: Outcome) -> Any:
    """What the paused node gets as the return value of its `interrupt()`."""
    return _BY_NAME[request.question.kind].resume_value(request, outcome)


def _kind_of(value: Any, response_schema: dict[str, Any] | None) -> PauseKind:
    return next(kind for kind in KINDS if kind.recognises(value, response_schema))
