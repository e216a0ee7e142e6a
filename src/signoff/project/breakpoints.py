"""What `[breakpoints]` tables of `signoff.toml` say about the stops before and after nodes.

[breakpoints.fill_order]              # the node; or "graph:node", for that of one graph
title = "Order {order_id} of {patient}"
show = ["patient", "flags"]           # fields of the state, in this order; all, if not given
edit = ["dose", "notes"]              # those that may be changed; all that are shown, if not
labels = { dose = "Dose in mg" }
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from signoff.domain.errors import FieldError, InvalidPolicy
from signoff.domain.jsontext import MAX_TITLE, pointer
from signoff.domain.user import unknown

Nodes: TypeAlias = Mapping[str, Collection[str] | None]
"""The nodes of graphs, by the graphs' names; None for one that only other processes have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakpointForm:
    """How a stop is shown: its title, and fields of the state; None stands for all of them."""

    title: str | None = None
    show: tuple[str, ...] | None = None
    edit: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> list[str]:
        """The fields of the state that it names, each once."""
        return list(dict.fromkeys([*(self.show or ()), *(self.edit or ()), *self.labels]))

    def title_for(self, values: Mapping[str, Any]) -> str | None:
        """The title, with `{field}` replaced by what stands there; other braces are left."""
        if self.title is None:
            return None

        def replaced(found: re.Match[str]) -> str:
            return str(values[found[1]]) if found[1] in values else found[0]

        line = " ".join(_PLACEHOLDER.sub(replaced, self.title).split())
        return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1].rstrip()}…"


_PLACEHOLDER = re.compile(r"\{(\w+)\}")

_FIELDS = ("title", "show", "edit", "labels")


def read(table: Mapping[str, Any]) -> BreakpointForm:
    """The form of a table.

    Raises:
        InvalidPolicy: It makes none; an error points at each place of the table that is wrong.
    """
    errors = [FieldError(pointer(key), _unknown(key)) for key in table if key not in _FIELDS]
    title = table.get("title")
    if "title" in table and not (isinstance(title, str) and title.strip()):
        errors.append(FieldError("/title", "must be a text that is not empty"))
    elif isinstance(title, str) and len(title) > MAX_TITLE:
        errors.append(FieldError("/title", f"has over {MAX_TITLE} characters"))
    lists = {name: _names(table, name, errors) for name in ("show", "edit")}
    labels = table.get("labels", {})
    if not isinstance(labels, dict):
        errors.append(FieldError("/labels", "must be a table of fields and their labels"))
        labels = {}
    errors += [
        FieldError(pointer("labels", name), "must be a text that is not empty")
        for name, label in labels.items()
        if not isinstance(label, str) or not label.strip()
    ]
    if errors:
        raise InvalidPolicy("the table of a breakpoint is not in order", errors)
    return BreakpointForm(title=title, **lists, labels=labels)


def stranger(place: str, graphs: Nodes) -> str | None:
    """What is wrong with the name of a table: it names no node, or no graph, of these.

    Nothing is, as far as can be told, where it may be a node of a graph that is not known here.
    """
    graph, colon, node = place.rpartition(":")
    if not colon:
        every = list(graphs.values())
        nodes = {name for each in every for name in each or ()}
        if None in every or node in nodes:
            return None
        return unknown("node", node, sorted(nodes), listed=True)
    if graph not in graphs:
        return unknown("graph", graph, sorted(graphs), listed=True)
    known = graphs[graph]
    if known is None or node in known:
        return None
    return unknown(f"node of graph {graph!r}", node, sorted(known), listed=True)


def _names(table: Mapping[str, Any], name: str, errors: list[FieldError]) -> tuple[str, ...] | None:
    if name not in table:
        return None
    names = table[name]
    if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
        errors.append(FieldError(pointer(name), "must be a list of fields of the state"))
        return None
    for n, each in enumerate(names):
        if each in names[:n]:
            errors.append(FieldError(pointer(name, n), f"is {each!r} once more"))
    return tuple(names)


def _unknown(key: str) -> str:
    similar = difflib.get_close_matches(key, _FIELDS, n=1)
    hint = f" (did you mean {similar[0]}?)" if similar else f"; there are {', '.join(_FIELDS)}"
    return f"is no setting of a breakpoint{hint}"
