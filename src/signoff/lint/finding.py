"""What can be found, and where it was."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Node: TypeAlias = ast.expr | ast.stmt | ast.excepthandler
"""What stands somewhere in a file."""

RULES: Mapping[str, str] = {
    "SO001": "this is no Python",
    "SO101": "an exception handler swallows the pause",
    "SO102": "a side effect comes before a pause, and happens again with each answer",
    "SO103": "whether or in which order is asked changes from run to run",
    "SO104": "what is asked changes from run to run",
    "SO105": "the time that an answer took is measured across a pause",
    "SO106": "time.sleep() in an async function stops everything else",
    "SO201": "what is shown is no JSON",
    "SO202": "actions are empty or doubled",
    "SO203": "otherwise is none of the actions",
    "SO204": "a policy says something impossible",
    "SO205": "a group that nobody is in",
    "SO206": "a name is missing",
    "SO207": "one key for all rounds of a loop",
    "SO301": 'durability="exit" can lose a pause',
    "SO302": "a graph that is served brings a checkpointer of its own",
}
"""The rules, by their codes."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that a rule has found at a node of the syntax tree."""

    node: Node
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found in a file. Lines and columns count from 1."""

    path: Path
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.code} {self.message}"

    def to_json(self) -> dict[str, Any]:
        """It as programs read it."""
        return {
            "path": str(self.path),
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
        }
