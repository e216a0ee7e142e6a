"""Who may decide a request, and with whose right.

Each vote is cast with somebody's right: one's own, or that of the person who delegated the request
or whom one stands in for. A right counts once, whoever uses it, so that nobody gains votes by
handing a request on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from signoff.domain import duration
from signoff.domain.errors import Forbidden, SignInTooOld
from signoff.domain.policy import Policy, Step, is_group
from signoff.domain.principal import DEV, GROUP, Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewer:
    """A principal, the groups it is in, and the users that it stands in for right now."""

    name: str
    groups: frozenset[str] = frozenset()
    substitute_of: frozenset[str] = frozenset()

    def is_among(self, people: Collection[str]) -> bool:
        """Whether `people`, users and groups, include this principal."""
        named = self.name in people and not is_group(self.name)
        return named or any(GROUP + group in people for group in self.groups)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delegation:
    """A request handed on, to a user or a group; `right` is that of the first who did."""

    by: str
    to: str
    right: str
    at: datetime

    def to_json(self) -> dict[str, str]:
        """The delegation as users see it."""
        return {"by": self.by, "to": self.to, "right": self.right, "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Delegation:
        """The delegation that `to_json` wrote."""
        return cls(
            by=data["by"],
            to=data["to"],
            right=data["right"],
            at=datetime.fromisoformat(data["at"]),
        )


def admit(
    reviewer: Reviewer,
    policy: Policy,
    *,
    involved: Collection[str] = (),
    reached: Iterable[Step] = (),
    delegations: Iterable[Delegation] = (),
) -> str:
    """The user with whose right this reviewer may decide: mostly the reviewer's own name.

    Admitted are the people of `to` (everybody if it is empty) and of the escalation steps
    `reached`; those whom one of them has delegated to; and those who stand in for a user that
    is named in any of this. Groups are not stood in for: the others in the group are there.
    With `four_eyes`, whoever is `involved` (started the run, or has it act for them) is not
    admitted, and neither is who stands in for them.

    Raises:
        Forbidden: The reviewer is not admitted; it says who is.
    """
    barred = frozenset(involved if policy.four_eyes else ())
    people = _people(policy, reached)
    if reviewer.name in barred:
        raise Forbidden(
            "Whoever started the run, or has it act for them, may not decide this request"
            f" (four_eyes): it is for {_named(people)}."
        )
    if not policy.to or reviewer.is_among(people):
        return reviewer.name
    handed_on = tuple(delegations)
    for delegation in handed_on:
        if reviewer.is_among((delegation.to,)):
            return delegation.right
    for absent in sorted(reviewer.substitute_of - barred):
        if absent in people:
            return absent
        for delegation in handed_on:
            if delegation.to == absent:
                return delegation.right
    raise Forbidden(f"This request is for {_named(people)}, and {reviewer.name} is none of them.")


def admits(
    reviewer: Reviewer,
    policy: Policy,
    *,
    involved: Collection[str] = (),
    reached: Iterable[Step] = (),
    delegations: Iterable[Delegation] = (),
) -> bool:
    """Whether `admit` does."""
    try:
        admit(reviewer, policy, involved=involved, reached=reached, delegations=delegations)
    except Forbidden:
        return False
    return True


def check_sign_in(principal: Principal, policy: Policy, at: datetime) -> None:
    """Return if a principal has signed in as lately as a policy asks for.

    On one's own machine (`dev`) nobody signs in, and everybody is there.

    Raises:
        SignInTooOld: They have not, and can.
        Forbidden: They cannot: it is an API key.
    """
    longest = policy.sign_in_within
    if longest is None or principal.method == DEV:
        return
    asked = f"To decide this one has signed in within {duration.short(longest)}"
    if principal.is_key:
        raise Forbidden(f"{asked}, which an API key cannot.")
    if principal.signed_in_at is None:
        raise SignInTooOld(f"{asked}: sign in.", max_age=longest)
    if at - principal.signed_in_at > longest:
        raise SignInTooOld(f"{asked}: sign in again.", max_age=longest)


def is_stale(principal: Principal, policy: Policy, at: datetime) -> bool:
    """Whether a principal has to sign in again to decide."""
    try:
        check_sign_in(principal, policy, at)
    except SignInTooOld:
        return True
    except Forbidden:
        return False
    return False


def _people(policy: Policy, reached: Iterable[Step]) -> tuple[str, ...]:
    """Whom the policy names by now; empty for any reviewer."""
    if not policy.to:
        return ()
    added = (name for step in reached for name in step.to)
    return tuple(dict.fromkeys((*policy.to, *added)))


def _named(people: tuple[str, ...]) -> str:
    return " or ".join([", ".join(people[:-1]), people[-1]] if len(people) > 1 else people) or (
        "any other reviewer"
    )
