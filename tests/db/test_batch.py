"""Batches: what comes at once is committed together, and answered one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from signoff.db.batch import MAX_UNDER_WAY, Batch


class Committer:
    """Answers numbers by their doubles; refuses 13, and leaves odd ones alone for themselves."""

    def __init__(self, *, hold: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.begun: asyncio.Queue[list[int]] = asyncio.Queue()
        self.go = asyncio.Event()
        if not hold:
            self.go.set()

    async def commit(self, items: Sequence[int]) -> list[int | None]:
        self.batches.append(list(items))
        self.begun.put_nowait(list(items))
        await self.go.wait()
        if 13 in items:
            raise ValueError("13 is refused")
        return [item * 2 if len(items) == 1 or item % 2 == 0 else None for item in items]


def batch(committer: Committer) -> Batch[int, int]:
    return Batch(committer.commit, lambda item: item)


async def test_what_comes_while_others_are_under_way_goes_together() -> None:
    committer = Committer(hold=True)
    numbers = batch(committer)
    first = [asyncio.create_task(numbers.put(n)) for n in (2, 4)]
    await committer.begun.get()
    rest = [asyncio.create_task(numbers.put(n)) for n in (6, 8, 10)]
    for _ in range(1, MAX_UNDER_WAY):
        await committer.begun.get()
    last = asyncio.create_task(numbers.put(12))
    committer.go.set()
    assert await asyncio.gather(*first, *rest, last) == [4, 8, 12, 16, 20, 24]
    assert committer.batches == [[2, 4], [6, 8, 10], [12]]


async def test_one_that_is_refused_takes_no_other_down() -> None:
    numbers = batch(Committer())
    answers = await asyncio.gather(*(numbers.put(n) for n in (2, 13, 4)), return_exceptions=True)
    assert answers[0] == 4
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 8


async def test_one_that_has_to_be_alone_is_answered_alone() -> None:
    committer = Committer()
    numbers = batch(committer)
    assert await asyncio.gather(*(numbers.put(n) for n in (2, 3))) == [4, 6]
    assert committer.batches == [[2, 3], [3]]


async def test_two_with_one_key_never_share_a_batch() -> None:
    committer = Committer()
    numbers = batch(committer)
    assert await asyncio.gather(*(numbers.put(2) for _ in range(3))) == [4, 4, 4]
    assert committer.batches == [[2], [2], [2]]


async def test_a_caller_that_leaves_changes_nothing() -> None:
    committer = Committer(hold=True)
    numbers = batch(committer)
    leaving, staying = (asyncio.create_task(numbers.put(n)) for n in (2, 4))
    await committer.begun.get()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    committer.go.set()
    assert await staying == 8
    assert committer.batches == [[2, 4]]


async def test_after_all_is_done_the_next_one_goes_at_once() -> None:
    committer = Committer()
    numbers = batch(committer)
    for number in (2, 4, 6):
        assert await numbers.put(number) == number * 2
    assert committer.batches == [[2], [4], [6]]


async def test_the_answer_of_a_caller_who_left_is_told_to_whom_it_named() -> None:
    committer = Committer(hold=True)
    numbers = batch(committer)
    told: asyncio.Queue[int] = asyncio.Queue()
    leaving = asyncio.create_task(numbers.put(2, told.put_nowait))
    staying = asyncio.create_task(numbers.put(4, told.put_nowait))
    refused = asyncio.create_task(numbers.put(13, told.put_nowait))
    await committer.begun.get()
    for caller in (leaving, refused):
        caller.cancel()
    committer.go.set()
    assert await staying == 8
    assert await told.get() == 4
    assert told.empty()
