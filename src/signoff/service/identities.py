"""Who somebody at an OpenID provider is here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from signoff.db import audit, identities, notices, sessions, users
from signoff.db.identities import Identity
from signoff.db.pool import Connection
from signoff.domain.audit import ACCESS, AuditEntry
from signoff.domain.errors import SignInRefused, UserNotFound
from signoff.domain.identity import EMAIL, Account
from signoff.domain.principal import SYSTEM, Role, check_principal
from signoff.domain.user import User
from signoff.openid.settings import OpenIdSettings
from signoff.service.office import Office
from signoff.service.users import change_of


async def admit(
    conn: Connection, settings: OpenIdSettings, account: Account, at: datetime
) -> tuple[User, list[AuditEntry]]:
    """The user that somebody is, as the provider has them now; what of it is new.

    Raises:
        SignInRefused: They are nobody here.
    """
    issuer, subject = account.issuer, account.subject
    name = await identities.user_of(conn, issuer, subject)
    if name is None:
        await identities.one_at_a_time(conn, issuer)
        name = await identities.user_of(conn, issuer, subject)
    first, made = name is None, False
    if name is None:
        name = await _first(conn, settings, account)
    else:
        made = await identities.signed_in(conn, issuer, subject, at=at)
    before = await users.lock(conn, name)
    if before is None and not first:
        raise SignInRefused("Your user has just been removed.")
    role = settings.rules.default_role
    after = before or replace(User(name=name, email=account.email), role=role or Role.REVIEWER)
    after = _as_said(account, after, email=made)
    entries = []
    if after != before:
        await users.put(conn, after)
        await notices.users_changed(conn)
        entries.append(change_of(before, after, by=SYSTEM, at=at))
    if first:
        await identities.link(conn, issuer, subject, name, made_user=before is None, at=at)
        entries.append(_linked("user.linked", name, issuer, subject, by=SYSTEM, at=at))
    return after, entries


async def _first(conn: Connection, settings: OpenIdSettings, account: Account) -> str:
    """The name of the user that somebody is who has not signed in before.

    One whom somebody else at the provider is already is not theirs: names and e-mail addresses
    are given to others when people leave, subjects never are.
    """
    any_case = settings.name_claim == EMAIL
    found = await identities.users_named(conn, account.name, any_case=any_case)
    if account.name in found:
        found = [account.name]
    if len(found) > 1:
        raise SignInRefused(f"There are several users of the name {account.name} here.")
    if not found:
        if not settings.create_users:
            raise SignInRefused(f"There is no user {account.name} here: ask an admin to add you.")
        return account.name
    if await identities.is_linked(conn, account.issuer, found[0]):
        raise SignInRefused(
            f"The user {found[0]} here is another person at {settings.name}, who had your "
            "name before. Ask an admin: `signoff users unlink` lets you take it over."
        )
    return found[0]


def _as_said(account: Account, user: User, *, email: bool) -> User:
    """A user as the provider has them: what it does not say stays."""
    return replace(
        user,
        email=account.email if email and account.email is not None else user.email,
        groups=user.groups if account.groups is None else account.groups,
        role=user.role if account.role is None else account.role,
        graphs=user.graphs if account.limit is None else account.limit.graphs,
    )


async def unlink(office: Office, name: str, *, by: str) -> list[Identity]:
    """Forget who a user is at providers, and end their sessions; who it was.

    Raises:
        UserNotFound: There is no such user.
    """
    check_principal(by)
    at = office.now()
    async with office.database.transaction() as conn:
        if await users.lock(conn, name) is None:
            raise UserNotFound.of(name)
        gone = await identities.unlink(conn, name)
        if gone:
            await sessions.end_all(conn, [name])
            await notices.access_changed(conn)
        entries = [
            _linked("user.unlinked", name, each.issuer, each.subject, by=by, at=at) for each in gone
        ]
        await audit.append(conn, *entries)
    return gone


def _linked(
    event: str, user: str, issuer: str, subject: str, *, by: str, at: datetime
) -> AuditEntry:
    data = {"user": user, "issuer": issuer, "subject": subject}
    return AuditEntry(event=event, thread_id=ACCESS, by=by, at=at, data=data)
