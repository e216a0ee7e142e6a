"""A program that uses the library: each line on its standard input is a call of the desk.

A line is JSON, ``[method, arguments, options]``; a line of JSON is the answer. It ends with its
input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, is_dataclass
from typing import Any

from signoff import Signoff
from signoff.domain.request import Request
from signoff.render import request_json


async def main() -> None:
    """Answer calls until there are no more."""
    async with Signoff() as desk:
        while line := await asyncio.to_thread(sys.stdin.readline):
            method, arguments, options = json.loads(line)
            answer = await getattr(desk, method)(*arguments, **options)
            print(json.dumps(plain(answer), default=str), flush=True)


def plain(answer: Any) -> Any:
    """What a method returned, as JSON."""
    if hasattr(answer, "items") and not isinstance(answer, dict):
        return [plain(each) for each in answer.items]
    if isinstance(answer, Request):
        return request_json(answer)
    return asdict(answer) if is_dataclass(answer) and not isinstance(answer, type) else answer


if __name__ == "__main__":
    asyncio.run(main())
