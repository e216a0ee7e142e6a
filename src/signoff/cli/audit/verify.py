"""`signoff audit verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from signoff.cli import errors
from signoff.cli.audit.opening import open_database
from signoff.cli.options import AsJson
from signoff.cli.output import Column, console, plain, print_json, print_table
from signoff.cli.progress import progress_bar
from signoff.cli.session import run
from signoff.domain.audit_check import KINDS
from signoff.service.verify_audit import Report, verify_audit


def verify(
    *,
    thread: Annotated[str | None, typer.Option(help="Only what happened on this thread.")] = None,
    as_json: AsJson = False,
) -> int:
    """Find out whether the audit is as it was written. Exits with 1 if it is not.

    Computes the chain of every thread anew, from what is stored, and names each row that was
    changed, taken out or put in, with what is wrong about it.
    """
    report = run(_verify(thread, as_json))
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    return errors.FAILED if report.found else errors.OK


async def _verify(thread: str | None, as_json: bool) -> Report:
    with progress_bar("verifying", shown=not as_json) as progress:
        async with open_database() as database:
            return await verify_audit(database, thread_id=thread, progress=progress)


def _print(report: Report) -> None:
    seen = f"{report.entries:,} entries of {report.threads:,} threads"
    if not report.found:
        print(f"{seen}: all as they were written.")
        return
    print_table(
        [Column("THREAD"), Column("ENTRY"), Column("FOUND"), Column("WHAT", wraps=True)],
        [
            (
                "" if each.thread_id is None else each.thread_id,
                "" if each.seq is None else str(each.seq),
                each.kind,
                plain(f"{KINDS[each.kind]}: {each.message}"),
            )
            for each in report.findings
        ],
    )
    if report.found > len(report.findings):
        console().print(f"and {report.found - len(report.findings):,} more")
    console().print(f"{seen}: {report.found:,} found that is not as it was written.")
