"""What somebody may know of: nothing of other graphs than those they are limited to.

What one may not know of is refused as what there is not.
"""

from __future__ import annotations

from collections.abc import Mapping

from signoff.db import audit, requests, threads
from signoff.db.threads import Sight
from signoff.domain.errors import GraphNotFound, RequestNotFound, ThreadNotFound
from signoff.domain.principal import Principal
from signoff.service.office import Office


async def check_path(office: Office, principal: Principal, params: Mapping[str, str]) -> None:
    """Return if they may know of what the parameters of a path name.

    Raises:
        RequestNotFound, ThreadNotFound: They may not.
    """
    if (request_id := params.get("request_id")) is not None:
        await check_request(office, principal, request_id)
    if (thread_id := params.get("thread_id")) is not None:
        await check_thread(office, principal, thread_id)


async def check_request(office: Office, principal: Principal, request_id: str) -> None:
    """Return if they may know of this request, or if there is none.

    Raises:
        RequestNotFound: They may not.
    """
    if principal.graphs is not None:
        async with office.database.connection() as conn:
            graph = await requests.graph_of(conn, request_id)
        if graph is not None and not principal.sees(graph):
            raise RequestNotFound.of(request_id)


async def check_thread(office: Office, principal: Principal, thread_id: str) -> None:
    """Return if they may know of this thread, or if there is none.

    One that belongs to no graph yet is known to whoever has made it.

    Raises:
        ThreadNotFound: They may not.
    """
    if principal.graphs is not None:
        async with office.database.connection() as conn:
            seen = await threads.is_seen(conn, thread_id, _sight(principal, principal.graphs))
        if seen is False:
            raise ThreadNotFound.of(thread_id)


async def check_audit(office: Office, principal: Principal, thread_id: str) -> None:
    """Return if they may know of all that was ever done on a thread.

    The thread itself may be gone, and another may have had its id before.

    Raises:
        ThreadNotFound: They may not.
    """
    if principal.graphs is not None:
        async with office.database.connection() as conn:
            graphs = await audit.graphs_of(conn, thread_id)
            seen = await threads.is_seen(conn, thread_id, _sight(principal, principal.graphs))
        if seen is None:
            seen = bool(graphs)
        if not seen or not graphs <= principal.graphs:
            raise ThreadNotFound(f"There is no thread {thread_id}, and there never was.")


def check_graph(office: Office, principal: Principal, name_or_id: str) -> str:
    """The name of a graph that is served, and that they may know of.

    Raises:
        GraphNotFound: There is none.
    """
    name = office.catalog.find(name_or_id).name
    if not principal.sees(name):
        raise GraphNotFound(f"No graph {name_or_id!r} is served here.")
    return name


def sight_of(principal: Principal) -> Sight | None:
    """Which threads of a list they may know of; None is all."""
    return None if principal.graphs is None else _sight(principal, principal.graphs)


def _sight(principal: Principal, graphs: frozenset[str]) -> Sight:
    return Sight(graphs=sorted(graphs), creator=principal.name)
