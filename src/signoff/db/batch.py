"""Batches: what arrives while statements are under way goes into the next one together.

There is no timer: a single one goes at once. Each is answered for itself, and what one of them is
refused for is told to that one only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from functools import partial
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MAX_BATCH = 128
"""What goes into one transaction, so that one does not keep all others waiting."""


MAX_UNDER_WAY = 2
"""Batches on their way at a time: while the database has one, the callers of another go on."""


class Batch(Generic[Item, Answer]):
    """Has items committed in few transactions.

    `commit` is given some of them, all with different keys, and returns an answer for each; None
    for one says that it has to be committed alone. Alone, an item is always answered.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | None]]],
        key: Callable[[Item], Hashable],
    ) -> None:
        self._commit = commit
        self._key = key
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._drains: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[None]] = set()

    async def put(self, item: Item, left: Callable[[Answer], None] | None = None) -> Answer:
        """Return the answer to an item, once it is durable; a caller that leaves changes nothing.

        `left` is told the answer in place of a caller that was cancelled.

        Raises:
            Exception: Whatever `commit` raises for this item alone.
        """
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if sum(not drain.done() for drain in self._drains) < MAX_UNDER_WAY:
            drain = asyncio.create_task(self._commit_all(), context=Context())
            self._drains.add(drain)
            drain.add_done_callback(self._drains.discard)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if left is not None:
                done.add_done_callback(partial(_tell, left))
            raise

    async def _commit_all(self) -> None:
        await asyncio.sleep(0)  # let what is ready in this turn of the loop come along
        while self._waiting:
            batch = self._next()
            try:
                answers = await self._commit([item for item, _ in batch])
            except asyncio.CancelledError as error:
                _fail(batch, error)
                raise
            except Exception as error:
                if len(batch) == 1:
                    _fail(batch, error)
                    continue
                answers = [None] * len(batch)
            for one, answer in zip(batch, answers, strict=True):
                if answer is None:
                    self._leave_alone(one)
                elif not one[1].done():
                    one[1].set_result(answer)

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        """The next batch: the first of each key."""
        first: dict[Hashable, tuple[Item, asyncio.Future[Answer]]] = {}
        later = []
        for one in self._waiting:
            key = self._key(one[0])
            if len(first) < MAX_BATCH and key not in first:
                first[key] = one
            else:
                later.append(one)
        self._waiting = later
        return list(first.values())

    def _leave_alone(self, one: tuple[Item, asyncio.Future[Answer]]) -> None:
        task = asyncio.create_task(self._commit_one(one), context=Context())
        self._alone.add(task)
        task.add_done_callback(self._alone.discard)

    async def _commit_one(self, one: tuple[Item, asyncio.Future[Answer]]) -> None:
        try:
            [answer] = await self._commit([one[0]])
        except BaseException as error:
            _fail([one], error)
            if not isinstance(error, Exception):
                raise
            return
        assert answer is not None, "alone, an item is answered"
        if not one[1].done():
            one[1].set_result(answer)


def _tell(left: Callable[[Answer], None], done: asyncio.Future[Answer]) -> None:
    if not done.cancelled() and done.exception() is None:
        left(done.result())


def _fail(batch: Sequence[tuple[object, asyncio.Future[Answer]]], error: BaseException) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)
            done.exception()  # seen: a caller may be gone by now
