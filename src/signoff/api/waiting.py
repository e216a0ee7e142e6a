"""Answering when a run has ended, however long that takes."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from signoff.answering import ServerStopping
from signoff.api.route import Answer, Caller
from signoff.db.runs import Ending
from signoff.domain.errors import SignoffError
from signoff.domain.run import RunStatus
from signoff.service.wait import Watch, watching

KEEP_ALIVE = 5.0
"""Seconds after which the head of an answer goes out, and a blank line each time that pass again.

Blank lines are nothing to a JSON parser, and keep proxies from taking the connection for dead.
"""


async def answer_at_end(
    caller: Caller, watch: Watch, run_id: str, headers: dict[str, str], *, look: bool
) -> Response:
    """The state that a run leaves, with the questions that it has paused for.

    `look` says that it may have ended before the watch began.
    """
    ending = await watch.look(run_id) if look else None
    if ending is None or not ending.ended:
        ending = await watch.until_ended(run_id, within=KEEP_ALIVE)
    if ending is None:
        return _LongAnswer(caller, watch.thread_id, run_id, headers)
    return Answer(result_of(ending), headers=headers)


class _LongAnswer(Response):
    """An answer whose head is sent long before its end."""

    media_type = "application/json"

    def __init__(
        self, caller: Caller, thread_id: str, run_id: str, headers: dict[str, str]
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._caller = caller
        self._thread_id = thread_id
        self._run_id = run_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, blank lines while it takes, and the answer."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        try:
            result = await self._result(send)
        except SignoffError as error:
            result = _error(error.code, error.message)
        except asyncio.CancelledError:
            stopping = ServerStopping()
            result = _error(stopping.code, stopping.message)
        await send({"type": "http.response.body", "body": orjson.dumps(result)})

    async def _result(self, send: Send) -> Any:
        desk = self._caller.desk
        async with watching(desk.office, desk.notices, self._thread_id) as watch:
            while not (ending := await watch.look(self._run_id)).ended:
                await send({"type": "http.response.body", "body": b"\n", "more_body": True})
                if ended := await watch.until_ended(self._run_id, within=KEEP_ALIVE):
                    return result_of(ended)
        return result_of(ending)


def result_of(ending: Ending) -> Any:
    """What a run has come to, as LangGraph's server answers a wait for it."""
    if ending.status is RunStatus.FAILED:
        named = re.fullmatch(r"(\w+): (.*)", ending.error or "", re.DOTALL)
        return _error(*named.groups()) if named else _error("RunFailed", ending.error or "")
    values = {} if ending.values is None else ending.values
    if ending.interrupts:
        return {**(values if type(values) is dict else {}), "__interrupt__": ending.interrupts}
    return values


def _error(error: str, message: str) -> dict[str, Any]:
    return {"__error__": {"error": error, "message": message}}
