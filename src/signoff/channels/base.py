"""What a way to reach people is."""

from __future__ import annotations

from typing import Protocol

from signoff.domain.notification import Message


class Channel(Protocol):
    """A way to reach people. It holds no state of a message: whoever sends keeps that."""

    @property
    def name(self) -> str:
        """What policies and people call it: `email`, `slack`, ..."""
        ...

    async def send(self, message: Message) -> None:
        """Hand a message over; on return it is. The same message may come again after a crash.

        Raises:
            ChannelError: It was not handed over; `permanent` where trying again is useless.
        """
        ...
