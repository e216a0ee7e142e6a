"""Errors as problem documents (RFC 9457): one shape for whatever can go wrong on any route.

What they are, and their statuses, stands in `signoff.answering`. Nothing of a bug's insides leaves
the process.
"""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from signoff.answering import (
    InternalError,
    MalformedJSON,
    known,
    sent_elsewhere,
    status_of,
)
from signoff.api.lingering import LingeringResponse
from signoff.domain import errors
from signoff.domain.errors import (
    FieldError,
    InvalidInput,
    RequestClosed,
    SignInTooOld,
    SignoffError,
)
from signoff.domain.jsontext import pointer
from signoff.log import call_id, get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"www-authenticate": "Signoff"},
    408: {"connection": "close"},
    413: {"connection": "close"},
    503: {"retry-after": "1"},
}


def answer(error: Exception) -> Response:
    """The problem document for whatever was raised; a bug is logged and stays closed."""
    if (elsewhere := sent_elsewhere(error)) is not None:
        return elsewhere
    headers: Mapping[str, str] | None = None
    if isinstance(error, HTTPException):
        headers = error.headers
    told = _known(error)
    if status_of(told) is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("a request failed", exception="".join(traceback.format_exception(error)))
        told = InternalError("The server has made a mistake. Its log has the details.")
    return _problem(told, headers or {})


def _known(error: Exception) -> SignoffError:
    match error:
        case RequestValidationError():
            found = [_field_error(each, error.body) for each in error.errors()]
            shown = "; ".join(f"{each.pointer or 'the body'} {each.message}" for each in found[:3])
            return InvalidInput(f"The request is not well formed: {shown}.", found)
        case ClientDisconnect():
            return MalformedJSON("The connection was closed before the body was complete.")
    return known(error)


def document(error: SignoffError) -> dict[str, Any]:
    """What a problem document says of an error."""
    status = status_of(error)
    told: dict[str, Any] = {
        "type": f"urn:signoff:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize().replace("json", "JSON"),
        "status": status.value,
        "detail": error.message,
        "code": error.code,
    }
    if isinstance(error, InvalidInput) and error.errors:
        told["errors"] = [each.as_dict() for each in error.errors]
    if isinstance(error, RequestClosed):
        told |= {"request_id": error.request_id, "state": error.state}
    if isinstance(error, SignInTooOld):
        told["max_age"] = _seconds(error.max_age)
    return told


def _problem(error: SignoffError, headers: Mapping[str, str]) -> Response:
    status = status_of(error)
    if isinstance(error, errors.RateLimited):
        headers = {**headers, "retry-after": str(_seconds(error.retry_after))}
    # Who is refused for the size of a body may be sending it still.
    told = document(error)
    if (call := call_id()) is not None:
        told["call_id"] = call
    response = LingeringResponse if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE else Response
    return response(
        orjson.dumps(told),
        status_code=status.value,
        media_type=MEDIA_TYPE,
        headers={**headers, **HEADERS.get(status, {}), **_challenge(error)},
    )


def _challenge(error: SignoffError) -> Mapping[str, str]:
    """What asks for another sign-in, in the words of RFC 9470."""
    if not isinstance(error, SignInTooOld):
        return {}
    said = (
        ("error", "insufficient_user_authentication"),
        ("error_description", "Sign in again to decide this"),
        ("max_age", str(_seconds(error.max_age))),
    )
    return {"www-authenticate": "Bearer " + ", ".join(f'{name}="{what}"' for name, what in said)}


def _seconds(time: timedelta) -> int:
    return math.ceil(time.total_seconds())


def _field_error(error: Mapping[str, Any], body: Any) -> FieldError:
    """One of Pydantic's errors. Its place may end in names of its own, which no document has."""
    where, *steps = error["loc"]
    if where == "body":
        steps = _steps_within(body, steps, missing=error["type"] == "missing")
    message = error["msg"].removeprefix("Value error, ").replace(" after validation", "")
    message = re.sub(r"^\w+ should ", "must ", message)
    message = _PLAINLY.get(error["type"], message[:1].lower() + message[1:])
    return FieldError(pointer(*steps), message)


_PLAINLY: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
"""What Pydantic says in the words of Python, in those of the other refusals."""


def _steps_within(document: Any, steps: Sequence[str | int], *, missing: bool) -> list[str | int]:
    taken: list[str | int] = []
    for step in steps:
        try:
            document = document[step]
        except (LookupError, TypeError):
            return [*taken, step] if missing else taken
        taken.append(step)
    return taken
