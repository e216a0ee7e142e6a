"""See to it that messages arrive: look at how they fare, and have them sent again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from signoff import acting
from signoff.db import audit, message_lists
from signoff.db import messages as table
from signoff.db.message_lists import STATES, MessageDelivery
from signoff.domain.audit import AuditEntry
from signoff.domain.errors import Conflict, DeliveryNotFound, InvalidInput
from signoff.domain.principal import check_principal
from signoff.ids import is_id
from signoff.service.office import Office
from signoff.service.read import check_page, decode_cursor, encode_cursor, one_of
from signoff.service.send import said_of

SORT = "-opened_at"
"""What cursors of this list are taken for: a moment and an id."""

AT_ONCE = 500
"""Messages that are redelivered in one transaction."""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some messages, and where the next page begins; None at the end."""

    items: list[MessageDelivery]
    next_cursor: str | None


async def list_deliveries(
    office: Office,
    *,
    states: Sequence[str] | None = None,
    request_id: str | None = None,
    graphs: Collection[str] | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> DeliveryPage:
    """One page of messages, the newest first; of these graphs, if they are given.

    Raises:
        InvalidInput: A state, the request's id, the limit or the cursor is not well formed.
    """
    for state in states or ():
        one_of("state", state, STATES)
    if request_id is not None and not is_id(request_id):
        raise InvalidInput.of("request_id", "is no id")
    check_page(limit)
    after = decode_cursor(cursor, SORT)
    async with office.database.connection() as conn:
        found = await message_lists.page(
            conn,
            states=states,
            graphs=graphs,
            request_id=request_id,
            limit=limit + 1,
            after=after,
        )
    following = None
    if len(found) > limit:
        last = found[limit - 1].item
        following = encode_cursor((last.at.isoformat(), last.id), SORT)
    return DeliveryPage(found[:limit], following)


async def get_delivery(
    office: Office, message_id: str, *, graphs: Collection[str] | None = None
) -> MessageDelivery:
    """One message.

    Raises:
        DeliveryNotFound: There is none of that id, or not for these graphs.
    """
    found = None
    if is_id(message_id):
        async with office.database.connection() as conn:
            found = await message_lists.get(conn, message_id)
    if found is None or (graphs is not None and found.graph not in graphs):
        raise DeliveryNotFound(f"There is no delivery {message_id:.100}.")
    return found


async def count_deliveries(
    office: Office, *, graphs: Collection[str] | None = None
) -> dict[str, int]:
    """How many messages wait, are on their way, and were given up."""
    async with office.database.connection() as conn:
        return await message_lists.count(conn, graphs)


async def redeliver(
    office: Office, message_id: str, *, by: str, graphs: Collection[str] | None = None
) -> MessageDelivery:
    """Have a message that was given up sent again, under the id that it has.

    Raises:
        DeliveryNotFound: There is none of that id, or not for these graphs.
        Conflict: It was not given up.
    """
    check_principal(by)
    delivery = await get_delivery(office, message_id, graphs=graphs)
    again = await _redeliver(office, [delivery.item.id], by=by, graphs=graphs)
    if not again:
        raise Conflict(f"Delivery {message_id} was not given up: it is {delivery.state}.")
    return again[0]


async def redeliver_all(office: Office, *, by: str, graphs: Collection[str] | None = None) -> int:
    """Have all messages that were given up sent again; how many."""
    check_principal(by)
    began, total = office.now(), 0
    while again := await _redeliver(office, None, by=by, graphs=graphs, before=began):
        total += len(again)
    return total


async def _redeliver(
    office: Office,
    ids: Sequence[str] | None,
    *,
    by: str,
    graphs: Collection[str] | None,
    before: datetime | None = None,
) -> list[MessageDelivery]:
    async with office.database.transaction() as conn:
        at = office.now()
        found = await message_lists.redeliver(
            conn, ids, graphs=graphs, before=before, limit=AT_ONCE, now=at
        )
        await audit.append(
            conn,
            *(
                AuditEntry(
                    event="message.redelivered",
                    thread_id=each.item.thread_id,
                    by=by,
                    at=at,
                    request_id=each.item.request_id,
                    run_id=each.item.run_id,
                    method=acting.method(by),
                    data=said_of(each.item),
                )
                for each in found
            ),
        )
        if found:
            await table.tell(conn)
    return found


async def forget_messages(office: Office, older_than: timedelta) -> None:
    """Delete the messages that were settled longer ago than that."""
    while True:
        async with office.database.connection() as conn:
            if not await message_lists.delete_settled(conn, office.now() - older_than):
                return
