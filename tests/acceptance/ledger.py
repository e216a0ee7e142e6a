"""What the database under test says, to one who asks and to one who waits for it to say so."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from signoff.domain.audit import GENESIS, link
from tests.acceptance.gates import TIMEOUT

WATCHED = ("workers", "threads", "runs", "requests", "effects", "procrastinate_jobs")


class Ledger:
    """Looks into the schema `signoff` of a database, past everything that Signoff is made of.

    Its tables tell of each change, so that nobody need ask again and again. Where the database is
    killed, it connects anew.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> Self:
        self._conn = self._connect()
        # One statement a transaction: two locks at once could be in the way of who is at work.
        self._conn.execute("SELECT pg_advisory_lock(1)")
        self._conn.execute(
            """
            CREATE OR REPLACE FUNCTION tell_the_test() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_notify('changed', TG_TABLE_NAME); RETURN NULL; END $$
            """
        )
        for table in WATCHED:
            self._conn.execute(
                f"""
                CREATE OR REPLACE TRIGGER tell_the_test
                 AFTER INSERT OR UPDATE OR DELETE ON {table}
                   FOR EACH STATEMENT EXECUTE FUNCTION tell_the_test()
                """
            )
        self._conn.execute("SELECT pg_advisory_unlock(1)")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._conn.close()

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """What the database answers."""
        cursor = self._conn.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def until(self, statement: str, *parameters: Any, within: float = TIMEOUT) -> dict[str, Any]:
        """The first row of what the database answers, once it answers with any."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            try:
                if found := self.rows(statement, *parameters):
                    return found[0]
                for _ in self._conn.notifies(timeout=min(left, 1), stop_after=1):
                    pass
            except psycopg.OperationalError:
                self._reconnect(deadline)
        raise AssertionError(f"in vain: {statement} {parameters}")

    def transaction(self) -> psycopg.Connection[dict[str, Any]]:
        """A connection of its own, in a transaction that ends with its `with` block."""
        return psycopg.connect(self.url, row_factory=dict_row, options="-c search_path=signoff")

    def chain_is_whole(self, thread_id: str) -> bool:
        """Whether each audit entry of a thread is bound to the one before it, and none is lost."""
        entries = self.rows("SELECT * FROM audit WHERE thread_id = %s ORDER BY seq", thread_id)
        heads = self.rows("SELECT * FROM audit_heads WHERE thread_id = %s", thread_id)
        before = GENESIS
        for seq, entry in enumerate(entries, 1):
            before = link(before, seq, entry["number"], entry["xact"], thread_id, entry["body"])
            if (entry["seq"], entry["hash"]) != (seq, before):
                return False
        return [(head["seq"], head["hash"]) for head in heads] == [(len(entries), before)]

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        conn = psycopg.connect(
            self.url,
            autocommit=True,
            row_factory=dict_row,
            options="-c search_path=signoff -c timezone=UTC -c lock_timeout=30s",
        )
        conn.execute("LISTEN changed")
        return conn

    def _reconnect(self, deadline: float) -> None:
        self._conn.close()
        while True:
            try:
                self._conn = self._connect()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)  # nothing tells when a server that is gone is there again
