"""`signoff check`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.domain.errors import ConfigError
from signoff.lint import RULES, Finding, check_file, python_files
from signoff.speech import number

Codes = Annotated[
    list[str] | None,
    typer.Option(metavar="CODES", help="Rules by code, or what codes begin with; with commas."),
]


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders; this folder by default.")
    ] = None,
    *,
    select: Codes = None,
    ignore: Codes = None,
    as_json: AsJson = False,
) -> None:
    """Find mistakes with pauses in the source of graphs, without running it.

    The exit code is 1 if anything is found. `# signoff: ignore[CODE]` in a line says that what is
    found there is meant.
    """
    wanted = _codes(select, "--select") if select else set(RULES)
    wanted -= _codes(ignore, "--ignore")
    files = _files(paths or [Path()])
    found = [each for file in files for each in _found(file) if each.code in wanted]
    if as_json:
        print_json({"files": len(files), "findings": [each.to_json() for each in found]})
    else:
        for each in found:
            print(plain(each))
        print(f"{_of(len(found), 'finding')} in {_of(len(files), 'file')}.")
    if found:
        raise typer.Exit(1)


def _files(paths: Iterable[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise typer.BadParameter(f"there is no {path}", param_hint="PATHS")
        found |= dict.fromkeys(python_files(path))
    return list(found)


def _found(file: Path) -> list[Finding]:
    try:
        return check_file(file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from error


def _codes(given: Iterable[str] | None, option: str) -> set[str]:
    codes: set[str] = set()
    for beginning in (each.strip().upper() for text in given or () for each in text.split(",")):
        meant = {code for code in RULES if beginning and code.startswith(beginning)}
        if not meant:
            raise typer.BadParameter(f"there is no rule {beginning!r}", param_hint=option)
        codes |= meant
    return codes


def _of(count: int, what: str) -> str:
    return number(count, what) if count else f"No {what}s"
