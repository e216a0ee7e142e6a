"""Rules on how graphs are compiled and run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from signoff.lint.finding import Flaw
from signoff.lint.source import Source

RUNNING = frozenset({"invoke", "ainvoke", "stream", "astream", "astream_events", "with_config"})


def durability(source: Source) -> Iterator[Flaw]:
    """With ``exit`` nothing is written until the run ends."""
    for call in ast.walk(source.tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        for keyword in call.keywords if call.func.attr in RUNNING else ():
            match keyword:
                case ast.keyword(arg="durability", value=ast.Constant(value="exit")):
                    yield Flaw(
                        keyword.value,
                        "SO301",
                        'after a crash, durability="exit" shows an approval as pending that was '
                        "used already: leave it out",
                    )


def checkpointers(source: Source) -> Iterator[Flaw]:
    """A desk compiles what it serves with a checkpointer of its own; a subgraph may say True."""
    for statement in source.tree.body:
        for call in (
            ast.walk(statement) if isinstance(statement, ast.Assign | ast.AnnAssign) else ()
        ):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            for keyword in call.keywords if call.func.attr == "compile" else ():
                if keyword.arg == "checkpointer" and not isinstance(keyword.value, ast.Constant):
                    yield Flaw(
                        keyword.value,
                        "SO302",
                        "where this graph is served, the desk's own checkpointer takes the place "
                        "of this one: leave it out",
                    )
