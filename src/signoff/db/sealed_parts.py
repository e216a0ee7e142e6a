"""What of the database is sealed where it is encrypted at rest, and what it is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a row that is sealed: a field, or a `member` of the JSON object in it.

    `column` and the fields `by` are what it is bound to. A part is JSON unless it is `text`.
    """

    field: str
    column: str
    by: tuple[str, ...]
    member: str | None = None
    text: bool = False


def _parts(table: str, *by: str, json: str = "", text: str = "") -> tuple[Part, ...]:
    names = [(name, False) for name in json.split()] + [(name, True) for name in text.split()]
    parts = []
    for name, is_text in names:
        field, _, member = name.partition(".")
        parts.append(Part(field, f"{table}.{name}", by, member or None, is_text))
    return tuple(parts)


_VOTE = _parts("votes", "request_id", "by", json="values", text="note")
_REQUEST = _parts(
    "requests",
    "id",
    json="payload response_schema actions comments outcome.values outcome.note policy.otherwise",
    text="title remark delivery_error",
)

SHAPES: Mapping[str, tuple[Part, ...]] = {
    "requests": _REQUEST,
    "opened": _REQUEST,
    "votes": _VOTE,
    "threads": _parts("threads", "id", json="state_values", text="error"),
    "rested": (Part("values", "threads.state_values", ("thread_id",)),),
    "runs": _parts("runs", "id", json="input", text="error")
    # A run that goes on has these of the one before it.
    + _parts("runs", "thread_id", json="config context"),
    # What a receiver has answered is told as it is.
    "messages": _parts("messages", "id", json="payload", text="note"),
    "sessions": _parts("sessions", "id", text="id_token"),
    "stream_events": _parts("stream_events", "thread_id", "run_id", "event", text="data"),
    "events": _parts("stream_events", "thread_id", "run_id", "event", text="data"),
}
"""What is sealed of rows, by table, and by what they are called in `signoff.db.group`."""

_WRITE = ("checkpoint_writes", "thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx")
BYTES: Mapping[str, tuple[str, ...]] = {
    "checkpoint_blobs": ("checkpoint_blobs", "thread_id", "checkpoint_ns", "channel", "version"),
    "checkpoint_writes": _WRITE,
    "blobs": ("checkpoint_blobs", "thread_id", "checkpoint_ns", "channel", "version"),
    "control_writes": _WRITE,
    "task_writes": _WRITE,
}
"""Rows of checkpoints with a ``type`` and a ``blob``: their table and what they are bound to."""

CLEAR_METADATA = frozenset({"source", "step", "parents", "counters_since_delta_snapshot"})
"""What LangGraph says of a checkpoint in its metadata; all else comes from whoever runs a graph."""

CLEAR_DATA = frozenset(
    {
        *("action", "as_node", "at", "by", "checkpoint_id", "digest", "graph", "kind"),
        *("on_behalf_of", "priority", "right", "to"),
    }
)
"""What entries of the audit say in the clear."""
