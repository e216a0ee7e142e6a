"""What traces look like to the desk, and what is done where they are off: next to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class Traces(Protocol):
    """Where spans go."""

    def span(
        self,
        name: str,
        /,
        *,
        parent: str | None = None,
        links: Iterable[str | None] = (),
        begins: bool = False,
        **about: Any,
    ) -> AbstractContextManager[None]:
        """What is done in here: a part of what is under way, or, where it `begins` anew, of the
        `parent`. `links` are what it came from. Both are known by what `here` has said there; what
        it is `about` is shown with the prefix ``signoff.``."""

    def call(self, headers: Mapping[str, str]) -> AbstractContextManager[CallSpan | None]:
        """A call that somebody else makes, whose own trace its headers may name."""

    def here(self) -> str | None:
        """What is under way, as W3C's `traceparent`; None if nothing is traced."""

    def link(self, to: str | None) -> None:
        """Link what is under way with what it came from."""

    def failed(self) -> None:
        """What is under way has failed."""

    async def close(self) -> None:
        """Send what was not sent yet."""


class CallSpan(Protocol):
    """A call that is traced."""

    def __call__(self, method: str, route: str | None, status: int, seconds: float, /) -> None:
        """The answer has begun."""


class NoTraces:
    """Traces are off."""

    def span(self, _name: str, /, **_about: Any) -> AbstractContextManager[None]:
        """Nothing."""
        return _NOTHING

    def call(self, _headers: Mapping[str, str]) -> AbstractContextManager[None]:
        """Nothing."""
        return _NOTHING

    def here(self) -> None:
        """Nothing."""

    def link(self, _to: str | None) -> None:
        """Nothing."""

    def failed(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


_NOTHING = nullcontext()

OFF = NoTraces()
