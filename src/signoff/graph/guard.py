"""What was approved is what runs.

LangGraph gives a node its answers by their order, whatever the node asks: after a redeployment,
or where a payload depends on the clock, an approval would carry something else than was approved.
The guard stands inside `langgraph.types.interrupt` and passes an answer on only to the question
that it was given to. Any other question is put anew, as if it had no answer yet; the answer that
was passed over stays where it is and is passed over again whenever the node runs.

`interrupt` is guarded by giving the function a new body, since graphs have imported it by name
before anyone could replace it. It behaves as ever in runs that are not a desk's.
See docs/adr/0003-guarded-interrupt.md.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from threading import RLock
from types import FunctionType
from typing import Any, cast

from langgraph import types
from langgraph.config import get_config
from langgraph.errors import GraphInterrupt
from pydantic import TypeAdapter

from signoff.graph.keys import RUN, SCRATCHPAD
from signoff.pauses.any_kind import digest_of

VOID = "void"
"""In place of a digest: an answer that is never to be used again."""

MAX_ASKING = 10_000
"""Tasks that ask something at the same moment, in this process."""


class Answers:
    """The answers that the tasks of a run were given, by the digest of the question of each."""

    def __init__(
        self,
        digests: Mapping[str, Mapping[int, str]],
        check: Callable[[str, Any], None] = lambda _task_id, _question: None,
    ) -> None:
        self._check = check  # raises where a task may not put a question
        self.passed_over: dict[str, set[int]] = defaultdict(set)
        self.pauses: list[GraphInterrupt] = []
        self._digests = digests
        self._calls: dict[int, list[Any]] = {}
        self._lock = RLock()

    def ask(self, task_id: str, scratchpad: Any, value: Any, schema: Any) -> Any:
        """The answer that was given to this question, past those given to others.

        Raises:
            GraphInterrupt: There is none; the task pauses with this question.
            InvalidQuestion: There is none, and the question cannot be put.
        """
        digests = self._digests.get(task_id)
        if digests is None:
            self._check(task_id, value)
            return _interrupt(value, response_schema=schema)
        # Calls of one task may come from several threads; each takes the next answer, so the
        # count of calls and LangGraph's own have to move together.
        with self._lock:
            calls = self._calls.setdefault(id(scratchpad), [0, scratchpad])
            while True:
                position = calls[0]
                calls[0] += 1
                expected = digests.get(position)
                if expected is None:
                    self._check(task_id, value)
                    return _interrupt(value, response_schema=schema)
                if expected != VOID and expected == digest_of(value, _json_schema(schema)):
                    return _interrupt(value, response_schema=schema)
                self.passed_over[task_id].add(position)
                _interrupt(value)  # takes the answer out of the row; without it, pauses


def _json_schema(schema: Any) -> dict[str, Any] | None:
    """A response schema in the form in which a surfaced interrupt carries it."""
    if schema is None or isinstance(schema, dict):
        return schema
    return TypeAdapter(schema).json_schema()


def _guarded(value: Any, *, response_schema: Any = None) -> Any:
    """The new body of `interrupt`. It runs with that module's globals, hence the import."""
    from signoff.graph.guard import ask

    return ask(value, response_schema)


def ask(value: Any, response_schema: Any) -> Any:
    """`interrupt(value, response_schema=...)`, guarded where a desk runs the graph."""
    configurable = get_config()["configurable"]
    namespace: str = configurable["checkpoint_ns"]
    task_id = namespace.rpartition(":")[2]
    _asking[task_id] = namespace
    if len(_asking) > MAX_ASKING:
        _asking.popitem(last=False)
    run = configurable.get(RUN)
    if run is None:
        return _interrupt(value, response_schema=response_schema)
    answers: Answers = run.answers
    try:
        return answers.ask(task_id, configurable[SCRATCHPAD], value, response_schema)
    except GraphInterrupt as pause:
        answers.pauses.append(pause)
        raise


def node_of(task_id: str, checkpoint_ns: str) -> str | None:
    """The node whose task has just asked something, of the graph at this namespace.

    The checkpointer is not told where the task was sent there by a `Send` or by a `@task`. It may
    be asked once for each of a task's writes.
    """
    namespace = _asking.pop(task_id, None)
    if namespace is None:
        return None
    segments = namespace.split("|")
    if ":" not in checkpoint_ns:  # of a graph with a memory of its own, named without ids
        segments = [segment for segment in segments if not segment.isdigit()]
    depth = checkpoint_ns.count("|") + 1 if checkpoint_ns else 0
    return segments[depth].rpartition(":")[0] if depth < len(segments) else None


_asking: OrderedDict[str, str] = OrderedDict()
"""The namespaces of tasks that ask something right now, by the tasks' ids."""

_original = cast("FunctionType", types.interrupt)
_interrupt: Callable[..., Any] = FunctionType(
    _original.__code__, _original.__globals__, "interrupt", _original.__defaults__
)
_interrupt.__kwdefaults__ = _original.__kwdefaults__
_original.__code__ = _guarded.__code__
