"""Find out whether anchors are those that were signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from signoff.domain.anchor import FIRST, Anchor
from signoff.domain.audit_check import Finding

IsSigned = Callable[[bytes, str, str], bool]
"""Whether a text was signed with the private key that belongs to a public one."""


class AnchorCheck:
    """Follows anchors in order. `trusted` are the public keys that they may be signed with; none
    known, any. Those that are not as they were signed are `unbelievable`."""

    def __init__(self, is_signed: IsSigned, trusted: Set[str], *, gaps: bool = False) -> None:
        self.unbelievable: set[int] = set()
        self.last: Anchor | None = None
        self._is_signed = is_signed
        self._trusted = trusted
        self._gaps = gaps

    def see(self, anchor: Anchor, root: str, chains: int) -> Iterator[Finding]:
        """What is wrong with the next anchor, whose leaves have this root and are so many."""
        before, self.last = self.last, anchor
        number = 0 if before is None else before.number
        if anchor.number > number + 1 and not self._gaps:
            yield _finding(number + 1, f"gone, up to {anchor.number - 1}")
        if problem := self._problem(anchor, root, chains):
            self.unbelievable.add(anchor.number)
            yield _finding(anchor.number, problem)
        elif anchor.number == number + 1:
            previous = FIRST if before is None else before.digest()
            if anchor.previous != previous and number not in self.unbelievable:
                yield _finding(anchor.number, "it follows another anchor than the one before it")

    def _problem(self, anchor: Anchor, root: str, chains: int) -> str | None:
        if self._trusted and anchor.public_key not in self._trusted:
            return f"it is signed with the unknown key {anchor.public_key}"
        if not self._is_signed(anchor.text(), anchor.signature, anchor.public_key):
            return "its signature is not over what it says"
        if (anchor.root, anchor.chains) != (root, chains):
            return "the ends of chains that are kept for it are not those that were signed"
        return None


def _finding(number: int, message: str) -> Finding:
    return Finding(kind="anchor", thread_id=None, seq=None, anchor=number, message=message)
