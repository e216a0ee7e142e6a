"""What is asked at a breakpoint: the state to look at, and the values that it may be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from signoff.domain.errors import SignoffError
from signoff.domain.jsontext import checked, digest, to_json
from signoff.domain.policy import Policy
from signoff.domain.question import BREAKPOINT, Question
from signoff.graph.state_fields import Field, schema
from signoff.pauses.base import action, line
from signoff.pauses.breakpoint import ABORT, CONTINUE
from signoff.project.breakpoints import BreakpointForm


def question_at(
    *,
    when: str,
    nodes: Sequence[str],
    following: Sequence[str],
    values: Mapping[str, Any],
    known: Mapping[str, Field],
    form: BreakpointForm,
) -> Question:
    """What is asked at a stop: whether to go on, with which values.

    An `@entrypoint` has no fields: what there are of values is shown, and none can be changed.
    """
    names = known or values
    shown = [name for name in form.show if name in names] if form.show is not None else None
    if shown is None:
        shown = [name for name in names if name not in known or not known[name].private]
    edited = [name for name in (form.edit if form.edit is not None else shown) if name in known]
    kept, left_out = _fitting({name: values[name] for name in shown if name in values})
    payload = {"when": when, "nodes": list(nodes), "next": list(following), "values": kept}
    if form.labels:
        payload["labels"] = dict(form.labels)
    if left_out:
        payload["left_out"] = left_out
    unknown = [
        name for name in form.named if name not in (known if name in (form.edit or ()) else names)
    ]
    return Question(
        kind=BREAKPOINT,
        title=form.title_for(values) or _title(when, nodes),
        topic=None,
        payload=payload,
        actions=(
            action(CONTINUE, style="primary", schema=schema(known, edited, form.labels)),
            action(ABORT, style="danger"),
        ),
        policy=Policy(),
        digest=digest(payload),
        remark=_unknown(unknown) if unknown else None,
    )


def _unknown(names: Sequence[str]) -> str:
    return f"Its table in signoff.toml names what the state does not have: {', '.join(names)}."


def _title(when: str, nodes: Sequence[str]) -> str:
    named = ", ".join(nodes)
    return line(f"Go on with {named}?" if when == "before" else f"Go on after {named}?")


MAX_SHOWN = 900_000
"""Bytes of the state that are shown, of 1 MiB that a request can have."""


def _fitting(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """As much of a state as a request can have, in its order, and what is too large to be shown."""
    shown = {name: to_json(value) for name, value in values.items()}
    sizes: dict[str, int] = {}
    for name, value in shown.items():
        try:
            sizes[name] = len(checked(value, where="the state"))
        except SignoffError:
            sizes[name] = MAX_SHOWN + 1
    left_out: list[str] = []
    for name in sorted(sizes, key=lambda each: -sizes[each]):
        if sum(sizes.values()) > MAX_SHOWN:
            left_out.append(name)
            del sizes[name]
    return {name: shown[name] for name in shown if name in sizes}, left_out
