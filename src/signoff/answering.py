"""What the API and the inbox have in common: the desk that they serve, by which name they were
called, and what errors are to them.

`known` tells what was raised, and `STATUS` is the one table from errors to HTTP; some errors are
only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.responses import Response

from signoff.db.notices import Notices
from signoff.db.pool import OperationalError
from signoff.domain import errors
from signoff.domain.errors import SignoffError
from signoff.log import get_logger
from signoff.service.office import Office

log = get_logger(__name__)


class Desk(Protocol):
    """What is served: as much of a desk as that takes."""

    @property
    def office(self) -> Office:
        """Its parts, for services."""

    @property
    def notices(self) -> Notices:
        """What it is told by the database."""


class MalformedJSON(SignoffError):
    """The body is no JSON."""

    code = "malformed_json"


class UnsupportedMediaType(SignoffError):
    """The body is not declared to be JSON."""

    code = "unsupported_media_type"


class RouteNotFound(SignoffError):
    """There is no such path."""

    code = "route_not_found"


class MethodNotAllowed(SignoffError):
    """The path does not know this method."""

    code = "method_not_allowed"


class CallTooSlow(SignoffError):
    """The body did not arrive in time."""

    code = "call_too_slow"


class UnknownHost(SignoffError):
    """The server does not go by the name that it was called by."""

    code = "unknown_host"


class ServerStopping(SignoffError):
    """The server was told to stop, and could not wait any longer for what the call waits for."""

    code = "server_stopping"

    def __init__(self) -> None:
        super().__init__("The server is stopping. What was begun goes on: ask again.")


class InternalError(SignoffError):
    """A bug of Signoff. Its log has the details."""

    code = "internal_error"


STATUS: Mapping[type[SignoffError], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ConfigError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.DatabaseNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ChannelError: HTTPStatus.BAD_GATEWAY,
    errors.ProviderUnavailable: HTTPStatus.BAD_GATEWAY,
    errors.SignoffError: HTTPStatus.INTERNAL_SERVER_ERROR,
    MalformedJSON: HTTPStatus.BAD_REQUEST,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RouteNotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    CallTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    UnknownHost: HTTPStatus.MISDIRECTED_REQUEST,
    ServerStopping: HTTPStatus.SERVICE_UNAVAILABLE,
    InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The status of an error; a class that is not listed has that of its base."""


def status_of(error: SignoffError | type[SignoffError]) -> HTTPStatus:
    """The HTTP status that an error is answered with."""
    kind = error if isinstance(error, type) else type(error)
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def known(error: Exception) -> SignoffError:
    """What was raised, as an error of ours; a bug is an `InternalError`.

    FastAPI's own exceptions come from its routing, and from an application's `authenticate`.
    """
    match error:
        case SignoffError():
            return error
        case HTTPException(status_code=404):
            return RouteNotFound("There is no such path.")
        case HTTPException(status_code=405):
            return MethodNotAllowed("This path does not know this method.")
        case HTTPException(status_code=status) if status < 500:
            return _OF_A_POLICY.get(status, errors.InvalidInput)(str(error.detail))
        case OperationalError():
            log.warning("the database is out of reach", error=str(error))
            return errors.DatabaseUnreachable(
                "The database does not answer. It may be starting: try again in a moment."
            )
    return InternalError(str(error))


_OF_A_POLICY: Mapping[int, type[SignoffError]] = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    413: errors.TooLarge,
}
"""What an application may mean by an exception of FastAPI's."""


def sent_elsewhere(error: Exception) -> Response | None:
    """The answer of an application that sends callers elsewhere, such as to sign in, else None."""
    if isinstance(error, HTTPException) and 300 <= error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    return None


def named_host(host: str) -> str:
    """The name in a `Host` header, without the port."""
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[").lower()
    return host.partition(":")[0].lower().rstrip(".")
