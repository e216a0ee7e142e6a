"""Retry a delivery that failed."""

from __future__ import annotations

from dataclasses import replace

from signoff import acting
from signoff.db import audit, notices, outcomes, requests, runs
from signoff.domain.audit import of_request
from signoff.domain.errors import NotRetryable, RequestNotFound
from signoff.domain.principal import check_principal
from signoff.domain.request import Delivery, Request
from signoff.service.office import Office, give_work
from signoff.service.resuming import run_from


async def retry(office: Office, request_id: str, *, by: str, reask: bool = False) -> Request:
    """Run on with the same answer; or, with `reask`, never use it and ask the question anew.

    Asking anew opens a new request; this one stays decided, with its outcome not used.

    Raises:
        RequestNotFound: There is no such request.
        NotRetryable: Its delivery has not failed.
    """
    check_principal(by)
    at = office.now()
    async with office.database.transaction() as conn:
        locked = await requests.lock(conn, request_id)
        if locked is None:
            raise RequestNotFound.of(request_id)
        thread, request = locked
        if request.delivery is not Delivery.FAILED:
            raise NotRetryable(
                f"Request {request_id} is {request.state.value} and its delivery is "
                f"{request.delivery.value}: only a failed delivery is retried."
            )
        await outcomes.redeliver(conn, request_id, void=reask)
        run = await run_from(conn, office, request, by=by, reask=reask)
        await runs.insert(conn, run)
        await audit.append(
            conn,
            of_request(
                "request.reasked" if reask else "request.retried",
                request,
                replace(request, delivery=Delivery.PENDING),
                by=by,
                at=at,
                method=acting.method(by),
                run_id=run.id,
                data={"error": request.delivery_error},
            ),
        )
        lease = await give_work(conn, office, thread, request.pause.graph, at)
        await notices.thread_changed(conn, thread.id)
        after = await requests.get(conn, request_id)
        assert after is not None
    office.take(lease)
    return after
