"""Links of messages: by one of them, one person decides one request, once, without signing in.

A token is 256 random bits, and only its hash is kept. What it is good for is found out anew at each
use: whom it was sent to may have lost the right to decide meanwhile.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from signoff.acting import acting
from signoff.db import links, requests, users
from signoff.db.pool import Connection
from signoff.domain.decision import Ballot
from signoff.domain.errors import LinkNotFound
from signoff.domain.key import digest
from signoff.domain.link import Link, Standing
from signoff.domain.principal import LINK, Principal
from signoff.domain.request import Request, RequestState
from signoff.service.office import Office
from signoff.service.reviewers import as_reviewer
from signoff.service.voting import cast

PATH = "/decide/"
"""Where links lead to, below the address of the server."""

KEPT = timedelta(days=30)
"""How long it is known of an expired link that it was one."""

_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A link as it stands, with its request, and with its person as they are now."""

    link: Link
    request: Request
    principal: Principal
    standing: Standing


async def issue(
    conn: Connection, office: Office, request: Request, user: str, *, message: str | None = None
) -> str | None:
    """A link for a user to decide a request by, to be put into a message to nobody else.

    It opens for `office.link_lifetime`, no longer than the request does. One that was made before
    for the same `message` ends.

    None where there is none to give: the policy forbids it, the user may not decide or is unknown,
    the request is closed, or it is not known by which address people reach the server.
    """
    if office.public_url is None or request.policy.by_message == "no":
        return None
    at = office.now()
    link = Link(
        request_id=request.id,
        user=user,
        digest=request.digest,
        expires_at=at + office.link_lifetime,
    )
    opened = await _opened(conn, office, link, request)
    if opened is None or opened.standing not in (Standing.READY, Standing.SIGN_IN):
        return None
    if request.state is not RequestState.OPEN:
        return None
    token = secrets.token_urlsafe(32)
    await links.insert(conn, digest(token), link, message=message, at=at)
    return office.url_of(f"{PATH}{token}")


async def forget_links(office: Office) -> None:
    """Delete the links that have expired long ago."""
    while True:
        async with office.database.connection() as conn:
            if not await links.delete_old(conn, office.now() - KEPT):
                return


async def look(office: Office, token: str) -> Opened:
    """What the link with this token is good for. To look changes nothing.

    Raises:
        LinkNotFound: There is none.
    """
    async with office.database.connection() as conn:
        link = await _get(conn, token)
        request = await requests.get(conn, link.request_id)
        opened = None if request is None else await _opened(conn, office, link, request)
    if opened is None:
        raise LinkNotFound
    return opened


async def decide_by_link(office: Office, token: str, ballot: Ballot) -> Opened:
    """Decide by a link. The vote, and that the link is used, commit together.

    If the link was not ready for it, nothing is changed: that is what the answer says.

    Raises:
        LinkNotFound: There is none.
        InvalidAnswer: The answer does not fit; the link can be used still.
    """
    async with office.database.transaction() as conn:
        request_id = (await _get(conn, token)).request_id
        locked = await requests.lock(conn, request_id)
        if locked is None:
            raise LinkNotFound
        thread, before = locked
        # Once more, as another click may have come before, for which this one has waited.
        opened = await _opened(conn, office, await _get(conn, token), before)
        if opened is None:
            raise LinkNotFound
        if opened.standing is not Standing.READY:
            return opened
        principal = opened.principal
        with acting(principal):
            _, lease = await cast(conn, office, thread, before, ballot, by=principal.name)
        used = await links.use(conn, digest(token), ballot.action, at=office.now())
        assert used, "the thread is locked, so nobody else has used it"
    office.take(lease)
    return await look(office, token)


async def _get(conn: Connection, token: str) -> Link:
    link = await links.get(conn, digest(token)) if _TOKEN.fullmatch(token) else None
    if link is None:
        raise LinkNotFound
    return link


async def _opened(conn: Connection, office: Office, link: Link, request: Request) -> Opened | None:
    user = await users.get(conn, link.user)
    if user is None:
        return None
    at = office.now()
    principal = user.principal(LINK)
    reviewer = await as_reviewer(conn, user.name, at=at, request=request)
    standing = link.standing(request, principal, reviewer, at)
    return Opened(link=link, request=request, principal=principal, standing=standing)
