"""What a command works with: the project of this folder, its database, and who acts."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from signoff import config
from signoff.cli import logs
from signoff.config import Settings
from signoff.db import embedded
from signoff.db.pool import probe
from signoff.domain.errors import ConfigError, SchemaMissing
from signoff.domain.principal import check_principal
from signoff.front_desk import FrontDesk, open_front_desk
from signoff.project.files import shown

T = TypeVar("T")


def settings_here() -> Settings:
    """The settings of the project in the current folder, with the variables it brings.

    Raises:
        ConfigError: They are not in order.
    """
    config.export_variables(Path.cwd())
    return config.load(Path.cwd())


def with_mail_folder(settings: Settings) -> Settings:
    """The settings of `dev`, which writes e-mails to files as long as there is no server."""
    if settings.smtp is not None or settings.notifications.mail_dir is not None:
        return settings
    folder = {"mail_dir": settings.data_dir / "mail"}
    notifications = settings.notifications.model_copy(update=folder)
    return settings.model_copy(update={"notifications": notifications})


def log_quietly(settings: Settings) -> None:
    """Have a command log what goes wrong, and all that happens only where that is set."""
    level = "debug" if settings.log_level == "debug" else "warning"
    logs.configure(level, settings.log_format)


def run(command: Coroutine[Any, Any, T]) -> T:
    """Run a command that works on the database."""
    return asyncio.run(command)


@asynccontextmanager
async def database_address(settings: Settings, *, create: bool = False) -> AsyncIterator[str]:
    """The database of the project, which answers; embedded, it is up at least until the end.

    Raises:
        SchemaMissing: The project has no database yet, and none is to be made.
        DatabaseUnreachable: It does not answer.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    if not create and not embedded.exists(settings.data_dir):
        raise SchemaMissing(
            f"there is no database in {shown(settings.data_dir)} yet: `signoff dev` or `signoff "
            "migrate` makes one, and SIGNOFF_DATABASE_URL names another"
        )
    server = await asyncio.to_thread(embedded.start, settings.data_dir)
    try:
        yield server.url
    finally:
        await asyncio.to_thread(server.close)


@asynccontextmanager
async def open_desk() -> AsyncIterator[FrontDesk]:
    """A desk's counter, on the project's data. It knows its graphs by name and executes none.

    Raises:
        ConfigError: The project's configuration is not in order.
        DatabaseNotReady: The database does not answer, or has not this program's schema.
    """
    settings = settings_here()
    log_quietly(settings)
    async with database_address(settings) as url:
        await probe(url)
        async with open_front_desk(url, settings) as desk:
            yield desk


@contextmanager
def seated() -> Iterator[tuple[asyncio.Runner, FrontDesk]]:
    """A desk's counter for somebody who is asked things meanwhile, and the loop that calls run on.

    Not in a coroutine: while somebody types, Ctrl-C is theirs.

    Raises:
        ConfigError, DatabaseNotReady: As with `open_desk`.
    """
    with asyncio.Runner() as runner:
        opened = open_desk()
        desk = runner.run(opened.__aenter__())
        try:
            yield runner, desk
        finally:
            runner.run(opened.__aexit__(None, None, None))


def principal(settings: Settings, by: str | None) -> str:
    """Who acts: as said, or as set, or else the user of the operating system.

    Raises:
        InvalidInput: Nobody can have the name that was said or set, such as an empty one.
        ConfigError: None of these is known.
    """
    named = settings.by if by is None else by
    if named is not None:
        return check_principal(named)
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise ConfigError("it is not known who acts: say --by NAME, or set SIGNOFF_BY") from error
