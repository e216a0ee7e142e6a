"""Which fallbacks the kinds of pauses can have: those that make an answer which the node takes.

Where the actions of a request are its author's own, only the request itself can tell. The other
kinds have theirs by the contract, so that a policy for them is judged when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from signoff.domain import jsontext
from signoff.domain.errors import FieldError, InvalidJSON
from signoff.domain.policy import Fallback
from signoff.schema import check_answer

Schema = dict[str, Any]

_NOTHING = None
_ANYTHING: Schema = {"type": "object"}
_VALUE: Schema = {"type": "object", "required": ["value"]}
_ARGS: Schema = {
    "type": "object",
    "properties": {"args": {"type": "object"}, "name": {"type": "string"}},
    "required": ["args"],
    "additionalProperties": False,
}

KINDS: Mapping[str, Mapping[str, Schema | None] | None] = {
    "ask": None,
    "tool_approval": {
        "approve": _NOTHING,
        "edit": _ARGS,
        "reject": _NOTHING,
        "respond": _NOTHING,
    },
    # `submit` takes a decision for each item, and a policy cannot know how many there are.
    "tool_batch": {"approve": _NOTHING, "reject": _NOTHING},
    "agent_inbox": {
        "accept": _NOTHING,
        "edit": _ARGS,
        "respond": _NOTHING,
        "ignore": _NOTHING,
    },
    "form": {"respond": _ANYTHING},
    "choice": None,
    "question": {"respond": _VALUE},
    "breakpoint": {"continue": _ANYTHING, "abort": _NOTHING},
}
"""The actions of each kind with the schemas of their values; None where the author names them."""

_MESSAGES = {("tool_approval", "respond"), ("agent_inbox", "respond")}
"""Where the note is the answer, and not said about it."""


def check(
    fallback: Fallback, kind: str | None, actions: Sequence[Mapping[str, Any]] | None = None
) -> list[FieldError]:
    """What keeps a fallback from answering a request of this kind; empty if nothing does.

    `actions` are those of the `Question`. Without them, or without a kind, it is judged as far as
    can be told: what is found then, holds for every such request.
    """
    if actions is None:
        actions = _actions_of(kind)
    if actions is None:
        return _check_json(fallback)
    offered = [{"name": a["name"], "reply": a["schema"], "note": a["note"]} for a in actions]
    errors = check_answer(offered, fallback.action, fallback.values, fallback.note, timed_out=True)
    blank = fallback.note is None or not fallback.note.strip()
    if not errors and blank and (kind, fallback.action) in _MESSAGES:
        return [FieldError("/note", "is required: it is the message that the graph gets")]
    return errors


def _actions_of(kind: str | None) -> Sequence[Mapping[str, Any]] | None:
    schemas = KINDS.get(kind or "")
    if schemas is None:
        return None
    return [{"name": n, "schema": s, "note": "optional"} for n, s in schemas.items()]


def _check_json(fallback: Fallback) -> list[FieldError]:
    try:
        jsontext.check(fallback.values, where="values")
    except InvalidJSON as error:
        return [FieldError("/values" + each.pointer, each.message) for each in error.errors]
    return []
