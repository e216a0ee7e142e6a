"""The exceptions that error handlers were told of, made again from what was stored of them.

LangGraph hands an error handler the exception, and keeps its `repr` as text. When the handler runs
again, after a question of its own was answered, it is handed the text instead. What it asks with
the exception in it would then be another question than the one that was answered.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple, PendingWrite

from signoff.graph.keys import ERROR, ERROR_SOURCE_NODE


def with_failures(head: CheckpointTuple | None) -> CheckpointTuple | None:
    """A checkpoint whose failed tasks have exceptions for their handlers, where that can be."""
    if head is None or not head.pending_writes:
        return head
    handled = {
        task_id for task_id, channel, _ in head.pending_writes if channel == ERROR_SOURCE_NODE
    }
    if not handled:
        return head
    return head._replace(pending_writes=list(_restored(head.pending_writes, handled)))


def _restored(writes: Iterable[PendingWrite], handled: set[str]) -> Iterable[PendingWrite]:
    for task_id, channel, value in writes:
        if channel == ERROR and task_id in handled and isinstance(value, str):
            yield task_id, channel, exception(value) or value
        else:
            yield task_id, channel, value


def exception(text: str) -> Exception | None:
    """An exception with this `repr`, and so with the same `str`; None where that says too little.

    One of Python's own is of its class again; others are of a class by the same name.
    """
    try:
        made = _call(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return made if made is not None and repr(made) == text else None


def _call(node: ast.expr) -> Exception | None:
    match node:
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            values: list[Any] = [ast.literal_eval(each) for each in args]
        case _:
            return None
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        return known(*values)
    made: Exception = type(name, (Exception,), {})(*values)
    return made
