"""Signing in with an OpenID provider: sent there, and back again."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from signoff.db import identities, sessions
from signoff.db.identities import Flow
from signoff.domain.errors import RateLimited, SignInRefused
from signoff.domain.identity import OPENID
from signoff.domain.key import digest
from signoff.openid.provider import Provider
from signoff.service.identities import admit
from signoff.service.office import Office
from signoff.service.sessions import WINDOW, Beginning, begin, note_failure
from signoff.service.users import tell

LASTS = timedelta(minutes=15)
"""How long somebody may be away at the provider."""

TRIES = 1000
"""How often one address may be sent there in `WINDOW`: a firm may be behind one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a browser comes back with from the provider."""

    state: str
    code: str | None = None
    error: str | None = None
    description: str | None = None
    issuer: str | None = None


async def start(
    office: Office,
    provider: Provider,
    *,
    browser: str,
    redirect_uri: str,
    next: str,
    again: bool,
    address: str,
) -> str:
    """Where a browser, known by its secret, is to go to; then it comes back to `redirect_uri`.

    Raises:
        ProviderUnavailable: The provider does not answer.
        RateLimited: There were too many attempts.
    """
    state = secrets.token_urlsafe(32)
    at = office.now()
    flow = Flow(
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next=next,
        again=again,
        started_at=at,
    )
    async with office.database.transaction() as conn:
        subject = f"provider from {address}"
        if not await sessions.attempt(conn, {subject: TRIES}, at=at, within=WINDOW):
            raise RateLimited("There were too many attempts. Wait a while.", retry_after=WINDOW)
    url = await provider.authorization_url(
        redirect_uri, state=state, nonce=flow.nonce, verifier=flow.verifier, again=again
    )
    async with office.database.transaction() as conn:
        await identities.delete_old(conn, before=at - LASTS)
        await identities.begin(conn, digest(state), digest(browser), flow)
    return url


async def take(office: Office, answer: Answer, *, browser: str) -> Flow:
    """What a browser was sent for, once.

    Raises:
        SignInRefused: It was not sent with that state, or too long ago, or is back already.
    """
    async with office.database.transaction() as conn:
        flow = await identities.take(conn, digest(answer.state), digest(browser))
    if flow is None or office.now() - flow.started_at > LASTS:
        raise SignInRefused("This sign-in is over, or began in another browser. Sign in again.")
    return flow


async def finish(
    office: Office,
    provider: Provider,
    flow: Flow,
    answer: Answer,
    *,
    redirect_uri: str,
    address: str,
    instead_of: str | None,
) -> str:
    """Begin a session of whoever the provider says it is; its token.

    Raises:
        SignInRefused: The provider says nobody, or nothing that proves it, or who is not let in.
        ProviderUnavailable: It does not answer.
    """
    async with _failures_noted(office, provider, address):
        await provider.check_issuer(answer.issuer)
        if answer.error is not None or not answer.code:
            raise SignInRefused(_why(provider, answer))
        tokens = await provider.redeem(answer.code, redirect_uri, verifier=flow.verifier)
        account = await provider.account(
            tokens, nonce=flow.nonce, authenticated_since=flow.started_at if flow.again else None
        )
        at = office.now()
        async with office.database.transaction() as conn:
            user, entries = await admit(conn, provider.settings, account, at)
            beginning = Beginning(
                user=user.name,
                method=OPENID,
                at=at,
                authenticated_at=account.authenticated_at,
                address=address,
                id_token=tokens.id_token,
                details={"issuer": account.issuer, "subject": account.subject},
            )
            token = await begin(conn, office, beginning, instead_of=instead_of, also=entries)
        if entries:
            await tell(office)
        return token


@asynccontextmanager
async def _failures_noted(office: Office, provider: Provider, address: str) -> AsyncIterator[None]:
    """Whoever is not let in meanwhile is in the audit."""
    try:
        yield
    except SignInRefused as error:
        await note_failure(
            office,
            office.now(),
            method=OPENID,
            issuer=provider.settings.issuer,
            reason=error.message,
            address=address,
        )
        raise


def _why(provider: Provider, answer: Answer) -> str:
    """What the provider gives as the reason for letting nobody in."""
    name = provider.settings.name
    if answer.error == "access_denied" and not answer.description:
        return f"{name} has not let you in, or you did not want it to."
    said = answer.description or answer.error or "it sends neither a code nor an error"
    return f"{name} has not let you in: {said:.300}"
