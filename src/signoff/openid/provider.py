"""What is said with an OpenID provider: OpenID Connect Core 1.0, with the authorization code, PKCE
(RFC 7636), state and nonce; Discovery 1.0; RP-Initiated Logout 1.0.

Authlib makes the calls and judges what comes back; what is decided here is which of a provider's
answers count. Nothing is called inside of a transaction, and nothing waits longer than `TIMEOUT`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import httpx2
from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet, OctKey, import_key
from joserfc.jws import JWSRegistry

from signoff.domain import identity
from signoff.domain.errors import ProviderUnavailable, SignInRefused
from signoff.domain.identity import Account
from signoff.log import get_logger
from signoff.openid.settings import OpenIdSettings, is_trustworthy

log = get_logger(__name__)

TIMEOUT = 10.0
"""Seconds that one step with the provider may take, with all calls that belong to it."""

KNOWN_FOR = 3600.0
"""Seconds for which what a provider says about itself holds. New keys are asked for at once."""

LEEWAY = timedelta(seconds=60)
"""How far the provider's clock may be from ours."""

SIGNED_BY = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
    | {"Ed25519"}
)
"""How identities may be signed: by a key that nobody but the provider has. Never ``none``."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gives for a code."""

    id_token: str
    access_token: str | None


class Provider:
    """An OpenID provider, as a client of its own knows it."""

    def __init__(self, settings: OpenIdSettings, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self._now = now
        self._metadata: Mapping[str, Any] = {}
        self._known_until = 0.0
        self._keys: KeySet | None = None
        self._asking: asyncio.Task[Mapping[str, Any]] | None = None

    async def authorization_url(
        self, redirect_uri: str, *, state: str, nonce: str, verifier: str, again: bool
    ) -> str:
        """Where a browser is sent to; with `again`, for somebody to show anew who they are.

        Raises:
            ProviderUnavailable: It cannot be found out.
        """
        metadata = await self.metadata()
        anew: dict[str, Any] = {}
        if again:
            anew = {"prompt": "login", "max_age": 0}
            if metadata.get("claims_parameter_supported") is True:
                anew["claims"] = '{"id_token":{"auth_time":{"essential":true}}}'
        async with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                redirect_uri=redirect_uri,
                state=state,
                nonce=nonce,
                code_verifier=verifier,
                **anew,
            )
        return str(url)

    async def sign_out_url(self, id_token: str | None, back: str) -> str | None:
        """Where somebody signs out of the provider; None if that is not known."""
        if not self.settings.sign_out_there:
            return None
        try:
            metadata = await self.metadata()
        except ProviderUnavailable:
            return None
        endpoint = metadata.get("end_session_endpoint")
        if not isinstance(endpoint, str) or not is_trustworthy(endpoint):
            return None
        given = {"client_id": self.settings.client_id, "post_logout_redirect_uri": back}
        if id_token is not None:
            given["id_token_hint"] = id_token
        return str(add_params_to_uri(endpoint, list(given.items())))

    async def check_issuer(self, said: str | None) -> None:
        """Return if an answer that says so comes from this provider (RFC 9207).

        Raises:
            SignInRefused: It comes from another one, or it is not said and it always says so.
            ProviderUnavailable: It cannot be found out whether it does.
        """
        metadata = await self.metadata()
        always = metadata.get("authorization_response_iss_parameter_supported") is True
        if said != self.settings.issuer and (said is not None or always):
            raise SignInRefused("This answer comes from another provider.")

    async def redeem(self, code: str, redirect_uri: str, *, verifier: str) -> Tokens:
        """What the provider gives for a code.

        Raises:
            ProviderUnavailable: It does not answer.
            SignInRefused: It does not take the code.
        """
        metadata = await self.metadata()
        async with self._client(metadata) as client:
            try:
                given = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=verifier,
                )
            except OAuthError as error:
                log.warning("the OpenID provider takes no code", error=error.error)
                raise SignInRefused(
                    f"{self.settings.name} does not take this sign-in: "
                    f"{error.description or error.error:.200}"
                ) from error
        id_token, access_token = given.get("id_token"), given.get("access_token")
        if not isinstance(id_token, str):
            raise SignInRefused(f"{self.settings.name} does not say who you are.")
        return Tokens(id_token, access_token if isinstance(access_token, str) else None)

    async def account(
        self, tokens: Tokens, *, nonce: str, authenticated_since: datetime | None = None
    ) -> Account:
        """Whom these tokens are about; with `authenticated_since`, who has shown it since then.

        Raises:
            ProviderUnavailable: It does not answer.
            SignInRefused: The tokens prove nothing, or not to us, or not now; or whoever it is, is
                not let in.
        """
        try:
            claims = await self._proven(tokens, nonce)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("what the OpenID provider says proves nothing", error=repr(error)[:300])
            raise SignInRefused(
                f"What {self.settings.name} says about you cannot be believed. Sign in again."
            ) from error
        authenticated_at = self._authenticated_at(claims)
        if authenticated_since is not None and (
            authenticated_at is None or authenticated_at < authenticated_since - LEEWAY
        ):
            raise SignInRefused(
                f"{self.settings.name} has not asked you anew who you are, "
                + ("or does not say when." if authenticated_at is None else "as it was told to.")
            )
        rules = self.settings.rules
        if any(identity.claim(claims, each) is None for each in identity.wanted(rules)):
            claims = identity.joined(claims, await self._further(tokens, claims["sub"]))
        if rules.groups_claim and rules.groups_claim in (claims.get("_claim_names") or ()):
            # As Entra ID has it: to go on without groups would be to guess.
            raise SignInRefused(f"You are in more groups than {self.settings.name} sends.")
        return identity.account(rules, claims, authenticated_at=authenticated_at)

    async def metadata(self) -> Mapping[str, Any]:
        """What the provider says about itself.

        All who want to know at once are told by one call, that it does not answer too: else they
        would wait in a line, each until the call of the one before has timed out.

        Raises:
            ProviderUnavailable: It does not, or it is another one, or cannot be trusted.
        """
        if time.monotonic() <= self._known_until:
            return self._metadata
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="signoff provider")
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Mapping[str, Any]:
        self._metadata = self._checked(
            await self._get(get_well_known_url(self.settings.issuer, external=True))
        )
        self._keys = None  # one may have been withdrawn
        self._known_until = time.monotonic() + KNOWN_FOR
        return self._metadata

    def _asked(self, asking: asyncio.Task[Mapping[str, Any]]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # Nobody may be left who wants to know.

    def _checked(self, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        said = metadata.get("issuer")
        if said != self.settings.issuer:
            log.error("the OpenID provider has another name", issuer=said)
            raise self._unavailable("names itself otherwise than `issuer` in signoff.toml has it")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(metadata.get(name), str) or not is_trustworthy(metadata[name]):
                raise self._unavailable(f"has no {name} that can be trusted")
        return metadata

    async def _proven(self, tokens: Tokens, nonce: str) -> dict[str, Any]:
        """The claims of an id token that this provider has signed, for us, for this sign-in."""
        metadata = await self.metadata()
        offered = metadata.get("id_token_signing_alg_values_supported")
        algorithms = SIGNED_BY.intersection(offered if isinstance(offered, list) else ["RS256"])
        # `strict_check_header` is about headers beyond the standard's, which some providers send.
        registry = JWSRegistry(algorithms=sorted(algorithms), strict_check_header=False)
        try:
            token = jwt.decode(tokens.id_token, await self._key_set(), registry=registry)
        except (InvalidKeyIdError, BadSignatureError):
            # It may have new keys by now, and perhaps under an old name.
            token = jwt.decode(tokens.id_token, await self._key_set(anew=True), registry=registry)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": self.settings.issuer},
                "sub": {"essential": True},
                "aud": {"essential": True, "value": self.settings.client_id},
            },
            {
                "nonce": nonce,
                "client_id": self.settings.client_id,
                "access_token": tokens.access_token,
            },
        )
        claims.validate(int(self._now().timestamp()), int(LEEWAY.total_seconds()))
        return dict(claims)

    def _authenticated_at(self, claims: Mapping[str, Any]) -> datetime | None:
        """When somebody has shown the provider who they are; never in the future."""
        said = claims.get("auth_time")
        if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said < 1e11:
            return None
        return min(datetime.fromtimestamp(said, UTC), self._now())

    async def _further(self, tokens: Tokens, subject: str) -> Mapping[str, Any]:
        """What the provider says about somebody when it is asked; nothing if it cannot be."""
        endpoint = (await self.metadata()).get("userinfo_endpoint")
        if not isinstance(endpoint, str) or not is_trustworthy(endpoint) or not tokens.access_token:
            return {}
        found = await self._get(endpoint, {"authorization": f"Bearer {tokens.access_token}"})
        if found.get("sub") != subject:
            raise SignInRefused(f"{self.settings.name} says that you are somebody else.")
        return found

    async def _key_set(self, *, anew: bool = False) -> KeySet:
        if self._keys is None or anew:
            found = await self._get((await self.metadata())["jwks_uri"])
            self._keys = KeySet(list(_keys(found.get("keys"))))
        return self._keys

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        async with self._client({}) as client:
            response = await client.request("GET", url, withhold_token=True, headers=headers)
            response.raise_for_status()
            found = response.json()
        if not isinstance(found, dict):
            raise self._unavailable("answers with something else than was asked for")
        return found

    @asynccontextmanager
    async def _client(self, metadata: Mapping[str, Any]) -> AsyncIterator[AsyncOAuth2Client]:
        """Speak with the provider, for a while.

        Raises:
            ProviderUnavailable: It takes too long, or does not answer with what it is to.
        """
        secret = self.settings.client_secret
        offered = metadata.get("token_endpoint_auth_methods_supported")
        method = "none" if secret is None else "client_secret_basic"
        if secret is not None and isinstance(offered, list) and method not in offered:
            method = "client_secret_post"
        client = AsyncOAuth2Client(
            self.settings.client_id,
            None if secret is None else secret.get_secret_value(),
            token_endpoint_auth_method=method,
            scope=" ".join(self.settings.scopes),
            code_challenge_method="S256",
            timeout=TIMEOUT,
            verify=self._certificates,
            follow_redirects=False,
        )
        try:
            async with asyncio.timeout(TIMEOUT), client:
                yield client
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            log.warning("the OpenID provider does not answer", error=repr(error)[:300])
            raise self._unavailable("does not answer as it should") from error
        except ValueError as error:
            log.warning("the OpenID provider answers nonsense", error=repr(error)[:300])
            raise self._unavailable("answers with something else than was asked for") from error

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _unavailable(self, why: str) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self.settings.name} {why}. Try again in a moment.")


def _keys(listed: Any) -> Iterator[Key]:
    """The keys that sign, of those that a provider lists; such as nobody knows are passed over."""
    for each in listed if isinstance(listed, list) else ():
        try:
            key = import_key(each)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if key.get("use") in (None, "sig") and not isinstance(key, OctKey):
            yield key
