"""A program that is told what happens, by a signed call of its address."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from signoff.domain.notification import Occasion

VARIABLE = "env:"
"""What a secret begins with that is an environment variable's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """Where to call, of what to tell, and the secrets to sign with: with all of them, so that the
    receiver can change from one to the next.

    A secret may be ``env:NAME``, that of an environment variable. `graphs` limits it to what
    belongs to these graphs; None is all.
    """

    name: str
    url: str
    secrets: tuple[str, ...]
    occasions: frozenset[Occasion] = frozenset(Occasion)
    graphs: frozenset[str] | None = None

    def hears(self, occasion: Occasion, graph: str) -> bool:
        """Whether it is told of this."""
        return occasion in self.occasions and (self.graphs is None or graph in self.graphs)


def url_problem(url: str) -> str | None:
    """Why something is no address to call; None if it is one."""
    if not re.match(r"https?://", url):
        return "must begin with https:// or http://"
    if not re.fullmatch(
        r"https?://(?:[^/?#@\s]*@)?(?:\[[0-9a-fA-F:.]+\]|[^/?#@:\s\[\]]+)(?::\d{1,5})?(?:[/?#]\S*)?",
        url,
    ):
        return "is no address, such as https://example.com/hook"
    return None


def secret_problem(secret: str) -> str | None:
    """Why something is no secret to sign with; None if it is one."""
    encoded = secret.removeprefix("whsec_")
    try:
        size = len(binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True))
    except (binascii.Error, ValueError):
        return "is no secret: whsec_ and 24 to 64 random bytes in base64"
    if not 24 <= size <= 64:
        return f"has {size} bytes: a secret is whsec_ and 24 to 64 random bytes in base64"
    return None
