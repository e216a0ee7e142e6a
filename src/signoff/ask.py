"""`ask()`: a node's question to people, and the decision that it gets.

It is `langgraph.types.interrupt` with a documented envelope (`signoff.envelope`), so the same node
runs under plain LangGraph with any checkpointer:

    graph.invoke(Command(resume={"action": "approve", "note": "fine"}), config)

An answer is `{"action", "values"?, "note"?}`; a desk adds `by`, `at`, `timed_out`, `escalated`,
`waited` (an ISO 8601 duration such as `PT1H30M`), `request_id` and `votes`. A bad answer raises
`pydantic.ValidationError` in the node, is not kept, and the question can be answered again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from signoff import envelope, schema
from signoff.domain import duration, jsontext
from signoff.domain.errors import FieldError, InvalidAnswer, InvalidPolicy, TooLarge
from signoff.envelope import Action, Choices, Reply

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import core_schema

__all__ = ["Action", "Decision", "Values", "Vote", "ask"]

Duration: TypeAlias = str | timedelta
"""`90m`, `24h`, `2d`, `PT24H`, or a `timedelta`."""


class Values(dict[str, Any]):
    """The values of an answer: a dict whose keys can also be read as attributes, at any depth.

    A key that is also the name of a dict's method, such as `items`, is read as `values["items"]`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = dict(*args, **kwargs)
        super().__init__({key: _readable(part) for key, part in given.items()})

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no value {name!r} in the answer") from None


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return Values(value)
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return value


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What one reviewer said."""

    by: str
    action: str
    values: Values = field(default_factory=Values)
    note: str | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", Values(self.values))


@dataclass(frozen=True)
class Decision:
    """What was decided about a question.

    A desk fills in all of it; under plain LangGraph it is what the resume says. Everything but the
    action can be left out, so that a node can be tested with `Decision("approve")`. It can be kept
    in the state of a graph; give the key there this type, so that LangGraph reads it back as one.
    """

    action: str
    values: Values = field(default_factory=Values)
    """Per the action's `reply`; of a Pydantic model its `model_dump(mode="json")`, with defaults
    filled in. Empty where none are asked for."""
    note: str | None = None
    by: str | None = None
    """Who decided; with a quorum, whose vote settled it."""
    at: datetime | None = None
    """When, with its time zone."""
    timed_out: bool = False
    """Whether the deadline passed and this is what `otherwise` says."""
    escalated: bool = False
    """Whether the request had been escalated by then."""
    waited: timedelta | None = None
    """How long the question was open, by the desk's clock and not the working hours of a calendar;
    None under plain LangGraph, which does not know."""
    request_id: str | None = None
    votes: tuple[Vote, ...] = ()
    """All votes, in the order in which they were cast."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", Values(self.values))
        object.__setattr__(self, "votes", tuple(self.votes))

    @property
    def approved(self) -> bool:
        """Whether the action is `approve`."""
        return self.action == "approve"


