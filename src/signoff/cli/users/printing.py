"""Users as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from signoff.cli.output import Column, moment, print_table
from signoff.domain.principal import Role
from signoff.domain.user import Absence, User


def print_users(users: Iterable[User]) -> None:
    """Print a table of users."""
    print_table(
        [
            Column("USER"),
            Column("GROUPS", wraps=True),
            Column("ROLE"),
            Column("E-MAIL"),
            Column("AWAY", wraps=True),
        ],
        [
            (
                user.name,
                ", ".join(user.groups),
                role(user.role, user.graphs),
                user.email or "",
                "; ".join(map(away, user.absences)),
            )
            for user in users
        ],
    )


def role(given: Role, graphs: Sequence[str] | None) -> str:
    """How far somebody may go, in words."""
    return given.value if graphs is None else f"{given.value} on {', '.join(graphs) or 'nothing'}"


def away(absence: Absence) -> str:
    """A time away in words."""
    since = "" if absence.since is None else f"from {moment(absence.since)} "
    until = "" if absence.until is None else f"until {moment(absence.until)} "
    return f"{since}{until}{absence.substitute} stands in"
