"""Who is to be told of what happens: from the entries of the audit to messages.

The audit is the outbox: each change commits with its entry, and nothing is added to that. One
process at a time reads the entries, in the order of their transactions, and commits the messages
that follow from a page of them together with the place up to which it has read. See ADR 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from signoff.db import fan_out as places
from signoff.db import messages, users
from signoff.db.fan_out import Entry
from signoff.db.messages import Draft
from signoff.domain.address import WEBHOOK
from signoff.domain.circle import Circle
from signoff.domain.notification import Occasion
from signoff.domain.plan import plan
from signoff.domain.request import Request, RequestState
from signoff.domain.user import User
from signoff.domain.webhook import Webhook
from signoff.ids import new_id
from signoff.service.office import Office

EVENTS = {
    "request.opened": Occasion.OPENED,
    "request.revised": Occasion.OPENED,
    "request.policy_reapplied": Occasion.OPENED,
    "request.reminded": Occasion.REMINDED,
    "request.overdue": Occasion.REMINDED,
    "request.escalated": Occasion.ESCALATED,
    "request.delegated": Occasion.DELEGATED,
    "request.decided": Occasion.DECIDED,
    "request.expired": Occasion.EXPIRED,
    "request.withdrawn": Occasion.WITHDRAWN,
    "request.superseded": Occasion.SUPERSEDED,
    "request.delivery_failed": Occasion.FAILED,
}
"""What the audit calls what people are told of."""

ASKING = frozenset({Occasion.OPENED, Occasion.REMINDED, Occasion.ESCALATED, Occasion.DELEGATED})
"""Occasions that are over for people once the request is closed."""

PAGE = 500
"""Entries read in one transaction."""

MAX_AGE = timedelta(days=3)
"""What is older is told to nobody: channels may have been set up only now."""


def is_anybody_told(office: Office) -> bool:
    """Whether there is any way to tell anybody."""
    return bool(office.channels or office.book().webhooks)


async def fan_out(office: Office) -> bool:
    """Write the messages that follow from what has happened; whether there may be more.

    Nothing is done, not even looked up, where nobody is to be told of anything. If another process
    is at it, that one goes on.
    """
    if not is_anybody_told(office):
        return False
    webhooks = office.book().webhooks
    async with office.database.transaction() as conn:
        place = await places.lock(conn)
        if place is None:
            return False
        now = office.now()
        page = await places.read(conn, place, events=EVENTS, since=now - MAX_AGE, limit=PAGE)
        if page.end == place:
            return False
        if page.entries:
            ids = list({entry.request_id for entry in page.entries})
            about = await places.requests(conn, ids)
            everyone = await users.everyone(conn) if office.channels else []
            fan = _Fan(
                about, Circle(everyone, now), await messages.told(conn, ids), office, webhooks
            )
            await messages.insert(conn, [draft for e in page.entries for draft in fan.drafts(e)])
        await places.move(conn, page.end)
    return page.more


@dataclass(slots=True)
class _Fan:
    """What is known of the entries of a page: their requests, and who was told of those."""

    requests: dict[str, Request]
    circle: Circle
    told: dict[str, set[tuple[str, str]]]
    office: Office
    webhooks: Sequence[Webhook]

    def drafts(self, entry: Entry) -> Iterator[Draft]:
        """The messages that follow from an entry."""
        request = self.requests.get(entry.request_id)
        if request is None:
            return  # with its thread, there is nothing left to be told of
        occasion = EVENTS[entry.event]
        if entry.event != "request.policy_reapplied":
            for webhook in self.webhooks:
                if webhook.hears(occasion, request.graph):
                    yield _draft(entry, request, occasion, WEBHOOK, webhook.name)
        seen = set()
        for user, follow_up in self._people(entry, request, occasion):
            for draft in self._to(user, entry, request, occasion, follow_up=follow_up):
                if (draft.channel, draft.address) not in seen:
                    seen.add((draft.channel, draft.address))
                    yield draft

    def _to(
        self, user: User, entry: Entry, request: Request, occasion: Occasion, *, follow_up: bool
    ) -> Iterator[Draft]:
        told = self.told.setdefault(request.id, set())
        reviewer = self.circle.reviewer(user)
        for planned in plan(user, request, occasion, entry.at, reviewer=reviewer):
            if planned.channel not in self.office.channels:
                continue
            if follow_up and (user.name, planned.channel) not in told:
                continue
            told.add((user.name, planned.channel))
            yield _draft(
                entry,
                request,
                occasion,
                planned.channel,
                planned.address,
                recipient=user.name,
                due_at=planned.due_at,
                digest=planned.digest,
                follow_up=follow_up,
            )

    def _people(
        self, entry: Entry, request: Request, occasion: Occasion
    ) -> Iterator[tuple[User, bool]]:
        """Whom it concerns, and whether only if they have been told of the request before.

        Not whoever did it.
        """
        if occasion in ASKING:
            if request.state is RequestState.OPEN:
                for user in self._asked(entry, request, occasion):
                    yield user, False
            return
        always = [*self.circle.named(request.involved)]
        if occasion is Occasion.FAILED:
            always += self.circle.keepers(request.graph)
        names = {user.name: user for user in always if user.name != entry.by}
        for user in names.values():
            yield user, False
        if occasion is not Occasion.FAILED:
            told = {name for name, _ in self.told.get(request.id, ())}
            for user in self.circle.named(sorted(told - names.keys() - {entry.by})):
                yield user, True

    def _asked(self, entry: Entry, request: Request, occasion: Occasion) -> Iterable[User]:
        passed_over = {entry.by}
        if occasion is Occasion.DELEGATED:
            asked = self.circle.among(request, (entry.data["to"],))
        else:
            asked = self.circle.asked(request)
        if entry.event == "request.policy_reapplied":
            passed_over |= {name for name, _ in self.told.get(request.id, ())}
        if occasion is not Occasion.OPENED:
            passed_over |= {vote.by for vote in request.votes}
        return [user for user in asked if user.name not in passed_over]


def _draft(
    entry: Entry,
    request: Request,
    occasion: Occasion,
    channel: str,
    address: str,
    **more: object,
) -> Draft:
    return Draft(
        id=new_id(),
        entry=entry.number,
        thread_id=request.thread_id,
        graph=request.graph,
        request_id=request.id,
        run_id=request.run_id,
        occasion=occasion.value,
        by=entry.by,
        note=_note(entry),
        at=entry.at,
        channel=channel,
        address=address,
        **{"due_at": entry.at, **more},  # type: ignore[arg-type]
    )


def _note(entry: Entry) -> str | None:
    """What was said with it: a note, or the error of what has failed."""
    outcome = entry.data.get("outcome") or {}
    said = outcome.get("note") or entry.data.get("note") or entry.data.get("error")
    return said if isinstance(said, str) else None
