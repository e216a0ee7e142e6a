"""Who calls `signoff dev`, where everyone is oneself: `dev`, or a user that one acts as."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request

from signoff.answering import named_host
from signoff.authentication import ignore_header
from signoff.domain.errors import Forbidden
from signoff.domain.principal import DEV, Principal, Role
from signoff.service.users import as_user

ACTS_AS = "signoff_acts_as"
"""The cookie that names the user that one acts as, with whatever a cookie cannot hold escaped."""


@dataclass(frozen=True, slots=True)
class OwnMachine:
    """Knows whoever calls from this machine, an admin by `name`; a cookie has them act as a user.

    A web page that is open in a browser on this machine is not oneself: what it sends is refused,
    whether it names this server or has its own name resolve to it.
    """

    name: str = DEV

    async def __call__(self, request: Request) -> Principal:
        """Who calls.

        Raises:
            Forbidden: Something that is not of this machine does, or one is to act as somebody who
                is no user.
        """
        if not _is_loopback(request.headers.get("host", "")) or _is_foreign(request):
            raise Forbidden(
                "This server is for programs and pages of this machine: use its own address."
            )
        ignore_header(request)
        user = unquote(request.cookies.get(ACTS_AS, ""))
        if not user:
            return Principal(name=self.name, role=Role.ADMIN, method=DEV)
        return await as_user(request.app.state.desk.office, user)


def acting_as(user: str) -> str:
    """The value of the cookie that has one act as a user."""
    return quote(user, safe="")


def _is_loopback(host: str) -> bool:
    """Whether the address that the caller has asked for is this machine's own."""
    name = named_host(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_foreign(request: Request) -> bool:
    """Whether a page of another origin makes the browser send this."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("none", "same-origin")
    # Browsers that do not say this do say where what they post comes from; programs say neither.
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
