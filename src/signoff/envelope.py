"""The question that `ask()` sends: its JSON shape, and the checks an author's mistakes run into.

    {"signoff": 1,
     "title": str,
     "show": JSON,                     what the reviewer sees
     "actions": [{"name": str,
                  "label": str,
                  "style": "default" | "primary" | "danger",
                  "note": "optional" | "required" | "none",
                  "reply": JSON Schema of the values, or null: takes none}, ...],
     "topic": str | null,
     "policy": {only the fields given, durations in ISO 8601}}

A call's `reply` is written into every action that has none of its own, except `reject`: who
rejects need not fill in the terms. Knows nothing of LangGraph, so that servers can read questions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeGuard, get_args

from signoff import schema
from signoff.domain import jsontext
from signoff.domain.errors import (
    FieldError,
    InvalidInput,
    InvalidJSON,
    InvalidPolicy,
    InvalidQuestion,
    TooLarge,
)
from signoff.domain.policy import CALL, Policy
from signoff.domain.user import People

if TYPE_CHECKING:
    from pydantic import BaseModel

VERSION: Final = 1

Style: TypeAlias = Literal["default", "primary", "danger"]
NoteRule: TypeAlias = Literal["optional", "required", "none"]
Reply: TypeAlias = "type[BaseModel] | Mapping[str, Any]"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
_STYLES: dict[str, Style] = {"approve": "primary", "reject": "danger"}
_UNASKED = frozenset({"reject"})
_MAX_TOPIC = 200
_ENVELOPE_KEYS = frozenset({"signoff", "title", "show", "actions", "topic", "policy"})
_ACTION_KEYS = frozenset({"name", "label", "style", "note", "reply"})


@dataclass(frozen=True)
class Action:
    """A choice that the reviewer has, where its bare name does not say enough.

    `name` is what the node gets: a letter, then letters, digits and `_ . -`, 64 characters at most.
    `label` is what the button says; by default the name in words. `reply` is a Pydantic model or
    a JSON Schema of an object: the values this action asks for; by default the `reply` of the
    call, which `reject` does not inherit; `{}` asks for nothing in particular. `style` is
    `default`, `primary` or `danger`. `note` says whether a note is `optional`, `required` or taken
    at all (`none`).
    """

    name: str
    label: str | None = None
    reply: Reply | None = None
    style: Style | None = None
    note: NoteRule = "optional"


def is_envelope(value: object) -> bool:
    """Whether `value` is a question as `build` makes it, all its keys in place."""
    return (
        isinstance(value, dict)
        and value.get("signoff") == VERSION
        and value.keys() >= _ENVELOPE_KEYS
        and isinstance(value["title"], str)
        and isinstance(value["policy"], dict)
        and isinstance(value["actions"], list)
        and len(value["actions"]) > 0
        and all(_is_action(action) for action in value["actions"])
    )


def _is_action(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() >= _ACTION_KEYS
        and isinstance(value["name"], str)
        and isinstance(value["reply"], dict | None)
    )


def build(
    title: str,
    *,
    show: object,
    actions: Iterable[str | Action] | str | Action,
    reply: Reply | None,
    topic: str | None,
    policy: Mapping[str, object],
) -> tuple[dict[str, Any], Choices]:
    """The envelope of a question, and its choices; of `policy`, what is None is not given.

    Raises `InvalidQuestion` for whatever is wrong, its errors pointing into the envelope.
    """
    choices = _choices(_listed(actions, reply))
    offered = json.loads(choices.text)
    envelope: dict[str, Any] = {
        "signoff": VERSION,
        "title": _title(title),
        "show": show,
        "actions": offered,
        "topic": _topic(topic),
        "policy": _policy({k: v for k, v in policy.items() if v is not None}, offered),
    }
    try:
        jsontext.check(envelope, where="ask()")
    except InvalidJSON:
        envelope["show"] = _exact(show)
        _check(envelope)
    except TooLarge as error:
        raise InvalidQuestion(error.message) from None
    return envelope, choices


def _check(envelope: dict[str, Any]) -> None:
    try:
        jsontext.check(envelope, where="ask()")
    except (InvalidJSON, TooLarge) as error:
        raise InvalidQuestion(error.message, getattr(error, "errors", ())) from None


def _exact(value: object, depth: int = 0) -> object:
    """`value` with tuples and subclasses of JSON's types, such as a message's text, as the plain
    thing that they are when written as JSON. What has no JSON form is left to the check."""
    if depth > jsontext.MAX_DEPTH or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, dict):
        return {
            str.__str__(k) if isinstance(k, str) else k: _exact(v, depth + 1)
            for k, v in value.items()
        }
    if isinstance(value, list) or type(value) is tuple:
        return [_exact(item, depth + 1) for item in value]
    return value


# --- title, topic, actions ---------------------------------------------------------------------


def _refuse(pointer: str, message: str) -> InvalidQuestion:
    what = pointer.removeprefix("/").replace("/", ".")
    return InvalidQuestion(f"ask(): {what} {message}.", [FieldError(pointer, message)])


def _title(title: object) -> str:
    if not isinstance(title, str) or not title.strip():
        raise _refuse("/title", "must be a text that is not empty")
    if len(title) > jsontext.MAX_TITLE:
        raise _refuse(
            "/title", f"has {len(title)} characters, more than the {jsontext.MAX_TITLE} allowed"
        )
    return str.__str__(title)


def _topic(topic: object) -> str | None:
    if topic is None:
        return None
    if not isinstance(topic, str) or not topic.strip() or len(topic) > _MAX_TOPIC:
        raise _refuse("/topic", f"must be a label of 1 to {_MAX_TOPIC} characters")
    return str.__str__(topic)


@dataclass(frozen=True, eq=False)
class Choices:
    """The actions of a question, checked: one and the same object for equal actions."""

    text: str
    """As they stand in the envelope, in JSON."""
    models: Mapping[str, type[BaseModel]]
    """By the name of the action, where its reply is a Pydantic model."""


def _listed(given: object, reply: Reply | None) -> tuple[Action, ...]:
    """The actions with the replies that hold for them; schemas as text, so that all can be hashed
    and the checks be done once for what a node asks over and over."""
    if isinstance(given, str | Action):
        given = [given]
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise _refuse("/actions", "must be a list of names and Actions")
    shared = None if reply is None else _hashable(reply, "/reply")
    actions = []
    for n, one in enumerate(given):
        action = Action(one) if isinstance(one, str) else one
        if not isinstance(action, Action):
            raise _refuse(f"/actions/{n}", f"is {one!r:.80}, neither a name nor an Action")
        _check_action(action, f"/actions/{n}")
        if action.reply is not None:
            asked = _hashable(action.reply, f"/actions/{n}/reply")
        else:
            asked = None if action.name in _UNASKED else shared
        actions.append(Action(action.name, action.label, asked, action.style, action.note))
    return tuple(actions)


@lru_cache(maxsize=256)
def _choices(actions: tuple[Action, ...]) -> Choices:
    if not actions:
        raise _refuse("/actions", "must not be empty: the reviewer needs a choice")
    offered: dict[str, dict[str, Any]] = {}
    for n, action in enumerate(actions):
        if action.name in offered:
            raise _refuse(f"/actions/{n}", f"is {action.name!r} once more; each name stands once")
        offered[action.name] = {
            "name": action.name,
            "label": action.label or action.name.replace("_", " ").capitalize(),
            "style": action.style or _STYLES.get(action.name, "default"),
            "note": action.note,
            "reply": _schema(action.reply, f"/actions/{n}/reply"),
        }
    return Choices(
        text=json.dumps(list(offered.values())),
        models={action.name: action.reply for action in actions if is_model(action.reply)},
    )


def _check_action(action: Action, at: str) -> None:
    name: object = action.name
    label: object = action.label
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _refuse(
            at,
            f"is named {name!r:.80}; a name is a letter, then letters, digits and _ . -, 64"
            " characters at most (what the button says is the Action's label)",
        )
    if label is not None and (not isinstance(label, str) or not label.strip()):
        raise _refuse(f"{at}/label", "must be a text that is not empty")
    if action.style is not None and action.style not in get_args(Style):
        raise _refuse(f"{at}/style", f"must be one of {', '.join(get_args(Style))}")
    if action.note not in get_args(NoteRule):
        raise _refuse(f"{at}/note", f"must be one of {', '.join(get_args(NoteRule))}")


# --- schemas -----------------------------------------------------------------------------------


def is_model(reply: object) -> TypeGuard[type[BaseModel]]:
    """Whether `reply` is a Pydantic model, the class and not an instance of it."""
    return isinstance(reply, type) and hasattr(reply, "model_json_schema")


def _hashable(reply: object, at: str) -> Any:
    """A model itself; a JSON Schema as text, in the order in which the author wrote it."""
    if is_model(reply):
        return reply
    if not isinstance(reply, Mapping):
        raise _refuse(at, f"must be a Pydantic model or a JSON Schema, not {reply!r:.80}")
    exact = _exact(dict(reply))
    try:
        jsontext.check(exact, where=f"ask(): {at.lstrip('/')}")
    except (InvalidJSON, TooLarge) as error:
        raise InvalidQuestion(error.message, _moved(error, at)) from None
    return json.dumps(exact)


def _schema(reply: Any, at: str) -> dict[str, Any] | None:
    """The JSON Schema of a model, or in a text; it is one, and of an object."""
    if reply is None:
        return None
    found: dict[str, Any] = _generated(reply, at) if is_model(reply) else json.loads(reply)
    try:
        schema.check_schema(found)
    except (InvalidInput, TooLarge) as error:
        raise InvalidQuestion(f"ask(): {error.message}", _moved(error, at)) from None
    if found.get("type", "object") != "object":
        raise _refuse(at, "must describe an object: the values are given by name")
    return found


def _generated(model: type[BaseModel], at: str) -> dict[str, Any]:
    from pydantic.errors import PydanticUserError

    try:
        return model.model_json_schema()
    except PydanticUserError as error:
        raise _refuse(at, f"has no JSON Schema: {error}") from error


def _moved(error: InvalidInput | TooLarge, at: str) -> list[FieldError]:
    errors = error.errors if isinstance(error, InvalidInput) else ()
    return [FieldError(at + one.pointer, one.message) for one in errors]


# --- the policy --------------------------------------------------------------------------------


def _policy(given: dict[str, Any], actions: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        policy = Policy.read(given, source=CALL)
    except InvalidPolicy as error:
        raise _refuse_policy(error.errors) from None
    errors = policy.problems()
    if (fallback := policy.otherwise) is not None:
        values: Any = _exact(fallback.values)
        fallback = replace(fallback, values=values)
        policy = replace(policy, otherwise=fallback)
        errors += [
            FieldError(f"/otherwise{error.pointer}", error.message)
            for error in schema.check_answer(
                actions, fallback.action, fallback.values, fallback.note, timed_out=True
            )
        ]
    if errors:
        raise _refuse_policy(errors)
    return {name: value for name, value in policy.to_json().items() if name != "sources"}


def check_groups(envelope: Mapping[str, Any], people: People) -> None:
    """Check that the policy of an envelope names no groups but these.

    Users it may name as it likes: the name often comes from the state, such as the author's, and
    whoever it is may sign in later.

    Raises:
        InvalidPolicy: It is none.
        InvalidQuestion: It does; it says which and where.
    """
    policy: Mapping[str, Any] = envelope["policy"]
    if policy.get("to") or policy.get("escalate"):
        errors = people.strange_groups(Policy.read(policy, source=CALL))
        if errors:
            raise _refuse_policy(errors)


def _refuse_policy(errors: Iterable[FieldError]) -> InvalidQuestion:
    found = [FieldError(f"/policy{error.pointer}", error.message) for error in errors]
    what = found[0].pointer.removeprefix("/").replace("/", ".")
    return InvalidQuestion(f"ask(): {what} {found[0].message}.", found)
