"""What a form sent: read up to a limit, as the browser's own encoding has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from signoff.domain.errors import InvalidInput, TooLarge
from signoff.domain.jsontext import MAX_BYTES

MAX_BODY = 3 * MAX_BYTES + 256 * 1024
"""The most bytes of a form: an answer of the largest size with each byte escaped, and the rest."""

MAX_FIELDS = 25_000


class FormData(Mapping[str, str]):
    """The fields of a form by name; of those that are there several times, the last."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._several: dict[str, list[str]] = {}
        for name, value in pairs:
            # Browsers send texts of several lines with CR LF, whatever was typed.
            self._several.setdefault(name, []).append(value.replace("\r\n", "\n"))

    def __getitem__(self, name: str) -> str:
        return self._several[name][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._several)

    def __len__(self) -> int:
        return len(self._several)

    def getlist(self, name: str) -> list[str]:
        """All values of a field, as WTForms asks for them."""
        return list(self._several.get(name, ()))


async def read(request: Request) -> FormData:
    """The fields that were sent.

    Raises:
        TooLarge: There are more bytes than an answer may have.
        InvalidInput: It is no form.
    """
    type_ = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if type_ != "application/x-www-form-urlencoded":
        raise InvalidInput("This is no form of the inbox.")
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > MAX_BODY:
                raise TooLarge("The form is larger than an answer may be, which is 1 MiB.")
    except ClientDisconnect as error:
        raise InvalidInput("The connection was closed before the form was complete.") from error
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise InvalidInput("The form could not be read.") from error
    return FormData(pairs)