def ask(
    title: str,
    *,
    show: Any = None,
    actions: Iterable[str | Action] | str | Action = ("approve", "reject"),
    reply: Reply | None = None,
    topic: str | None = None,
    to: str | Iterable[str] | None = None,
    within: Duration | None = None,
    remind: Duration | Sequence[Duration] | None = None,
    escalate: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    otherwise: str | Mapping[str, Any] | None = None,
    quorum: int | None = None,
    veto: bool | None = None,
    four_eyes: bool | None = None,
    priority: Literal["low", "normal", "high", "urgent"] | None = None,
    notify: str | Iterable[str] | None = None,
    sign_in_within: Duration | None = None,
    by_message: Literal["yes", "sign_in", "no"] | None = None,
) -> Decision:
    """Pause the graph until somebody decides, then return what was decided.

    Like `interrupt()`: the node runs again from its top once there is an answer, so what comes
    before must be safe to repeat (`once()` makes it so); and several questions in a node must
    come in the same order each time.

    Args:
        title: What is asked, in a line of 1 to 300 characters.
        show: What the reviewer sees: JSON, up to 1 MiB with all the rest, nested up to 64 deep.
        actions: The choices, by name or as an `Action`.
        reply: A Pydantic model, or a JSON Schema of an object, for the values to be filled in. It
            holds for every action without a reply of its own, except `reject`. An action with
            neither takes no values.
        topic: A label of your own, for filters and policies.
        to: Who may decide: users and groups (`group:legal`). By default any reviewer.
        within: The deadline, from the opening of the request.
        remind: When to remind, from the opening; not after the deadline.
        escalate: Steps `{"after", "to"?, "priority"?, "notify"?}`, not after the deadline.
        otherwise: What happens at the deadline: an action's name, or `{"action", "values",
            "note"}`, whose values must fit the action's reply.
        quorum: How many votes for one action, with equal values, close it.
        veto: Whether one `reject` closes it.
        four_eyes: Whether the one who started the run is barred from deciding.
        priority: `low`, `normal`, `high` or `urgent`.
        notify: The channels that tell people.
        sign_in_within: How long ago whoever decides may have signed in; API keys never did.
        by_message: Whether one may decide from a message: `yes`, by its link alone; `sign_in`, once
            one has signed in; or `no`.

    Raises:
        InvalidQuestion: At once, before anything pauses, naming what is wrong and where.
        pydantic.ValidationError: The graph was resumed with something that is no answer. Nothing
            is kept; the question can be answered again.
        RuntimeError: Not inside a node of a running graph.
    """
    # Not at the top: LangGraph takes half a second to import, which `import signoff` need not cost.
    from langgraph.types import interrupt

    question, choices = envelope.build(
        title,
        show=show,
        actions=actions,
        reply=reply,
        topic=topic,
        policy={
            "to": to,
            "within": within,
            "remind": remind,
            "escalate": escalate,
            "otherwise": otherwise,
            "quorum": quorum,
            "veto": veto,
            "four_eyes": four_eyes,
            "priority": priority,
            "notify": notify,
            "sign_in_within": sign_in_within,
            "by_message": by_message,
        },
    )
    decision: Decision = interrupt(question, response_schema=_answer_to(choices))
    return decision


# --- reading the answer ------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _answer_to(choices: Choices) -> Any:
    """The type of the answers, with what Pydantic makes of it attached as it is to models.

    LangGraph builds a `TypeAdapter` at each call, which takes 3 instead of 40 microseconds so.
    """
    from pydantic import TypeAdapter

    answer: Any = _Answer(choices)
    adapter: TypeAdapter[Any] = TypeAdapter(answer)
    answer.__pydantic_core_schema__ = adapter.core_schema
    answer.__pydantic_validator__ = adapter.validator
    answer.__pydantic_serializer__ = adapter.serializer
    return answer


_KEYS: Final = frozenset(
    (
        *("action", "values", "note", "by", "at", "timed_out", "escalated", "waited"),
        *("request_id", "votes"),
    )
)


