"""Webhooks, over real connections: signed, tried again, given up; and those of runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from signoff import Signoff, ask
from signoff.domain.errors import InvalidPolicy
from signoff.domain.notification import Occasion
from signoff.domain.webhook import Webhook
from signoff.policies.book import PolicyBook
from signoff.policies.reading import load
from signoff.service.deliveries import list_deliveries, redeliver
from signoff.service.start_run import Order, start_run
from tests.conftest import OpenDesk
from tests.helpers import Log, chain, eventually, started, the_open
from tests.receiver import HANG, Receiver, answer, receiving

OLD = "whsec_" + "b2xkLXNlY3JldC1vZi0yNC1ieXRlcyEh"
NEW = "whsec_" + "bmV3LXNlY3JldC1vZi0yNC1ieXRlcyEh"


def review(_state: Log) -> Log:
    return {"seen": [ask("Sign?", show={"text": "draft"}).action]}


def raising(_state: Log) -> Log:
    raise RuntimeError("no printer")


GRAPHS = {"g": chain(review), "other": chain(review), "raising": chain(raising)}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


Hooked = Callable[..., Awaitable[Signoff]]


@pytest.fixture
def hooked(open_desk: OpenDesk, receiver: Receiver) -> Hooked:
    """Opens a desk with a webhook at the receiver, which really calls it."""

    async def hooked(**more: Any) -> Signoff:
        settings = {name: more.pop(name) for name in ("delivery_timeout",) if name in more}
        webhook = Webhook(
            **{"name": "crm", "url": receiver.url, "secrets": (NEW, "env:OLD_SECRET"), **more}
        )
        desk: Signoff = await open_desk(
            GRAPHS,
            policies=lambda: PolicyBook(webhooks=(webhook,)),
            outgoing_allowed=["127.0.0.1"],
            **settings,
        )
        return desk

    return hooked


async def test_a_program_is_told_and_can_verify_with_the_old_secret_and_the_new(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_SECRET", OLD)
    desk = await hooked()
    await started(desk)
    request = await the_open(desk)
    [opened] = await receiver.next(1)
    for secret in (OLD, NEW):
        Verifier(secret).verify(opened.body, opened.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(OLD).verify(opened.body + b" ", opened.headers)
    assert opened.json["type"] == "request.opened"
    assert opened.json["data"]["request"]["id"] == request.id
    assert opened.json["data"]["request"]["payload"]["show"] == {"text": "draft"}

    await desk.decide(request.id, "reject", by="jane", note="no")
    _, decided = await receiver.next(2)
    assert decided.json["type"] == "request.decided"
    assert (decided.json["data"]["by"], decided.json["data"]["note"]) == ("jane", "no")
    assert decided.headers["webhook-id"] != opened.headers["webhook-id"]


async def test_only_what_was_asked_for_is_told(hooked: Hooked, receiver: Receiver) -> None:
    desk = await hooked(
        secrets=(NEW,), graphs=frozenset({"g"}), occasions=frozenset({Occasion.DECIDED})
    )
    await started(desk, "other", thread_id="other")
    await desk.decide((await the_open(desk, "other")).id, "approve", by="jane")
    await started(desk)
    await desk.decide((await the_open(desk)).id, "approve", by="jane")
    [call] = await receiver.next(1)
    assert call.json["data"]["request"]["graph"] == "g"
    assert call.json["type"] == "request.decided"


@pytest.mark.parametrize(
    ("said", "wait"), [(answer(500), 5), (answer(429, "Retry-After: 3600"), 3600), (HANG, 5)]
)
async def test_who_does_not_take_it_gets_it_again_later(
    said: bytes, wait: int, hooked: Hooked, receiver: Receiver
) -> None:
    receiver.answers = [said]
    desk = await hooked(secrets=(NEW,), delivery_timeout=timedelta(seconds=0.5))
    await started(desk)
    [first] = await receiver.next(1)

    async def put_off() -> bool:
        return (await list_deliveries(desk.office)).items[0].state == "waiting"

    await eventually(put_off)
    [delivery] = (await list_deliveries(desk.office)).items
    assert delivery.due_at is not None
    assert delivery.due_at - delivery.item.at >= timedelta(seconds=wait)
    await desk_tries_now(desk)
    _, second = await receiver.next(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize("said", [answer(410), answer(301, "Location: http://127.0.0.1:1/")])
async def test_who_never_will_take_it_is_shown_at_once(
    said: bytes, hooked: Hooked, receiver: Receiver
) -> None:
    receiver.answers = [said]
    desk = await hooked(secrets=(NEW,))
    await started(desk)
    await receiver.next(1)

    async def dead() -> bool:
        return bool((await list_deliveries(desk.office, states=["dead"])).items)

    await eventually(dead)
    [delivery] = (await list_deliveries(desk.office, states=["dead"])).items
    await redeliver(desk.office, delivery.item.id, by="op")
    first, second = await receiver.next(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_a_hook_inside_the_network_is_not_called(
    open_desk: OpenDesk, receiver: Receiver
) -> None:
    webhook = Webhook(name="in", url=receiver.url, secrets=(NEW,))
    desk = await open_desk(GRAPHS, policies=lambda: PolicyBook(webhooks=(webhook,)))
    await started(desk)

    async def dead() -> bool:
        return bool((await list_deliveries(desk.office, states=["dead"])).items)

    await eventually(dead)
    [delivery] = (await list_deliveries(desk.office)).items
    assert "not outside" in (delivery.error or "")
    assert receiver.calls == []


async def test_a_slow_receiver_keeps_nobody_else_waiting(
    open_desk: OpenDesk, receiver: Receiver
) -> None:
    async with receiving() as slow:
        slow.answers = [HANG] * 20
        hooks = tuple(
            Webhook(name=name, url=each.url, secrets=(NEW,))
            for name, each in (("slow", slow), ("quick", receiver))
        )
        desk = await open_desk(
            GRAPHS,
            policies=lambda: PolicyBook(webhooks=hooks),
            outgoing_allowed=["127.0.0.1"],
        )
        await asyncio.gather(*(started(desk, thread_id=f"t{n}") for n in range(20)))
        await receiver.next(20)
        assert len(slow.calls) < 20


async def test_the_address_of_a_run_is_called_at_its_pause_and_at_the_end_whoever_decides(
    open_desk: OpenDesk, receiver: Receiver
) -> None:
    desk = await open_desk(GRAPHS, outgoing_allowed=["127.0.0.1"])
    run = await start_run(desk.office, order(receiver.url))
    [paused] = await receiver.next(1)
    request = await the_open(desk)
    assert paused.json["run_id"] == run.id
    assert (paused.json["status"], paused.json["thread_id"]) == ("success", "t")
    [[interrupt]] = paused.json["interrupts"].values()
    assert interrupt["id"] == request.interrupt_id
    assert "webhook-signature" not in paused.headers

    await desk.decide(request.id, "approve", by="jane")
    _, ended = await receiver.next(2)
    assert ended.json["values"] == {"seen": ["approve"]}
    assert (ended.json["kind"], ended.json["status"]) == ("resume", "success")
    assert ended.json["kwargs"]["webhook"] == receiver.url


async def test_the_address_of_a_run_hears_of_a_failure_and_once_of_a_cancellation(
    open_desk: OpenDesk, receiver: Receiver
) -> None:
    desk = await open_desk(GRAPHS, outgoing_allowed=["127.0.0.1"])
    await start_run(desk.office, order(receiver.url, "raising", "failed"))
    [failed] = await receiver.next(1)
    assert failed.json["status"] == "error"
    assert "no printer" in failed.json["error"]

    run = await start_run(desk.office, order(receiver.url))
    await receiver.next(2)
    await desk.cancel("t", run.id, by="op")
    cancelled = (await receiver.next(3))[-1]
    assert (cancelled.json["status"], cancelled.json["run_id"]) == ("interrupted", run.id)


def order(url: str, graph: str = "g", thread_id: str = "t") -> Order:
    return Order(graph=graph, thread_id=thread_id, by="sales", input={}, options={"webhook": url})


async def desk_tries_now(desk: Signoff) -> None:
    """Have all that waits be due."""
    async with desk.office.database.connection() as conn:
        await conn.execute("UPDATE messages SET due_at = planned_at WHERE state = 'waiting'")
        await conn.execute("SELECT pg_notify('signoff', 'messages')")


TABLE = """
[[webhook]]
name = "crm"
url = "https://crm.firm.com/hooks"
secrets = ["env:CRM_SECRET"]
events = ["opened", "request.decided"]
graphs = ["contracts"]
"""


def test_a_table_makes_a_webhook() -> None:
    [webhook] = load(TABLE, path=Path("signoff.toml")).webhooks
    assert webhook == Webhook(
        name="crm",
        url="https://crm.firm.com/hooks",
        secrets=("env:CRM_SECRET",),
        occasions=frozenset({Occasion.OPENED, Occasion.DECIDED}),
        graphs=frozenset({"contracts"}),
    )


@pytest.mark.parametrize(
    ("line", "wrong", "said"),
    [
        ('name = "crm"', 'name = "a b"', "signoff.toml:3: name must be a name"),
        ('url = "https://crm.firm.com/hooks"', 'url = "ftp://x"', "signoff.toml:4: url must begin"),
        ('url = "https://crm.firm.com/hooks"', 'url = "https://"', "signoff.toml:4: url is no ad"),
        ('url = "https://crm.firm.com/hooks"\n', "", "url is missing"),
        ('["env:CRM_SECRET"]', '["a secret!"]', "signoff.toml:5: secrets.0 is no secret"),
        ('["env:CRM_SECRET"]', '["whsec_c2hvcnQ="]', "signoff.toml:5: secrets.0 has 5 bytes"),
        ('["env:CRM_SECRET"]', '["env:A-B"]', "signoff.toml:5: secrets.0 must name a variable"),
        ('["env:CRM_SECRET"]', "[]", "signoff.toml:5: secrets must be a list"),
        ('"opened"', '"open"', "signoff.toml:6: events.0 is 'open'"),
        ('["contracts"]', "3", "signoff.toml:7: graphs must be a list"),
        ("graphs =", "graph =", "signoff.toml:7: graph is not known here"),
        (TABLE, TABLE + TABLE, "name is 'crm' once more"),
    ],
)
def test_a_table_that_is_not_in_order_is_refused_with_its_line(
    line: str, wrong: str, said: str
) -> None:
    assert line in TABLE
    with pytest.raises(InvalidPolicy, match=re.escape(said)):
        load(TABLE.replace(line, wrong), path=Path("signoff.toml"))
