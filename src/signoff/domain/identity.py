"""What the claims of an OpenID provider make of somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from signoff.domain.errors import InvalidInput, SignInRefused
from signoff.domain.principal import GROUP, Role, check_principal, check_user

EMAIL = "email"
"""The claim that is a name only where the provider has verified it."""

VERIFIED = "email_verified"
"""The claim that says whether it has."""

OPENID = "oidc"
"""How those are known whom an OpenID provider has signed in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How claims are read. A claim is given by its name, or by a path such as ``realm.roles``.

    `roles` gives a role to those with a value in the roles' claim, or in a group: the highest that
    somebody has holds, else `default_role`, where None lets nobody in. `graphs` likewise says which
    graphs a group may know of, where None is all; all that somebody has hold together. Without
    `roles` or `graphs` it is left to the user what they are.
    """

    name_claim: str = EMAIL
    groups_claim: str | None = None
    roles_claim: str | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    default_role: Role | None = Role.REVIEWER
    graphs: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    domains: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    trust_email: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Somebody at a provider. `groups`, `role` and `graphs` are None where it is not said."""

    issuer: str
    subject: str
    name: str
    email: str | None = None
    groups: tuple[str, ...] | None = None
    role: Role | None = None
    limit: Limit | None = None
    authenticated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """The graphs that somebody may know of; None is all."""

    graphs: tuple[str, ...] | None


def account(
    rules: Rules, claims: Mapping[str, Any], *, authenticated_at: datetime | None
) -> Account:
    """The account that these claims are about, which are the provider's own.

    Raises:
        SignInRefused: Nobody can be made of them, or nobody who is let in.
    """
    email = verified_email(rules, claims)
    groups = tuple(_names(claim(claims, rules.groups_claim))) if rules.groups_claim else None
    if rules.domains and (email is None or email.rpartition("@")[2] not in rules.domains):
        raise SignInRefused("Nobody with your e-mail address is let in here.")
    if rules.groups and rules.groups.isdisjoint(groups or ()):
        raise SignInRefused("You are in none of the groups that are let in here.")
    return Account(
        issuer=claims["iss"],
        subject=claims["sub"],
        name=_name(rules, claims, email),
        email=email,
        groups=groups,
        role=_role(rules, claims, groups or ()),
        limit=_limit(rules, groups or ()),
        authenticated_at=authenticated_at,
    )


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, else the one that a path with dots leads to; None if there is none.

    A name comes first, as there are claims such as ``https://firm.com/groups``.
    """
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def joined(claims: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Claims with those that were asked for besides, which hold where the first say nothing.

    Whether an e-mail address is verified is taken from where the address is from: what is said of
    one address is not said of another.
    """
    source = claims if claims.get(EMAIL) is not None else further
    both = {**further, **{name: value for name, value in claims.items() if value is not None}}
    if claims.get(EMAIL) != further.get(EMAIL):
        both[VERIFIED] = source.get(VERIFIED)
    return both


def wanted(rules: Rules) -> Iterator[str]:
    """The claims that the rules read."""
    yield from {
        each: None
        for each in (EMAIL, rules.name_claim, rules.groups_claim, rules.roles_claim)
        if each is not None
    }


def verified_email(rules: Rules, claims: Mapping[str, Any]) -> str | None:
    """Their e-mail address, in small letters, if it is really theirs as far as it is known.

    What a provider says to be unverified is never taken; where it says nothing, `trust_email` does.
    Some have it as a text.
    """
    email, verified = claims.get(EMAIL), claims.get(VERIFIED)
    if not isinstance(email, str) or "@" not in email.strip("@ "):
        return None
    if verified is None:
        verified = rules.trust_email
    return email.strip().lower() if verified is True or verified == "true" else None


def _name(rules: Rules, claims: Mapping[str, Any], email: str | None) -> str:
    name = email if rules.name_claim == EMAIL else claim(claims, rules.name_claim)
    if name is None and rules.name_claim == EMAIL and claims.get(EMAIL):
        raise SignInRefused("Your e-mail address is not verified at the provider.")
    if not isinstance(name, str) or not name:
        raise SignInRefused(f"The provider does not say your name: it sends no {rules.name_claim}.")
    try:
        return check_user(name)
    except InvalidInput as error:
        raise SignInRefused(f"Nobody can have your name here: {error.message}.") from error


def _role(rules: Rules, claims: Mapping[str, Any], groups: tuple[str, ...]) -> Role | None:
    if not rules.roles:
        return None
    values = tuple(_names(claim(claims, rules.roles_claim))) if rules.roles_claim else groups
    given = [rules.roles[value] for value in values if value in rules.roles]
    role = max(given, key=list(Role).index, default=rules.default_role)
    if role is None:
        raise SignInRefused("None of your groups has a role here.")
    return role


def _limit(rules: Rules, groups: tuple[str, ...]) -> Limit | None:
    if not rules.graphs:
        return None
    given = [rules.graphs[group] for group in groups if group in rules.graphs]
    if not given:
        raise SignInRefused("None of your groups may know of any graph here.")
    if None in given:
        return Limit(None)
    return Limit(tuple(dict.fromkeys(graph for graphs in given for graph in graphs or ())))


def _names(value: Any) -> Iterator[str]:
    """The names in a claim, a list or a single one, each once; what is no name is passed over."""
    listed = value if isinstance(value, list) else [value]
    seen = set()
    for each in listed:
        name = each.removeprefix(GROUP) if isinstance(each, str) else ""
        try:
            check_principal(name)
        except InvalidInput:
            continue
        if name not in seen:
            seen.add(name)
            yield name
