"""What a kind of pause has to give, and what several kinds share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, TypeGuard

from signoff.domain import jsontext
from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError
from signoff.domain.question import Question
from signoff.domain.request import Request

TITLE_KEYS = ("title", "question", "message", "instructions", "prompt", "description", "task")
"""Where authors of bare pauses put what they ask, the most telling first."""


MAX_ARGUMENT = 60
"""The most characters of an argument in a line that says what is called."""


class Malformed(Exception):
    """A pause looks like one of a kind, and is none; the message says why, as half a sentence."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what a reviewer sees. A text may be Markdown; anything else is JSON."""

    title: str | None
    content: Any


class PauseKind(ABC):
    """One way in which graphs pause.

    The value of an interrupt is given to it as JSON, whatever the graph hands over. A kind has to
    be a function of what it is given: the same pause is read in several processes, and again after
    a crash.
    """

    name: ClassVar[str]
    """The word for it, as requests and policies carry it."""

    actions: ClassVar[Sequence[Mapping[str, Any]] | None] = None
    """The actions that a policy for this kind may fall back on, as far as they are the same for
    all of its requests; None where each request has its own."""

    no_fallback: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Actions that no policy can fall back on, each with the reason."""

    messages: ClassVar[frozenset[str]] = frozenset()
    """Actions whose note is the answer itself, so that not even a fallback can do without."""

    @abstractmethod
    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        """Whether an interrupt with this value looks like one of this kind."""

    @abstractmethod
    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        """The question that the value asks.

        Raises:
            Malformed: It asks none after all: it becomes a plain question, which says why.
        """

    @abstractmethod
    def ballot(self, request: Request, value: Any) -> Ballot:
        """The ballot that a resume value of LangGraph's own form stands for, not yet checked.

        Raises:
            InvalidAnswer: It stands for none.
        """

    @abstractmethod
    def resume_value(self, request: Request, outcome: Outcome) -> Any:
        """What the node gets for this outcome."""

    def check(self, question: Question, ballot: Ballot) -> list[FieldError]:
        """What is wrong with a ballot beyond what the action's schema and note say; by pointers
        into the decision, such as ``/values/amount``."""
        return []

    def sections(self, question: Question) -> list[Section]:
        """What the reviewer sees below the title."""
        rest = untitled(question.payload, question.title)
        return [Section(None, rest)] if rest not in (None, {}, []) else []

    def digest(self, value: Any, response_schema: dict[str, Any] | None) -> str:
        """The digest of what the reviewer sees; equal for `read` now and when the node runs again.

        It must not depend on the process or on what a person cannot see.
        """
        if response_schema is None:
            return jsontext.digest(value)
        schema = jsontext.to_json(response_schema)
        return jsontext.digest({"value": value, "response_schema": schema})


def action(
    name: str,
    *,
    label: str | None = None,
    style: str = "default",
    note: str = "optional",
    schema: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An action in the form that requests carry.

    `style` is ``default``, ``primary`` or ``danger``, `note` ``optional``, ``required`` or
    ``none``; without a `schema` the action takes no values.
    """
    return {
        "name": name,
        "label": label or name.replace("_", " ").capitalize(),
        "style": style,
        "note": note,
        "schema": schema,
    }


def allowed_actions(
    kind: PauseKind, names: Iterable[str], *, edit: dict[str, Any] | None
) -> tuple[dict[str, Any], ...]:
    """Those of a kind's actions that a pause allows, in its order; `edit` is that one's schema."""
    known = {each["name"]: each for each in kind.actions or ()}
    return tuple(
        {**known[name], "schema": edit if name == "edit" else known[name]["schema"]}
        for name in names
    )


def payload_of(value: Any) -> Any:
    """An interrupt's value, small enough for a request to keep.

    Raises:
        TooLarge: It is over 1 MiB as JSON.
    """
    jsontext.check(value, where="the interrupt's value")
    return value


def title_of(payload: Any, *, node: str) -> str:
    """A line that says what a bare pause asks, at most 300 characters."""
    texts: list[Any] = [payload]
    if isinstance(payload, dict):
        texts = [payload.get(key) for key in TITLE_KEYS]
    text = next((text for text in texts if _says_something(text)), None)
    return line(f"{node} asks for an answer" if text is None else text)


def untitled(payload: Any, title: str) -> Any:
    """What a bare pause shows beside its title."""
    if isinstance(payload, str):
        return None if " ".join(payload.split()) == title else payload
    if not isinstance(payload, dict):
        return payload
    return {
        key: part
        for key, part in payload.items()
        if not (key in TITLE_KEYS and isinstance(part, str) and " ".join(part.split()) == title)
    }


def topic_of(payload: Any) -> str | None:
    """The author's own label of a bare dict: its `type`."""
    topic = payload.get("type") if isinstance(payload, dict) else None
    return topic[: jsontext.MAX_TITLE] if _says_something(topic) else None


def line(text: str) -> str:
    """A text as one line that is fit for a title."""
    joined, limit = " ".join(text.split()), jsontext.MAX_TITLE
    return joined if len(joined) <= limit else f"{joined[: limit - 1].rstrip()}…"


def call_line(name: str, args: Mapping[str, Any]) -> str:
    """A call of a tool in a line: ``notify(to="warehouse", urgent=true)``, long values cut."""
    given = (f"{key}={_shortened(value)}" for key, value in args.items())
    return line(f"{name}({', '.join(given)})")


def _shortened(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_ARGUMENT else f"{text[: MAX_ARGUMENT - 1]}…"


def _says_something(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and bool(text.strip())
