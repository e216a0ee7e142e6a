"""Mistakes that people make with pauses, found in the source of graphs without running it.

A node runs again from its top when its question is answered; most of what goes wrong follows from
that. `docs/reference/check.md` has a section on each rule. What is found can be told to be meant by
a comment in its line: `# signoff: ignore[SO101]`, or `# signoff: ignore` for all rules.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from signoff.lint import building, pauses, questions
from signoff.lint.finding import RULES, Finding, Flaw
from signoff.lint.project import groups_around
from signoff.lint.source import Source

__all__ = ["RULES", "Finding", "check_file", "check_text", "python_files"]

CHECKS: tuple[Callable[[Source], Iterable[Flaw]], ...] = (
    pauses.swallowed,
    pauses.effects_before,
    pauses.changing_order,
    pauses.changing_question,
    pauses.elapsed_time,
    pauses.sleeping,
    questions.no_json,
    questions.actions,
    questions.policies,
    questions.strange_groups,
    questions.names,
    questions.keys_in_loops,
    building.durability,
    building.checkpointers,
)

PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
"""Folders that have no source of one's own; so do those whose names begin with a dot."""


def python_files(path: Path) -> Iterator[Path]:
    """The file itself, or all Python files in a folder and those below it, in order.

    Links to folders are not followed: they may lead around in a circle.
    """
    if not path.is_dir():
        yield path
        return
    for each in sorted(path.iterdir()):
        if each.is_dir():
            is_passed_over = each.name.startswith(".") or each.name in PASSED_OVER
            if not is_passed_over and not each.is_symlink():
                yield from python_files(each)
        elif each.suffix == ".py":
            yield each


def check_file(path: Path) -> list[Finding]:
    """What is found in a file. Groups are those of the `signoff.toml` nearest to it.

    Raises:
        OSError: It cannot be read.
    """
    return check_text(path.read_bytes(), path, groups=groups_around(path))


def check_text(
    text: str | bytes, path: Path, *, groups: Collection[str] | None = None
) -> list[Finding]:
    """What is found in a text, in order. With `groups`, there are no others."""
    try:
        tree = ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, column = (getattr(error, name, None) or 1 for name in ("lineno", "offset"))
        said = getattr(error, "msg", None) or str(error) or "it is nested too deep"
        return [Finding(path, line, max(column, 1), "SO001", f"this is no Python: {said}")]
    source = Source(tree, text if isinstance(text, str) else _decoded(text), groups)
    found = {
        Finding(path, flaw.node.lineno, flaw.node.col_offset + 1, flaw.code, flaw.message)
        for check in CHECKS
        for flaw in check(source)
        if not source.ignores(flaw.node.lineno, flaw.code)
    }
    return sorted(found, key=lambda each: (each.line, each.column, each.code, each.message))


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", errors="replace")  # only comments are looked for in it
