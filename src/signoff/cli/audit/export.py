"""`signoff audit export`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import orjson
import typer

from signoff import audit_key
from signoff.cli.audit.opening import open_database
from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.progress import progress_bar
from signoff.cli.session import run
from signoff.clock import utcnow
from signoff.domain import duration
from signoff.domain.errors import InvalidInput, InvalidPolicy
from signoff.service.export_audit import Exported, Scope, export_bundle, export_lines
from signoff.speech import number


def export(
    *,
    thread: Annotated[str | None, typer.Option(help="What happened on this thread.")] = None,
    request: Annotated[str | None, typer.Option(help="What happened to this request.")] = None,
    since: Annotated[
        str | None, typer.Option(help="What happened since: 30d ago, or 2026-11-21[T12:00].")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Only the entries, one JSON object in each line.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export what the audit says, to be verified without Signoff.

    It is a zip file with what was shown, what was decided, by whom, the chain, the anchors,
    the public key, and a program that verifies it with nothing but Python.
    """
    if sum(each is not None for each in (thread, request, since)) != 1:
        raise typer.BadParameter("say one of --thread, --request and --since")
    moment = None if since is None else _moment(since)
    scope = Scope(thread_id=thread, request_id=request, since=moment)
    if lines:
        count = run(_lines(scope, output))
        if output is not None:
            said = number(count, "entry", "entries")
            _say(as_json, {"file": str(output), "entries": count}, said)
        return
    file = output or Path("audit.zip")
    done = run(_bundle(scope, file, shown=not as_json))
    entries, threads = number(done.entries, "entry", "entries"), number(done.threads, "thread")
    others = f"{number(done.requests, 'request')}, {number(done.anchors, 'anchor')}"
    _say(as_json, {"file": str(file), **asdict(done)}, f"{entries} of {threads}, {others}")


async def _bundle(scope: Scope, file: Path, *, shown: bool) -> Exported:
    with progress_bar("exporting", shown=shown) as progress:
        async with open_database() as (settings, database):
            own = audit_key.of_project(settings)
            keys = [*([own.public] if own else []), *settings.audit_public_keys]
            with _writing(file):
                return await export_bundle(
                    database, scope, file, at=utcnow(), public_keys=keys, progress=progress
                )


async def _lines(scope: Scope, file: Path | None) -> int:
    count = 0
    with progress_bar("exporting", shown=file is not None) as progress:
        async with open_database() as (_, database):
            with _writing(file), _out(file) as out:
                async for entry in export_lines(database, scope, progress=progress):
                    out.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
                    count += 1
    return count


def _moment(text: str) -> datetime:
    with suppress(InvalidPolicy):
        return utcnow() - duration.parse(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no time and no duration", param_hint="--since"
        ) from error
    return moment.astimezone(UTC)


@contextmanager
def _out(file: Path | None) -> Iterator[IO[bytes]]:
    if file is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with file.open("wb") as out:
            yield out


@contextmanager
def _writing(file: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InvalidInput(f"{file} cannot be written: {error.strerror or error}") from error


def _say(as_json: bool, told: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(told)
    else:
        print(plain(f"{told['file']}: {text}"))
