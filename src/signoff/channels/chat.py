"""Chats: Slack, Teams and the rest, through Apprise.

Apprise is blocking, follows redirects unless told not to, and says in its logs alone what went
wrong. So it works in a thread; whatever it connects to there is checked at the moment at which the
connection is made, to the very address that was checked; and its logs, which may hold secrets, go
nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from urllib3.util import connection as urllib3_connection

from signoff.channels.rendering import Templates
from signoff.channels.view import Sections, variables
from signoff.domain.address import CHATS, channel_of, masked
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message
from signoff.text import plainly

Takes = Callable[[str, str], bool]
"""Whether a host may be called at an address that it was found to have."""

MAX_BODY = 3_000
"""Characters of a message, the title apart: some services cut or refuse more."""

FINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 422})
"""What a service answers when the same message will not be taken later either."""

# What Apprise logs holds secrets, such as whole addresses: it is heard here, and nowhere else.
_logger = logging.getLogger("apprise")
_logger.propagate = False
_logger.setLevel(logging.WARNING)
_logger.addHandler(logging.NullHandler())

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CODE = re.compile(r"error=(\d{3})")
_EVERYBODY = re.compile(r"@(?=everyone\b|here\b|channel\b|all\b)|<(?=[!@#])", re.IGNORECASE)


class ChatChannel:
    """One of `signoff.domain.address.CHATS`."""

    def __init__(
        self,
        name: str,
        *,
        sections: Sections,
        now: Callable[[], datetime],
        takes: Takes,
        templates: Templates | None = None,
        timeout: timedelta = timedelta(seconds=20),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._name = name
        self._sections = sections
        self._now = now
        self._takes = takes
        self._templates = templates or Templates()
        self._timeout = timeout.total_seconds()
        self._environment = environment

    @property
    def name(self) -> str:
        """What policies and people call it."""
        return self._name

    async def send(self, message: Message) -> None:
        """Hand a message over; on return it is.

        Raises:
            ChannelError: It was not; `permanent` where trying again is useless.
        """
        given = variables(message, self._sections, self._now())
        title, body = (
            _to_nobody_else(self._templates.render(self._name, name, given))
            for name in ("title.txt", "message.txt")
        )
        service = self._service(message.address)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.to_thread(
                    _notify, service, " ".join(title.split()), _cut(body), self._takes
                )
        except TimeoutError as error:
            # The thread goes on until its own time is over; nobody waits for it.
            raise ChannelError(f"{self._name} did not answer in time") from error

    def _service(self, address: str) -> Any:
        """What Apprise makes of an address, with the variables in it as they are here."""
        missing = [name for name in _VARIABLE.findall(address) if name not in self._environment]
        if missing:
            raise ChannelError(
                f"the address {masked(self._name, address)} has the variable {missing[0]}, which"
                " is not set where messages are sent"
            )
        full = _VARIABLE.sub(lambda found: self._environment[found[1]], address)
        try:
            channel_of(full)
        except ValueError as error:
            raise ChannelError(str(error), permanent=True) from error
        if "template" in {name.lower() for name, _ in parse_qsl(full.partition("?")[2])}:
            raise ChannelError(
                f"{masked(self._name, address)} names a template, which would be a file of the"
                " machine that sends",
                permanent=True,
            )
        import apprise  # a quarter of a second, for those who tell somebody in a chat

        asset = apprise.AppriseAsset(
            app_id="Signoff",
            app_desc="Signoff",
            app_url="",
            image_url_mask="",
            image_url_logo="",
            http_redirects=False,
        )
        found = apprise.Apprise.instantiate(full, asset=asset, suppress_exceptions=True)
        if found is None:
            raise ChannelError(
                f"{masked(self._name, address)} is not written as Apprise has it", permanent=True
            )
        found.request_rate_per_sec = 0  # whoever sends keeps to a pace, and tries again
        found.redirects = False  # also where the address asks for them
        found.socket_read_timeout = min(found.socket_read_timeout, self._timeout)
        found.socket_connect_timeout = min(found.socket_connect_timeout, self._timeout)
        return found


def channels(**given: Any) -> dict[str, ChatChannel]:
    """A channel for each kind of chat, by its name."""
    return {name: ChatChannel(name, **given) for name in sorted(CHATS)}


def _to_nobody_else(text: str) -> str:
    """A text of somebody that calls nobody in a room but whom the message is for."""
    return _EVERYBODY.sub(lambda found: f"{found[0]}\u200b", plainly(text)).strip()


def _cut(body: str) -> str:
    return body if len(body) <= MAX_BODY else body[: MAX_BODY - 1].rstrip() + "…"


# --- in a thread -------------------------------------------------------------------------------


def _notify(service: Any, title: str, body: str, takes: Takes) -> None:
    """Have Apprise send; raises ChannelError if it could not."""
    with _guarded(takes) as refused, _heard() as said:
        sent = service.notify(title=title, body=body, notify_type="info", body_format="text")
    if sent:
        return
    if refused:
        raise ChannelError(
            f"{refused[0]} is not outside of this network: allow it with outgoing_allowed if it"
            " is meant to be called",
            permanent=True,
        )
    codes = [int(code) for each in said for code in _CODE.findall(each)]
    if codes:
        raise ChannelError(f"it answered {codes[-1]}", permanent=codes[-1] in FINAL)
    raise ChannelError("it could not be reached")


_guard: ContextVar[tuple[Takes, list[str]] | None] = ContextVar("guard", default=None)
_patching = threading.Lock()


@contextmanager
def _guarded(takes: Takes) -> Iterator[list[str]]:
    """Let connections in this context be made only where `takes` allows; the hosts refused.

    Apprise calls `requests.post` itself and can be given no client, so this is done where urllib3
    makes its connections. Other threads and contexts of the program notice nothing.
    """
    _patch()
    refused: list[str] = []
    token = _guard.set((takes, refused))
    try:
        yield refused
    finally:
        _guard.reset(token)


def _patch() -> None:
    with _patching:
        made = urllib3_connection.create_connection
        if getattr(made, "_signoff", False):
            return

        def create_connection(address: tuple[str, int], *args: Any, **more: Any) -> socket.socket:
            guard = _guard.get()
            if guard is None:
                return made(address, *args, **more)
            host, port = address
            takes, refused = guard
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
            outside = [str(each[4][0]) for each in found if takes(host, str(each[4][0]))]
            if not outside:
                refused.append(host)
                raise OSError("not outside")
            return made((outside[0], port), *args, **more)

        create_connection._signoff = True  # type: ignore[attr-defined]
        urllib3_connection.create_connection = create_connection
        # It logs the paths of calls, which hold secrets.
        for name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.connection"):
            logging.getLogger(name).addFilter(lambda record: _guard.get() is None)


class _Ear(logging.Handler):
    """Keeps what is logged in one thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        if record.thread == self._thread:
            self.said.append(record.getMessage())


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What Apprise logs meanwhile in this thread."""
    ear = _Ear()
    _logger.addHandler(ear)
    try:
        yield ear.said
    finally:
        _logger.removeHandler(ear)
