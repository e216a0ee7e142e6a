"""The link of a message, by which one person may decide one request, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signoff.domain.admission import Reviewer, admits
from signoff.domain.principal import Principal, Role
from signoff.domain.request import Request, RequestState


class Standing(StrEnum):
    """What a link is good for right now."""

    READY = "ready"
    """One may decide by it."""
    SIGN_IN = "sign_in"
    """The policy has one sign in first: it shows nothing."""
    USED = "used"
    """One has decided by it."""
    CLOSED = "closed"
    """The request was closed otherwise."""
    CHANGED = "changed"
    """The request asks something else than the message said."""
    REPLACED = "replaced"
    """The message was sent once more, with another link."""
    EXPIRED = "expired"
    BARRED = "barred"
    """The person may not decide the request, by now or by this link: it shows nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link as it is kept: bound to a person, a request, and what was asked."""

    request_id: str
    user: str
    digest: str
    expires_at: datetime
    replaced_at: datetime | None = None
    used_at: datetime | None = None
    action: str | None = None
    """What was chosen by it."""

    def standing(
        self, request: Request, principal: Principal, reviewer: Reviewer, at: datetime
    ) -> Standing:
        """What it is good for; `principal` and `reviewer` are its person, as they are now."""
        if not _may_decide(request, principal, reviewer):
            return Standing.BARRED
        if self.expires_at <= at:
            return Standing.EXPIRED
        if not request.policy.decided_by_link:
            return Standing.SIGN_IN
        if self.used_at is not None:
            return Standing.USED
        if request.state is not RequestState.OPEN:
            return Standing.CLOSED
        if self.replaced_at is not None:
            return Standing.REPLACED
        if self.digest != request.digest:
            return Standing.CHANGED
        return Standing.READY


def _may_decide(request: Request, principal: Principal, reviewer: Reviewer) -> bool:
    return (
        principal.role.includes(Role.REVIEWER)
        and principal.sees(request.graph)
        and admits(
            reviewer,
            request.policy,
            involved=request.involved,
            reached=request.reached,
            delegations=request.delegations,
        )
    )
