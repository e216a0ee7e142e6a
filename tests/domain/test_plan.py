"""In which ways somebody hears of a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signoff.domain.address import CHATS, channel_of, masked
from signoff.domain.admission import Reviewer
from signoff.domain.notification import Occasion
from signoff.domain.plan import Plan, plan
from signoff.domain.policy import CALL, Policy
from signoff.domain.question import Pause, Question
from signoff.domain.request import Request
from signoff.domain.timetable import deadline, moments
from signoff.domain.user import User
from signoff.project import preferences

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NIGHT = datetime(2026, 3, 4, 23, tzinfo=UTC)
SLACK = "slack://TokenA/TokenB/TokenC/#legal"
JANE = User(name="jane", groups=("legal",), email="jane@firm.com", addresses=(SLACK,))


def opened(*, involved: tuple[str, ...] = (), **fields: Any) -> Request:
    policy = Policy.read(fields, source=CALL)
    timetable = moments(policy, NOON)
    place = dict.fromkeys(
        ("thread_id", "graph", "node", "interrupt_id", "task_id", "checkpoint_ns"), "x"
    )
    return Request(
        id="r1",
        pause=Pause(**place, checkpoint_id="c", position=0),
        question=Question(
            kind="ask",
            title="Pay?",
            topic=None,
            payload={},
            actions=({"name": "approve"},),
            policy=policy,
            digest="sha256:1",
        ),
        opened_at=NOON,
        involved=involved,
        timetable=timetable,
        deadline=deadline(timetable),
    )


def wishing(user: User = JANE, **given: Any) -> User:
    return replace(user, preferences=preferences.read(given))


def channels(user: User, request: Request, occasion: Occasion = Occasion.OPENED) -> list[str]:
    return [each.channel for each in plan(user, request, occasion, NOON)]


def test_each_address_is_told_at_once_by_default():
    assert plan(JANE, opened(), Occasion.OPENED, NOON) == (
        Plan(channel="email", address="jane@firm.com", due_at=NOON),
        Plan(channel="slack", address=SLACK, due_at=NOON),
    )
    assert plan(User(name="tom"), opened(), Occasion.OPENED, NOON) == ()


def test_only_channels_that_user_and_policy_want_are_used():
    assert channels(wishing(notify=["slack"]), opened()) == ["slack"]
    assert channels(wishing(notify=[]), opened()) == []
    assert channels(JANE, opened(notify="email")) == ["email"]
    assert channels(wishing(notify=["slack"]), opened(notify="email")) == []


def test_an_escalation_goes_by_the_channels_of_its_step():
    request = opened(notify="email", escalate={"after": "1h", "notify": "slack"})
    later = request.escalate(0, at=NOON + timedelta(hours=1))
    assert channels(JANE, later, Occasion.ESCALATED) == ["slack"]
    assert channels(JANE, later, Occasion.DECIDED) == ["email"]


def test_only_the_occasions_that_the_user_wants_are_told():
    jane = wishing(notify={"occasions": ["opened", "failed"]})
    assert channels(jane, opened(), Occasion.FAILED)
    assert not channels(jane, opened(), Occasion.DECIDED)


@pytest.mark.parametrize(
    ("about", "told"), [("me", ["jane"]), ("groups", ["jane", "legal"]), ("all", [])]
)
def test_a_user_hears_only_of_what_names_them_as_closely_as_they_wish(about, told):
    jane = wishing(notify={"about": about})
    requests = {
        "jane": opened(to="jane"),
        "legal": opened(to="group:legal"),
        "others": opened(to="group:tax"),
        "anybody": opened(),
    }
    heard = [name for name, request in requests.items() if channels(jane, request)]
    assert heard == (told or list(requests))


def test_what_one_is_involved_in_or_stands_in_for_is_about_oneself():
    jane = wishing(notify={"about": "me"})
    assert channels(jane, opened(involved=("jane",)), Occasion.DECIDED)
    for_tom = opened(to="tom")
    substitute = Reviewer(name="jane", substitute_of=frozenset({"tom"}))
    assert not plan(jane, for_tom, Occasion.OPENED, NOON)
    assert plan(jane, for_tom, Occasion.OPENED, NOON, reviewer=substitute)


def test_quiet_hours_hold_what_is_not_urgent():
    jane = wishing(quiet="20:00-07:00", notify="email")
    [held] = plan(jane, opened(), Occasion.OPENED, NIGHT)
    assert held.due_at == datetime(2026, 3, 5, 7, tzinfo=UTC)
    [told] = plan(jane, opened(priority="urgent"), Occasion.OPENED, NIGHT)
    assert told.due_at == NIGHT


def test_what_people_chose_themselves_wins():
    jane = replace(
        wishing(notify="slack"), chosen=preferences.read({"notify": "email", "digest": "hourly"})
    )
    [told] = plan(jane, opened(), Occasion.OPENED, NOON)
    assert told == Plan(
        channel="email",
        address="jane@firm.com",
        due_at=NOON + timedelta(hours=1),
        digest=True,
    )


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "syslog://", "dbus://", "windows://", "json://h", "mailto://h", "x", ""],
)
def test_addresses_that_lead_to_no_people_are_refused(address):
    with pytest.raises(ValueError, match="no way to reach people"):
        channel_of(address)


def test_an_address_is_shown_without_its_secrets():
    assert channel_of(SLACK) == "slack"
    assert masked("slack", SLACK).startswith("slack://…")
    assert "Token" not in masked("slack", SLACK)
    assert masked("slack", SLACK) != masked("slack", SLACK + "2")
    assert masked("email", "jane@firm.com") == "jane@firm.com"
    assert "email" not in CHATS
