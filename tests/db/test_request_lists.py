"""Lists of requests, page by page: whichever way they are found, they are what was asked for."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from signoff.db import request_lists
from signoff.db.pool import Database
from signoff.db.request_lists import CLOSED, SORTS, Filter
from signoff.domain.decision import Outcome

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
STATES = ("open", "open", "open", *CLOSED)
OUTCOME = Outcome(action="approve", values={}, note=None, by="jane", at=NOW).to_json()

FILTERS = {
    "everything": Filter(),
    "open": Filter(state=["open"]),
    "closed": Filter(state=CLOSED),
    "two states": Filter(state=["open", "withdrawn"]),
    "one's own": Filter(audience=["jane", "group:legal"], barred="jane"),
    "one's own that is open": Filter(state=["open"], audience=["jane"], barred="jane"),
    "nobody's": Filter(audience=[]),
    "overdue": Filter(overdue_at=NOW),
    "overdue and open": Filter(state=["open"], overdue_at=NOW),
    "overdue for somebody": Filter(overdue_at=NOW, audience=["jane"]),
    "overdue and closed": Filter(state=["decided"], overdue_at=NOW),
    "a text": Filter(q="number 1"),
    "a text with signs": Filter(q="100% _"),
    "a topic": Filter(topic="terms", priority=2),
    "graphs in sight": Filter(graphs=["g", "h"], topic="terms"),
    "no graph in sight": Filter(graphs=[]),
    "a thread": Filter(thread_id="t3"),
    "a thread, open": Filter(thread_id="t3", state=["open"]),
}


def request(n: int) -> dict[str, Any]:
    """Request number n; many have something in common with others."""
    state = STATES[n % len(STATES)]
    return {
        "id": f"01a1fd3a-c54f-7cb9-b0c8-{(n * 7919) % 100_003:012}",
        "thread_id": f"t{n % 10}",
        "interrupt_id": str(n),
        "topic": "terms" if n % 3 else None,
        "title": f"Contract number {n}" if n % 5 else f"Contract at 100% _ {n}",
        "policy": {"four_eyes": n % 4 == 0},
        "involved": ["jane"] if n % 8 == 0 else [],
        "audience": [[], ["jane"], ["group:legal", "tom"], ["tom"]][n % 4 if n % 9 else 1],
        "priority": n % 4,
        "state": state,
        "outcome": OUTCOME if state in ("decided", "expired") else None,
        "deadline": None if n % 3 == 0 else NOW + timedelta(hours=n % 7 - 3),
        "opened_at": NOW - timedelta(days=n % 11),
        "closed_at": None if state == "open" else NOW + timedelta(days=n % 6),
    }


REQUESTS = [request(n) for n in range(70)]


def fits(given: Filter, each: dict[str, Any]) -> bool:
    """Whether a filter lets a request through."""
    if any(
        asdict(given)[name] not in (None, each[name]) for name in ("topic", "thread_id", "priority")
    ):
        return False
    return not (
        (given.state is not None and each["state"] not in given.state)
        or (given.graphs is not None and "g" not in given.graphs)
        or (given.audience is not None and not set(given.audience) & set(each["audience"]))
        or (given.barred in each["involved"] and each["policy"]["four_eyes"])
        or (
            given.overdue_at is not None
            and (each["state"] != "open" or (each["deadline"] or NEVER) >= given.overdue_at)
        )
        or (given.q is not None and given.q not in each["title"])
    )


def place(sort: str, each: dict[str, Any]) -> tuple[Any, str]:
    """What a list is sorted by: what has no end is last, whatever the direction."""
    field, none = sort.lstrip("-"), NEVER
    if sort == "-closed_at":
        none = datetime.min.replace(tzinfo=UTC)
    return none if each[field] is None else each[field], each["id"]


@pytest.fixture
def filled(database_url: str) -> None:
    columns = [*REQUESTS[0]]
    with psycopg.connect(database_url, options="-c search_path=signoff") as conn:
        conn.execute(
            "INSERT INTO threads (id, created_at, updated_at)"
            " SELECT 't' || n, now(), now() FROM generate_series(0, 9) AS n"
        )
        conn.cursor().executemany(
            f"""
            INSERT INTO requests
                (graph, node, task_id, checkpoint_ns, checkpoint_id, position, kind, actions,
                 digest, {", ".join(columns)})
            VALUES ('g', 'n', 't', '', '', 0, 'ask', '[]', '',
                    {", ".join(f"%({name})s" for name in columns)})
            """,
            [
                {n: psycopg.types.json.Json(v) if isinstance(v, dict) else v for n, v in r.items()}
                for r in REQUESTS
            ],
        )


@pytest.mark.parametrize(("most", "near"), [(1000, 10_000), (3, 10_000), (3, 12)])
async def test_pages_have_all_that_fits_once_and_in_order(
    filled: None,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    near: int,
) -> None:
    monkeypatch.setattr(request_lists, "MOST", most)
    monkeypatch.setattr(request_lists, "NEAR", near)
    async with database.connection() as conn:
        for name, given in FILTERS.items():
            for sort in SORTS:
                expected = sorted(
                    (each for each in REQUESTS if fits(given, each)),
                    key=lambda each, sort=sort: place(sort, each),
                    reverse=sort.startswith("-"),
                )
                found: list[str] = []
                after = None
                while True:
                    page = await request_lists.look(
                        conn, given, "id", sort=sort, limit=6, after=after
                    )
                    found += [str(row["id"]) for row in page.rows]
                    assert min(page.total, most + 1) == min(len(expected), most + 1)
                    after = page.following
                    if after is None:
                        break
                assert found == [each["id"] for each in expected], (name, sort)


async def test_lists_are_counted_together_as_far_as_it_matters(
    filled: None, database: Database
) -> None:
    async with database.connection() as conn:
        counted = await request_lists.counts(conn, FILTERS, at_most=5)
    fitting = {n: sum(fits(f, each) for each in REQUESTS) for n, f in FILTERS.items()}
    assert counted == {name: min(number, 6) for name, number in fitting.items()}
    assert {0, 6} < set(counted.values())


async def test_threads_are_listed_together_unless_one_has_too_many(
    filled: None, database: Database
) -> None:
    newest = {}
    async with database.connection() as conn:
        for id_ in ("t3", "t4", "t9"):
            rows, _, _ = await request_lists.page(
                conn, Filter(thread_id=id_), sort="-opened_at", limit=50, after=None
            )
            newest[id_] = rows
        asked = [*newest, "unknown"]
        assert await request_lists.of_threads(conn, asked, limit=7) == {**newest, "unknown": []}
        few = await request_lists.of_threads(conn, asked, limit=6)
    assert few == {"t3": None, "t4": None, "t9": None, "unknown": []}
