"""TOML with the line of everything in it, for errors that say where.

`tomllib` reads the values and is the only judge of what is TOML. It tells no positions, and neither
does any well-kept reader that is installed as easily; so a scanner goes over the text that has been
read before, and notes in which line each table, key and item begins.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The keys and positions that lead to a value from the top of a document."""


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML document: what it says, and in which line each part of it begins."""

    content: dict[str, Any]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of what is at `path`, or of the nearest thing around it; 1 for the document."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str) -> Document:
    """The document of a text.

    `[policy]` and `[[policy]]` may stand in one document, which plain TOML does not have: the
    former is then the table of the list that has no conditions.

    Raises:
        tomllib.TOMLDecodeError: It is no TOML.
    """
    text = text.replace("\r\n", "\n")
    try:
        content = _loaded(text)
    except tomllib.TOMLDecodeError:
        listed = _with_defaults_listed(text)
        if listed == text:
            raise
        text, content = listed, _loaded(listed)
    return Document(content, _Scanner(text).lines())


def _loaded(text: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("Values are nested too deep") from error
    except ValueError as error:  # Python's limit on the digits of an integer
        raise tomllib.TOMLDecodeError("An integer has too many digits") from error
    if (found := _NUL.search(text)) is not None and _has_nul(content):
        line = text.count("\n", 0, found.start(1)) + 1
        column = found.start(1) - text.rfind("\n", 0, found.start(1))
        raise tomllib.TOMLDecodeError(
            f"A text with a NUL character cannot be kept (at line {line}, column {column})"
        )
    return content


_NUL = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:u0000|U00000000))")


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(part) for key, part in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\x00" in value


def place_and_message(error: tomllib.TOMLDecodeError) -> str:
    """What is no TOML, to stand right after the name of the file."""
    if found := re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error)):
        return f":{found[2]}: {found[1]} (column {found[3]})"
    return f": {error}"


_DEFAULTS = re.compile(r"^([ \t]*)\[([ \t]*policy[ \t]*)\](?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_LISTED = re.compile(r"^[ \t]*\[\[[ \t]*policy[ \t]*\]\]", re.MULTILINE)


def _with_defaults_listed(text: str) -> str:
    return _DEFAULTS.sub(r"\1[[\2]]", text) if _LISTED.search(text) else text


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")
_STRING = re.compile(
    r'''
      """(?:[^\\]|\\.)*?"{3,5}
    | \'\'\'.*?'{3,5}
    | "(?:[^"\\]|\\.)*"
    | '[^']*'
    ''',
    re.VERBOSE | re.DOTALL,
)


class _Scanner:
    """Goes once over a text that is known to be TOML."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._lines: dict[Path, int] = {}
        self._listed: dict[Path, int] = {}

    def lines(self) -> dict[Path, int]:
        """The line of each path."""
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._take("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> Path:
        line, listed = self._line(), self._take("[")
        *around, name = self._key()
        path: Path = ()
        for key in around:
            path = self._latest((*path, key))
            self._lines.setdefault(path, line)
        path = (*path, name)
        self._lines.setdefault(path, line)
        if listed:
            self._listed[path] = self._listed.get(path, -1) + 1
            path = self._latest(path)
            self._lines[path] = line
        self._take("]")
        if listed:
            self._take("]")
        return path

    def _latest(self, path: Path) -> Path:
        """The last table of a list of tables, which is what its name stands for."""
        return (*path, self._listed[path]) if path in self._listed else path

    def _pair(self, table: Path) -> None:
        line, path = self._line(), table
        for key in self._key():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._take("=")
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            if found := _BARE_KEY.match(self._text, self._at):
                keys.append(found[0])
                self._at = found.end()
            else:
                keys.append(tomllib.loads(f"key = {self._skip(_STRING)}")["key"])
            self._skip(_SPACE)
            if not self._take("."):
                return keys

    def _value(self, path: Path) -> None:
        if self._take("["):
            self._skip(_BLANK)
            n = 0
            while not self._take("]"):
                self._lines[(*path, n)] = self._line()
                self._value((*path, n))
                n += 1
                self._skip_separator()
        elif self._take("{"):
            self._skip(_BLANK)
            while not self._take("}"):
                self._pair(path)
                self._skip_separator()
        else:
            self._skip(_STRING if self._text[self._at] in "\"'" else _BARE_VALUE)

    def _skip_separator(self) -> None:
        self._skip(_BLANK)
        self._take(",")
        self._skip(_BLANK)

    def _take(self, mark: str) -> bool:
        """Go past a mark if it is next."""
        if self._text.startswith(mark, self._at):
            self._at += len(mark)
            return True
        return False

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Go past what the pattern matches here, and return it."""
        found = pattern.match(self._text, self._at)
        assert found is not None, "the text has been read as TOML"
        self._at = found.end()
        return found[0]

    def _line(self) -> int:
        return bisect(self._ends, self._at) + 1
