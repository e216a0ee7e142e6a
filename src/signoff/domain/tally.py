"""Counting votes: how many for one action, with equal values, close a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signoff.domain.decision import Vote
from signoff.domain.policy import Policy

VETO = "reject"
"""The action that closes a request at once, unless its policy says otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """The votes that count together, in the order in which they were cast.

    `missing` is how many more of the same would close the request.
    """

    votes: tuple[Vote, ...]
    missing: int

    @property
    def action(self) -> str:
        """The action they are for."""
        return self.votes[0].action

    @property
    def values(self) -> dict[str, Any]:
        """The values they agree on."""
        return self.votes[0].values

    def to_json(self) -> dict[str, Any]:
        """The tally as users see it."""
        return {
            "action": self.action,
            "values": self.values,
            "by": [vote.by for vote in self.votes],
            "missing": self.missing,
        }


def tally(votes: Sequence[Vote], policy: Policy) -> tuple[Tally, ...]:
    """What the votes amount to: one tally for each action with equal values, the nearest first."""
    groups: list[list[Vote]] = []
    for vote in votes:
        _join(groups, vote)
    counted = [Tally(votes=tuple(group), missing=_missing(group, policy)) for group in groups]
    return tuple(sorted(counted, key=lambda each: each.missing))


def settle(votes: Sequence[Vote], policy: Policy) -> tuple[Vote, ...] | None:
    """The votes that close a request, the closing one last; None while they do not.

    `quorum` votes for one action with equal values do, each with another right; with `veto`, one
    ``reject`` does. If several would, those that got there first.
    """
    groups: list[list[Vote]] = []
    for vote in votes:
        group = _join(groups, vote)
        if _missing(group, policy) == 0:
            return tuple(group)
    return None


def missing(votes: Sequence[Vote], policy: Policy) -> int:
    """How many votes a request lacks at the least; 0 if these close it."""
    return min((each.missing for each in tally(votes, policy)), default=policy.quorum)


def _missing(agreeing: Sequence[Vote], policy: Policy) -> int:
    needed = 1 if policy.veto and agreeing[0].action == VETO else policy.quorum
    return max(0, needed - len({vote.right for vote in agreeing}))


def _join(groups: list[list[Vote]], vote: Vote) -> list[Vote]:
    """The group of those that agree with a vote, with that vote put into it."""
    group = next((group for group in groups if group[0].agrees_with(vote)), None)
    if group is None:
        groups.append(group := [])
    group.append(vote)
    return group
