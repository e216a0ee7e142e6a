"""A message to see whether somebody is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from signoff.channels.base import Channel
from signoff.domain.address import masked
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message, Notification, Occasion
from signoff.domain.policy import Policy
from signoff.domain.principal import SYSTEM
from signoff.domain.question import Pause, Question
from signoff.domain.request import Request
from signoff.domain.user import User
from signoff.ids import new_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What came of a message by one channel; `error` is None if it was handed over."""

    channel: str
    address: str
    error: str | None


async def try_channels(
    user: User, available: Mapping[str, Channel], *, at: datetime, url: str | None
) -> list[Trial]:
    """Send a user a message by each channel that they have an address for, now.

    What they chose does not matter: neither quiet hours, nor which channels.
    """
    about = Notification(occasion=Occasion.OPENED, request=_request(at), at=at, by=SYSTEM, url=url)
    return list(
        await asyncio.gather(
            *(_try(user, channel, address, available, about) for channel, address in user.ways)
        )
    )


async def _try(
    user: User, channel: str, address: str, available: Mapping[str, Channel], about: Notification
) -> Trial:
    error = None
    message = Message(
        id=new_id(),
        channel=channel,
        address=address,
        items=(about,),
        to=user.name,
        timezone=user.wishes.timezone,
    )
    try:
        if channel not in available:
            raise ChannelError("it is not set up: there is no [smtp]")
        await available[channel].send(message)
    except ChannelError as caught:
        error = caught.message
    return Trial(channel=channel, address=masked(channel, address), error=error)


def _request(at: datetime) -> Request:
    """A request that nobody has asked."""
    return Request(
        id="test",
        pause=Pause(
            thread_id="test",
            graph="test",
            node="test",
            interrupt_id="test",
            task_id="test",
            checkpoint_ns="",
            checkpoint_id="test",
            position=0,
        ),
        question=Question(
            kind="question",
            title="A test: this is how requests reach you",
            topic=None,
            payload={"Nothing is to be done": "You are told of requests here."},
            actions=(),
            policy=Policy(),
            digest="",
        ),
        opened_at=at,
        deadline=at + timedelta(days=1),
    )
