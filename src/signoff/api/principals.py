"""Who calls without an API key, where a server believes what callers say of themselves."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import Request

from signoff.authentication import Authenticate
from signoff.domain.errors import Forbidden, InvalidInput, Unauthenticated
from signoff.domain.principal import DEV, Principal, Role, check_principal
from signoff.service.users import as_user

HEADER = "X-Signoff-Principal"

ACTS_AS = "signoff_acts_as"
"""The cookie that names whom one acts as, in hexadecimal, where one may act as anybody."""


def header_principal(request: Request) -> Principal:
    """Whoever the header says: for where something in front of Signoff sets it, and nobody else.

    Raises:
        Unauthenticated: The header is absent, doubled, or is no name that a principal can have.
    """
    named = _named(request)
    if named is None:
        raise Unauthenticated(f"Say who calls: send the header {HEADER}, or an API key.")
    return named


def dev_principal(name: str = "dev") -> Authenticate:
    """Whoever the header says, else `name`: for one's own machine, where everyone is oneself.

    In the inbox one may act as somebody else: a cookie of its pages says so, behind the header.

    A web page that is open in a browser on this machine is not oneself: what it sends is refused,
    whether it names this server or has its own name resolve to it.
    """

    async def authenticate(request: Request) -> Principal:
        if not _is_loopback(request.headers.get("host", "")) or _is_foreign(request):
            raise Forbidden(
                "This server is for programs and pages of this machine: use its own address."
            )
        if (named := _named(request)) is not None:
            return named
        if (acted := _acted(request)) is not None:
            return await as_user(request.app.state.desk.office, acted)
        return Principal(name=name, role=Role.ADMIN, method=DEV)

    authenticate.acts_as = ACTS_AS  # type: ignore[attr-defined]
    return authenticate


def _acted(request: Request) -> str | None:
    try:
        return check_principal(bytes.fromhex(request.cookies.get(ACTS_AS, "")).decode())
    except (InvalidInput, ValueError):
        return None


def _named(request: Request) -> Principal | None:
    given = [value for key, value in request.headers.raw if key == _RAW_HEADER]
    if not given:
        return None
    try:
        if len(given) > 1:
            raise InvalidInput("there are several")
        return Principal(name=given[0].decode(), role=Role.ADMIN, method="header")
    except (InvalidInput, UnicodeDecodeError) as error:
        raise Unauthenticated(f"The header {HEADER} names no principal: {error}") from error


_RAW_HEADER = HEADER.lower().encode()


def _is_loopback(host: str) -> bool:
    """Whether the address that the caller has asked for is this machine's own."""
    name = host.partition("]")[0].removeprefix("[") if host[:1] == "[" else host.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_foreign(request: Request) -> bool:
    """Whether a page of another origin makes the browser send this."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
