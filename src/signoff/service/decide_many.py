"""Decide several requests, each by itself: what one is refused for touches no other."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from signoff.domain.decision import Ballot
from signoff.domain.errors import SignoffError
from signoff.domain.principal import Principal
from signoff.domain.request import Request
from signoff.service.decide import decide
from signoff.service.office import Office
from signoff.service.sight import check_request

AT_ONCE = 8
"""Decided at the same moment, so that connections are left for others."""

Result = Request | SignoffError
"""The request after the decision, or why it was refused."""


async def decide_many(
    office: Office, decisions: Sequence[tuple[str, Ballot]], principal: Principal
) -> list[Result]:
    """Decide each request by its id; the results in the same order.

    Several decisions on one request are made in the order in which they stand.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    results: dict[int, Result] = {}
    places: dict[str, list[int]] = defaultdict(list)
    for place, (request_id, _) in enumerate(decisions):
        places[request_id].append(place)

    async def one_by_one(mine: list[int]) -> None:
        async with gate:
            for place in mine:
                request_id, ballot = decisions[place]
                try:
                    await check_request(office, principal, request_id)
                    results[place] = await decide(office, request_id, ballot, by=principal.name)
                except SignoffError as error:
                    results[place] = error

    await asyncio.gather(*map(one_by_one, places.values()))
    return [results[place] for place in range(len(decisions))]
