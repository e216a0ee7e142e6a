"""Sites: a project, its database and its processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.site import Site

OpenSite = Callable[..., Site]


@pytest.fixture
def open_site(database_url: str, tmp_path: Path) -> OpenSite:
    """A site on the test's database: `with open_site(takeover="3s") as site`."""
    return lambda **settings: Site(tmp_path, database_url, **settings)
