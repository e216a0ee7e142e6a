"""Wait for a thread or a run."""

from __future__ import annotations

from uuid import uuid4

from signoff.db import runs, threads
from signoff.db.notices import Notices
from signoff.domain.errors import RunNotFound, ThreadNotFound
from signoff.domain.run import Run, RunStatus
from signoff.domain.thread import Thread, ThreadStatus
from signoff.service.office import Office


def new_thread_id() -> str:
    """An id for a thread whose starter gave none."""
    return str(uuid4())


async def until_settled(office: Office, notices: Notices, thread_id: str) -> Thread:
    """The thread, once nothing is under way on it.

    Raises:
        ThreadNotFound: There is no such thread.
    """
    async with notices.of_thread(thread_id) as changed:
        while True:
            changed.clear()
            async with office.database.connection() as conn:
                thread = await threads.get(conn, thread_id)
            if thread is None:
                raise ThreadNotFound(f"There is no thread {thread_id}.")
            if thread.status is not ThreadStatus.BUSY:
                return thread
            await changed.wait()


async def until_ended(office: Office, notices: Notices, thread_id: str, run_id: str) -> Run:
    """The run, once it is paused, has ended or was cancelled.

    Raises:
        RunNotFound: There is no such run on this thread.
    """
    async with notices.of_thread(thread_id) as changed:
        while True:
            changed.clear()
            async with office.database.connection() as conn:
                run = await runs.get(conn, thread_id, run_id)
            if run is None:
                raise RunNotFound(f"Thread {thread_id} has no run {run_id}.")
            if run.status not in (RunStatus.QUEUED, RunStatus.RUNNING):
                return run
            await changed.wait()
