"""`ask`: a pause made by `signoff.ask()`, in its documented envelope."""

from __future__ import annotations

from typing import Any

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.duration import isoformat
from signoff.domain.errors import FieldError, InvalidAnswer
from signoff.domain.jsontext import check, digest
from signoff.domain.policy import CALL, Policy
from signoff.domain.question import Question
from signoff.domain.request import Request
from signoff.envelope import is_envelope
from signoff.pauses.base import PauseKind, Section, action

UNSEEN = frozenset({"policy"})
"""Parts of the envelope that are not the question: changing them leaves a decision valid."""


class AskKind(PauseKind):
    """The envelope of `signoff.ask()`, version 1."""

    name = "ask"

    def recognises(self, value: Any, response_schema: dict[str, Any] | None) -> bool:
        return is_envelope(value)

    def read(self, value: Any, response_schema: dict[str, Any] | None, *, node: str) -> Question:
        check(value, where="the question")
        return Question(
            kind=self.name,
            title=value["title"],
            topic=value["topic"],
            payload=value,
            actions=tuple(
                action(
                    each["name"],
                    label=each["label"],
                    style=each["style"],
                    note=each["note"],
                    schema=each["reply"],
                )
                for each in value["actions"]
            ),
            policy=Policy.read(value["policy"], source=CALL),
            digest=self.digest(value, response_schema),
            response_schema=response_schema,
        )

    def sections(self, question: Question) -> list[Section]:
        shown = question.payload["show"]
        return [] if shown is None else [Section(None, shown)]

    def digest(self, value: Any, response_schema: dict[str, Any] | None) -> str:
        return digest({key: part for key, part in value.items() if key not in UNSEEN})

    def ballot(self, request: Request, value: Any) -> Ballot:
        if isinstance(value, str):
            return Ballot(action=value)
        if not isinstance(value, dict) or not isinstance(value.get("action"), str):
            raise InvalidAnswer(
                "the answer to this question names an action",
                [FieldError("/action", f"is one of: {', '.join(request.action_names)}")],
            )
        values, note = value.get("values"), value.get("note")
        if not isinstance(values, dict | None) or not isinstance(note, str | None):
            raise InvalidAnswer("values are an object and a note is a text")
        return Ballot(action=value["action"], values=values or {}, note=note)

    def resume_value(self, request: Request, outcome: Outcome) -> dict[str, Any]:
        waited = request.waited
        return {
            **outcome.to_json(),
            "waited": None if waited is None else isoformat(waited),
            "request_id": request.id,
            "votes": [vote.to_json() for vote in request.votes],
        }
