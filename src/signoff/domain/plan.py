"""How one user hears of one thing: in which ways, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signoff.domain.admission import Reviewer
from signoff.domain.notification import Occasion
from signoff.domain.preferences import About
from signoff.domain.principal import GROUP
from signoff.domain.request import Request
from signoff.domain.user import User


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A message to come: by which channel, to which address and when.

    All of a `digest` that have an address and a moment in common come as one.
    """

    channel: str
    address: str
    due_at: datetime
    digest: bool = False


def plan(
    user: User,
    request: Request,
    occasion: Occasion,
    at: datetime,
    *,
    reviewer: Reviewer | None = None,
) -> tuple[Plan, ...]:
    """The messages by which a user hears of what happened to a request `at` a moment.

    The channels are those the user wants, and among them those the policy names, if it names any;
    on an escalation, those that its step names. Whether it concerns the user at all is for whoever
    asks to say; `reviewer` is the user as `signoff.domain.user` has it, to know for whom they
    stand in.
    """
    wishes = user.wishes
    if occasion not in wishes.occasions or not _about(user, request, wishes.about, reviewer):
        return ()
    named = channels_of(request, occasion)
    due_at, digest = wishes.moment(
        at, urgent=request.priority == "urgent", deadline=request.deadline
    )
    return tuple(
        Plan(channel=channel, address=address, due_at=due_at, digest=digest)
        for channel, address in user.ways
        if (wishes.channels is None or channel in wishes.channels)
        and (not named or channel in named)
    )


def channels_of(request: Request, occasion: Occasion) -> tuple[str, ...]:
    """The channels that the policy names for an occasion; none is any."""
    reached = request.reached
    if occasion is Occasion.ESCALATED and reached and reached[-1].notify:
        return reached[-1].notify
    return request.policy.notify


def _about(user: User, request: Request, about: About, reviewer: Reviewer | None) -> bool:
    if about is About.ALL:
        return True
    named = {*request.audience, *request.involved, *(vote.by for vote in request.votes)}
    absent = frozenset() if reviewer is None else reviewer.substitute_of
    if user.name in named or not named.isdisjoint(absent):
        return True
    return about is About.GROUPS and any(GROUP + group in named for group in user.groups)
