"""`signoff policy check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.policy.book import book_anywhere
from signoff.cli.session import run
from signoff.project.files import CONFIG_FILE, shown


def check(
    file: Annotated[
        Path | None, typer.Argument(help="The file, signoff.toml of this folder by default.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check the policies, calendars and users of a file.

    What is wrong is said with its line.
    """
    named = file or Path(CONFIG_FILE)
    book = run(book_anywhere(named.absolute()))
    counted = {
        "policies": len(book.rules),
        "calendars": len(book.calendars),
        "users": len(book.users),
    }
    if as_json:
        print_json({"file": str(named), **counted, "doubts": list(book.doubts)})
    else:
        told = ", ".join(f"{name}: {number}" for name, number in counted.items())
        for doubt in book.doubts:
            print(plain(doubt))
        print(plain(f"{shown(named.absolute())} is in order. {told}."))
