"""`breakpoint`: a stop before or after nodes, which shows the state and takes values for it.

LangGraph marks such a stop nowhere, so it is not read from an interrupt:
`signoff.graph.breakpoints` finds it.
"""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer
from signoff.domain.question import BREAKPOINT, Question
from signoff.domain.request import Request
from signoff.pauses.base import PauseKind, Section, action

CONTINUE = "continue"
ABORT = "abort"


class BreakpointKind(PauseKind):
    """A stop that the graph, or whoever started the run, has asked for."""

    name = BREAKPOINT
    actions = (action(CONTINUE, schema={"type": "object"}), action(ABORT))

    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        return False

    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        raise AssertionError("a breakpoint has no interrupt")

    def ballot(self, request: Request, value: Any) -> Ballot:
        """None goes on, as it does in LangGraph; else an action, or one with values and a note."""
        if value is None:
            return Ballot(action=CONTINUE)
        if isinstance(value, str):
            return Ballot(action=value)
        if isinstance(value, dict) and isinstance(value.get("action"), str):
            values, note = value.get("values"), value.get("note")
            if isinstance(values, dict | None) and isinstance(note, str | None):
                return Ballot(action=value["action"], values=values or {}, note=note)
        raise InvalidAnswer(
            "a breakpoint is answered by null, or by an object with an action",
            [FieldError("/action", f"is one of: {', '.join(request.action_names)}")],
        )

    def sections(self, question: Question) -> list[Section]:
        payload = question.payload
        labels = payload.get("labels", {})
        shown = [Section(labels.get(name, name), each) for name, each in payload["values"].items()]
        following = ", ".join(payload["next"]) or "nothing: the graph ends"
        return [Section("Next", following), *shown]

    def resume_value(self, request: Request, outcome: Outcome) -> Any:
        raise AssertionError("a breakpoint is passed, and takes no value")
