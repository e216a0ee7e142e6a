"""What people hear of: occasions, who is told of each, and in which ways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from signoff.domain.request import Request


class Occasion(StrEnum):
    """What happened to a request that people are told of."""

    OPENED = "opened"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    DELEGATED = "delegated"
    DECIDED = "decided"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    """The outcome could not be delivered: the thread does not go on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One thing that somebody is to hear: what happened to a request, and how it stands now.

    `url` is the request's page in the inbox, None where the server's address is not known.
    `decide_url` opens a page on which the recipient may decide without signing in first, where the
    policy has that. `by` is who did it, `note` what they said.
    """

    occasion: Occasion
    request: Request
    at: datetime
    by: str
    note: str | None = None
    url: str | None = None
    decide_url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is sent at once to one address: a notification, or a digest of several.

    `id` is the same for each attempt, so that receivers can tell a repetition. `follows` is the id
    of the first message on the same request to this address, which this one updates or follows up;
    None if this is the first, or a digest.
    """

    id: str
    channel: str
    address: str
    items: tuple[Notification, ...]
    to: str | None = None
    """The user; None for what goes to no person, such as a webhook."""
    follows: str | None = None
    timezone: tzinfo = UTC
    """Of the reader's clock."""