class _Answer:
    """The type of one question's answers, as Pydantic understands it.

    LangGraph validates a resume with it, and so knows an answer that does not fit from a node that
    failed: only the former leaves the question open.
    """

    def __init__(self, choices: Choices) -> None:
        self.actions: list[dict[str, Any]] = json.loads(choices.text)
        self.models = choices.models

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The outline; what `values` each action takes is in the envelope, once is enough."""
        return {
            "type": "object",
            "properties": {
                "action": {"type": "string", "enum": [action["name"] for action in self.actions]},
                "values": {"type": "object"},
                "note": {"type": ["string", "null"]},
            },
            "required": ["action"],
        }

    def read(self, answer: object) -> Decision:
        """The decision that `answer` is, or one error that lists all that is wrong with it."""
        from pydantic_core import PydanticCustomError

        try:
            return self._read(answer)
        except InvalidAnswer as error:
            raise PydanticCustomError(
                "invalid_answer",
                "{problem}",
                {"problem": error.message, "errors": [one.as_dict() for one in error.errors]},
            ) from None

    def _read(self, answer: object) -> Decision:
        if not isinstance(answer, dict):
            names = " or ".join(f'"{action["name"]}"' for action in self.actions)
            raise _refuse([FieldError("", f'must be an object such as {{"action": {names}}}')])
        if unknown := sorted(str(key) for key in answer.keys() - _KEYS):
            raise _refuse([FieldError(jsontext.pointer(unknown[0]), "is no part of an answer")])
        action, note = answer.get("action"), answer.get("note")
        try:
            errors = schema.check_answer(
                self.actions,
                action,
                answer.get("values"),
                note,
                timed_out=answer.get("timed_out") is True,
            )
        except TooLarge as error:
            errors = [FieldError("", error.message)]
        if errors:
            raise _refuse(errors)
        values = answer.get("values") or {}
        model = self.models.get(str(action))
        return Decision(
            action=str(action),
            values=Values(values if model is None else _filled_in(model, values)),
            note=note or None,
            by=_text(answer, "by"),
            at=_moment(answer, "at"),
            timed_out=_flag(answer, "timed_out"),
            escalated=_flag(answer, "escalated"),
            waited=_span(answer, "waited"),
            request_id=_text(answer, "request_id"),
            votes=_votes(answer),
        )


def _refuse(errors: list[FieldError]) -> InvalidAnswer:
    said = "; ".join(f"{error.pointer or 'the answer'} {error.message}" for error in errors)
    return InvalidAnswer(said, errors)


def _filled_in(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """`values` as the model has them, which may ask for more than its JSON Schema can say."""
    from pydantic import ValidationError

    try:
        return model.model_validate_json(jsontext.canonical(values)).model_dump(mode="json")
    except ValidationError as error:
        raise _refuse(
            [
                FieldError("/values" + jsontext.pointer(*_place(one["loc"], values)), one["msg"])
                for one in error.errors(include_url=False, include_context=False)
            ]
        ) from None


def _place(location: Sequence[str | int], values: Any) -> list[str | int]:
    """Pydantic's location of an error without the steps that are not in the values, such as the
    member of a union."""
    place: list[str | int] = []
    for step in location:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            continue
        place.append(step)
    return place


def _votes(answer: Mapping[str, Any]) -> tuple[Vote, ...]:
    votes = answer.get("votes")
    if votes is None:
        return ()
    if not isinstance(votes, list | tuple) or not all(isinstance(vote, dict) for vote in votes):
        raise _refuse([FieldError("/votes", "must be a list of objects")])
    return tuple(
        Vote(
            by=_text(vote, "by") or "",
            action=_text(vote, "action") or "",
            values=Values(vote.get("values") or {}),
            note=_text(vote, "note"),
            at=_moment(vote, "at"),
        )
        for vote in votes
    )


def _text(answer: Mapping[str, Any], key: str) -> str | None:
    value = answer.get(key)
    if value is not None and not isinstance(value, str):
        raise _refuse([FieldError(f"/{key}", "must be a string")])
    return value


def _flag(answer: Mapping[str, Any], key: str) -> bool:
    value = answer.get(key, False)
    if not isinstance(value, bool):
        raise _refuse([FieldError(f"/{key}", "must be true or false")])
    return value


def _moment(answer: Mapping[str, Any], key: str) -> datetime | None:
    value = answer.get(key)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = False
    if moment is not None and not isinstance(moment, datetime):
        raise _refuse([FieldError(f"/{key}", "must be a date and time")])
    if moment is not None and moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment


def _span(answer: Mapping[str, Any], key: str) -> timedelta | None:
    value = answer.get(key)
    if value is None:
        return None
    if value in (timedelta(), duration.isoformat(timedelta())):
        return timedelta()
    try:
        return duration.parse(value)
    except InvalidPolicy:
        raise _refuse([FieldError(f"/{key}", "must be a duration such as PT1H30M")]) from None
