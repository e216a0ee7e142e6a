"""Forms are sent only from our own pages: a cookie, and in each form a token made from it.

Another site can have a browser send a form here, but can neither read nor set the cookie, so that
it knows no token. A token differs each time, so that nothing about the cookie can be learned from
how well a page compresses. The cookie is not sent along with what other sites have a browser post
(``SameSite=Lax``; with ``Strict`` a link from elsewhere would come without it, be given a new one,
and make the forms of all open pages useless).
"""

from __future__ import annotations

import hmac
import re
from secrets import token_hex

from starlette.requests import Request
from starlette.responses import Response

from signoff import cookies
from signoff.domain.errors import Forbidden

COOKIE = "signoff_csrf"
FIELD = "csrf"

_SECRET = re.compile(r"[0-9a-f]{32}")


def secret_of(request: Request) -> str:
    """The secret of this browser: that of its cookie, else a new one for `keep`."""
    known = cookies.get(request, COOKIE) or ""
    if not _SECRET.fullmatch(known):
        known = request.scope.setdefault("signoff.csrf", token_hex(16))
    return known


def keep(request: Request, response: Response) -> None:
    """Have the browser keep its secret, if it is new."""
    if (fresh := request.scope.get("signoff.csrf")) is not None:
        cookies.keep(request, response, COOKIE, fresh)


def token(request: Request) -> str:
    """A token for a form of this page."""
    salt = token_hex(8)
    return f"{salt}{_sealed(salt, secret_of(request))}"


def check(request: Request, given: str) -> None:
    """Return if a form with this token came from one of our pages in this browser.

    Raises:
        Forbidden: It did not.
    """
    known = cookies.get(request, COOKIE) or ""
    site = request.headers.get("sec-fetch-site", "same-origin")
    salt, seal = given[:16], given[16:]
    if (
        site not in ("same-origin", "none")
        or not _SECRET.fullmatch(known)
        or not hmac.compare_digest(seal.encode(), _sealed(salt, known).encode())
    ):
        raise Forbidden(
            "This form did not come from a page that this browser has open, or its cookies are "
            "gone. Nothing was changed: load the page again and send it once more."
        )


def _sealed(salt: str, secret: str) -> str:
    return hmac.digest(secret.encode(), salt.encode(), "sha256").hex()
