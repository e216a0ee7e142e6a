"""The tree and the text of anchors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from signoff.domain.anchor import FIRST, Anchor, Leaf, Tree


def rfc_root(digests: Sequence[bytes]) -> bytes:
    """The Merkle Tree Hash as RFC 9162, section 2.1.1, defines it: recursively."""
    if not digests:
        return hashlib.sha256(b"").digest()
    if len(digests) == 1:
        return digests[0]
    half = 1
    while half * 2 < len(digests):
        half *= 2
    left, right = rfc_root(digests[:half]), rfc_root(digests[half:])
    return hashlib.sha256(b"\1" + left + right).digest()


def rfc_path(index: int, digests: Sequence[bytes]) -> list[bytes]:
    """The inclusion proof as section 2.1.3.1 defines it."""
    if len(digests) <= 1:
        return []
    half = 1
    while half * 2 < len(digests):
        half *= 2
    if index < half:
        return [*rfc_path(index, digests[:half]), rfc_root(digests[half:])]
    return [*rfc_path(index - half, digests[half:]), rfc_root(digests[:half])]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8, 13, 31])
def test_the_tree_is_that_of_rfc_9162(size: int) -> None:
    digests = [Leaf(f"t{number}", number, "ff").digest() for number in range(size)]
    tree = Tree(digests)
    assert tree.root == rfc_root(digests).hex()
    for index in range(size):
        assert tree.proof(index) == [each.hex() for each in rfc_path(index, digests)]


def test_a_leaf_and_an_anchor_are_plain_lines_that_other_programs_can_write() -> None:
    assert Leaf("t", 7, "ab").digest() == hashlib.sha256(b"\0t\n7\nab").digest()
    anchor = Anchor(
        number=1,
        at=datetime(2026, 3, 2, 9, tzinfo=UTC),
        previous=FIRST,
        root="ab" * 32,
        chains=2,
        entries=5,
        until=900,
        forgotten_before=None,
        public_key="a2V5",
        signature="whatever",
    )
    lines = ("signoff audit anchor 1", "1", "2026-03-02T09:00:00+00:00", FIRST, "ab" * 32)
    assert anchor.text().decode().split("\n") == [*lines, "2", "5", "900", "-", "a2V5"]
    assert anchor.digest() == hashlib.sha256(anchor.text()).hexdigest()
