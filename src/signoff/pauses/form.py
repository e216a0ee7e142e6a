"""`form`: an `interrupt()` with a `response_schema`, answered by what fits it.

LangGraph checks an answer against a Pydantic model, a TypedDict or a dataclass, and against a JSON
Schema not at all; here all of them are checked, before anything is stored.
"""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer, InvalidInput
from signoff.domain.policy import Policy
from signoff.domain.question import Question
from signoff.domain.request import Request
from signoff.pauses.base import (
    Malformed,
    PauseKind,
    action,
    payload_of,
    title_of,
    topic_of,
)
from signoff.pauses.schemas import ANY_OBJECT, Schema, is_object, member, properties
from signoff.schema import check_schema


class FormKind(PauseKind):
    """Whatever says what its answer looks like."""

    name = "form"
    actions = (action("respond", style="primary", schema=ANY_OBJECT),)

    def recognises(self, value: Any, response_schema: Schema | None) -> bool:
        return response_schema is not None

    def read(self, value: Any, response_schema: Schema | None, *, node: str) -> Question:
        payload = payload_of(value)
        assert response_schema is not None
        values = _values(response_schema)
        try:
            check_schema(values)
        except InvalidInput as error:
            raise Malformed(f"its response schema cannot be used ({error.message})") from error
        return Question(
            kind=self.name,
            title=title_of(payload, node=node),
            topic=topic_of(payload),
            payload=payload,
            actions=(action("respond", style="primary", schema=values),),
            policy=Policy(),
            digest=self.digest(value, response_schema),
            response_schema=response_schema,
        )

    def ballot(self, request: Request, value: Any) -> Ballot:
        if not _is_object(request):
            return Ballot(action="respond", values={"value": value})
        if not isinstance(value, dict):
            raise InvalidAnswer(
                "the answer to this form is an object", [FieldError("", "must be an object")]
            )
        return Ballot(action="respond", values=value)

    def resume_value(self, request: Request, outcome: Outcome) -> Any:
        return outcome.values if _is_object(request) else outcome.values["value"]


def _is_object(request: Request) -> bool:
    schema = request.question.response_schema
    return schema is not None and is_object(schema)


def _values(schema: Schema) -> Schema:
    """The schema of a decision's values: the form's own, or that of an object around it."""
    if is_object(schema):
        return schema
    value, beside = member("value", schema, schema)
    return properties({"value": value}, required=("value",)) | beside
