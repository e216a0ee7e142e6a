"""Write what the audit says about threads into a bundle that anybody can verify without Signoff."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

import orjson

from signoff import audit_key, render
from signoff.db import anchors, audit_scan
from signoff.db.audit import entry_json
from signoff.db.pool import Connection, Database
from signoff.db.sealed import beside
from signoff.domain import jsontext
from signoff.domain.anchor import Tree
from signoff.domain.audit_check import Stored
from signoff.domain.errors import CannotDecrypt, RequestNotFound, ThreadNotFound
from signoff.domain.request import Request
from signoff.ids import is_id

FORMAT = "signoff audit bundle 1"

MOST_THREADS = 1000
"""Threads whose requests are read at once."""

README = """\
This is what Signoff's audit says about {about}.

    python -I verify.py

verifies it, with nothing but Python, and says with which public key the anchors are signed. Compare
that with the key that you know, or say it: --public-key KEY.

entries.jsonl   the chain of each thread, entry by entry; what was encrypted is in the clear
anchors.jsonl   signed statements of how far all chains had come
leaves.jsonl    which ends of these chains they stand for, with proofs
requests.jsonl  what was shown and what was decided
bundle.json     what this is
"""

Progress = Callable[[int, int], None]
"""Told how many entries were written, and how many there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What is exported: a thread, a request, or everything about threads with entries `since`."""

    thread_id: str | None = None
    request_id: str | None = None
    since: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, of the one that is given."""
        since = None if self.since is None else self.since.isoformat()
        given = {"thread_id": self.thread_id, "request_id": self.request_id, "since": since}
        return {name: value for name, value in given.items() if value is not None}

    def __str__(self) -> str:
        [(name, value)] = self.to_json().items()
        return f"{name.removesuffix('_id')} {value}"


@dataclass(slots=True)
class Exported:
    """How much was written."""

    entries: int = 0
    threads: int = 0
    requests: int = 0
    anchors: int = 0


async def export_bundle(
    database: Database,
    scope: Scope,
    file: Path,
    *,
    at: datetime,
    public_keys: Sequence[str] = (),
    progress: Progress = lambda _done, _total: None,
) -> Exported:
    """Write a bundle as a zip file, whole or not at all.

    Of a request, the other entries of its thread are in it by their digests alone.

    Raises:
        ThreadNotFound, RequestNotFound: The audit has nothing about it.
    """
    exported = Exported()
    async with audit_scan.snapshot(database) as conn:
        threads = await _threads(conn, scope)
        exported.threads = len(threads)
        with _whole(file) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as bundle:
            with bundle.open("entries.jsonl", "w", force_zip64=True) as out:
                await _entries(conn, scope, threads, out, exported, progress)
            with bundle.open("requests.jsonl", "w", force_zip64=True) as out:
                async for request in _requests(conn, scope, threads):
                    exported.requests += 1
                    out.write(_line(_request_json(request)))
            await _anchors(conn, threads, bundle, exported)
            about = {
                "format": FORMAT,
                "scope": scope.to_json(),
                "made_at": at.isoformat(),
                "signoff": version("signoff"),
                "public_keys": list(public_keys),
            }
            bundle.writestr("bundle.json", orjson.dumps(about, option=orjson.OPT_INDENT_2))
            bundle.writestr("README.txt", README.format(about=f"the {scope}"))
            bundle.writestr("verify.py", files("signoff").joinpath("audit_verify.py").read_bytes())
            for number, key in enumerate(public_keys, start=1):
                bundle.writestr(f"public-key-{number}.pem", audit_key.pem(key))
    return exported


async def export_lines(
    database: Database, scope: Scope, *, progress: Progress = lambda _done, _total: None
) -> AsyncIterator[dict[str, Any]]:
    """The entries themselves, in the order of their chains, as the API has them.

    Raises:
        ThreadNotFound, RequestNotFound: The audit has nothing about it.
    """
    async with audit_scan.snapshot(database) as conn:
        threads = await _threads(conn, scope)
        total, done = await audit_scan.count(conn, threads), 0
        async for batch in audit_scan.rows(conn, threads):
            for row in batch:
                if _is_meant(scope, row):
                    yield entry_json(conn, row.seq, row.hash, row.body, row.sealed)
            done += len(batch)
            progress(done, total)


