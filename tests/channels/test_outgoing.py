"""Calls of addresses that somebody gave: what they reach, and what they make of an answer."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from signoff.channels.outgoing import MAX_ANSWER, Answer, Outgoing, outcome_of
from signoff.domain.errors import ChannelError
from signoff.domain.outside import Allowed
from tests.receiver import HANG, Receiver, answer, receiving

HERE = Allowed.read(["127.0.0.1"])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_this_machine_is_not_called_however_it_is_named(
    host: str, receiver: Receiver
) -> None:
    async with Outgoing() as outgoing:
        with pytest.raises(ChannelError, match="not outside") as caught:
            await outgoing.post(f"http://{host}:{receiver.port}/hook", b"{}", {})
    assert caught.value.permanent
    assert receiver.calls == []


async def test_what_was_checked_is_what_is_called(receiver: Receiver) -> None:
    """The name stands for something outside when it is looked up, and for this machine later."""
    asked = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) > 1 else ["203.0.113.7"]

    for round_ in range(2):
        async with Outgoing(resolve=rebinding) as outgoing:
            with pytest.raises(ChannelError, match="not outside"):
                await outgoing.post(f"http://evil.example:{receiver.port}/hook", b"{}", {})
        assert len(asked) == round_ + 1
    assert receiver.calls == []


async def test_the_connection_is_made_to_the_address_and_the_call_to_the_name(
    receiver: Receiver,
) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["10.0.0.1", "127.0.0.1"]

    async with Outgoing(HERE, resolve=resolve) as outgoing:
        url = f"http://hooks.firm.lan:{receiver.port}/hook?a=b"
        found = await outgoing.post(url, b"{}", {"X-Own": "1"})
    assert (found.status, found.body) == (200, b"ok")
    [call] = receiver.calls
    assert call.headers["host"] == f"hooks.firm.lan:{receiver.port}"
    assert (call.path, call.headers["x-own"]) == ("/hook?a=b", "1")


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{receiver.port}")
    async with Outgoing() as outgoing:
        with pytest.raises(ChannelError, match="not outside"):
            await outgoing.post("http://127.0.0.1:1/", b"", {})
    assert receiver.calls == []


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.answers = [answer(307, f"Location: {receiver.url}")]
    async with Outgoing(HERE) as outgoing:
        found = await outgoing.post(receiver.url, b"{}", {})
    assert (found.status, len(receiver.calls)) == (307, 1)


async def test_of_an_answer_only_the_beginning_is_read(receiver: Receiver) -> None:
    receiver.answers = [answer(200, body=b"x" * 10 * MAX_ANSWER)]
    async with Outgoing(HERE) as outgoing:
        found = await outgoing.post(receiver.url, b"{}", {})
    assert len(found.body) == MAX_ANSWER


async def test_who_hangs_is_left(receiver: Receiver) -> None:
    receiver.answers = [HANG]
    async with Outgoing(HERE, timeout=timedelta(seconds=0.2)) as outgoing:
        with pytest.raises(ChannelError, match="no answer in time") as caught:
            await outgoing.post(receiver.url, b"{}", {})
    assert not caught.value.permanent


async def test_nobody_there_and_no_such_name_are_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        async def missing(_host: str, _port: int) -> list[str]:
            raise socket.gaierror("no such name")

        for outgoing in (Outgoing(HERE), Outgoing(resolve=missing)):
            async with outgoing:
                with pytest.raises(ChannelError, match="no answer") as caught:
                    await outgoing.post(f"http://127.0.0.1:{taken.getsockname()[1]}/", b"", {})
            assert not caught.value.permanent


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "file:///etc/passwd", "http://", "example.com", "http:///x", ""]
)
async def test_only_http_is_spoken(url: str) -> None:
    async with Outgoing(HERE) as outgoing:
        with pytest.raises(ChannelError) as caught:
            await outgoing.post(url, b"", {})
    assert caught.value.permanent


def test_what_an_answer_means() -> None:
    def error(status: int, **headers: str) -> ChannelError:
        with pytest.raises(ChannelError) as caught:
            outcome_of(Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, b""))
        return caught.value

    outcome_of(Answer(204, {}, b""))
    assert error(410).permanent
    assert error(302).permanent
    assert not error(500).permanent
    assert not error(404).permanent
    assert error(429, retry_after="120").retry_after == timedelta(minutes=2)
    assert error(429, retry_after="soon").retry_after is None
    assert error(429).retry_after is None
    assert error(500, retry_after="120").retry_after is None
    later = error(503, retry_after=format_datetime(datetime.now(UTC) + timedelta(hours=1)))
    assert later.retry_after is not None
    assert timedelta(minutes=59) < later.retry_after <= timedelta(hours=1)


async def test_addresses_are_not_logged_since_they_hold_secrets(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with Outgoing(HERE) as outgoing:
            url = f"http://127.0.0.1:{receiver.port}/hook?token=s3cr3t"
            await outgoing.post(url, b"{}", {"webhook-signature": "v1,s3cr3t"})
        async with httpx.AsyncClient(trust_env=False) as another:
            await another.post(f"http://127.0.0.1:{receiver.port}/of-the-application")
    assert [call.path for call in receiver.calls] == ["/hook?token=s3cr3t", "/of-the-application"]
    assert "s3cr3t" not in caplog.text
    assert "/of-the-application" in caplog.text
