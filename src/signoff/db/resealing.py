"""Bring rows under the newest key: those of an older one, and those that were never encrypted.

Each row is rewritten by itself, and only if it is as it was read: so this gets in nobody's way
while servers and workers go on, and can be broken off and begun again at any moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from psycopg.errors import InsufficientPrivilege

from signoff.db.pool import Connection, Json, OrderedJson
from signoff.db.sealed import MARK, TYPE, Sealer, key_of, place_of_entry
from signoff.db.sealed_parts import BYTES, CLEAR_METADATA, SHAPES
from signoff.domain.errors import ConfigError

BATCH = 200
"""Rows read at once."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, how a row of it is known, and its columns that may hold something sealed.

    `beside` are columns that are needed to open these. A column's value says what it goes in as.
    """

    name: str
    key: Mapping[str, str]
    columns: Mapping[str, Callable[[Any], Any]]
    beside: Sequence[str] = ()
    where: str = "true"


def _plain(value: Any) -> Any:
    return value


def _columns(json: str = "", jsonb: str = "", other: str = "") -> dict[str, Callable[[Any], Any]]:
    return {
        **dict.fromkeys(json.split(), OrderedJson),
        **dict.fromkeys(jsonb.split(), Json),
        **dict.fromkeys(other.split(), _plain),
    }


_THREAD = {"thread_id": "text"}
_CHECKPOINT = {**_THREAD, "checkpoint_ns": "text", "checkpoint_id": "text"}

TABLES = (
    Table(
        "requests",
        {"id": "uuid"},
        _columns(
            json="payload response_schema actions",
            jsonb="comments outcome policy",
            other="title remark delivery_error",
        ),
    ),
    Table("votes", {"request_id": "uuid", "by": "text"}, _columns(jsonb="values", other="note")),
    Table("threads", {"id": "text"}, _columns(jsonb="state_values", other="error")),
    Table(
        "runs",
        {"id": "uuid"},
        _columns(jsonb="input config context", other="error"),
        beside=("thread_id",),
    ),
    Table("messages", {"id": "uuid"}, _columns(json="payload", other="note")),
    Table(
        "stream_events",
        {**_THREAD, "id": "bigint"},
        _columns(other="data"),
        beside=("run_id", "event"),
    ),
    Table("sessions", {"id": "uuid"}, _columns(other="id_token"), where="id_token IS NOT NULL"),
    Table("effects", {**_THREAD, "key": "text"}, _columns(other="type result")),
    Table("checkpoints", _CHECKPOINT, _columns(jsonb="checkpoint metadata")),
    Table(
        "checkpoint_blobs",
        {**_THREAD, "checkpoint_ns": "text", "channel": "text", "version": "text"},
        _columns(other="type blob"),
    ),
    Table(
        "checkpoint_writes",
        {**_CHECKPOINT, "task_id": "text", "idx": "int"},
        _columns(other="type blob"),
    ),
    # What the chain says itself stays as it was written.
    Table(
        "audit",
        {**_THREAD, "seq": "bigint"},
        _columns(other="sealed"),
        beside=("body",),
        where="sealed IS NOT NULL",
    ),
)


async def seal_lookalikes(conn: Connection, sealer: Sealer) -> None:
    """Seal the rows in which somebody's text looks like a sealed one, while nothing is sealed yet.

    From then on whatever looks like that is sealed, if nobody writes meanwhile who has no key.
    """
    for table in TABLES:
        if table.name == "audit" or "type" in table.columns:
            continue  # A column that nobody else gives says there what is sealed.
        where = f"strpos(concat({_quoted([*table.columns])}), '{MARK}') > 0"
        async for rows in _batches(conn, replace(table, where=where)):
            for row in rows:
                if (made := _sealed(sealer, table, row)) != row:
                    await _write(conn, table, row, made)


async def count(conn: Connection) -> int:
    """How many rows there are to look at."""
    tables = " UNION ALL ".join(
        f"SELECT count(*) AS n FROM {each.name} WHERE {each.where}" for each in TABLES
    )
    cursor = await conn.execute(f"SELECT sum(n)::bigint AS n FROM ({tables}) AS counted")
    row = await cursor.fetchone()
    return int(row["n"]) if row else 0


async def reseal(conn: Connection, sealer: Sealer, table: Table) -> AsyncIterator[tuple[int, int]]:
    """Go through a table: of each batch how many rows it had, and how many were rewritten.

    Raises:
        EncryptionKeyMissing: A row is encrypted with a key that is not among these.
        CannotDecrypt: A row is not as it was written.
    """
    async for rows in _batches(conn, table):
        written = 0
        for row in rows:
            found: dict[str, Any] | None = row
            while found is not None and (made := _resealed(sealer, table, found)) is not None:
                if await _write(conn, table, found, made):
                    written += 1
                    break
                found = await _again(conn, table, row)  # it has changed since
        yield len(rows), written


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _select(table: Table) -> str:
    names = _quoted([*table.key, *table.columns, *table.beside])
    return f"SELECT {names}, xmin::text AS xmin FROM {table.name} WHERE {table.where}"


async def _batches(conn: Connection, table: Table) -> AsyncIterator[list[dict[str, Any]]]:
    after: dict[str, Any] = {}
    while rows := await _read(conn, table, after):
        yield rows
        after = {name: rows[-1][name] for name in table.key}


async def _read(conn: Connection, table: Table, after: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = _quoted(list(table.key))
    place = ", ".join(f"%({name})s::{type_}" for name, type_ in table.key.items())
    onwards = f"AND ({keys}) > ({place})" if after else ""
    cursor = await conn.execute(
        f"{_select(table)} {onwards} ORDER BY {keys} LIMIT {BATCH}", dict(after)
    )
    return await cursor.fetchall()


def _is(table: Table) -> str:
    return " AND ".join(f'"{name}" = %({name})s::{type_}' for name, type_ in table.key.items())


async def _again(conn: Connection, table: Table, row: Mapping[str, Any]) -> dict[str, Any] | None:
    cursor = await conn.execute(f"{_select(table)} AND {_is(table)}", dict(row))
    return await cursor.fetchone()


async def _write(
    conn: Connection, table: Table, row: Mapping[str, Any], made: Mapping[str, Any]
) -> bool:
    changed = [name for name in table.columns if made[name] != row[name]]
    values = {f"new_{name}": table.columns[name](made[name]) for name in changed}
    try:
        cursor = await conn.execute(
            f"""
            UPDATE {table.name} SET {", ".join(f'"{name}" = %(new_{name})s' for name in changed)}
             WHERE {_is(table)} AND xmin = %(xmin)s::text::xid
            """,
            {**{name: row[name] for name in (*table.key, "xmin")}, **values},
        )
    except InsufficientPrivilege as error:
        raise ConfigError(
            f"this role may not write to {table.name}: `signoff encrypt` takes the role that owns "
            "the tables, as `signoff migrate` does"
        ) from error
    return cursor.rowcount == 1


def _resealed(sealer: Sealer, table: Table, row: dict[str, Any]) -> dict[str, Any] | None:
    """A row under the newest key; None if it is."""
    match table.name:
        case "checkpoints":
            if _is_current_checkpoint(sealer, row):
                return None
            return _sealed(sealer, table, sealer.open_checkpoint(row))
        case "audit":
            if key_of(row["sealed"]) == sealer.first:
                return None
            place = place_of_entry(orjson.loads(row["body"]))
            return {
                **row,
                "sealed": sealer.seal_text(sealer.open_text(row["sealed"], *place), *place),
            }
        case "effects":
            return _resealed_blob(sealer, row, "result", ("effects", row["thread_id"], row["key"]))
        case "checkpoint_blobs" | "checkpoint_writes":
            name, *by = BYTES[table.name]
            return _resealed_blob(sealer, row, "blob", (name, *(row[each] for each in by)))
    if _is_current(sealer, table.name, row):
        return None
    return _sealed(sealer, table, sealer.open(table.name, dict(row)))


def _sealed(sealer: Sealer, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in the clear under the newest key, where only its values say whether it is sealed."""
    if table.name == "checkpoints":
        return sealer.seal_checkpoint(row)
    return sealer.seal(table.name, row)


def _resealed_blob(
    sealer: Sealer, row: dict[str, Any], column: str, place: tuple[object, ...]
) -> dict[str, Any] | None:
    type_, blob = row["type"], row[column]
    if blob is None or (type_.endswith(TYPE) and key_of(bytes(blob)) == sealer.first):
        return None
    type_, blob = sealer.open_blob(type_, blob, *place)
    return {**row, "type": type_ + TYPE, column: sealer.seal_bytes(bytes(blob or b""), *place)}


def _is_current(sealer: Sealer, shape: str, row: Mapping[str, Any]) -> bool:
    for part in SHAPES[shape]:
        value = row[part.field]
        if value is not None and part.member is not None:
            value = value.get(part.member)
        if value not in (None, {}, [], "") and key_of(value) != sealer.first:
            return False
    return True


def _is_current_checkpoint(sealer: Sealer, row: Mapping[str, Any]) -> bool:
    metadata = row["metadata"]
    scalars = (row["checkpoint"].get("channel_values") or {}).values()
    said = metadata.keys() - CLEAR_METADATA - {"sealed"}
    sealed = [*scalars, *([metadata["sealed"]] if "sealed" in metadata else [])]
    return not said and all(key_of(each) == sealer.first for each in sealed)
