"""Send what is due: outside of transactions, at least once, under an id that stays the same.

A message is claimed for a while, rendered from its request as it is then, sent, and noted as sent.
Whoever dies in between has claimed it until that while is over; then it goes out again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from signoff.channels.view import MAX_ITEMS
from signoff.db import audit, messages, requests, users
from signoff.db.messages import Item
from signoff.db.pool import Connection
from signoff.domain.address import EMAIL, WEBHOOK
from signoff.domain.attempt import next_attempt
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message, Notification, Occasion
from signoff.domain.preferences import BY_DEFAULT
from signoff.domain.principal import SYSTEM
from signoff.domain.request import Request, RequestState
from signoff.log import get_logger
from signoff.service.links import issue
from signoff.service.notify import ASKING
from signoff.service.office import Office

log = get_logger(__name__)

AT_ONCE = 16
"""Messages that one process sends at a time."""

PER_ADDRESS = 4
"""Those of them that go to one address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A message that was claimed. `ids` are those of all that goes out with it, its own first."""

    item: Item
    ids: tuple[str, ...]
    about: tuple[Item, ...]
    message: Message | None

    @property
    def address(self) -> tuple[str, str]:
        """Where it goes: by which channel, and its address."""
        return self.item.channel, self.item.address


async def claim(
    office: Office,
    *,
    limit: int = AT_ONCE,
    per_address: int = PER_ADDRESS,
    busy: Collection[tuple[str, str]] = (),
) -> list[Ready]:
    """Take what is due, up to `limit` messages, and leave out what nobody needs any more."""
    async with office.database.transaction() as conn:
        now = office.now()
        await messages.gather(conn, now)
        ids = await messages.claim(
            conn,
            now,
            now + 2 * office.delivery_timeout,
            limit=limit,
            per_address=per_address,
            busy=busy,
        )
        if not ids:
            return []
        items = await messages.items(conn, ids)
        wanted = {item.request_id for item in items if item.request_id is not None}
        about = {each.id: each for each in await requests.several(conn, sorted(wanted))}
        ready: list[Ready] = []
        needless: list[str] = []
        for message_id in ids:
            together = [item for item in items if message_id in (item.id, item.leader)]
            kept = [item for item in together if _is_needed(item, about)]
            if not kept:
                needless += [item.id for item in together]
                continue
            needless += [i.id for i in together if i not in kept and i.id != message_id]
            item = next(each for each in together if each.id == message_id)
            ready.append(await _render(conn, office, item, kept, about))
        await messages.drop(conn, needless, now)
    return ready


def _is_needed(item: Item, about: dict[str, Request]) -> bool:
    """Whether somebody is still to be told: a person of what is closed, only that it is."""
    if item.request_id is None:
        return True
    request = about.get(item.request_id)
    if request is None:
        return False
    if item.recipient is not None and Occasion(item.occasion) in ASKING:
        return request.state is RequestState.OPEN
    return not item.follow_up or item.first is not None


async def _render(
    conn: Connection, office: Office, item: Item, kept: Sequence[Item], about: dict[str, Request]
) -> Ready:
    others = [each.id for each in kept if each.id != item.id]
    message = None
    if item.request_id is not None:
        reader = None if item.recipient is None else await users.get(conn, item.recipient)
        message = Message(
            id=item.id,
            channel=item.channel,
            address=item.address,
            items=tuple(
                [
                    await _notification(conn, office, each, about, shown=n < MAX_ITEMS)
                    for n, each in enumerate(kept)
                ]
            ),
            to=item.recipient,
            follows=item.first if len(kept) == 1 else None,
            timezone=BY_DEFAULT.timezone if reader is None else reader.wishes.timezone,
        )
    return Ready(item=item, ids=(item.id, *others), about=tuple(kept), message=message)


async def _notification(
    conn: Connection, office: Office, item: Item, about: dict[str, Request], *, shown: bool
) -> Notification:
    """What happened. One that no digest shows needs no link."""
    assert item.request_id is not None, "what has no request is no notification"
    request = about[item.request_id]
    decide_url = None
    # What goes to a chat may be read by more than one.
    if shown and item.recipient is not None and item.channel == EMAIL:
        decide_url = await issue(conn, office, request, item.recipient, message=item.id)
    return Notification(
        occasion=Occasion(item.occasion),
        request=request,
        at=item.at,
        by=item.by,
        note=item.note,
        url=office.url_of(f"/inbox/requests/{request.id}"),
        decide_url=decide_url,
    )


async def deliver(office: Office, ready: Ready) -> bool:
    """Send a message that was claimed, and note how that went; whether it was handed over."""
    try:
        async with asyncio.timeout(office.delivery_timeout.total_seconds()):
            with _traced(office, ready):
                await _send(office, ready)
    except ChannelError as error:
        await _failed(office, ready, error)
        return False
    except TimeoutError:
        await _failed(office, ready, ChannelError("no answer in time"))
        return False
    except Exception as error:
        log.exception("a message could not be sent", message_id=ready.item.id)
        await _failed(office, ready, ChannelError(f"{type(error).__name__}: {error}"))
        return False
    # If a crash of the database undoes it, the message goes out once more, as it may anyway.
    async with office.database.taking() as conn:
        if not await messages.sent(conn, ready.ids, ready.item.attempts, office.now()):
            log.warning("a message was sent too late to note it", message_id=ready.item.id)
    return True


async def send_due(office: Office) -> int:
    """Send all that is due by now; how many messages were handed over."""
    sent = 0
    while ready := await claim(office):
        sent += sum(await asyncio.gather(*(deliver(office, each) for each in ready)))
    return sent


def _traced(office: Office, ready: Ready) -> AbstractContextManager[None]:
    """Not by its address, which may be a secret."""
    asked = [] if ready.message is None else [each.request for each in ready.message.items]
    return office.traces.span(
        f"send {ready.item.channel}",
        begins=True,
        links=[request.traceparent for request in asked],
        message_id=ready.item.id,
        request_id=" ".join(dict.fromkeys(request.id for request in asked)),
        occasion=ready.item.occasion,
    )


async def _send(office: Office, ready: Ready) -> None:
    channel, address = ready.address
    if ready.message is None:
        if office.webhooks is None:
            raise ChannelError("this process calls no webhooks")
        await office.webhooks.end_of_run(ready.item.id, address, ready.item.payload)
        return
    known = {**office.available, **office.channels}
    found = office.webhooks if channel == WEBHOOK else known.get(channel)
    if found is None:
        raise ChannelError(f"no channel {channel!r} is set up")
    await found.send(ready.message)


async def _failed(office: Office, ready: Ready, error: ChannelError) -> None:
    item, now = ready.item, office.now()
    again = None
    if not error.permanent:
        again = next_attempt(item.planned_at, now, chance=office.chance(), asked=error.retry_after)
    async with office.database.transaction() as conn:
        if again is not None:
            await messages.put_off(conn, item.id, item.attempts, error.message, again)
            if error.retry_after is not None:
                await messages.hold(conn, item.channel, item.address, again)
            return
        if not await messages.died(conn, ready.ids, item.attempts, error.message, now):
            return
        await audit.append(
            conn,
            *(
                AuditEntry(
                    event="message.failed",
                    thread_id=each.thread_id,
                    by=SYSTEM,
                    at=now,
                    request_id=each.request_id,
                    run_id=each.run_id,
                    data=said_of(each) | {"error": error.message},
                )
                for each in ready.about
            ),
        )
    log.error(
        "a message was given up", message_id=item.id, channel=item.channel, reason=error.message
    )


def said_of(item: Item) -> dict[str, Any]:
    """What the audit says of a message: not its address, which may be a secret."""
    return {
        "message": item.id,
        "occasion": item.occasion,
        "channel": item.channel,
        "to": item.recipient,
    }


LOOK_AGAIN = timedelta(seconds=5)
"""After this it is looked whether something is due, without being told."""


async def next_look(office: Office) -> float:
    """Seconds until something may be due: 1 at the least."""
    async with office.database.connection() as conn:
        due_at = await messages.next_due(conn)
    wait = LOOK_AGAIN if due_at is None else min(due_at - office.now(), LOOK_AGAIN)
    return max(wait.total_seconds(), 1.0)