async def _threads(conn: Connection, scope: Scope) -> list[str]:
    if scope.since is not None:
        return await audit_scan.threads_since(conn, scope.since)
    if scope.request_id is not None:
        known = is_id(scope.request_id)
        thread_id = await audit_scan.thread_of(conn, scope.request_id) if known else None
        if thread_id is None:
            raise RequestNotFound(f"The audit has nothing about a request {scope.request_id}.")
        return [thread_id]
    thread_id = scope.thread_id
    if thread_id is None or not await audit_scan.count(conn, [thread_id]):
        raise ThreadNotFound(f"The audit has nothing about a thread {thread_id}.")
    return [thread_id]


def _is_meant(scope: Scope, row: Stored) -> bool:
    if scope.request_id is not None:
        return row.request_id == scope.request_id
    return scope.since is None or row.at >= scope.since


async def _entries(
    conn: Connection,
    scope: Scope,
    threads: Sequence[str],
    out: IO[bytes],
    exported: Exported,
    progress: Progress,
) -> None:
    total = await audit_scan.count(conn, threads)
    async for batch in audit_scan.rows(conn, threads):
        for row in batch:
            hidden = scope.request_id is not None and row.request_id != scope.request_id
            out.write(_line(_entry_json(conn, row, hidden=hidden)))
        exported.entries += len(batch)
        progress(exported.entries, total)


def _entry_json(conn: Connection, row: Stored, *, hidden: bool) -> dict[str, Any]:
    shown = {
        "request_id": row.request_id,
        "event": row.event,
        "at": row.at.isoformat(),
        "body": row.body,
    }
    if row.sealed is not None:
        shown["sealed"] = _beside(conn, row)
    return {
        "thread_id": row.thread_id,
        "seq": row.seq,
        "number": row.number,
        "xact": row.xact,
        **(dict.fromkeys(shown) if hidden else shown),
        "body_sha256": hashlib.sha256(row.body.encode()).hexdigest(),
        "hash": row.hash,
    }


def _beside(conn: Connection, row: Stored) -> str | None:
    """What an entry keeps encrypted; None where it was tampered with, which then shows."""
    try:
        return beside(conn, orjson.loads(row.body), row.sealed)
    except (CannotDecrypt, ValueError, TypeError, LookupError):
        return None


async def _requests(
    conn: Connection, scope: Scope, threads: Sequence[str]
) -> AsyncIterator[Request]:
    for first in range(0, len(threads), MOST_THREADS):
        part = threads[first : first + MOST_THREADS]
        async for request in audit_scan.requests_of(conn, part):
            if scope.request_id in (None, request.id):
                yield request


def _request_json(request: Request) -> dict[str, Any]:
    return {**render.request_json(request), "shown": _shown(request)}


def _shown(request: Request) -> Any:
    """What the request's digest is of, if that can be made of what is stored; else None."""
    payload, schema = request.payload, request.question.response_schema
    forms: list[Any] = [payload, {"value": payload, "response_schema": schema}]
    if isinstance(payload, Mapping):  # what a call to ask() says of its policy, no reviewer sees
        forms.append({name: each for name, each in payload.items() if name != "policy"})
    return next((form for form in forms if jsontext.digest(form) == request.digest), None)


async def _anchors(
    conn: Connection, threads: Sequence[str], bundle: zipfile.ZipFile, exported: Exported
) -> None:
    """The anchors that hold these threads, the newest one, and where in them the threads are."""
    wanted, leaves, lines = set(threads), [], []
    last = await anchors.last(conn)
    async for anchor, ends in anchors.every(conn, of=threads):
        lines.append(_line(anchor.to_json()))
        exported.anchors += 1
        tree = Tree([leaf.digest() for leaf in ends])
        for index, leaf in enumerate(ends):
            if leaf.thread_id in wanted:
                place = {"anchor": anchor.number, "index": index, **leaf._asdict()}
                leaves.append(_line({**place, "proof": tree.proof(index)}))
        if last is not None and anchor.number == last.number:
            last = None
    if last is not None:
        lines.append(_line(last.to_json()))
        exported.anchors += 1
    bundle.writestr("anchors.jsonl", b"".join(lines))
    bundle.writestr("leaves.jsonl", b"".join(leaves))


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """A file to write, which takes its name once it is whole."""
    draft = file.with_name(f".{file.name}.part")
    try:
        yield draft
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _line(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
