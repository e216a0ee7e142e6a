"""What the API and the inbox have in common: the desk that they serve, and the status of an error.

`STATUS` is the one table from errors to HTTP; some errors are only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from signoff.db.notices import Notices
from signoff.domain import errors
from signoff.domain.errors import SignoffError
from signoff.service.office import Office


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
