"""Chats, as a service receives them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from signoff.channels.chat import ChatChannel, channels
from signoff.channels.rendering import Templates
from signoff.domain.address import CHATS, HOSTED, SERVICES
from signoff.domain.errors import ChannelError
from tests.channels.messages import NOW, digest, message, notification, request, sections

SECRET = "Tk" + "x" * 20


class Service(ThreadingHTTPServer):
    """An ntfy server: a service whose address names the host. `answer` is what it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = 200
        self.location: str | None = None
        self.calls: list[tuple[str, str]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def address(self) -> str:
        return f"ntfy://127.0.0.1:{self.server_port}/{SECRET}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.calls.append((self.path, body + str(self.headers)))
        self.server.go_on.wait(20)
        self.send_response(self.server.answer)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *said: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def root_log() -> Iterator[list[str]]:
    """What a program that logs everything would see."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield said
    root.removeHandler(handler)
    root.setLevel(level)


def chat(name: str = "ntfy", **more: Any) -> ChatChannel:
    given: dict[str, Any] = {"sections": sections, "now": lambda: NOW, "takes": lambda *_: True}
    return ChatChannel(name, **(given | more))


async def test_a_message_says_what_is_asked_until_when_and_where(service: Service):
    await chat().send(message(channel="ntfy", address=service.address))
    [(_, said)] = service.calls
    for part in ("Contract for ACME", "ACME", "17:00 CET", "/inbox/requests/r1"):
        assert part in said


async def test_a_digest_is_one_message(service: Service):
    await chat().send(message(*digest().items, address=service.address))
    [(_, said)] = service.calls
    assert all(part in said for part in ("3 requests wait", "Invoice 2", "Invoice 3"))


async def test_nothing_inside_is_called_unless_it_is_allowed(service: Service):
    asked = []

    def takes(host: str, address: str) -> bool:
        asked.append((host, address))
        return False

    with pytest.raises(ChannelError, match="not outside") as raised:
        await chat(takes=takes).send(message(address=service.address))
    assert raised.value.permanent
    assert SECRET not in raised.value.message
    assert asked == [("127.0.0.1", "127.0.0.1")]
    assert service.calls == []


async def test_redirects_are_not_followed_even_if_the_address_asks_for_it(service: Service):
    service.answer, service.location = 307, "http://127.0.0.1:1/inside"
    for address in (service.address, f"{service.address}?redirect=yes"):
        with pytest.raises(ChannelError):
            await chat().send(message(address=address))
    assert len(service.calls) == 2


@pytest.mark.parametrize(
    ("answer", "permanent"), [(500, False), (503, False), (429, False), (403, True), (410, True)]
)
async def test_what_a_service_answers_decides_whether_it_is_tried_again(
    service: Service, answer: int, permanent: bool
):
    service.answer = answer
    with pytest.raises(ChannelError) as raised:
        await chat().send(message(address=service.address))
    assert (raised.value.permanent, raised.value.message) == (permanent, f"it answered {answer}")


@pytest.mark.parametrize("answer", [200, 500])
async def test_addresses_are_never_logged(service: Service, answer: int, root_log: list[str]):
    # Its path goes through urllib3's log as well, as Slack's tokens would.
    address = service.address.replace("ntfy://", "mmost://").replace(SECRET, f"hooks/{SECRET}")
    service.answer = answer
    with suppress(ChannelError):
        await chat("mattermost").send(message(address=address))
    assert SECRET in service.calls[0][0]
    logging.getLogger("urllib3.connectionpool").debug("still heard")
    assert "still heard" in root_log[-1]
    assert not any(SECRET in each for each in root_log)


async def test_a_service_that_hangs_is_left_in_time(service: Service):
    service.go_on.clear()
    with pytest.raises(ChannelError, match=r"in time|could not be reached") as raised:
        await chat(timeout=timedelta(seconds=0.3)).send(message(address=service.address))
    assert not raised.value.permanent


async def test_a_service_that_is_gone_is_tried_again(service: Service):
    with pytest.raises(ChannelError, match="could not be reached") as raised:
        await chat().send(message(address=f"ntfy://127.0.0.1:1/{SECRET}"))
    assert not raised.value.permanent


async def test_variables_in_an_address_are_those_of_whoever_sends(service: Service):
    address = service.address.replace(SECRET, "${TOPIC}")
    await chat(environment={"TOPIC": SECRET}).send(message(address=address))
    [(_, said)] = service.calls
    assert SECRET in said
    with pytest.raises(ChannelError, match="variable TOPIC") as raised:
        await chat(environment={}).send(message(address=address))
    assert not raised.value.permanent


@pytest.mark.parametrize(
    "address",
    [
        "syslog://",
        "json://127.0.0.1/x",
        "dbus://",
        "${ALL}",
        "slack://",
        "slack://a",
        "ntfy://",
        "tgram://123456789:abcdefghijklmnopqrstuvwxyz_12345678/42?%54emplate=/etc/passwd",
    ],
)
async def test_an_address_that_leads_to_no_people_is_given_up_at_once(address: str):
    with pytest.raises(ChannelError) as raised:
        await chat(environment={"ALL": "syslog://"}).send(message(address=address))
    assert raised.value.permanent


async def test_a_text_calls_nobody_else_in_the_room(service: Service):
    title = "@everyone <!channel> <@U1> look at jane@all.com"
    await chat().send(message(notification(request(title)), address=service.address))
    [(_, said)] = service.calls
    assert "everyone" in said
    for call in ("@everyone", "<!", "<@"):
        assert call not in said


async def test_chats_have_templates_of_their_own_or_one_for_all(service: Service, tmp_path: Path):
    for name, said in (("chat", "in a chat"), ("ntfy", "on ntfy: {{ item.title }}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "message.txt").write_text(said)
    await chat(templates=Templates(tmp_path)).send(message(address=service.address))
    (tmp_path / "ntfy" / "message.txt").unlink()
    await chat(templates=Templates(tmp_path)).send(message(address=service.address))
    assert "on ntfy: Contract" in service.calls[0][1]
    assert "in a chat" in service.calls[1][1]


def test_apprise_knows_every_service_that_is_taken():
    import apprise

    known = {
        scheme
        for each in apprise.Apprise().details()["schemas"]
        for scheme in (*(each["protocols"] or ()), *(each["secure_protocols"] or ()))
    }
    assert known >= set(SERVICES) | set(HOSTED)
    given = {"sections": sections, "now": lambda: NOW, "takes": lambda *_: True}
    assert set(channels(**given)) == CHATS
