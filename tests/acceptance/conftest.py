"""Sites: a project, its database and its processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.acceptance.site import Site

_numbers = count(1)

OpenSite = Callable[..., Site]


@pytest.fixture
def open_site(database_url: str, tmp_path: Path) -> OpenSite:
    """A site on the test's database: `with open_site(takeover="3s") as site`."""
    return lambda **settings: Site(tmp_path, database_url, **settings)


@pytest.fixture(scope="module")
def module_database_url(server: str, template: str) -> Iterator[str]:
    """A migrated database that the tests of one module share."""
    name = f"signoff_site_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield make_conninfo(server, dbname=name)
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
