"""The world that all fuzzing of one module happens in, and how much of it there is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.world import World, open_world

FACTOR = int(os.environ.get("SIGNOFF_FUZZ", "1"))
"""How many times as many examples as usual: `make fuzz` sets it. Over 1, each time others."""


def bounded(examples: int) -> settings:
    """Settings for so many examples: the same ones each time, unless there are to be many."""
    return settings(
        max_examples=examples * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A desk that is served, with threads in all states."""
    with open_world(module_database_url, tmp_path_factory.mktemp("desk")) as world:
        yield world
