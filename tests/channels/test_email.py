"""E-mails, as they are written and as a server takes them."""

from __future__ import annotations

import asyncio
import email
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from signoff.channels.email import EmailChannel, MailFolder, SmtpServer
from signoff.channels.rendering import Templates
from signoff.domain.errors import ChannelError
from signoff.domain.notification import Message, Occasion
from tests.channels import messages
from tests.channels.messages import NOW, digest, message, notification, request, sections


class Inbox:
    """A mail server's other end: keeps what it takes, and answers what it is told to."""

    def __init__(self, answer: str = "250 OK", recipient: str = "250 OK") -> None:
        self.answer, self.recipient = answer, recipient
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.user: bytes | None = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.answer.startswith("250"):
            content = email.message_from_bytes(envelope.content, policy=default)
            self.taken.append((list(envelope.rcpt_tos), content))
        return self.answer


@contextmanager
def serving(inbox: Inbox, **more: Any) -> Iterator[SmtpServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **more)
    controller.start()
    try:
        yield SmtpServer(host="127.0.0.1", port=port, starttls=False, timeout=timedelta(seconds=5))
    finally:
        controller.stop()


def channel(post: Any, **more: Any) -> EmailChannel:
    given = {"sender": "Signoff <signoff@firm.com>", "sections": sections, "now": lambda: NOW}
    return EmailChannel(post, **(given | more))


def composed(sent: Message, **more: Any) -> EmailMessage:
    """A message as whoever receives it reads it."""
    mail = channel(MailFolder(Path()), **more).compose(sent)
    return email.message_from_bytes(mail.as_bytes(), policy=default)


def text(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return part.get_content().replace("\r\n", "\n")


async def test_an_email_arrives_with_a_text_and_an_html_part():
    inbox = Inbox()
    with serving(inbox) as server:
        await channel(server).send(message())
    [(to, mail)] = inbox.taken
    assert to == ["jane@firm.com"]
    assert (mail["To"], mail["From"]) == ("jane@firm.com", "Signoff <signoff@firm.com>")
    assert mail["Subject"] == "Contract for ACME"
    assert mail["Message-ID"] == "<m1@firm.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        said = text(mail, kind)
        for part in (
            "Contract for ACME",
            "ACME",
            "1200",
            "sales@firm.com",
            "Wed 4 Mar 2026, 17:00 CET",
            "in 4 h",
            "Approve, Send back",
            "https://signoff.firm.com/inbox/requests/r1",
        ):
            assert part in said, (kind, part)


def test_the_text_part_reads_well():
    assert text(composed(message(notification(decide_url="https://x/decide/abc")))) == (
        """\
A decision is needed.

Contract for ACME
-----------------
Client: ACME
Amount: 1200

Asked by: sales@firm.com
Deadline: Wed 4 Mar 2026, 17:00 CET (in 4 h)
Actions:  Approve, Send back

Decide:   https://x/decide/abc
In the inbox: https://signoff.firm.com/inbox/requests/r1

--\x20
Sent by Signoff to jane. You choose in the inbox what you are told, and how.
"""
    )


def test_a_follow_up_stands_in_the_thread_of_what_it_follows():
    mail = composed(message(messages.decided(), id="m2", follows="m1"))
    assert mail["Subject"] == "Re: Contract for ACME"
    assert mail["Message-ID"] == "<m2@firm.com>"
    assert (mail["In-Reply-To"], mail["References"]) == ("<m1@firm.com>", "<m1@firm.com>")
    assert "jane@firm.com approved it." in text(mail)
    assert "jane@firm.com: fine" in text(mail)
    assert "Deadline" not in text(mail)


@pytest.mark.parametrize("occasion", Occasion)
def test_there_are_words_for_each_occasion(occasion: Occasion):
    for each in (notification(occasion=occasion), notification(occasion=occasion, by="tom")):
        mail = composed(message(each))
        assert text(mail).split("\n")[0].endswith(".")
        assert text(mail, "html").count("<h1") == 1


def test_a_digest_tells_of_several_requests_in_one_email():
    mail = composed(digest())
    assert mail["Subject"] == "3 requests wait for a decision"
    for kind in ("plain", "html"):
        assert all(each in text(mail, kind) for each in ("Contract for", "Invoice 2", "Invoice 3"))


def test_no_text_of_a_graph_becomes_a_header_or_markup():
    title = "Pay?\r\nBcc: everyone@firm.com\x00\u202e <b>now</b>"
    show = {
        "note": "<script>alert(1)</script>",
        "md": "# Hi\n\n![x](https://evil/x.png) <img src=x>",
    }
    mail = composed(message(notification(request(title, show), by="<i>tom</i>", note="<u>")))
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("Pay? Bcc: everyone@firm.com\ufffd")
    assert "\u202e" not in mail["Subject"]
    html = text(mail, "html")
    for markup in ("<script", "<b>now", "<img", "<i>tom", "<u>"):
        assert markup not in html
    assert "&lt;script&gt;" in html


def test_the_html_part_loads_nothing_and_is_well_formed():
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.loaded: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in ("meta", "br"):
                self.open.append(tag)
            self.loaded += [tag for name, _ in attrs if name in ("src", "background", "style")]

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    show = {"text": "# Terms\n\n- one\n- two\n\n|a|b|\n|-|-|\n|1|2|\n", "code": "x\ny"}
    for sent in (message(notification(request(show=show))), digest(), message(messages.decided())):
        reader = Reader()
        html = text(composed(sent), "html")
        reader.feed(html)
        assert reader.open == reader.loaded == []
        assert "url(" not in html


def test_long_content_is_cut_and_that_is_said():
    mail = composed(message(notification(request(show={"draft": "word " * 5_000}))))
    assert len(mail.as_bytes()) < 20_000
    assert "not all of it" in text(mail)


def test_urgent_ones_are_marked_so():
    assert composed(message(notification(request(priority="urgent"))))["Importance"] == "high"
    assert composed(message())["Importance"] is None


@pytest.mark.parametrize(
    "address", ["nobody", "a@b\r\nBcc: x@y", "a@b@c", "", "a@b, c@d", "<x@y", "@firm.com"]
)
def test_an_address_that_is_none_is_given_up_at_once(address: str):
    with pytest.raises(ChannelError) as raised:
        composed(message(address=address))
    assert raised.value.permanent


# --- servers that do not take it ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("inbox", "permanent", "said"),
    [
        (Inbox("554 looks like spam"), True, "the message was refused: 554 looks like spam"),
        (Inbox("451 come again"), False, "the message was refused: 451 come again"),
        (Inbox(recipient="550 no such user"), True, "the recipient was refused: 550 no such user"),
        (Inbox(recipient="450 busy"), False, "the recipient was refused: 450 busy"),
    ],
    ids=["5xx", "4xx", "no such user", "greylisted"],
)
async def test_what_a_server_says_of_a_message_decides_whether_it_is_tried_again(
    inbox: Inbox, permanent: bool, said: str
):
    with serving(inbox) as server, pytest.raises(ChannelError) as raised:
        await channel(server).send(message())
    assert (raised.value.permanent, raised.value.message) == (permanent, said)
    assert inbox.taken == []


