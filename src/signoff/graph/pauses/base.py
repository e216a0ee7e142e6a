"""What a kind of pause has to give, and what several kinds share."""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard

from signoff.domain import jsontext
from signoff.domain.decision import Ballot, Outcome
from signoff.domain.request import Question, Request

TITLE_KEYS = ("title", "question", "message", "instructions", "prompt", "description", "task")
"""Where authors of bare pauses put what they ask, the most telling first."""


class PauseKind(Protocol):
    """One way in which graphs pause."""

    @property
    def name(self) -> str:
        """The word of the contract for it."""

    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        """Whether an interrupt with this value is of this kind."""

    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        """The question that the value asks."""

    def digest(self, value: Any) -> str:
        """The digest of what the reviewer sees; equal for `read` now and when the node runs again.

        It must not depend on the process or on what a person cannot see.
        """

    def ballot(self, request: Request, value: Any) -> Ballot:
        """The ballot that a resume value of LangGraph's own form stands for.

        Raises:
            InvalidAnswer: It stands for none.
        """

    def resume_value(self, request: Request, outcome: Outcome) -> Any:
        """What the node gets for this outcome."""


def action(
    name: str,
    *,
    label: str | None = None,
    style: str = "default",
    note: str = "optional",
    schema: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An action in the form that requests carry."""
    return {
        "name": name,
        "label": label or name.replace("_", " ").capitalize(),
        "style": style,
        "note": note,
        "schema": schema,
    }


def title_of(payload: Any, *, node: str) -> str:
    """A line that says what a bare pause asks, at most 300 characters."""
    texts: list[Any] = [payload]
    if isinstance(payload, dict):
        texts = [payload.get(key) for key in TITLE_KEYS]
    text = next((text for text in texts if _says_something(text)), None)
    if text is None:
        return f"{node} asks for an answer"
    line = " ".join(text.split())
    limit = jsontext.MAX_TITLE
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def topic_of(payload: Any) -> str | None:
    """The author's own label of a bare dict: its `type`."""
    topic = payload.get("type") if isinstance(payload, dict) else None
    return topic[: jsontext.MAX_TITLE] if _says_something(topic) else None


def _says_something(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and bool(text.strip())
