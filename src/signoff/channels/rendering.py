"""Templates of messages: ours, and those that a project has in place of them.

A project's folder has the same files as `templates` here, of which it may leave out any, in folders
by the names of channels: `email/message.html`, `slack/message.txt`. What stands in `chat` is for
all chats that have none of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signoff.domain.address import EMAIL
from signoff.log import get_logger
from signoff.text import markdown

if TYPE_CHECKING:  # a program with Signoff inside may never send anything
    from jinja2 import Environment

CHAT = "chat"

log = get_logger(__name__)


class Templates:
    """Renders messages; `folder` is the project's own, if it has one."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def render(self, channel: str, name: str, given: dict[str, Any]) -> str:
        """A template of a channel with what it is given.

        One of the project that cannot be used is logged, and ours is used in its place.
        """
        places = (channel,) if channel == EMAIL else (channel, CHAT)
        if self._folder is not None:
            for place in places:
                if (text := self._try(f"{place}/{name}", given)) is not None:
                    return text
        return self._ours.get_template(f"{places[-1]}/{name}").render(given)

    def _try(self, path: str, given: dict[str, Any]) -> str | None:
        if path not in self._theirs.list_templates():
            return None
        try:
            return self._theirs.get_template(path).render(given)
        except Exception as error:
            log.error(
                "a template of the project cannot be used: ours is used in its place",
                template=f"{self._folder}/{path}",
                problem=str(error) or type(error).__name__,
            )
            return None

    def check(self) -> Iterator[str]:
        """What is wrong with the project's templates, each with its file and line."""
        if self._folder is None:
            return
        for path in sorted(each for each in self._theirs.list_templates()):
            try:
                self._theirs.get_template(path)
            except Exception as error:
                line = getattr(error, "lineno", None)
                yield f"{self._folder / path}{f':{line}' if line else ''}: {error}"

    @cached_property
    def _ours(self) -> Environment:
        return _environment(Path(__file__).parent / "templates")

    @cached_property
    def _theirs(self) -> Environment:
        assert self._folder is not None, "asked only where there is a folder"
        return _environment(self._folder)


def _environment(folder: Path) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    made = SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=True,
    )
    made.filters["markdown"] = markdown
    return made
