"""Take threads that have work: their leases, their next runs, and what these have to know."""

from __future__ import annotations

from collections.abc import Sequence

from signoff.db import leases, requests, runs
from signoff.db.batch import Batch
from signoff.db.group import Stream
from signoff.domain.errors import DatabaseUnreachable
from signoff.domain.thread import Lease
from signoff.graph.assignment import Assignment
from signoff.service.office import Office

Taken = Assignment | Lease
"""A thread with its next run; or with its lease alone, where there is more to look up."""


class Taker:
    """Takes threads for a worker, those that come at once in a few statements."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._batch = Batch(self._take, key=lambda each: each[0])

    async def take(self, thread_id: str, worker: int) -> Taken | None:
        """The thread; None if it has no work, or somebody alive holds it."""
        [taken] = await self._batch.put((thread_id, worker))
        return taken

    async def _take(self, batch: Sequence[tuple[str, int]]) -> Sequence[tuple[Taken | None] | None]:
        ids = [thread_id for thread_id, _ in batch]
        worker = max(worker for _, worker in batch)  # the one that it is by now
        async with self._office.database.taking() as conn:
            leased = await leases.take(conn, ids, worker)
        for lease, before in leased.values():
            self._office.memory.follow(lease, before)
        begun = await self._begin(leased) if leased else {}
        # One that is missing may be locked for a moment: that shows when it is looked at alone.
        missing = None if len(batch) > 1 else (None,)
        return [(begun[each],) if each in begun else missing for each in ids]

    async def _begin(self, leased: dict[str, tuple[Lease, int]]) -> dict[str, Taken]:
        """Begin what is next on each thread; where that does not work out, its lease is left."""
        office = self._office
        leases = {thread_id: lease for thread_id, (lease, _) in leased.items()}
        taken = dict[str, Taken](leases)
        try:
            async with office.database.taking() as conn:
                begun = await runs.begin_next_of(conn, list(leases.values()), office.now())
                known = await requests.known_of(conn, list(begun))
                for thread_id, (work, run) in begun.items():
                    if run is None:
                        continue
                    waiting, lease = known[thread_id], leases[thread_id]
                    taken[thread_id] = Assignment(
                        stream=Stream(lease),
                        work=work,
                        run=run,
                        known=waiting,
                        answers=await requests.answers(conn, thread_id, waiting),
                        fresh=leased[thread_id][1] == 0,
                        trail=office.memory.trail(lease, waiting),
                    )
        except DatabaseUnreachable:
            pass  # whoever works on them finds out, and has them tried again
        return taken
