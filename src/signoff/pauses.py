"""What it takes to add a kind of pause of your own: see docs/how-to/kinds.md.

A package names a subclass of `PauseKind` in the entry-point group `signoff.pauses`.
"""

from signoff.domain.decision import Ballot, Outcome
from signoff.domain.errors import FieldError, InvalidAnswer
from signoff.domain.policy import Policy
from signoff.domain.request import Question, Request
from signoff.graph.pauses.base import (
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
