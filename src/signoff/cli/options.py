"""Options that several commands have."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, NoReturn

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

By = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Who acts. Otherwise the setting `by`, or the user of the operating system.",
    ),
]

Host = Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 by default.")]

Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="The port; 8124 by default, 0 takes a free one."),
]


def json_argument(text: str, option: str) -> Any:
    """The JSON that an option was given, or that standard input has if it was given `-`.

    Raises:
        typer.BadParameter: It is no JSON.
    """
    try:
        return json.loads(
            sys.stdin.read() if text == "-" else text, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"it is no JSON: {error}", param_hint=option) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
