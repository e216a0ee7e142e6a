"""Who may be somebody else here."""

from __future__ import annotations

from starlette.requests import Request

from signoff.own_machine import OwnMachine


def to_act_as(request: Request) -> list[str] | None:
    """Whom one may act as, oneself first; None where one may not."""
    oneself = request.app.state.authenticate
    if not isinstance(oneself, OwnMachine):
        return None
    users = request.app.state.desk.office.book().users
    return list(dict.fromkeys([oneself.name, *(user.name for user in users)]))
