"""API keys: what a program shows to act, by a name of its own or for a user."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from signoff.domain.principal import KEY, Principal, Role, within
from signoff.domain.user import User

PREFIX = "signoff"
"""What every key begins with, so that a leaked one is recognised."""

_SHAPE = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([\w-]{{43}})", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key as it is kept. Its secret is not: `hash` is the SHA-256 of it, and it is random.

    With a `user` it acts as that user, with no more than the user's rights; without, by the name
    `key:` and its own. `id` is the part of it that may be shown.
    """

    id: str
    name: str
    hash: bytes
    role: Role
    created_at: datetime
    created_by: str
    user: str | None = None
    groups: tuple[str, ...] = ()
    graphs: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def principal(self) -> str:
        """The name by which it acts."""
        return KEY + self.name if self.user is None else self.user

    def state(self, at: datetime) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else "active"

    def has(self, secret: str) -> bool:
        """Whether this is its secret; it takes as long, right or wrong."""
        return hmac.compare_digest(digest(secret), self.hash)

    def act(self, owner: User | None) -> Principal | None:
        """Who acts with it; None where it is for a user and there is none, or no more."""
        if self.user is None:
            return Principal(
                name=self.principal,
                role=self.role,
                graphs=within(self.graphs, None),
                groups=frozenset(self.groups),
                method=f"key {self.id}",
            )
        if owner is None:
            return None
        return Principal(
            name=owner.name,
            role=owner.role if self.role.includes(owner.role) else self.role,
            graphs=within(self.graphs, owner.graphs),
            method=f"key {self.id}",
        )


def digest(secret: str) -> bytes:
    """What is kept of a secret. It has 256 random bits, so that a plain hash cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def text_of(key_id: str, secret: str) -> str:
    """A key as it is shown, once."""
    return f"{PREFIX}_{key_id}_{secret}"


def parts_of(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key; None if the text is no key."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else (found[1], found[2])
