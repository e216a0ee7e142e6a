"""What tests of the core share: small graphs, looking at requests, waiting for rows to appear."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph

from signoff import Signoff
from signoff.db.due import any_due
from signoff.db.pool import Database
from signoff.domain.request import Request
from signoff.domain.thread import Thread
from signoff.service.keep_time import keep_time
from signoff.service.notify import fan_out
from signoff.service.send import send_due

TIMEOUT = 30.0
"""Seconds after which something that should have happened did not."""


class Log(TypedDict, total=False):
    """A state that collects what nodes return, in whatever order they finish."""

    seen: Annotated[list[Any], operator.add]
    amount: int


def chain(*nodes: Callable[..., Any], state: Any = Log) -> StateGraph[Any]:
    """A graph of these functions, one after the other, each a node under its own name."""
    builder: StateGraph[Any] = StateGraph(state)
    before = START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    return builder


def fork(*nodes: Callable[..., Any], state: Any = Log) -> StateGraph[Any]:
    """A graph of these functions, all at once."""
    builder: StateGraph[Any] = StateGraph(state)
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(START, node.__name__)
    return builder


async def settled(desk: Signoff, thread_id: str = "t") -> Thread:
    """The thread once nothing is under way on it."""
    return await desk.wait(thread_id, timeout=TIMEOUT)


async def time_kept(desk: Signoff) -> None:
    """Have all done that is due by now, also what somebody else has locked at the moment."""
    while True:
        await keep_time(desk.office)
        async with desk.office.database.connection() as conn:
            if not await any_due(conn, desk.office.now()):
                return


async def started(
    desk: Signoff, graph: str = "g", input: Any = None, *, thread_id: str = "t"
) -> Thread:
    """A thread that a run was started on, at its first pause or end."""
    await desk.start(graph, {} if input is None else input, by="starter", thread_id=thread_id)
    return await settled(desk, thread_id)


async def listed(desk: Signoff, state: str | None = None, thread_id: str = "t") -> list[Request]:
    """The requests of a thread, the oldest first."""
    page = await desk.requests(thread_id=thread_id, state=state, sort="opened_at")
    return list(page.items)


async def the_open(desk: Signoff, thread_id: str = "t") -> Request:
    """The one request that a thread has open."""
    [request] = await listed(desk, "open", thread_id)
    return request


async def by_title(desk: Signoff, state: str | None = None) -> dict[str, Request]:
    """The requests of the thread by their titles."""
    return {request.title: request for request in await listed(desk, state)}


async def answered(desk: Signoff, value: Any, thread_id: str = "t", by: str = "jane") -> Thread:
    """The thread after its one open question was given this value."""
    request = await the_open(desk, thread_id)
    await desk.decide(request.id, "respond", values={"value": value}, by=by)
    return await settled(desk, thread_id)


async def events(desk: Signoff, thread_id: str = "t") -> list[str]:
    """What the audit tells of a thread, in order."""
    return [entry["event"] for entry in await desk.audit(thread_id=thread_id)]


async def rows(desk: Signoff, statement: str, *parameters: Any) -> list[dict[str, Any]]:
    """What the database answers."""
    async with desk.office.database.connection() as conn:
        cursor = await conn.execute(statement, parameters or None)  # type: ignore[arg-type]
        return await cursor.fetchall() if cursor.description else []


async def eventually(check: Callable[[], Awaitable[object]]) -> None:
    """Return once `check` says so, for what nobody tells of."""
    async with asyncio.timeout(TIMEOUT):
        while not await check():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def blocked(database: Database) -> None:
    """Return once a session of this database waits for a lock."""
    waiting = """
        SELECT 1 FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'
        """

    async def found() -> bool:
        async with database.connection() as conn:
            return await (await conn.execute(waiting)).fetchone() is not None

    await eventually(found)


class Opened:
    """Requests as they are committed, whoever opens them."""

    def __init__(self) -> None:
        self._titles: asyncio.Queue[str] = asyncio.Queue()

    def put(self, title: str) -> None:
        """One was committed."""
        self._titles.put_nowait(title)

    async def next(self) -> str:
        """The title of the next one."""
        return await asyncio.wait_for(self._titles.get(), TIMEOUT)


@asynccontextmanager
async def opened_requests(desk: Signoff) -> AsyncIterator[Opened]:
    """Watch the table itself, so that a test need not poll for a request to appear."""
    await rows(
        desk,
        """
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_notify('opened', NEW.title); RETURN NULL; END $$
        """,
    )
    await rows(
        desk,
        "CREATE TRIGGER tell AFTER INSERT ON requests FOR EACH ROW EXECUTE FUNCTION tell()",
    )
    conn = await desk.office.database.connect()
    await conn.execute("LISTEN opened")
    opened = Opened()

    async def listen() -> None:
        async for notice in conn.notifies():
            opened.put(notice.payload)

    task = asyncio.create_task(listen())
    try:
        yield opened
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await conn.close()


async def redeployed(desk: Signoff, open_desk: Any, graphs: dict[str, Any]) -> Signoff:
    """A new desk with other graphs on the same database, after this one has stopped."""
    await desk.__aexit__(None, None, None)
    opened: Signoff = await open_desk(graphs)
    return opened


async def all_written(desk: Signoff) -> None:
    """Return once messages are written of all that has happened by now.

    What commits while some transaction is under way, whoever's it is, is read after that has ended.
    """
    behind = """
        SELECT 1 FROM audit, fan_out AS read
         WHERE (audit.xact, audit.number) > (read.xact, read.number) LIMIT 1
        """

    async def read() -> bool:
        await fan_out(desk.office)
        return not await rows(desk, behind)

    await eventually(read)


async def all_told(desk: Signoff) -> int:
    """Have all messages sent that are due of what has happened; how many were handed over."""
    await all_written(desk)
    return await send_due(desk.office)
