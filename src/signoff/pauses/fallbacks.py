"""Which fallbacks the kinds of pauses can have: those that make an answer which the node takes.

Where the actions of a request are its author's own, only the request itself can tell. The other
kinds have theirs by the contract, so that a policy for them is judged when it is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from signoff.domain import jsontext
from signoff.domain.decision import Ballot
from signoff.domain.errors import FieldError, InvalidJSON
from signoff.domain.policy import Fallback
from signoff.domain.question import Question
from signoff.pauses.base import PauseKind, action
from signoff.pauses.registry import kinds
from signoff.schema import check_answer

_BREAKPOINT = (action("continue", schema={"type": "object"}), action("abort"))


def kind_names() -> Collection[str]:
    """The kinds that a policy can be for.

    Raises:
        ConfigError: A package has added one that cannot be used.
    """
    return [*kinds(), *({"breakpoint"} - kinds().keys())]


def looks_at_content(kind: str | None) -> bool:
    """Whether it takes the question itself to judge a fallback for requests of this kind."""
    known = kinds().get(kind or "")
    return known is not None and type(known).check is not PauseKind.check


def check(
    fallback: Fallback,
    kind: str | None,
    actions: Sequence[Mapping[str, Any]] | None = None,
    question: Question | None = None,
) -> list[FieldError]:
    """What keeps a fallback from answering a request of this kind; empty if nothing does.

    `actions` are those of the `question`. Without them, or without a kind, it is judged as far as
    can be told: what is found then, holds for every such request.
    """
    known = kinds().get(kind or "")
    if actions is None:
        if known is not None and fallback.action in known.no_fallback:
            reason = known.no_fallback[fallback.action]
            return [FieldError("/action", f"{fallback.action} {reason}")]
        actions = _BREAKPOINT if kind == "breakpoint" else known.actions if known else None
    if actions is None:
        return _check_json(fallback)
    offered = [{"name": a["name"], "reply": a["schema"], "note": a["note"]} for a in actions]
    errors = check_answer(offered, fallback.action, fallback.values, fallback.note, timed_out=True)
    blank = fallback.note is None or not fallback.note.strip()
    if not errors and blank and known is not None and fallback.action in known.messages:
        return [FieldError("/note", "is required: it is the message that the graph gets")]
    if not errors and known is not None and question is not None:
        ballot = Ballot(action=fallback.action, values=dict(fallback.values), note=fallback.note)
        return known.check(question, ballot)
    return errors


def _check_json(fallback: Fallback) -> list[FieldError]:
    try:
        jsontext.check(fallback.values, where="values")
    except InvalidJSON as error:
        return [FieldError("/values" + each.pointer, each.message) for each in error.errors]
    return []
