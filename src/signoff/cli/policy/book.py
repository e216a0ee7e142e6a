"""The policies of a file, judged with the users that the database has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from signoff.cli.session import open_desk, settings_here
from signoff.domain.errors import SchemaMissing
from signoff.domain.user import User
from signoff.front_desk import FrontDesk
from signoff.policies.book import PolicyBook
from signoff.policies.reading import read_file
from signoff.project.files import CONFIG_FILE
from signoff.service.users import list_users


async def book_of(desk: FrontDesk, file: Path | None = None) -> PolicyBook:
    """The policies of a file, that of the project if none is named; of one without, none.

    Raises:
        ConfigError: A file that is named cannot be read.
        InvalidPolicy: Something in it cannot be.
    """
    return _read(file, await list_users(desk.office))


async def book_anywhere(file: Path | None = None) -> PolicyBook:
    """As `book_of`, also for a project that has no database yet: its users are those of the file.

    Raises:
        ConfigError, DatabaseNotReady, InvalidPolicy
    """
    users: Sequence[User] = ()
    try:
        async with open_desk() as desk:
            users = await list_users(desk.office)
    except SchemaMissing:
        pass
    return _read(file, users)


def _read(file: Path | None, users: Sequence[User]) -> PolicyBook:
    here = Path.cwd() / CONFIG_FILE
    if file is None and not here.exists():
        return PolicyBook()
    # No graph is loaded for this, which takes long: their names are known, and not their nodes.
    settings = settings_here()
    graphs = dict.fromkeys(settings.graphs)
    return read_file(file or here, users, graphs or None, groups_come=settings.groups_come)
