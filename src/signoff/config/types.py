"""What settings are written as, where that takes more than Pydantic's own types."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from signoff.domain.address import mailbox
from signoff.domain.duration import parse
from signoff.domain.errors import InvalidPolicy


def _duration(value: Any) -> timedelta:
    try:
        return parse(value)
    except InvalidPolicy as error:
        raise ValueError(error.message) from error


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _address(value: str) -> str:
    if mailbox(value) is None:
        raise ValueError(f"{value!r:.80} is no e-mail address")
    return value


Address = Annotated[str, AfterValidator(_address)]
