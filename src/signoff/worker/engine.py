"""The engine: executes runs on the threads whose leases this process holds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Self

from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker

from signoff.audit_key import AuditKey
from signoff.db import leases, runs, workers
from signoff.db.jobs import WORK, News
from signoff.db.notices import Notices
from signoff.domain.errors import DatabaseNotReady, DatabaseUnreachable, LeaseLost
from signoff.domain.request import Delivery
from signoff.domain.run import RunStatus
from signoff.domain.thread import Lease
from signoff.graph.assignment import Assignment
from signoff.graph.runner import Result, execute
from signoff.log import begin_anew, bound, get_logger
from signoff.policies.book import Rule
from signoff.service.anchor import anchor_audit, forget_audit
from signoff.service.keep_time import keep_time
from signoff.service.note_policies import note_policies
from signoff.service.office import Office
from signoff.service.rescue import rescue
from signoff.service.stream import forget_streams
from signoff.service.take import Taker
from signoff.service.work import begin_run, finish_run, hand_back, pass_on
from signoff.stopping import stopped
from signoff.worker.duty import Duty
from signoff.worker.heartbeat import Heartbeat
from signoff.worker.wake import WakeUp

log = get_logger(__name__)

TICK = timedelta(seconds=1)
"""How often deadlines are looked at: one look at an index while nothing is due."""

FORGET = timedelta(hours=1)
"""How often what is too old of the audit is removed, if anything is ever to be."""

POLICY_CHECK = timedelta(seconds=2)
"""How often it is looked whether other policies hold, which the audit is to tell."""

CLEAN_UP = timedelta(minutes=1)
"""How often what is old is deleted."""

POLL = 2.0
"""Seconds after which jobs are looked for without being told: a safety net only."""

PATIENCE = 5.0
"""Seconds in which a node has to heed that it is cancelled, when the worker stops."""

MAX_PAUSE = 10.0
"""The most seconds between two tries of something that does not work."""


class Engine:
    """Works on threads, up to `capacity` at a time.

    A thread comes by a job, or straight from a service of this process that was given its lease.
    `takeover` is how long after a worker's death its threads go on elsewhere, at most. With an
    `audit_key` it anchors the audit, and does so a last time when it stops.
    """

    def __init__(
        self,
        office: Office,
        notices: Notices,
        *,
        capacity: int,
        takeover: timedelta,
        keep_streams: timedelta = timedelta(hours=1),
        audit_key: AuditKey | None = None,
        keep_audit: timedelta | None = None,
        anchor_every: timedelta = timedelta(minutes=1),
    ) -> None:
        self._office = office
        self._notices = notices
        self._taker = Taker(office)
        self._capacity = capacity
        self._lease = takeover * 2 / 3
        self._active: dict[str, asyncio.Task[None]] = {}
        self._executing: dict[str, str] = {}
        self._unwanted: set[str] = set()
        self._doubted: set[str] = set()
        self._unaccounted: set[str] = set()
        self._worker_id: int | None = None
        self._heartbeat: Heartbeat | None = None
        self._closing = False
        self._duties = [
            Duty(
                "rescue",
                takeover / 6,
                lambda: rescue(office, self._worker_id, forgotten_after=takeover / 3),
            ),
            Duty("account", takeover / 6, self._account),
            Duty("deadlines", TICK, lambda: keep_time(office)),
            Duty("streams", CLEAN_UP, lambda: forget_streams(office, keep_streams)),
        ]
        self._noted: Sequence[Rule] | None = None
        self._duties.append(Duty("policies", POLICY_CHECK, self._note_policies))
        self._audit_key = audit_key
        if audit_key is not None:
            self._duties.append(Duty("anchors", anchor_every, partial(self._anchor, anchor_every)))
        if audit_key is not None and keep_audit is not None:
            self._duties.append(Duty("audit", FORGET, partial(self._forget, audit_key, keep_audit)))
        self._wake = WakeUp()
        self._jobs_wait = False
        self._reaching: set[asyncio.Task[None]] = set()
        self._jobs: Worker | None = None
        self._jobs_task: asyncio.Task[None] | None = None
        self._rebirth: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop

    # A service's view: `signoff.service.office.Hand`.

    def reach_out(self) -> int | None:
        """The worker's id if it has room for one more thread, else None."""
        return self._worker_id if self.room() else None

    def room(self) -> int:
        """How many more threads the worker would take now."""
        if self._closing or self._worker_id is None:
            return 0
        return max(0, self._capacity - len(self._active))

    def works_on(self, thread_id: str) -> bool:
        """Whether a thread is in this worker's hands."""
        return thread_id in self._active

    def take(self, assignment: Assignment | Lease) -> None:
        """Work on a thread whose lease this worker was given."""
        lease = assignment.lease if isinstance(assignment, Assignment) else assignment
        task = asyncio.create_task(self._work(assignment), name=f"thread {lease.thread_id}")
        self._active[lease.thread_id] = task
        task.add_done_callback(lambda _: self._done(lease.thread_id, task))

    # A process's view.

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._register()
        self._notices.on_cancel = self._on_cancel
        self._office.hand = self
        for duty in self._duties:
            duty.start()
        self._jobs_task = asyncio.create_task(self._take_jobs(), name="signoff jobs")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def stop(self, grace: float = 10.0) -> None:
        """Take nothing new; let runs end for `grace` seconds, then hand the rest back."""
        if self._closing:
            return
        self._closing = True
        self._office.hand = None
        for duty in self._duties:
            await duty.stop()
        if self._jobs is not None:
            self._jobs.stop()  # type: ignore[no-untyped-call]
        if self._rebirth is not None:
            await stopped([self._rebirth])
        if self._active:
            await asyncio.wait(list(self._active.values()), timeout=grace)
        if not await stopped([*self._active.values(), *self._reaching], patience=PATIENCE):
            log.warning("some nodes cannot be stopped", thread_ids=sorted(self._active))
        if self._jobs_task is not None:
            await self._jobs_task
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._worker_id is not None:
            try:
                await hand_back(self._office, self._worker_id, None)
                async with self._office.database.connection() as conn:
                    await workers.remove(conn, [self._worker_id])
                await self._anchor(timedelta(0))
            except Exception as error:
                log.warning("could not hand back what is left, it will be rescued", error=error)

    async def work(self, thread_id: str) -> None:
        """Work on a thread if it has work and nobody alive holds it; return when that is done."""
        if thread_id in self._active:
            # It may be giving the thread back right now, with no eye for what has come since.
            await asyncio.wait([self._active[thread_id]])
        if self._rebirth is not None:
            await asyncio.wait([self._rebirth])
        if self._worker_id is None:
            return
        taken = await self._taker.take(thread_id, self._worker_id)
        if taken is not None and self._closing:
            await hand_back(self._office, self._worker_id, [thread_id])
        elif taken is not None:
            self.take(taken)
            await asyncio.wait([self._active[thread_id]])

    async def _work(self, given: Assignment | Lease) -> None:
        begin_anew()
        assignment = given if isinstance(given, Assignment) else None
        try:
            if isinstance(given, Lease):
                assignment = await begin_run(self._office, given)
            while assignment is not None:
                run, began = assignment.run, time.perf_counter()
                with self._trace(assignment):
                    result = await self._execute(assignment)
                    if result is None:
                        return
                    if result.failed or result.error is not None:
                        self._office.traces.failed()
                    assignment = await finish_run(self._office, assignment, result)
                self._office.run_ended(run, result.status, time.perf_counter() - began)
        except LeaseLost as error:
            log.warning("lost a thread to another worker", thread_id=str(error))
        except Exception as error:
            thread_id = given.thread_id if isinstance(given, Lease) else given.lease.thread_id
            if isinstance(error, DatabaseNotReady):
                log.warning(
                    "a thread has to wait for the database", thread_id=thread_id, reason=str(error)
                )
            else:
                log.exception("working on a thread failed", thread_id=thread_id, exc_info=error)
            await self._give_up(thread_id, assignment.run.attempt if assignment else 0)

    @contextmanager
    def _trace(self, assignment: Assignment) -> Iterator[None]:
        """Have what is logged and traced meanwhile say that it is about a run."""
        run = assignment.run
        pending = [each for each in assignment.known if each.delivery is Delivery.PENDING]
        about = {"thread_id": run.thread_id, "run_id": run.id}
        if pending:
            about["request_id"] = " ".join(request.id for request in pending)
        with (
            bound(**about),
            self._office.traces.span(
                f"{run.kind.value} {run.graph}",
                begins=True,
                parent=run.traceparent,
                links=[request.traceparent for request in pending],
                graph=run.graph,
                **about,
            ),
        ):
            yield

    async def _execute(self, assignment: Assignment) -> Result | None:
        """Run the graph; None if it was stopped and another worker is to go on."""
        run, office = assignment.run, self._office
        if run.graph not in office.catalog:
            await pass_on(office, assignment)
            return None
        self._executing[run.thread_id] = run.id
        try:
            if run.thread_id in self._doubted and not await self._is_wanted(run.id):
                return Result(status=RunStatus.CANCELLED)
            return await execute(
                office.catalog[run.graph],
                assignment,
                office.database,
                office.group,
                now=office.now,
                traceparent=office.traces.here(),
            )
        except asyncio.CancelledError:
            if run.id in self._unwanted and not self._closing:
                self._active[run.thread_id].uncancel()
                return Result(status=RunStatus.CANCELLED)
            raise
        finally:
            del self._executing[run.thread_id]
            self._doubted.discard(run.thread_id)
            self._unwanted.discard(run.id)

    async def _give_up(self, thread_id: str, attempt: int) -> None:
        """Have a thread tried again from what is stored, however long the database is away.

        The more often it was tried, the later: whatever is wrong may take its time.
        """
        worker, pause = self._worker_id, min(0.05 * 2**attempt, MAX_PAUSE)
        while worker is not None and worker == self._worker_id:
            await asyncio.sleep(pause)
            try:
                await hand_back(self._office, worker, [thread_id])
                return
            except Exception as error:
                log.warning("could not hand a thread back", thread_id=thread_id, error=error)
                pause = min(pause * 2, MAX_PAUSE)

    async def _account(self) -> None:
        """Hand back threads that this worker holds and knows nothing of.

        So it is where whoever had one for it was stopped between the commit and telling it. One
        that was just committed is told of in a moment, so it has to be seen twice.
        """
        worker = self._worker_id
        if worker is None:
            return
        async with self._office.database.connection() as conn:
            unaccounted = await leases.held_by(conn, worker) - self._active.keys()
        lost, self._unaccounted = unaccounted & self._unaccounted, unaccounted
        if lost and worker == self._worker_id:
            log.warning("handing back threads that nobody works on", thread_ids=sorted(lost))
            await hand_back(self._office, worker, sorted(lost))

    async def _note_policies(self) -> None:
        """Have the audit tell of policies that hold from now on."""
        book = self._office.book()
        if book.rules != self._noted:
            await note_policies(self._office.database, book, at=self._office.now())
            self._noted = book.rules

    async def _forget(self, key: AuditKey, keep: timedelta) -> None:
        """Remove what is too old of the audit, as far as it is anchored."""
        database, now = self._office.database, self._office.now()
        if forgotten := await forget_audit(database, key, before=now - keep, at=now):
            log.info("forgot old entries of the audit", entries=forgotten)

    async def _anchor(self, every: timedelta) -> None:
        """Sign what has been added to the audit, unless another worker has just done so."""
        if self._audit_key is not None:
            key, now = self._audit_key, self._office.now()
            for each in await anchor_audit(self._office.database, key, at=now, every=every / 2):
                log.info("anchored the audit", number=each.number, digest=each.digest())

    def _done(self, thread_id: str, task: asyncio.Task[None]) -> None:
        if self._active.get(thread_id) is task:
            del self._active[thread_id]
            self._doubted.discard(thread_id)
            if self._jobs_wait:
                self._jobs_wait = False
                self._wake.set()
            # Whoever came between the thread's rest and this moment has relied on being told.
            self._notices.tell(thread_id)

    # Cancelling.

    def _on_cancel(self, thread_id: str | None) -> None:
        """Look whether runs under way are still wanted; all of them, if it may have been missed."""
        for each in [thread_id] if thread_id is not None else list(self._active):
            if each in self._executing:
                task = asyncio.create_task(self._check_wanted(each, self._executing[each]))
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
            elif each in self._active:
                self._doubted.add(each)  # its run is just beginning, or ending

    async def _check_wanted(self, thread_id: str, run_id: str) -> None:
        if not await self._is_wanted(run_id) and self._executing.get(thread_id) == run_id:
            self._unwanted.add(run_id)
            self._active[thread_id].cancel()

    async def _is_wanted(self, run_id: str) -> bool:
        async with self._office.database.connection() as conn:
            return await runs.is_wanted(conn, run_id)

    # Being alive.

    async def _register(self) -> None:
        database = self._office.database
        async with database.connection() as conn:
            self._worker_id = await workers.register(conn, database.instance, self._lease)
        renewal = workers.Renewal(database.conninfo, self._worker_id, self._lease)
        self._heartbeat = Heartbeat(renewal, self._lease, self._on_buried_in_thread)
        self._heartbeat.start()

    def _on_buried_in_thread(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: this process is ending
            self._loop.call_soon_threadsafe(self._on_buried)

    def _on_buried(self) -> None:
        """This process was taken for dead: what it runs belongs to others by now."""
        log.warning("this worker was found dead and has lost its threads; it begins anew")
        self._worker_id = None
        for task in self._active.values():
            task.cancel()
        if not self._closing:
            self._rebirth = asyncio.create_task(self._begin_anew())

    async def _begin_anew(self) -> None:
        pause = 0.1
        while self._worker_id is None:
            try:
                await self._register()
            except Exception as error:
                log.warning("could not register as a worker, trying again", error=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)

    # Jobs.

    def _on_job(self, news: Sequence[News]) -> None:
        """Take threads at the word, as far as there is room; leave the rest to their jobs."""
        for graph, thread_id in news:
            if graph not in self._office.catalog:
                continue
            if self.reach_out() is None or thread_id in self._active:
                self._jobs_wait = True
                self._wake.set()
                continue
            task = asyncio.create_task(self.work(thread_id), name=f"reach for {thread_id}")
            self._reaching.add(task)
            task.add_done_callback(self._reached)
        if not news:
            self._wake.set()

    def _reached(self, task: asyncio.Task[None]) -> None:
        self._reaching.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("could not take a thread, its job will", error=task.exception())
            self._wake.set()

    async def _take_jobs(self) -> None:
        """Take jobs until told to stop. Procrastinate's worker ends where it loses the database."""
        pause = 0.1
        while not self._closing:
            self._jobs = self._job_worker()
            try:
                await self._jobs.run()  # type: ignore[no-untyped-call]
                pause = 0.1
            except Exception as error:
                log.warning("could not take jobs, trying again", error=str(error.__cause__))
                pause = min(pause * 2, POLL)
            if not self._closing:
                await asyncio.sleep(pause)

    def _job_worker(self) -> Worker:
        """Procrastinate's worker, told of new jobs by this process's own listener.

        Its own listening forgets a notification that comes while it fetches.
        """
        jobs = self._office.jobs
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        if WORK not in jobs.app.tasks:
            jobs.app.task(name=WORK)(self._look_at)
        worker = Worker(
            jobs.app,
            queues=list(self._office.catalog),
            concurrency=self._capacity,
            fetch_job_polling_interval=POLL,
            shutdown_graceful_timeout=0,  # a thread goes on without the job that it came by
            listen_notify=False,
            install_signal_handlers=False,
            delete_jobs=DeleteJobCondition.ALWAYS,
        )
        worker._new_job_event = self._wake
        self._notices.on_job = self._on_job
        return worker

    async def _look_at(self, thread_id: str) -> None:
        while len(self._active) >= self._capacity:
            await asyncio.wait(self._active.values(), return_when=asyncio.FIRST_COMPLETED)
        try:
            await self.work(thread_id)
        except DatabaseUnreachable:
            log.warning("a job has to wait for the database", thread_id=thread_id)
