"""Who a principal is: the groups it is in, whom it stands in for, and when it has signed in."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from signoff.acting import known
from signoff.db import users
from signoff.db.pool import Connection
from signoff.domain.admission import Reviewer, check_sign_in
from signoff.domain.request import Request
from signoff.domain.user import reviewer


async def as_reviewer(
    conn: Connection, name: str, *, at: datetime, request: Request | None = None
) -> Reviewer:
    """A principal as a reviewer; of a `request` that names nobody, its name is all that counts.

    Whoever acts right now is also in the groups that are known of them from elsewhere.
    """
    if request is not None and not request.policy.to:
        return Reviewer(name=name)
    found = reviewer(name, await users.around(conn, name), at=at)
    principal = known(name)
    if principal is not None and principal.groups:
        return replace(found, groups=found.groups | principal.groups)
    return found


def check_fresh(request: Request, name: str, at: datetime) -> None:
    """Return if whoever acts has signed in as lately as the request's policy asks for.

    Where nobody has asked who acts, as in a program that holds the desk itself, that vouches.

    Raises:
        SignInTooOld: They have not.
        Forbidden: They cannot: it is an API key.
    """
    principal = known(name)
    if principal is not None:
        check_sign_in(principal, request.policy, at)
