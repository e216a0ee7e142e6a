"""Who is told of what: messages follow from the audit, each once, and are rendered when sent."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from signoff import Signoff, ask
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message, Occasion
from signoff.domain.plan import Plan, plan
from signoff.domain.preferences import Digest, Pace, Preferences
from signoff.domain.principal import Role
from signoff.domain.user import Absence, User
from signoff.service import notify, send
from signoff.service.amend import delegate, withdraw
from signoff.service.deliveries import (
    count_deliveries,
    forget_messages,
    list_deliveries,
    redeliver,
    redeliver_all,
)
from signoff.service.notify import fan_out
from signoff.service.retry import retry
from signoff.service.send import claim, deliver, send_due
from signoff.service.users import put_users
from signoff.worker.courier import Courier
from tests.conftest import Clock, OpenDesk
from tests.helpers import TIMEOUT, Log, all_told, all_written, chain, started, the_open, time_kept


class Mailbox:
    """A channel that keeps what it is given; `answers` are what it raises before, one by one."""

    name = "email"

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: list[ChannelError] = []

    async def send(self, message: Message) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.messages.append(message)

    def told(self) -> list[tuple[str | None, list[str]]]:
        """Who was told of what, since the last time."""
        found = [(each.to, [str(i.occasion) for i in each.items]) for each in self.messages]
        self.messages = []
        return sorted(found, key=str)


def person(name: str, *groups: str, **more: Any) -> User:
    return User(name=name, groups=groups, email=f"{name}@firm.com", **more)


JANE, TOM = person("jane", "legal"), person("tom", "legal")
BOSS = person("boss", "board")
SALES = person("starter")
OPERATOR = person("op", role=Role.OPERATOR)

Told = Callable[[], Awaitable[list[tuple[str | None, list[str]]]]]


def review(_state: Log) -> Log:
    decision = ask(
        "Sign?",
        to="group:legal",
        four_eyes=True,
        remind="1h",
        escalate=[{"after": "2h", "to": "group:board"}],
        within="4h",
    )
    return {"seen": [decision.action]}


def fallback(_state: Log) -> Log:
    return {"seen": [ask("Sign?", to="jane", within="1h", otherwise="reject").action]}


def anybody(_state: Log) -> Log:
    return {"seen": [ask("Sign?").action]}


def two(_state: Log) -> Log:
    return {"seen": [ask("Sign?", to="group:legal", quorum=2, remind="1h").action]}


def failing(_state: Log) -> Log:
    ask("Sign?", to="jane")
    raise RuntimeError("no printer")


GRAPHS = {
    "g": chain(review),
    "fallback": chain(fallback),
    "anybody": chain(anybody),
    "two": chain(two),
    "failing": chain(failing),
}


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def desk(
    open_desk: OpenDesk, clock: Clock, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> Signoff:
    """A desk with people, whose messages go out only when a test says so."""
    monkeypatch.setattr(Courier, "start", lambda _self: None)
    desk: Signoff = await open_desk(GRAPHS, now=clock, public_url="https://signoff.firm.com/")
    office = desk.office
    await put_users(office, [JANE, TOM, BOSS, SALES, OPERATOR])
    office.channels["email"] = mailbox
    office.chance = lambda: 0.5
    return desk


@pytest.fixture
def told(desk: Signoff, mailbox: Mailbox) -> Told:
    """Has all be told, and says who was told of what."""

    async def told() -> list[tuple[str | None, list[str]]]:
        await all_told(desk)
        return mailbox.told()

    return told


async def test_those_who_may_decide_are_told_and_then_what_became_of_it(
    desk: Signoff, told: Told, mailbox: Mailbox
) -> None:
    await started(desk)
    request = await the_open(desk)
    await all_written(desk)
    await send_due(desk.office)
    [first, second] = mailbox.messages
    assert {first.address, second.address} == {"jane@firm.com", "tom@firm.com"}
    assert first.items[0].request.title == "Sign?"
    assert first.items[0].url == f"https://signoff.firm.com/inbox/requests/{request.id}"
    assert first.follows is None
    ids = {each.to: each.id for each in mailbox.messages}
    mailbox.told()

    await desk.decide(request.id, "reject", by="jane", note="no")
    await all_written(desk)
    await send_due(desk.office)
    assert {each.to: each.follows for each in mailbox.messages} == {
        "tom": ids["tom"],
        "starter": None,
    }
    [item, _] = [each.items[0] for each in mailbox.messages]
    assert (item.by, item.note, item.request.state) == ("jane", "no", "decided")
    mailbox.told()
    assert await told() == []


async def test_time_that_passes_is_told_once_to_whom_it_concerns(
    desk: Signoff, told: Told, clock: Clock
) -> None:
    await started(desk)
    await told()
    clock.forward(timedelta(hours=1))
    await time_kept(desk)
    assert await told() == [("jane", ["reminded"]), ("tom", ["reminded"])]
    clock.forward(timedelta(hours=1))
    await time_kept(desk)
    assert await told() == [(name, ["escalated"]) for name in ("boss", "jane", "tom")]
    clock.forward(timedelta(hours=2))
    await time_kept(desk)
    assert await told() == [(name, ["reminded"]) for name in ("boss", "jane", "tom")]
    assert await told() == []


async def test_who_has_voted_is_not_reminded(desk: Signoff, told: Told, clock: Clock) -> None:
    await started(desk, "two")
    request = await the_open(desk)
    assert await told() == [("jane", ["opened"]), ("tom", ["opened"])]
    await desk.decide(request.id, "approve", by="jane")
    clock.forward(timedelta(hours=1))
    await time_kept(desk)
    assert await told() == [("tom", ["reminded"])]


async def test_a_delegate_is_told_and_so_is_who_stands_in(desk: Signoff, told: Told) -> None:
    await put_users(desk.office, [replace(BOSS, absences=(Absence(substitute="op"),))])
    await started(desk)
    request = await the_open(desk)
    await told()
    await delegate(desk.office, request.id, "boss", by="jane")
    assert await told() == [("boss", ["delegated"]), ("op", ["delegated"])]


async def test_whoever_started_the_run_is_not_asked_under_four_eyes(
    desk: Signoff, told: Told
) -> None:
    await put_users(desk.office, [replace(SALES, groups=("legal",))])
    await started(desk)
    assert await told() == [("jane", ["opened"]), ("tom", ["opened"])]


async def test_a_request_for_nobody_by_name_is_told_to_all_reviewers_that_see_its_graph(
    desk: Signoff, told: Told
) -> None:
    await put_users(desk.office, [person("viewer", role=Role.VIEWER), person("x", graphs=("g",))])
    await started(desk, "anybody")
    names = [name for name, _ in await told()]
    assert names == ["boss", "jane", "op", "starter", "tom"]


async def test_the_deadline_and_a_withdrawal_are_told(
    desk: Signoff, told: Told, clock: Clock
) -> None:
    await started(desk, "fallback")
    await told()
    clock.forward(timedelta(hours=1))
    await time_kept(desk)
    assert await told() == [("jane", ["expired"]), ("starter", ["expired"])]

    await started(desk, thread_id="other")
    request = await the_open(desk, "other")
    await told()
    await withdraw(desk.office, request.id, by="tom", note="done otherwise")
    assert await told() == [("jane", ["withdrawn"]), ("starter", ["withdrawn"])]


async def test_what_cannot_be_delivered_to_the_graph_is_told_to_operators(
    desk: Signoff, told: Told
) -> None:
    await started(desk, "failing")
    request = await the_open(desk)
    await told()
    await desk.decide(request.id, "approve", by="jane")
    await desk.wait("t", timeout=TIMEOUT)
    assert await told() == [
        ("op", ["failed"]),
        ("starter", ["decided"]),
        ("starter", ["failed"]),
    ]
    await retry(desk.office, request.id, by="op")
    await desk.wait("t", timeout=TIMEOUT)
    assert await told() == [("op", ["failed"]), ("starter", ["failed"])]


async def test_who_is_not_told_in_time_is_not_told_of_what_is_over(
    desk: Signoff, told: Told, mailbox: Mailbox
) -> None:
    await started(desk)
    request = await the_open(desk)
    await all_written(desk)
    await desk.decide(request.id, "reject", by="jane")
    assert await told() == [("starter", ["decided"])]
    states = [each.state for each in (await list_deliveries(desk.office)).items]
    assert sorted(states) == ["dropped", "dropped", "dropped", "sent"]


async def test_a_digest_gathers_what_happens_and_leaves_out_what_is_over(
    desk: Signoff,
    told: Told,
    clock: Clock,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hourly = replace(JANE, preferences=Preferences(digest=Digest(Pace.HOURLY)))

    def planned(user: User, *args: Any, **more: Any) -> tuple[Plan, ...]:
        return plan(hourly if user.name == "jane" else user, *args, **more)

    monkeypatch.setattr(notify, "plan", planned)
    monkeypatch.setattr(send, "MAX_ITEMS", 1)
    desk.office.public_url = "https://signoff.example"
    clock.forward(timedelta(minutes=10))
    for name in ("a", "b", "c"):
        await started(desk, thread_id=name)
    assert [name for name, _ in await told()] == ["tom"] * 3
    await desk.decide((await the_open(desk, "b")).id, "reject", by="tom")
    await told()
    clock.forward(timedelta(minutes=50))
    await all_written(desk)
    mailbox.answers = [ChannelError("later")]
    [ready] = await claim(desk.office)
    assert not await deliver(desk.office, ready)
    await started(desk, thread_id="d")
    clock.forward(timedelta(minutes=20))
    await all_written(desk)
    await send_due(desk.office)
    [again] = [each for each in mailbox.messages if each.to == "jane"]
    assert again.id == ready.ids[0]
    assert [item.request.thread_id for item in again.items] == ["a", "c"]
    assert [item.decide_url is not None for item in again.items] == [True, False], "as is shown"


async def test_what_failed_is_tried_again_for_three_days_and_then_shown(
    desk: Signoff, told: Told, clock: Clock, mailbox: Mailbox
) -> None:
    await started(desk, "failing")  # which has no deadline
    await all_written(desk)
    ids, begin = set(), clock()
    waits = []
    while (await count_deliveries(desk.office)).get("dead") is None:
        mailbox.answers = [ChannelError("out of order")]
        for ready in await claim(desk.office):
            ids.add(ready.message.id if ready.message else None)
            await deliver(desk.office, ready)
        [one] = (await list_deliveries(desk.office, states=["waiting", "dead"])).items
        if one.due_at is not None:
            waits.append(one.due_at - clock())
            clock.forward(waits[-1])
    assert waits[0] == timedelta(seconds=10)
    assert all(after >= before for before, after in itertools.pairwise(waits[:-1]))
    assert 10 < len(waits) < 40
    assert clock() - begin == timedelta(days=3)
    assert len(ids) == 1
    [dead] = (await list_deliveries(desk.office, states=["dead"])).items
    assert dead.error == "out of order"
    entries = [each["event"] for each in await desk.audit(request_id=dead.item.request_id)]
    assert "message.failed" in entries

    await redeliver(desk.office, dead.item.id, by="op")
    mailbox.answers = []
    await send_due(desk.office)
    assert [each.id for each in mailbox.messages] == [dead.item.id]
    assert await redeliver_all(desk.office, by="op") == 0


async def test_what_is_permanent_is_given_up_at_once_and_may_be_sent_again_by_an_operator(
    desk: Signoff, told: Told, mailbox: Mailbox
) -> None:
    mailbox.answers = [ChannelError("no such mailbox", permanent=True)]
    await started(desk, "fallback")
    assert await told() == []
    assert await count_deliveries(desk.office) == {"dead": 1}
    assert await redeliver_all(desk.office, by="op") == 1
    assert await told() == [("jane", ["opened"])]


async def test_a_receiver_that_asks_to_be_left_alone_is(
    desk: Signoff, told: Told, clock: Clock, mailbox: Mailbox
) -> None:
    mailbox.answers = [ChannelError("too many", retry_after=timedelta(minutes=30))]
    await started(desk, "fallback")
    await told()
    await started(desk, "fallback", thread_id="second")
    await all_written(desk)
    clock.forward(timedelta(minutes=29))
    assert [name for name, _ in await told()] == ["jane"]
    clock.forward(timedelta(minutes=1))
    assert [name for name, _ in await told()] == ["jane"]


async def test_who_dies_before_it_is_noted_sends_it_again_under_the_same_id(
    desk: Signoff, told: Told, clock: Clock, mailbox: Mailbox
) -> None:
    await started(desk, "fallback")
    await all_written(desk)
    [ready] = await claim(desk.office)
    assert ready.message is not None
    await mailbox.send(ready.message)  # and here it dies
    assert await claim(desk.office) == []
    clock.forward(2 * desk.office.delivery_timeout)
    await send_due(desk.office)
    first, second = mailbox.messages
    assert first.id == second.id
    await deliver(desk.office, ready)  # it was not dead, only slow
    states = [each.state for each in (await list_deliveries(desk.office)).items]
    assert states == ["sent"]


async def test_many_who_read_and_send_at_once_tell_nobody_twice(
    open_desk: OpenDesk, clock: Clock, desk: Signoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "PAGE", 3)
    desks = [await open_desk(GRAPHS, now=clock, work=False) for _ in range(6)]
    mailboxes = [Mailbox() for _ in desks]
    for each, mailbox in zip(desks, mailboxes, strict=True):
        each.office.channels["email"] = mailbox
    names = [f"t{n}" for n in range(12)]
    for name in names:
        await started(desk, "fallback", thread_id=name)

    async def work(each: Signoff) -> None:
        while not await everything_is_sent(desk, len(names)):
            await fan_out(each.office)
            await send_due(each.office)

    await asyncio.gather(*map(work, desks))
    sent = [message for mailbox in mailboxes for message in mailbox.messages]
    assert sorted(each.items[0].request.thread_id for each in sent) == sorted(names)


async def everything_is_sent(desk: Signoff, expected: int) -> bool:
    page = await list_deliveries(desk.office, limit=200)
    return [each.state for each in page.items].count("sent") == expected


async def test_old_messages_are_forgotten_but_not_of_what_is_open(
    desk: Signoff, told: Told, clock: Clock
) -> None:
    await started(desk, "fallback")
    await started(desk, thread_id="open")
    await told()
    clock.forward(timedelta(hours=1))
    await time_kept(desk)
    await told()
    clock.forward(timedelta(days=31))
    await forget_messages(desk.office, timedelta(days=30))
    kept = (await list_deliveries(desk.office)).items
    assert {each.item.thread_id for each in kept} == {"open"}
    assert {each.item.occasion for each in kept} == {Occasion.OPENED, Occasion.REMINDED}


async def test_nothing_is_read_where_nobody_is_to_be_told(
    desk: Signoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.office.channels.clear()
    await started(desk)
    monkeypatch.setattr(desk.office, "database", None)
    assert not await fan_out(desk.office)