async def test_a_server_that_is_not_there_is_tried_again():
    with serving(Inbox()) as server:
        pass
    with pytest.raises(ChannelError) as raised:
        await channel(server).send(message())
    assert not raised.value.permanent


async def test_a_server_that_hangs_is_left_in_time_and_tried_again():
    asked = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        server = SmtpServer(host="127.0.0.1", port=port, timeout=timedelta(seconds=0.2))
        with pytest.raises(ChannelError, match="did not answer in time") as raised:
            await channel(server).send(message())
    assert asked.is_set()
    assert not raised.value.permanent


async def test_no_password_goes_to_a_server_without_tls():
    inbox = Inbox()
    with serving(inbox) as plain:
        strict = SmtpServer(host=plain.host, port=plain.port, user="u", password="secret")
        with pytest.raises(ChannelError) as raised:
            await channel(strict).send(message())
    assert not raised.value.permanent
    assert "secret" not in str(raised.value) + repr(strict)
    assert inbox.taken == []


async def test_a_server_that_wants_a_password_gets_it():
    inbox, seen = Inbox(), []

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"secret", handled=False)

    with serving(inbox, authenticator=check, auth_require_tls=False) as plain:
        given = {
            "host": plain.host,
            "port": plain.port,
            "starttls": False,
            "user": "u",
            "timeout": timedelta(seconds=1),
        }
        await channel(SmtpServer(**given, password="secret")).send(message())
        with pytest.raises(ChannelError) as raised:
            await channel(SmtpServer(**given, password="other")).send(message())
    assert seen[0] == (b"u", b"secret")
    assert len(inbox.taken) == 1
    assert "535" in raised.value.message
    # A wrong password is set right; then what waits goes out.
    assert not raised.value.permanent


async def test_two_recipients_do_not_see_each_other():
    inbox = Inbox()
    with serving(inbox) as server:
        for name in ("jane", "tom"):
            await channel(server).send(message(address=f"{name}@firm.com", to=name))
    assert [to for to, _ in inbox.taken] == [["jane@firm.com"], ["tom@firm.com"]]
    assert "tom@" not in inbox.taken[0][1].as_string()
    assert "jane@firm.com" not in inbox.taken[1][1].as_string()


# --- without a server --------------------------------------------------------------------------


async def test_without_a_server_emails_are_files_to_look_at(tmp_path: Path):
    folder = tmp_path / "mail"
    sender = channel(MailFolder(folder))
    await sender.send(message())
    await sender.send(message())  # again, after a crash: the same file
    [file] = folder.iterdir()
    mail = email.message_from_bytes(file.read_bytes(), policy=default)
    assert (file.name, mail["To"]) == ("m1.eml", "jane@firm.com")


# --- templates of the project ------------------------------------------------------------------


def write(folder: Path, name: str, said: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(said)


def test_a_project_may_have_templates_of_its_own(tmp_path: Path):
    write(tmp_path, "email/subject.txt", "[{{ item.graph }}] {{ item.title }}")
    write(tmp_path, "email/message.html", "{% include 'email/part.html' %}<p>{{ item.title }}</p>")
    write(tmp_path, "email/part.html", "<b>{{ item.priority }}</b>")
    mail = composed(message(notification(request("<Pay>"))), templates=Templates(tmp_path))
    assert mail["Subject"] == "[contracts] <Pay>"
    assert text(mail, "html").strip() == "<b>normal</b><p>&lt;Pay&gt;</p>"
    assert "A decision is needed." in text(mail)


@pytest.mark.parametrize(
    "broken",
    ["{{ item.titel }}", "{% if %}", "{% include 'gone' %}", "{{ item.__class__.__mro__[1] }}"],
)
def test_a_template_that_cannot_be_used_is_logged_and_ours_is_used(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
):
    write(tmp_path, "email/subject.txt", broken)
    mail = composed(message(), templates=Templates(tmp_path))
    assert mail["Subject"] == "Contract for ACME"
    assert "email/subject.txt" in caplog.text


def test_broken_templates_are_found_before_anything_is_sent(tmp_path: Path):
    write(tmp_path, "email/subject.txt", "fine")
    write(tmp_path, "slack/message.txt", "\n{% if %}")
    [said] = Templates(tmp_path).check()
    assert said.startswith(f"{tmp_path / 'slack/message.txt'}:2: ")
