"""`question`: a bare `interrupt(value)` of any other form, answered by a bare value."""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.jsontext import check, digest, to_json
from signoff.domain.policy import Policy
from signoff.domain.request import Question, Request
from signoff.graph.pauses.base import action, title_of, topic_of

ANSWER = {
    "type": "object",
    "properties": {"value": {"title": "Answer"}},
    "required": ["value"],
    "additionalProperties": False,
}
"""Any JSON value, in the one field of a form."""


class QuestionKind:
    """Anything a graph can pause with."""

    name = "question"

    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        return True

    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        payload = to_json(value)
        check(payload, where="the interrupt's value")
        return Question(
            kind=self.name,
            title=title_of(payload, node=node),
            topic=topic_of(payload),
            payload=payload,
            actions=(action("respond", style="primary", schema=ANSWER),),
            policy=Policy(),
            digest=digest(payload),
            response_schema=response_schema,
        )

    def digest(self, value: Any) -> str:
        return digest(to_json(value))

    def ballot(self, request: Request, value: Any) -> Ballot:
        return Ballot(action="respond", values={"value": value})

    def resume_value(self, request: Request, outcome: Outcome) -> Any:
        return outcome.values["value"]
