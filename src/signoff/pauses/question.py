"""`question`: a bare `interrupt(value)` of any other form, answered by a bare value."""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.policy import Policy
from signoff.domain.question import Question
from signoff.domain.request import Request
from signoff.pauses.base import PauseKind, action, payload_of, title_of, topic_of

ANSWER = {
    "type": "object",
    "properties": {"value": {"title": "Answer"}},
    "required": ["value"],
    "additionalProperties": False,
}
"""Any JSON value, in the one field of a form."""


class QuestionKind(PauseKind):
    """Anything a graph can pause with."""

    name = "question"
    actions = (action("respond", style="primary", schema=ANSWER),)

    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        return True

    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        payload = payload_of(value)
        return Question(
            kind=self.name,
            title=title_of(payload, node=node),
            topic=topic_of(payload),
            payload=payload,
            actions=tuple(self.actions),
            policy=Policy(),
            digest=self.digest(value, response_schema),
            response_schema=response_schema,
        )

    def ballot(self, request: Request, value: Any) -> Ballot:
        return Ballot(action="respond", values={"value": value})

    def resume_value(self, request: Request, outcome: Outcome) -> Any:
        return outcome.values["value"]
