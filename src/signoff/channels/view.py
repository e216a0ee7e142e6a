"""What a message says: a notification in words, as templates are given it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Protocol

from signoff.domain.notification import Message, Notification, Occasion
from signoff.domain.principal import SYSTEM
from signoff.domain.request import Request, RequestState
from signoff.speech import PAST, label, lines_of, span
from signoff.text import is_markdown, plainly

MAX_PARTS = 24
"""Values shown of one request."""

MAX_TEXT = 1_500
"""Characters shown of one text."""

MAX_TEXTS = 5_000
"""Characters shown of one request."""

BLOCK = 100
"""Texts of more characters stand by themselves, below their name."""

MAX_ITEMS = 50
"""Notifications shown of one digest."""


class Section(Protocol):
    """A part of what a reviewer sees; its content is a text or other JSON."""

    @property
    def title(self) -> str | None:
        """Its heading."""

    @property
    def content(self) -> Any:
        """What it shows."""


Sections = Callable[[Request], Sequence[Section]]
"""Takes a request apart into what a reviewer sees of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A value that is shown: its name, and a text, which may be Markdown."""

    label: str | None
    text: str
    block: bool
    markdown: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """What happened to a request, in words. Times are by the reader's clock.

    `open` says that it still waits for a decision, `cut` that more is shown in the inbox.
    """

    occasion: str
    headline: str
    id: str
    title: str
    graph: str
    node: str
    topic: str | None
    thread_id: str
    priority: str
    open: bool
    asked_by: str | None
    by: str
    at: str
    note: str | None
    error: str | None
    deadline: str | None
    left: str | None
    overdue: bool
    actions: tuple[str, ...]
    parts: tuple[Part, ...]
    cut: bool
    url: str | None
    decide_url: str | None


def variables(message: Message, sections: Sections, now: datetime) -> dict[str, Any]:
    """What templates are given: the names stand in docs/how-to/notifications.md."""
    items = [item(each, sections, now, message.timezone) for each in message.items[:MAX_ITEMS]]
    return {
        "items": items,
        "item": items[0],
        "digest": len(message.items) > 1,
        "count": len(message.items),
        "waiting": sum(each.request.state is RequestState.OPEN for each in message.items),
        "follow_up": message.follows is not None,
        "to": message.to,
        "message_id": message.id,
    }


def item(notification: Notification, sections: Sections, now: datetime, timezone: tzinfo) -> Item:
    """A notification in words."""
    request = notification.request
    deadline = request.deadline if request.state is RequestState.OPEN else None
    parts, cut = _parts(sections(request)) if request.state is RequestState.OPEN else ((), False)
    failed = notification.occasion is Occasion.FAILED
    return Item(
        occasion=notification.occasion.value,
        headline=headline(notification),
        id=request.id,
        title=plainly(" ".join(request.title.split())),
        graph=request.graph,
        node=request.node,
        topic=request.topic and plainly(request.topic),
        thread_id=request.thread_id,
        priority=request.priority,
        open=request.state is RequestState.OPEN,
        asked_by=request.involved[0] if request.involved else None,
        by="Signoff" if notification.by == SYSTEM else notification.by,
        at=moment(notification.at, timezone),
        note=None if failed else notification.note and plainly(notification.note),
        error=(request.delivery_error or notification.note) if failed else None,
        deadline=None if deadline is None else moment(deadline, timezone),
        left=None if deadline is None else _left(deadline, now),
        overdue=deadline is not None and deadline <= now,
        actions=tuple(
            plainly(each.get("label") or label(each["name"])) for each in request.actions
        ),
        parts=parts,
        cut=cut,
        url=notification.url,
        decide_url=notification.decide_url,
    )


def headline(notification: Notification) -> str:
    """What happened, as a sentence."""
    request, by = notification.request, notification.by
    action = request.outcome.action if request.outcome else ""
    match notification.occasion:
        case Occasion.OPENED:
            return "A decision is needed."
        case Occasion.REMINDED:
            return "Still no decision: this is a reminder."
        case Occasion.ESCALATED:
            return "Nobody has decided so far: it was escalated."
        case Occasion.DELEGATED:
            return f"{by} has handed it on."
        case Occasion.DECIDED if action in PAST:
            return f"{by} {PAST[action]} it."
        case Occasion.DECIDED:
            return f"{by} has decided: {plainly(label(action)) if action else 'answered'}."
        case Occasion.EXPIRED:
            said = f": {plainly(label(action)).lower()}" if action else ""
            return f"The deadline has decided{said}."
        case Occasion.WITHDRAWN:
            who = "It was" if by == SYSTEM else f"{by} has"
            return f"{who} withdrawn{'' if by == SYSTEM else ' it'}: nothing is to be decided."
        case Occasion.SUPERSEDED:
            return "The thread went on without it: nothing is to be decided."
        case Occasion.FAILED:
            return "The decision could not be delivered: the thread does not go on."


def moment(at: datetime, timezone: tzinfo) -> str:
    """A moment by the clock on somebody's wall."""
    local = at.astimezone(timezone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M} {local:%Z}"


def _left(deadline: datetime, now: datetime) -> str:
    return f"in {span(deadline - now)}" if deadline > now else f"overdue by {span(now - deadline)}"


def _parts(sections: Sequence[Section]) -> tuple[tuple[Part, ...], bool]:
    """What is shown of a request, and whether that is not all."""
    parts: list[Part] = []
    room, cut = MAX_TEXTS, False
    for name, text in _values(sections):
        if len(parts) == MAX_PARTS or room <= 0:
            return tuple(parts), True
        kept = text[: min(MAX_TEXT, room)]
        if len(kept) < len(text):
            kept, cut = kept.rstrip() + " …", True
        room -= len(kept)
        markdown = is_markdown(kept)
        block = markdown or "\n" in kept or len(kept) > BLOCK
        parts.append(
            Part(label=name and plainly(name), text=plainly(kept), block=block, markdown=markdown)
        )
    return tuple(parts), cut


def _values(sections: Sequence[Section]) -> Iterator[tuple[str | None, str]]:
    for section in sections:
        if isinstance(section.content, dict):
            if section.title:
                yield section.title, ""
            for name, value in section.content.items():
                yield label(name), _text(value)
        elif section.content is not None:
            yield section.title, _text(section.content)


def _text(value: Any) -> str:
    """JSON as people read it: a line for each value."""
    return value if isinstance(value, str) else "\n".join(lines_of(value))
