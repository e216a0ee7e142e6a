"""What a request shows, and its actions as forms: on its page, and on that of a message's link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from signoff.domain.errors import FieldError
from signoff.domain.request import Request, RequestState
from signoff.pauses.any_kind import sections
from signoff.web import content, diff, words
from signoff.web.forms.action import ActionForm

KEYS = {"approve": "a", "accept": "a", "continue": "a", "reject": "r", "ignore": "r", "abort": "r"}
KEYS |= {"edit": "e"}
"""The keys of actions with a usual name; others get what is left of a, r and e, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An action as the page offers it."""

    name: str
    label: str
    style: str
    note: str
    key: str | None
    form: ActionForm
    note_typed: str = ""
    note_error: str | None = None
    errors: list[FieldError] = field(default_factory=list)
    preview: diff.Changes | None = None

    def without_key(self) -> Choice:
        """It on a page that has no keys."""
        return replace(self, key=None)

    @property
    def opened(self) -> bool:
        """Whether there is something to see in its form."""
        return bool(self.errors or self.note_error or self.preview is not None or self.form.errors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """What somebody has typed into the form of an action, and what is wrong with it."""

    action: str
    form: ActionForm
    note: str
    errors: Sequence[FieldError] = ()
    preview: diff.Changes | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of what a request shows."""

    title: str | None
    node: content.Node


def shown_of(request: Request, earlier: Request | None) -> tuple[list[Shown], diff.Changes | None]:
    """What a request shows, and how that differs from what was asked earlier."""
    parts = [Shown(part.title, content.shown(part.content)) for part in sections(request)]
    if earlier is None:
        return parts, None
    before, after = ({s.title or "": s.content for s in sections(r)} for r in (earlier, request))
    unnamed = {""}
    old, new = (each.get("") if each.keys() == unnamed else each for each in (before, after))
    return parts, diff.changes(old, new)


def choices_of(request: Request, typed: Typed | None, as_json: bool) -> list[Choice]:
    """The actions of a request that is open, with what was typed into one of them."""
    if request.state is not RequestState.OPEN:
        return []
    keys = keys_of(request.actions)
    choices = []
    for action in request.actions:
        name = action["name"]
        own = typed if typed is not None and typed.action == name else None
        form = own.form if own else None
        if form is None:
            form = ActionForm(action, prefix=prefix_of(request, name), as_json=as_json)
        rest = form.say(own.errors) if own else []
        notes = [each.message for each in rest if each.pointer == "/note"]
        choices.append(
            Choice(
                name=name,
                label=action["label"],
                style=action["style"],
                note=action["note"],
                key=keys.get(name),
                form=form,
                note_typed=own.note if own else "",
                note_error="; ".join(notes) or None,
                errors=[each for each in rest if each.pointer != "/note"],
                preview=own.preview if own else None,
            )
        )
    return choices


def keys_of(actions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The key of each of the first actions."""
    keys: dict[str, str] = {}
    for action in actions:
        key = KEYS.get(action["name"])
        if key is not None and key not in keys.values():
            keys[action["name"]] = key
    left = [key for key in "are" if key not in keys.values()]
    for action, key in zip([a for a in actions if a["name"] not in keys], left, strict=False):
        keys[action["name"]] = key
    return keys


def prefix_of(request: Request, action: str) -> str:
    """What the ids of a form's fields begin with."""
    return f"f{request.action_names.index(action)}"


def closed_by(request: Request) -> str:
    """How a request came to be closed, in a sentence."""
    outcome = request.outcome
    if outcome is None:
        if request.state is RequestState.OPEN:
            return "This request is open."
        return f"This request is {request.state.value}."
    if outcome.timed_out:
        return f"The deadline has decided this request: {words.label(outcome.action).lower()}."
    did = words.PAST.get(outcome.action, f"chose “{words.label(outcome.action)}” on")
    return f"{outcome.by} {did} this request already."
