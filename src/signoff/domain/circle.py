"""Whom a request concerns, of all users that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from signoff.domain.admission import Reviewer, admits
from signoff.domain.principal import GROUP, Role
from signoff.domain.request import Request
from signoff.domain.user import User, reviewer


class Circle:
    """All users, to find those that a request concerns at a moment.

    Many requests can be asked about: who is in which group, and who stands in for whom, is found
    out once.
    """

    def __init__(self, users: Iterable[User], at: datetime) -> None:
        self._users = {user.name: user for user in users}
        self._members: dict[str, list[str]] = {}
        self._substitutes: dict[str, frozenset[str]] = {}
        absent: dict[str, list[User]] = {}
        for user in self._users.values():
            for group in user.groups:
                self._members.setdefault(GROUP + group, []).append(user.name)
            self._substitutes[user.name] = user.substitutes(at)
            for name in self._substitutes[user.name]:
                absent.setdefault(name, []).append(user)
        self._reviewers = {
            user.name: reviewer(user.name, (user, *absent.get(user.name, ())), at=at)
            for user in self._users.values()
        }

    def reviewer(self, user: User) -> Reviewer:
        """A user with the groups they are in and whom they stand in for."""
        return self._reviewers[user.name]

    def named(self, names: Collection[str]) -> list[User]:
        """The users of these names that there are."""
        return [self._users[name] for name in dict.fromkeys(names) if name in self._users]

    def asked(self, request: Request) -> list[User]:
        """Those who may decide a request: whom its policy admits, by role and graph as well.

        Of one that names nobody they are all reviewers.
        """
        named = request.audience if request.policy.to else None
        return self._admitted(request, named)

    def among(self, request: Request, people: Collection[str]) -> list[User]:
        """Those of these users and groups, and who stands in for them, that may decide it."""
        return self._admitted(request, people)

    def keepers(self, graph: str) -> list[User]:
        """Those who see to what has failed: the operators and admins of a graph."""
        return [
            user
            for user in self._users.values()
            if user.role.includes(Role.OPERATOR) and _sees(user, graph)
        ]

    def _admitted(self, request: Request, people: Collection[str] | None) -> list[User]:
        names = self._users.keys() if people is None else self._around(people)
        return [
            user
            for user in self.named(list(names))
            if user.role.includes(Role.REVIEWER)
            and _sees(user, request.graph)
            and admits(
                self._reviewers[user.name],
                request.policy,
                involved=request.involved,
                reached=request.reached,
                delegations=request.delegations,
            )
        ]

    def _around(self, people: Iterable[str]) -> list[str]:
        """The users of these names, those in these groups, and who stands in for the former."""
        found: dict[str, None] = {}
        for name in people:
            members = self._members.get(name, ()) if name.startswith(GROUP) else (name,)
            found.update(dict.fromkeys(members))
            found.update(dict.fromkeys(sorted(self._substitutes.get(name, ()))))
        return list(found)


def _sees(user: User, graph: str) -> bool:
    return user.graphs is None or graph in user.graphs
