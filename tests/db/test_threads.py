"""The table of threads takes what the domain takes for a thread's id, whoever writes to it."""

from __future__ import annotations

import pytest
from psycopg.errors import CheckViolation

from signoff.clock import utcnow
from signoff.db import threads
from signoff.db.pool import Database
from signoff.domain.thread import is_thread_id

IDS = [
    "a",
    "A-z.0_9:@",
    "x" * 255,
    "",
    "x" * 256,
    "a b",
    "a/b",
    "a\n",
    "\na",
    "é",
    "a$",
    "^a",
    "[a]",
]


@pytest.mark.parametrize("thread_id", IDS)
async def test_the_table_and_the_domain_agree_on_ids(database: Database, thread_id: str) -> None:
    taken = True
    try:
        async with database.connection() as conn:
            await threads.insert(conn, thread_id, graph="g", metadata={}, at=utcnow())
    except CheckViolation:
        taken = False
    assert taken is is_thread_id(thread_id)
