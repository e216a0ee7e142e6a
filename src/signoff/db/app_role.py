"""The rights of a role that Signoff's processes may use: all that they need, and no way to change
what the audit says."""

from __future__ import annotations

from psycopg import sql

from signoff.db.pool import SCHEMA, Connection
from signoff.domain.errors import ConfigError

READ_ONLY = ("migrations", "checkpoint_migrations", "audit_heads")
"""Tables that only the owner writes; the heads of the audit's chains are kept by its trigger."""

APPEND_ONLY = {
    "audit": "thread_id, request_id, event, body, sealed, at",
    "audit_anchors": None,
    "audit_anchored": None,
}
"""Tables that rows are only added to, and the columns that are given."""


async def grant(conn: Connection, role: str) -> None:
    """Give a role the rights on all tables that there are, and take others away.

    Raises:
        ConfigError: There is no such role, or it could do anything anyway.
    """
    await _check(conn, role)
    names = {"schema": sql.Identifier(SCHEMA), "role": sql.Identifier(role)}
    for statement in (
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
    ):
        await conn.execute(sql.SQL(statement).format(**names))
    for table in READ_ONLY:
        await _restrict(conn, table, role, None)
    for table, columns in APPEND_ONLY.items():
        await _restrict(conn, table, role, f"INSERT ({columns})" if columns else "INSERT")


async def granted(conn: Connection) -> list[str]:
    """The roles that have been given these rights: those that may add to the audit."""
    cursor = await conn.execute(
        """
        SELECT DISTINCT grantee FROM information_schema.column_privileges
         WHERE table_schema = %s AND table_name = 'audit' AND privilege_type = 'INSERT'
           AND grantee <> (SELECT tableowner FROM pg_tables
                            WHERE schemaname = table_schema AND tablename = 'audit')
         ORDER BY grantee
        """,
        (SCHEMA,),
    )
    return [row["grantee"] async for row in cursor]


async def _restrict(conn: Connection, table: str, role: str, right: str | None) -> None:
    names = {"table": sql.Identifier(SCHEMA, table), "role": sql.Identifier(role)}
    await conn.execute(
        sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {table} FROM {role}").format(**names)
    )
    if right is not None:
        await conn.execute(sql.SQL(f"GRANT {right} ON {{table}} TO {{role}}").format(**names))


async def _check(conn: Connection, role: str) -> None:
    cursor = await conn.execute(
        """
        SELECT rolsuper OR pg_has_role(oid, (SELECT tableowner FROM pg_tables
                 WHERE schemaname = %s AND tablename = 'audit'), 'MEMBER') AS unlimited
          FROM pg_roles WHERE rolname = %s
        """,
        (SCHEMA, role),
    )
    found = await cursor.fetchone()
    if found is None:
        raise ConfigError(
            f"there is no role {role}: make one, as with CREATE ROLE {role} LOGIN PASSWORD '...'"
        )
    if found["unlimited"]:
        raise ConfigError(
            f"{role} owns Signoff's tables or may do anything: no right can be kept from it"
        )
