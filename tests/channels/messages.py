"""Messages to send."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from signoff.domain.decision import Ballot
from signoff.domain.notification import Message, Notification, Occasion
from signoff.domain.policy import CALL, Policy
from signoff.domain.question import Pause, Question
from signoff.domain.request import Request
from signoff.domain.timetable import deadline, moments
from signoff.pauses.base import Section

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def sections(request: Request) -> list[Section]:
    return [Section(None, request.payload["show"])]


def request(title: str = "Contract for ACME", show: Any = None, **policy: Any) -> Request:
    read = Policy.read({"within": "4h", **policy}, source=CALL)
    timetable = moments(read, NOW)
    place = dict.fromkeys(("node", "interrupt_id", "task_id", "checkpoint_ns"), "x")
    return Request(
        id="r1",
        pause=Pause(**place, graph="contracts", thread_id="t1", checkpoint_id="c", position=0),
        question=Question(
            kind="ask",
            title=title,
            topic="contract_review",
            payload={"show": {"client": "ACME", "amount": 1200} if show is None else show},
            actions=({"name": "approve"}, {"name": "reject", "label": "Send back"}),
            policy=read,
            digest="sha256:1",
        ),
        opened_at=NOW,
        involved=("sales@firm.com",),
        timetable=timetable,
        deadline=deadline(timetable),
    )


def notification(
    about: Request | None = None, occasion: Occasion = Occasion.OPENED, **more: Any
) -> Notification:
    given = {"at": NOW, "by": "system", "url": "https://signoff.firm.com/inbox/requests/r1"}
    return Notification(occasion=occasion, request=about or request(), **(given | more))


def decided() -> Notification:
    after = request().with_vote(
        Ballot(action="approve", note="fine"), by="jane@firm.com", at=NOW + timedelta(hours=1)
    )
    return notification(after, Occasion.DECIDED, by="jane@firm.com", note="fine")


def message(*items: Notification, **more: Any) -> Message:
    given: dict[str, Any] = {
        "id": "m1",
        "channel": "email",
        "address": "jane@firm.com",
        "items": items or (notification(),),
        "to": "jane",
        "timezone": BERLIN,
    }
    return Message(**(given | more))


def digest() -> Message:
    others = [replace(request(f"Invoice {n}"), id=f"r{n}") for n in range(2, 4)]
    return message(notification(), *(notification(each) for each in others), id="d1")
