"""A pause of whatever kind: what it asks, what is shown of it, and which answers it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer, SignoffError, TooLarge
from signoff.domain.jsontext import MAX_TITLE, check, to_json
from signoff.domain.question import Question
from signoff.domain.request import Request
from signoff.envelope import is_envelope
from signoff.log import get_logger
from signoff.pauses.base import Malformed, PauseKind, Section
from signoff.pauses.registry import LAST, is_own, kind_named, kinds
from signoff.schema import check_schema, validate

log = get_logger(__name__)


def understand(value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
    """The question that an interrupt's value asks.

    Raises:
        TooLarge: The value is over 1 MiB as JSON.
        InvalidPolicy: Its policy is none that this version knows, so `ask()` of another wrote it.
        ConfigError: A package has added a kind that cannot be used.
    """
    value = _shown(value)
    kind = _kind_of(value, response_schema)
    try:
        question = kind.read(value, response_schema, node=node)
        return question if kind is LAST else _checked(kind, question)
    except Malformed as error:
        remark = f"It looks like {_a(kind)}, but {error}: so it is a plain question."
    except TooLarge:
        raise
    except Exception as error:
        if is_own(kind):
            raise
        log.warning("a kind of pause failed", kind=kind.name, exc_info=error)
        remark = f"The kind {kind.name} could not read it, so it is a plain question: {error!r}"
    question = LAST.read(value, response_schema, node=node)
    return replace(question, digest=_digest(kind, value, response_schema), remark=remark)


def digest_of(value: Any, response_schema: dict[str, Any] | None) -> str:
    """The digest of what a reviewer sees of an interrupt: the same in every process."""
    value = _shown(value)
    return _digest(_kind_of(value, response_schema), value, response_schema)


def sections(request: Request) -> list[Section]:
    """What a reviewer sees of a request below its title."""
    kind = kinds().get(request.question.kind, LAST)
    return kind.sections(request.question)


def check_ballot(request: Request, ballot: Ballot) -> None:
    """Return if the request has this action and its values and note fit.

    Raises:
        InvalidAnswer: They do not; with an error for each place.
        ConfigError: The request is of a kind that is not installed here.
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
    errors = errors or kind_named(request.question.kind).check(request.question, ballot)
    if errors:
        raise InvalidAnswer("the answer does not fit the question", errors)


def ballot_of(request: Request, value: Any) -> Ballot:
    """The ballot that a resume value of LangGraph's own form stands for, not yet checked.

    Raises:
        InvalidAnswer: It stands for none.
        ConfigError: The request is of a kind that is not installed here.
    """
    return kind_named(request.question.kind).ballot(request, value)


def resume_value(request: Request, outcome: Outcome) -> Any:
    """What the paused node gets as the return value of its `interrupt()`.

    Raises:
        ConfigError: The request is of a kind that is not installed here.
    """
    return kind_named(request.question.kind).resume_value(request, outcome)


def _shown(value: Any) -> Any:
    """An interrupt's value as JSON: graphs also pause with models, dataclasses and tuples."""
    return value if is_envelope(value) else to_json(value)


def _kind_of(value: Any, response_schema: dict[str, Any] | None) -> PauseKind:
    """The first kind that recognises a pause. One of a package that fails at that does not."""
    for kind in kinds().values():
        try:
            if kind.recognises(value, response_schema):
                return kind
        except Exception as error:
            if is_own(kind):
                raise
            log.warning("a kind of pause failed", kind=kind.name, exc_info=error)
    raise AssertionError("a question is anything")


def _digest(kind: PauseKind, value: Any, response_schema: dict[str, Any] | None) -> str:
    if not is_own(kind):
        try:
            return kind.digest(value, response_schema)
        except Exception as error:
            log.warning("a kind of pause failed", kind=kind.name, exc_info=error)
            return LAST.digest(value, response_schema)
    return kind.digest(value, response_schema)


def _checked(kind: PauseKind, question: Question) -> Question:
    """The question, if people can decide it.

    Raises:
        Malformed: They cannot.
    """
    if is_own(kind):
        return question
    names = [action["name"] for action in question.actions]
    if question.kind != kind.name:
        raise Malformed(f"it was read as one of kind {question.kind!r}")
    if not names or len(set(names)) < len(names):
        raise Malformed("it has no actions, or one twice")
    if not question.title.strip() or len(question.title) > MAX_TITLE:
        raise Malformed(f"its title is empty or has over {MAX_TITLE} characters")
    try:
        check(question.payload, where="the payload")
        for action in question.actions:
            if action["schema"] is not None:
                check_schema(action["schema"])
    except TooLarge:
        raise
    except SignoffError as error:
        raise Malformed(error.message.rstrip(".")) from error
    return question


def _a(kind: PauseKind) -> str:
    return f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name.replace('_', ' ')}"
