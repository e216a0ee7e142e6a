"""Kinds of pauses: how a graph asks, and what it expects as the answer.

Each kind is one module with a subclass of `PauseKind`. The first kind that recognises a pause reads
it; `question` recognises everything. What looks like a kind and is none becomes a question too, and
its remark says why.

A package adds kinds of its own by naming them in the entry-point group `signoff.pauses`: what that
takes can be imported from here, see docs/how-to/kinds.md.
"""

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer
from signoff.domain.policy import Policy
from signoff.domain.question import Question
from signoff.domain.request import Request
from signoff.pauses.base import (
    Malformed,
    PauseKind,
    Section,
    action,
    call_line,
    payload_of,
    title_of,
    topic_of,
)

__all__ = [
    "Ballot",
    "FieldError",
    "InvalidAnswer",
    "Malformed",
    "Outcome",
    "PauseKind",
    "Policy",
    "Question",
    "Request",
    "Section",
    "action",
    "call_line",
    "payload_of",
    "title_of",
    "topic_of",
]
