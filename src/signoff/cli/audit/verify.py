"""`signoff audit verify`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from signoff import audit_key
from signoff.cli import errors
from signoff.cli.audit.opening import open_database
from signoff.cli.options import AsJson
from signoff.cli.output import Column, console, plain, print_json, print_table
from signoff.cli.progress import progress_bar
from signoff.cli.session import run
from signoff.clock import utcnow
from signoff.domain.audit_check import KINDS
from signoff.service.verify_audit import Report, Trust, verify_audit
from signoff.speech import number

PATIENCE = timedelta(minutes=10)
"""How old something may be at least without being anchored."""


def verify(
    *,
    thread: Annotated[str | None, typer.Option(help="Only what happened on this thread.")] = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(help="A key that anchors may be signed with: base64, or a file in PEM."),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER:DIGEST", help="An anchor that was noted and has to be there."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Find out whether the audit is as it was written. Exits with 1 if it is not.

    Computes the chain of every thread anew, from what is stored, and names each row that was
    changed, taken out or put in, with what is wrong about it. Where the database is encrypted, that
    needs no key; with the key, what is encrypted is looked at as well.
    """
    noted = dict(_noted(each) for each in anchor or ())
    keys = {audit_key.public_key(each) for each in public_key or ()}
    report = run(_verify(thread, keys, noted, as_json))
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    return errors.FAILED if report.found else errors.OK


def _noted(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not number.isdecimal() or re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise typer.BadParameter(
            f"{text!r} is no number and digest of an anchor", param_hint="--anchor"
        )
    return int(number), digest


async def _verify(
    thread: str | None, keys: set[str], noted: dict[int, str], as_json: bool
) -> Report:
    with progress_bar("verifying", shown=not as_json) as progress:
        async with open_database(keyless=True) as (settings, database):
            own = audit_key.of_project(settings)
            trust = Trust(
                keys=keys | set(settings.audit_public_keys) | ({own.public} if own else set()),
                anchored_before=utcnow() - max(PATIENCE, settings.anchor_every * 3),
                noted=noted,
            )
            return await verify_audit(database, thread_id=thread, trust=trust, progress=progress)


def _print(report: Report) -> None:
    entries, threads = number(report.entries, "entry", "entries"), number(report.threads, "thread")
    seen = f"{entries} of {threads}, {number(report.anchors, 'anchor')}"
    if not report.found:
        print(f"{seen}: all as they were written.")
        if report.unanchored:
            loose = number(report.unanchored, "entry is", "entries are")
            print(f"{loose} not anchored yet.")
        return
    print_table(
        [
            Column("THREAD"),
            Column("ENTRY"),
            Column("ANCHOR"),
            Column("FOUND"),
            Column("WHAT", wraps=True),
        ],
        [
            (
                "" if each.thread_id is None else each.thread_id,
                "" if each.seq is None else str(each.seq),
                "" if each.anchor is None else str(each.anchor),
                each.kind,
                plain(f"{KINDS[each.kind]}: {each.message}"),
            )
            for each in report.findings
        ],
    )
    if report.found > len(report.findings):
        console().print(f"and {report.found - len(report.findings):,} more")
    console().print(f"{seen}: {report.found:,} found that is not as it was written.")
