"""Webhooks: calls that tell programs what happens, signed as Standard Webhooks has it.

See https://www.standardwebhooks.com: the headers `webhook-id`, `webhook-timestamp` and
`webhook-signature`, the last with a signature for each secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson
from standardwebhooks import Webhook as Signer

from signoff.channels.outgoing import Outgoing, outcome_of
from signoff.clock import utcnow
from signoff.domain.address import WEBHOOK
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message, Notification
from signoff.domain.request import Request
from signoff.domain.webhook import VARIABLE, Webhook, secret_problem

USER_AGENT = "Signoff"


class WebhookChannel:
    """Calls the webhooks that there are by then, which `webhooks` tells.

    `show` gives a request as JSON, as programs know it.
    """

    name = WEBHOOK

    def __init__(
        self,
        outgoing: Outgoing,
        webhooks: Callable[[], Sequence[Webhook]],
        show: Callable[[Request], dict[str, Any]],
        *,
        now: Callable[[], datetime] = utcnow,
    ) -> None:
        self._outgoing = outgoing
        self._webhooks = webhooks
        self._show = show
        self._now = now

    async def send(self, message: Message) -> None:
        """Call the webhook that the message's address names.

        Raises:
            ChannelError: There is none by now, its secret is not known, or it has not taken it.
        """
        webhook = next((each for each in self._webhooks() if each.name == message.address), None)
        if webhook is None:
            raise ChannelError(f"there is no webhook {message.address!r} any more", permanent=True)
        [notification] = message.items
        body = orjson.dumps(self._event(notification))
        headers = signed(message.id, self._now(), body, secrets_of(webhook))
        await self._call(webhook.url, body, headers)

    async def end_of_run(self, message_id: str, url: str, payload: dict[str, Any]) -> None:
        """Call the address that a run was started with, with what it has ended with.

        It has no secret to sign with, as LangGraph's server has none.

        Raises:
            ChannelError: It has not taken it.
        """
        now = self._now()
        body = orjson.dumps({**payload, "webhook_sent_at": now.isoformat()})
        await self._call(url, body, signed(message_id, now, body, ()))

    async def _call(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        outcome_of(await self._outgoing.post(url, body, headers))

    def _event(self, told: Notification) -> dict[str, Any]:
        return {
            "type": f"request.{told.occasion.value}",
            "timestamp": told.at.isoformat(),
            "data": {
                "by": told.by,
                "note": told.note,
                "url": told.url,
                "request": self._show(told.request),
            },
        }


def signed(message_id: str, now: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of a call, signed with each of these secrets."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
    }
    if secrets:
        text = body.decode()
        signatures = (Signer(each).sign(message_id, now, text) for each in secrets)
        headers["webhook-signature"] = " ".join(signatures)
    return headers


def secrets_of(webhook: Webhook) -> list[str]:
    """A webhook's secrets, with those of the environment.

    Raises:
        ChannelError: One is not there, or none; it may still come.
    """
    found = []
    for given in webhook.secrets:
        secret = given
        if given.startswith(VARIABLE):
            name = given.removeprefix(VARIABLE)
            secret = os.environ.get(name, "")
            if (problem := secret_problem(secret)) is not None:
                raise ChannelError(f"the environment's {name} {problem}")
        found.append(secret)
    return found
