"""People, their groups, and who stands in for them while they are away."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from signoff.domain.address import EMAIL, channel_of
from signoff.domain.admission import Reviewer
from signoff.domain.errors import FieldError
from signoff.domain.policy import Policy, is_group
from signoff.domain.preferences import BY_DEFAULT, Preferences
from signoff.domain.principal import GROUP, KEY, Principal, Role, within


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """A time away, and who decides meanwhile what is asked of the user by name.

    From `since` on, up to but not including `until`; None leaves that end open.
    """

    substitute: str
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Whether it is under way at that moment."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody who may be asked. Groups are named without ``group:`` here.

    `graphs` limits what they may know of and do to what belongs to these graphs; None is all.

    `addresses` are those of chats, as Apprise has them: they hold secrets. `preferences` are what
    a file or an admin says for them, `chosen` is what they chose themselves.
    """

    name: str
    groups: tuple[str, ...] = ()
    email: str | None = None
    absences: tuple[Absence, ...] = ()
    role: Role = Role.REVIEWER
    graphs: tuple[str, ...] | None = None
    addresses: tuple[str, ...] = ()
    preferences: Preferences = BY_DEFAULT
    chosen: Preferences | None = None

    @property
    def wishes(self) -> Preferences:
        """How they are told: as they chose, else as is said for them."""
        return self.chosen or self.preferences

    @property
    def ways(self) -> tuple[tuple[str, str], ...]:
        """All channels that reach them, each with its address."""
        email = () if self.email is None else ((EMAIL, self.email),)
        return (*email, *((channel_of(address), address) for address in self.addresses))

    def principal(self, method: str, *, signed_in_at: datetime | None = None) -> Principal:
        """Them as those who act; `method` says how it is known who they are."""
        return Principal(
            name=self.name,
            role=self.role,
            graphs=within(self.graphs, None),
            method=method,
            signed_in_at=signed_in_at,
        )

    def substitutes(self, at: datetime) -> frozenset[str]:
        """Who stands in for this user at that moment."""
        return frozenset(absence.substitute for absence in self.absences if absence.covers(at))


def reviewer(name: str, users: Iterable[User], *, at: datetime) -> Reviewer:
    """A principal with the groups it is in, and the users that it stands in for at that moment.

    One that is no user is in no group. A substitute's substitute stands in for the former only.
    """
    groups: set[str] = set()
    absent: set[str] = set()
    for user in users:
        if user.name == name:
            groups.update(user.groups)
        elif name in user.substitutes(at):
            absent.add(user.name)
    return Reviewer(name=name, groups=frozenset(groups), substitute_of=frozenset(absent))


class Directory:
    """All users, to look up one after the other who a principal is."""

    def __init__(self, users: Iterable[User]) -> None:
        self._around: dict[str, list[User]] = {}
        for user in users:
            names = {user.name, *(absence.substitute for absence in user.absences)}
            for name in names:
                self._around.setdefault(name, []).append(user)

    def reviewer(self, name: str, at: datetime) -> Reviewer:
        """A principal as `reviewer` has it."""
        return reviewer(name, self._around.get(name, ()), at=at)


@dataclass(frozen=True, slots=True)
class People:
    """The names of all users that there are, and of their groups."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @classmethod
    def of(cls, users: Iterable[User]) -> Self:
        """Those of these users."""
        users = tuple(users)
        groups = frozenset(group for user in users for group in user.groups)
        return cls(frozenset(user.name for user in users), groups)

    def strange_groups(self, policy: Policy) -> list[FieldError]:
        """The groups that a policy names that there are not, each with where."""
        return self._missing(_groups(policy))

    def strange_users(self, policy: Policy) -> list[FieldError]:
        """The users that a policy names that there are not yet, each with where.

        Where there is no user at all, it is left to whatever signs people in who there is.
        """
        named = policy.named() if self.users else ()
        return self._missing((at, name) for at, name in named if not is_group(name))

    def _missing(self, named: Iterable[tuple[str, str]]) -> list[FieldError]:
        return [FieldError(at, message) for at, name in named if (message := self.stranger(name))]

    def stranger(self, named: str) -> str | None:
        """Why a user or a ``group:`` is none of these; None if it is one, or an API key."""
        if named.startswith(KEY):
            return None
        name = named.removeprefix(GROUP)
        what, there = ("group", self.groups) if is_group(named) else ("user", self.users)
        return None if name in there else unknown(what, name, there)


def _groups(policy: Policy) -> Iterator[tuple[str, str]]:
    return ((at, name) for at, name in policy.named() if is_group(name))


def unknown(what: str, name: str, known: Collection[str], *, listed: bool = False) -> str:
    """That something names what there is not, with a similar name that there is."""
    similar = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {similar[0]}?)" if similar else ""
    choices = f"; they are {', '.join(known)}" if listed and not similar else ""
    return f"names {name!r:.80}, and there is no such {what}{hint}{choices}"


def groups_of(users: Iterable[User]) -> dict[str, list[str]]:
    """The groups by name, each with the names of those in it, in order."""
    found: dict[str, list[str]] = {}
    for user in users:
        for group in user.groups:
            found.setdefault(group, []).append(user.name)
    return {group: sorted(found[group]) for group in sorted(found)}
