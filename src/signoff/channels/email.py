"""E-mail: a text and an HTML part, to one person at a time, in one thread per request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol

import aiosmtplib

from signoff.channels.rendering import Templates
from signoff.channels.view import Sections, variables
from signoff.domain.address import EMAIL, mailbox
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message
from signoff.log import get_logger
from signoff.text import plainly

log = get_logger(__name__)


class Post(Protocol):
    """Whatever takes e-mails away."""

    async def take(self, mail: EmailMessage, message_id: str) -> None:
        """Hand an e-mail over.

        Raises:
            ChannelError: It was not; `permanent` where trying again is useless.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpServer:
    """A server that takes e-mails. `tls` is from the first byte on, `starttls` upgrades."""

    host: str
    port: int
    tls: bool = False
    starttls: bool = True
    user: str | None = None
    password: str | None = None
    timeout: timedelta = timedelta(seconds=30)

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"

    async def take(self, mail: EmailMessage, message_id: str) -> None:
        """Hand an e-mail over.

        What the server says of this message is final if it is a 5xx. That nobody answers, or that
        it takes nothing from us at all, may be mended until the next attempt.
        """
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                await aiosmtplib.send(
                    mail,
                    hostname=self.host,
                    port=self.port,
                    username=self.user,
                    password=self.password,
                    use_tls=self.tls,
                    start_tls=self.starttls and not self.tls,
                    timeout=self.timeout.total_seconds(),
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            [refused, *_] = error.recipients
            raise _refusal("the recipient was refused", refused.code, refused.message) from error
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise _refusal("the message was refused", error.code, error.message) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise ChannelError(f"the server cannot take it: {error.message}") from error
        except (TimeoutError, aiosmtplib.SMTPTimeoutError) as error:
            raise ChannelError(f"{self.host}:{self.port} did not answer in time") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ChannelError(f"{self.host}:{self.port}: {_line(error)}") from error


def _refusal(what: str, code: int, said: str) -> ChannelError:
    return ChannelError(f"{what}: {code} {_line(said)}", permanent=500 <= code < 600)


def _line(said: object) -> str:
    return plainly(" ".join(str(said).split()))[:300]


@dataclass(frozen=True, slots=True)
class MailFolder:
    """Where e-mails are written as files, to look at while there is no server for them."""

    path: Path

    async def take(self, mail: EmailMessage, message_id: str) -> None:
        """Write an e-mail to a file; once more to the same one if it comes again."""
        file = await asyncio.to_thread(self._write, mail, message_id)
        log.info(
            "an e-mail was written to a file, as there is no [smtp]",
            to=mail["To"],
            subject=mail["Subject"],
            file=str(file),
        )

    def _write(self, mail: EmailMessage, message_id: str) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / f"{message_id}.eml"
        file.write_bytes(mail.as_bytes(policy=SMTPUTF8))
        return file


class EmailChannel:
    """E-mails from one sender.

    `sender` and `reply_to` are as in a header: ``Signoff <signoff@firm.com>``.
    """

    name = EMAIL

    def __init__(
        self,
        post: Post,
        *,
        sender: str,
        sections: Sections,
        now: Callable[[], datetime],
        reply_to: str | None = None,
        templates: Templates | None = None,
    ) -> None:
        self._post = post
        self._sender = sender
        self._reply_to = reply_to
        self._sections = sections
        self._now = now
        self._templates = templates or Templates()

    async def send(self, message: Message) -> None:
        """Hand a message over; on return it is.

        Raises:
            ChannelError: It was not; `permanent` where trying again is useless.
        """
        await self._post.take(self.compose(message), message.id)

    def compose(self, message: Message) -> EmailMessage:
        """The e-mail of a message.

        Raises:
            ChannelError: Nothing can be sent to its address, ever.
        """
        given = variables(message, self._sections, self._now())
        text, html = (
            self._templates.render(EMAIL, f"message.{kind}", given) for kind in ("txt", "html")
        )
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = _line(self._templates.render(EMAIL, "subject.txt", given)) or "Signoff"
        mail["From"] = address_of(self._sender)
        try:
            mail["To"] = address_of(message.address)
        except ChannelError as error:
            raise ChannelError("the user's e-mail address is none", permanent=True) from error
        if self._reply_to is not None:
            mail["Reply-To"] = address_of(self._reply_to)
        mail["Date"] = format_datetime(message.items[-1].at)
        mail["Message-ID"] = self._id(message.id)
        if message.follows is not None:
            mail["In-Reply-To"] = mail["References"] = self._id(message.follows)
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if any(item.request.priority == "urgent" for item in message.items):
            mail["Importance"] = "high"
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        return mail

    def _id(self, message_id: str) -> str:
        """The same for each attempt, so that mail programs show it once."""
        return f"<{message_id}@{address_of(self._sender).domain}>"


def address_of(text: str) -> Address:
    """An e-mail address, with or without a name.

    Raises:
        ChannelError: It is none.
    """
    found = mailbox(text)
    try:
        if found is None:
            raise ValueError(text)
        return Address(display_name=found[0], addr_spec=found[1])
    except (ValueError, IndexError, MessageError) as error:
        raise ChannelError(f"{text!r:.80} is no e-mail address", permanent=True) from error
