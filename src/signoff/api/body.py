"""Reading a body: no more of it than is allowed, and JSON that can be kept or nothing.

It is parsed once; what is wrong with it is said with the place.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request

from signoff.answering import MalformedJSON, UnsupportedMediaType
from signoff.api.lingering import UNREAD
from signoff.domain.errors import FieldError, InvalidJSON, TooLarge
from signoff.domain.jsontext import MAX_BYTES, MAX_DEPTH, check, pointer

MAX_BODY: Final = MAX_BYTES + 64 * 1024
"""The most bytes of a body: a payload of the largest size, and room for what goes around it."""


class CheckedRequest(Request):
    """A request whose body was read and checked."""

    def __init__(self, request: Request, raw: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._value = value

    async def body(self) -> bytes:
        """The bytes."""
        return self._raw

    async def json(self) -> Any:
        """The value."""
        return self._value


async def checked(request: Request) -> CheckedRequest:
    """The request with its body checked; no body counts as an empty object.

    Raises:
        TooLarge: It is over the limit; what is beyond was not read.
        UnsupportedMediaType: It is not declared to be JSON.
        MalformedJSON: It is no JSON.
        InvalidJSON: It is JSON that cannot be kept, such as one with NUL characters.
    """
    raw = await _read(request)
    if not raw:
        return CheckedRequest(_undeclared(request), b"{}", {})
    _check_media_type(request)
    return CheckedRequest(request, raw, parse(raw))


def _undeclared(request: Request) -> Request:
    """The request without what its body is declared to be: clients declare what is not there."""
    headers = [each for each in request.scope["headers"] if each[0] != b"content-type"]
    return Request({**request.scope, "headers": headers}, request.receive)


def parse(raw: bytes) -> Any:
    """The JSON value that a text stands for.

    Raises:
        TooLarge, MalformedJSON, InvalidJSON: As `checked`.
    """
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidJSON(f"The body is not UTF-8, at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        raise MalformedJSON(
            f"The body is no JSON: {error.msg}, at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise InvalidJSON(f"The body is nested more than {MAX_DEPTH} levels deep.") from error
    except ValueError as error:  # Python's limit on the digits of an integer
        raise InvalidJSON("The body has an integer beyond 64 bits.") from error
    if isinstance(value, dict):
        check(dict.fromkeys(value), where="the body")
        for name, part in value.items():
            _check_part(name, part)
    return value


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > MAX_BODY:
        _refuse_size(request, unread=True)
    raw = bytearray()
    unread = True
    while unread:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        raw += message.get("body", b"")
        unread = message.get("more_body", False)
        if len(raw) > MAX_BODY:
            _refuse_size(request, unread=unread)
    return bytes(raw)


def _refuse_size(request: Request, *, unread: bool) -> NoReturn:
    request.scope[UNREAD] = unread
    raise TooLarge(f"The body is over the limit of {MAX_BODY:,} bytes.")


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJSON(f"The body is no JSON: {name} is no JSON value.")


def _check_media_type(request: Request) -> None:
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not (
        declared.startswith("application/") and declared.endswith("+json")
    ):
        raise UnsupportedMediaType(
            f"The body is declared to be {declared or 'nothing'}: send application/json."
        )


def _check_part(name: str, part: Any) -> None:
    try:
        check(part, where=name)
    except InvalidJSON as error:
        raise InvalidJSON(
            error.message,
            [FieldError(pointer(name) + each.pointer, each.message) for each in error.errors],
        ) from error
