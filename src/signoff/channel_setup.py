"""The channels that a project's settings set up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from signoff.channels import chat
from signoff.channels.base import Channel
from signoff.channels.email import EmailChannel, MailFolder, Post, SmtpServer
from signoff.channels.rendering import Templates
from signoff.channels.view import Section
from signoff.config import Settings
from signoff.domain.outside import Allowed
from signoff.domain.request import Request
from signoff.log import get_logger
from signoff.pauses import any_kind

SENDER = "Signoff <signoff@localhost>"
"""Of e-mails that are written to files."""

MARGIN = timedelta(seconds=1)
"""How much earlier a channel gives up than whoever sends: it knows more of what went wrong."""

log = get_logger(__name__)


def channels(settings: Settings, *, now: Callable[[], datetime]) -> dict[str, Channel]:
    """All channels that reach people, by their names.

    E-mail is among them where there is a server for it, or a folder to write it to.
    """
    templates = Templates(settings.notifications.templates)
    for problem in templates.check():
        log.error("a template of the project cannot be used", problem=problem)
    sections = any_kind.sections if settings.notifications.contents else _nothing
    found: dict[str, Channel] = dict(
        chat.channels(
            sections=sections,
            now=now,
            takes=Allowed.read(settings.outgoing_allowed).takes,
            templates=templates,
            timeout=max(settings.delivery_timeout - MARGIN, MARGIN),
        )
    )
    post = _post(settings)
    if post is not None:
        smtp = settings.smtp
        email = EmailChannel(
            post,
            sender=smtp.sender if smtp else SENDER,
            reply_to=smtp.reply_to if smtp else None,
            sections=sections,
            now=now,
            templates=templates,
        )
        found[email.name] = email
    return found


def _post(settings: Settings) -> Post | None:
    smtp, folder = settings.smtp, settings.notifications.mail_dir
    if smtp is None:
        return None if folder is None else MailFolder(folder)
    password = settings.smtp_password or smtp.password
    return SmtpServer(
        host=smtp.host,
        port=smtp.port or {"tls": 465, "starttls": 587, "none": 25}[smtp.security],
        tls=smtp.security == "tls",
        starttls=smtp.security == "starttls",
        user=smtp.user,
        password=None if password is None else password.get_secret_value(),
        timeout=min(smtp.timeout, max(settings.delivery_timeout - MARGIN, MARGIN)),
    )


def _nothing(request: Request) -> Sequence[Section]:
    return ()
