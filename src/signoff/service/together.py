"""What many callers ask for at once, in few statements: first runs of threads, decisions, looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter

from signoff.db import decisions, request_lists, requests, runs, stream_events
from signoff.db.batch import Batch
from signoff.db.decisions import Recorded, Recording
from signoff.db.jobs import Jobs
from signoff.db.pool import Connection, Database
from signoff.db.requests import Known
from signoff.db.runs import Beginning, Ending
from signoff.db.stream_events import Page, Place
from signoff.domain.request import Request
from signoff.domain.thread import Lease

FEW = 50
"""How many requests a thread may have for its list to be read together with others."""


def _nothing(lease: Lease | None) -> None:
    """Leave a lease alone: its worker will find it."""


class Together:
    """The batches of a process.

    Where a worker of this process takes a thread over with the commit, a batch is one statement;
    for the others, their jobs commit with it. A look sees all that was committed before it.
    """

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs
        self._beginnings = Batch(self._begin, attrgetter("thread_id"))
        self._recordings = Batch(self._record, attrgetter("thread_id"))
        self._endings = Batch(self._look_at_endings, _itself)
        self._known = Batch(self._look_at_known, _itself)
        self._listed = Batch(self._list_threads, _itself)
        self._pages = Batch(self._look_at_streams, _itself)

    async def begin(
        self, beginning: Beginning, left: Callable[[Lease | None], None] = _nothing
    ) -> Lease | None:
        """Make a thread with its first run: its lease; None, and nothing changed, if it exists.

        `left` is given a worker's lease in place of a caller that was cancelled.
        """
        told = _nothing if beginning.worker is None else left
        [lease] = await self._beginnings.put(beginning, lambda answer: told(answer[0]))
        return lease

    async def record(
        self, recording: Recording, left: Callable[[Lease | None], None] = _nothing
    ) -> Recorded:
        """See `signoff.db.decisions.record`; who has to be told of it is told.

        `left` is given a worker's lease in place of a caller that was cancelled.

        Raises:
            UniqueViolation: A principal has used an idempotency key for two requests at once.
        """
        return await self._recordings.put(recording, lambda answer: left(answer.lease))

    async def ending(self, thread_id: str, run_id: str) -> Ending | None:
        """How a run has ended and where it left the thread; None if there is no such run."""
        [ending] = await self._endings.put((thread_id, run_id))
        return ending

    async def known(self, thread_id: str) -> Known:
        """See `signoff.db.requests.known_at`."""
        return await self._known.put(thread_id)

    async def requests_of(self, thread_id: str) -> list[Request] | None:
        """All requests of a thread, the newest first; None if there are more than `FEW`."""
        [found] = await self._listed.put(thread_id)
        return found

    async def page(self, place: Place) -> Page:
        """See `signoff.db.stream_events.pages`."""
        return await self._pages.put(place)

    async def _look_at_streams(self, batch: Sequence[Place]) -> Sequence[Page]:
        async with self._database.looking_up() as conn:
            return await stream_events.pages(conn, batch)

    async def _look_at_endings(
        self, batch: Sequence[tuple[str, str]]
    ) -> Sequence[tuple[Ending | None]]:
        async with self._database.looking_up() as conn:
            found = await runs.endings(conn, batch)
        return [(found.get(each),) for each in batch]

    async def _look_at_known(self, batch: Sequence[str]) -> Sequence[Known]:
        async with self._database.looking_up() as conn:
            found = await requests.known_at(conn, batch)
        return [found[each] for each in batch]

    async def _list_threads(self, batch: Sequence[str]) -> Sequence[tuple[list[Request] | None]]:
        async with self._database.looking_up() as conn:
            found = await request_lists.of_threads(conn, batch, limit=FEW)
        return [(found[each],) for each in batch]

    async def _begin(self, batch: Sequence[Beginning]) -> Sequence[tuple[Lease | None]]:
        unheard = {each.thread_id: each.run.graph for each in batch if each.worker is None}
        if not unheard:
            async with self._database.committing() as conn:
                leases = await runs.begin_on_new_threads(conn, batch)
        else:
            async with self._database.transaction() as conn:
                leases = await runs.begin_on_new_threads(conn, batch)
                begun = {id_: graph for id_, graph in unheard.items() if id_ in leases}
                await self._jobs.look_at_all(conn, begun)
        return [(leases.get(each.thread_id),) for each in batch]

    async def _record(self, batch: Sequence[Recording]) -> Sequence[Recorded | None]:
        if all(each.worker is not None for each in batch):
            async with self._database.committing() as conn:
                return await decisions.record_all(conn, batch)
        async with self._database.transaction() as conn:
            return await record_all(conn, self._jobs, batch)


def _itself(item: Hashable) -> Hashable:
    return item


async def record_all(
    conn: Connection, jobs: Jobs, recordings: Sequence[Recording]
) -> Sequence[Recorded | None]:
    """See `signoff.db.decisions.record_all`; jobs tell of the threads that no worker was given."""
    recorded = await decisions.record_all(conn, recordings)
    unheard = {
        each.thread_id: each.run.graph
        for each, done in zip(recordings, recorded, strict=True)
        if each.worker is None and done is not None and done.idle
    }
    await jobs.look_at_all(conn, unheard)
    return recorded
