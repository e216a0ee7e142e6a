"""Anchors: signed statements of how far every chain of the audit has come.

An anchor has the root of a Merkle tree over the ends of all chains that have grown since the anchor
before it, whose digest it has as well. So neither the end of a chain, nor a whole one, nor an
anchor can be taken away without a trace, and one chain can be shown to be in an anchor without
showing the others. The tree is that of RFC 9162, section 2.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

FIRST = "0" * 64
"""What the first anchor has in the place of the digest of the one before it."""


class Leaf(NamedTuple):
    """How far a chain has come: the number and the hash of its last entry."""

    thread_id: str
    seq: int
    hash: str

    def digest(self) -> bytes:
        """Its place in the tree."""
        return hashlib.sha256(f"\0{self.thread_id}\n{self.seq}\n{self.hash}".encode()).digest()


class Tree:
    """A Merkle tree over leaves, in their order."""

    def __init__(self, digests: Sequence[bytes]) -> None:
        self._levels = [list(digests)]
        while len(level := self._levels[-1]) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            above = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs]
            self._levels.append(above + level[len(above) * 2 :])

    @property
    def root(self) -> str:
        """What stands for all of it, in hexadecimal."""
        top = self._levels[-1]
        return (top[0] if top else hashlib.sha256(b"").digest()).hex()

    def proof(self, index: int) -> list[str]:
        """What one needs besides a leaf to compute the root, from the bottom up, in hexadecimal."""
        found = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                found.append(level[index ^ 1].hex())
            index //= 2
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """What is signed, and the signature over it.

    `entries` counts those of all chains so far. All transactions before `until` are covered.
    Entries of anchors from before `forgotten_before` may have been removed. `public_key` and
    `signature` are in base64.
    """

    number: int
    at: datetime
    previous: str
    root: str
    chains: int
    entries: int
    until: int
    forgotten_before: datetime | None
    public_key: str
    signature: str = ""

    def text(self) -> bytes:
        """What is signed: a line for each field."""
        forgotten = "-" if self.forgotten_before is None else self.forgotten_before.isoformat()
        lines = (
            "signoff audit anchor 1",
            self.number,
            self.at.isoformat(),
            self.previous,
            self.root,
            self.chains,
            self.entries,
            self.until,
            forgotten,
            self.public_key,
        )
        return "\n".join(map(str, lines)).encode()

    def signed(self, signature: str) -> Anchor:
        """This anchor with a signature."""
        return replace(self, signature=signature)

    def digest(self) -> str:
        """What the next anchor has of this one."""
        return hashlib.sha256(self.text()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        forgotten = self.forgotten_before
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "previous": self.previous,
            "root": self.root,
            "chains": self.chains,
            "entries": self.entries,
            "until": self.until,
            "forgotten_before": None if forgotten is None else forgotten.isoformat(),
            "public_key": self.public_key,
            "signature": self.signature,
        }
