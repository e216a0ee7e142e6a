"""What a policy says: who may decide, how many must, until when, and what happens otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Priority = Literal["low", "normal", "high", "urgent"]

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""From the least to the most pressing; their positions are stored, so that lists sort by them."""


def rank(priority: Priority) -> int:
    """The position of a priority, 0 for ``low`` to 3 for ``urgent``."""
    return PRIORITIES.index(priority)


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy a request was opened with: the fields given for it, as JSON.

    ``fields`` holds only what was set, durations in ISO 8601. A field that is absent has its
    documented default.
    """

    fields: dict[str, Any]

    @property
    def priority(self) -> Priority:
        """How pressing the request is; ``normal`` unless the policy says otherwise."""
        priority: Priority = self.fields.get("priority", "normal")
        return priority
