"""The file of a desk's policies, which may change while the desk is at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from signoff.domain.errors import InvalidPolicy
from signoff.domain.user import People, User
from signoff.log import get_logger
from signoff.policies.book import PolicyBook
from signoff.policies.reading import load
from signoff.project.breakpoints import Nodes
from signoff.project.files import shown

log = get_logger(__name__)


class PolicyFile:
    """The policies of a file as it stands: call it for the book that holds right now.

    A file that has changed is read again; if it is not in order, the policies that held go on to
    hold, and what is wrong is logged. One that is not there has no policies. If `groups_come` when
    people sign in, it may name any.

    Raises, when it is made:
        InvalidPolicy: The file is not in order.
    """

    def __init__(self, path: Path, *, groups_come: bool = False) -> None:
        self._path = path
        self._groups_come = groups_come
        self._users: Sequence[User] | None = None
        self._graphs: Nodes | None = None
        self._refused = False
        self._stamp, self._book = self._read()

    def __call__(self) -> PolicyBook:
        """The book that holds for what is opened now."""
        if self._look() != self._stamp:
            try:
                self._stamp, self._book = self._read()
                self._refused = False
                log.info("the changed policies hold from now on", file=shown(self._path))
            except (InvalidPolicy, OSError, UnicodeDecodeError) as error:
                self._stamp, self._refused = self._look(), True
                log.error(
                    "the changed policies do not hold: those from before still do",
                    problems=str(error),
                )
        return self._book

    def know(self, users: Sequence[User]) -> None:
        """Only groups of these `users`, and of those of the file, may be named in it from now on.

        What was refused is looked at again: those whom it names may be known by now.
        """
        self._users = users
        self._book = self._told(self._book)
        if self._refused:
            self._stamp = _NEVER

    def serve(self, graphs: Nodes) -> None:
        """Breakpoints can only be at nodes of these `graphs` from now on.

        Raises:
            InvalidPolicy: One is elsewhere; or something else is not in order.
        """
        self._graphs = graphs
        self.check()

    def check(self) -> None:
        """Read the file again, whether it has changed or not.

        Raises:
            InvalidPolicy: It is not in order.
        """
        self._stamp, self._book = self._read()

    def _look(self) -> _Stamp | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def _read(self) -> tuple[_Stamp | None, PolicyBook]:
        stamp = self._look()
        if stamp is None:
            return None, self._told(PolicyBook())
        text = self._path.read_text(encoding="utf-8")
        book = load(
            text,
            path=self._path,
            users=self._users,
            graphs=self._graphs,
            groups_come=self._groups_come,
        )
        for doubt in book.doubts:
            log.warning("a policy names what there is not", where=doubt)
        return stamp, self._told(book)

    def _told(self, book: PolicyBook) -> PolicyBook:
        """A book that knows who there is."""
        users = () if self._users is None else (*self._users, *book.users)
        return replace(book, people=People.of(users) if users else None)


_Stamp = tuple[int, int]
"""By what one sees that a file has changed: the time of its last change in ns, and its size."""

_NEVER: _Stamp = (-1, -1)
