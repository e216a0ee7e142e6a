"""What the garbage collector leaves alone while a desk is open."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from signoff.collector import set_aside
from tests.conftest import OpenDesk
from tests.helpers import chain


class Knot:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def nothing_is_frozen() -> Iterator[None]:
    before = gc.get_freeze_count()
    gc.unfreeze()
    yield
    gc.unfreeze()
    if before:
        gc.freeze()


def test_what_is_dropped_meanwhile_is_freed_at_the_end_and_what_came_meanwhile_at_once() -> None:
    old = Knot()
    was = weakref.ref(old)
    with set_aside():
        new = Knot()
        came = weakref.ref(new)
        del old, new
        gc.collect()
        assert (was() is None, came() is None) == (False, True)
    gc.collect()
    assert was() is None


def test_the_last_of_several_brings_back() -> None:
    first, second = set_aside(), set_aside()
    first.__enter__()
    frozen = gc.get_freeze_count()
    second.__enter__()
    assert gc.get_freeze_count() <= frozen
    first.__exit__(None, None, None)
    assert gc.get_freeze_count()
    second.__exit__(None, None, None)
    assert gc.get_freeze_count() == 0


def test_who_has_frozen_for_reasons_of_their_own_keeps_it_so() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with set_aside():
        pass
    assert frozen >= gc.get_freeze_count() > 0


async def test_a_desk_that_executes_runs_sets_aside_what_is_there(open_desk: OpenDesk) -> None:
    def node(_state: object) -> dict[str, object]:
        return {}

    await open_desk({"g": chain(node)}, work=False)
    assert gc.get_freeze_count() == 0
    await open_desk({"g": chain(node)})
    assert gc.get_freeze_count()
