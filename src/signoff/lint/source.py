"""A file's syntax tree, with what all rules ask of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import cached_property
from io import StringIO
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

ASK = frozenset({"signoff.ask", "signoff.ask.ask"})
INTERRUPT = frozenset({"langgraph.types.interrupt"})
PAUSES = ASK | INTERRUPT
ONCE = frozenset({"signoff.once", "signoff.once.once"})
ACTION = frozenset({"signoff.Action", "signoff.ask.Action"})

_IGNORE = re.compile(r"#\s*signoff:\s*ignore(?:\[([^\]]*)\])?")
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Source:
    """One file. `groups` are those that there are; None if that is not known."""

    def __init__(self, tree: ast.Module, text: str, groups: Collection[str] | None) -> None:
        self.tree = tree
        self.groups = groups
        self._ignored: dict[int, set[str] | None] = {}
        # As Python counts them: `splitlines` knows further ends of lines.
        for number, line in enumerate(StringIO(text, newline=None), start=1):
            if found := _IGNORE.search(line):
                codes = None if found[1] is None else found[1].split(",")
                self._ignored[number] = None if codes is None else {e.strip() for e in codes}
        self._parents = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self._names = dict(_imported(tree))

    def ignores(self, line: int, code: str) -> bool:
        """Whether a comment says that what is found in a line is meant."""
        if line not in self._ignored:
            return False
        codes = self._ignored[line]
        return codes is None or code in codes

    # --- names -------------------------------------------------------------------------------

    def name(self, node: ast.AST) -> str:
        """The full name of what an expression names, as far as imports tell; else ``""``."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (within := self.name(node.value)):
            return f"{within}.{node.attr}"
        return ""

    def calls(self, names: Collection[str]) -> Iterator[ast.Call]:
        """The calls of what has one of these full names."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and self.name(node.func) in names:
                yield node

    # --- functions ---------------------------------------------------------------------------

    @cached_property
    def functions(self) -> list[Function]:
        """All functions, also those within others."""
        return [each for each in ast.walk(self.tree) if isinstance(each, Function)]

    @cached_property
    def _pausing(self) -> set[str]:
        """The functions of this file that pause, by themselves or by one that they call."""
        found: set[str] = set()
        while True:
            more = {each.name for each in self.functions if self._pauses(each, found)}
            if more <= found:
                return found
            found |= more

    def pauses(self, function: Function) -> list[ast.Call]:
        """The calls in a function that pause, in order."""
        return self._pauses(function, self._pausing - {function.name})

    def _pauses(self, function: Function, pausing: Collection[str]) -> list[ast.Call]:
        found = [
            node
            for node in own(function)
            if isinstance(node, ast.Call)
            and (self.name(node.func) in PAUSES or self.local(node) in pausing)
        ]
        return sorted(found, key=position)

    def local(self, call: ast.Call) -> str:
        """The name of the function of this file, or method, that is called; else ``""``."""
        match call.func:
            case ast.Name(id=name) if name not in self._names:
                return name
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return name
        return ""

    # --- places ------------------------------------------------------------------------------

    def around(self, node: ast.AST, function: Function) -> Iterator[tuple[ast.AST, ast.AST]]:
        """What stands around a node, outwards to the function, each with the part of it."""
        while node is not function:
            parent = self._parents[node]
            yield parent, node
            node = parent


def own(function: Function | ast.For | ast.AsyncFor | ast.While) -> Iterator[ast.AST]:
    """The nodes of the body of a function, or loop, without those of functions within it."""
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, _NESTED):
            pending.extend(ast.iter_child_nodes(node))


def position(node: ast.AST) -> tuple[int, int]:
    """The line and column at which a node begins."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements that a statement has."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


def leaves(block: list[ast.stmt]) -> bool:
    """Whether what comes behind a block is not reached from it."""
    return bool(block) and isinstance(block[-1], ast.Return | ast.Raise)


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.partition(".")[0]
                yield (each.asname, each.name) if each.asname else (top, top)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                yield each.asname or each.name, f"{node.module}.{each.name}"
