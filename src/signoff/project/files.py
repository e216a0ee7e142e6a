"""The files that describe a project: `signoff.toml`, and `langgraph.json` of LangGraph's own tools.

Both are optional. What is wrong with them is said with the line, as far as that can be told.
"""

from __future__ import annotations

import difflib
import json
import logging
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values

from signoff.domain.errors import ConfigError
from signoff.project import toml_file

CONFIG_FILE = "signoff.toml"
LANGGRAPH_FILE = "langgraph.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignoffToml:
    """A `signoff.toml`; an empty one where there is none."""

    path: Path
    text: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, *, known: Collection[str]) -> Self:
        """The file, whose settings are among the `known`.

        Raises:
            ConfigError: It is no TOML, or has another setting.
        """
        text = _text(path)
        if text is None:
            return cls(path)
        try:
            content = toml_file.parse(text).content
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(shown(path) + toml_file.place_and_message(error)) from error
        toml = cls(path, text, content)
        if unknown := [name for name in content if name not in known]:
            raise ConfigError("; ".join(toml._unknown(name, known) for name in unknown))
        return toml

    def where(self, place: Sequence[str]) -> str:
        """The file, and the line in which a setting stands if it is easily found.

        `place` are the names of the tables around it and its own.
        """
        table = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := _HEADER.match(line):
                table = header[1]
                if table == ".".join(place):
                    return f"{shown(self.path)}:{number}"
            elif (key := _KEY.match(line)) and [*table.split("."), key[1]] == ["", *place][-2:]:
                return f"{shown(self.path)}:{number}"
        return self.where(place[:-1]) if place[:-1] else shown(self.path)

    def _unknown(self, name: str, known: Collection[str]) -> str:
        similar = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {similar[0]}?)" if similar else ""
        return f"{self.where([name])}: there is no setting {name!r}{hint}"


_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"""\s*["']?([^"'=\s]+)["']?\s*=""")


@dataclass(frozen=True, slots=True)
class LangGraphJson:
    """What Signoff takes over from a `langgraph.json`; nothing where there is none."""

    path: Path
    graphs: Mapping[str, str] = field(default_factory=dict)
    dependencies: Sequence[str] = ()
    env: str | Mapping[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file, as LangGraph's own command line reads it.

        Raises:
            ConfigError: It is no JSON, or not of the form that LangGraph documents.
        """
        text = _text(path)
        if text is None:
            return cls(path)
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            where = f"{shown(path)}:{error.lineno}"
            raise ConfigError(f"{where}: {error.msg} (column {error.colno})") from error
        if not isinstance(content, dict):
            raise ConfigError(f"{shown(path)}: it is not an object")
        graphs: dict[str, Any] = _part(path, content, "graphs", dict) or {}
        env = _part(path, content, "env", str, dict, list)
        return cls(
            path,
            {name: _target(path, name, spec) for name, spec in graphs.items()},
            [str(each) for each in _part(path, content, "dependencies", list) or ()],
            # An older form lists the names of variables, which the environment has anyway.
            None if isinstance(env, list) else env,
        )

    def variables(self) -> dict[str, str]:
        """The environment variables for its graphs: from the file itself, or one that it names."""
        if isinstance(self.env, Mapping):
            return {name: str(value) for name, value in self.env.items()}
        if self.env is None:
            return {}
        file = self.path.parent / self.env
        if not file.is_file():
            log.warning("%s names a file that is not there: %s", shown(self.path), self.env)
            return {}
        found = dotenv_values(file, encoding="utf-8")
        return {name: value for name, value in found.items() if value is not None}


def _part(path: Path, content: Mapping[str, Any], key: str, *types: type) -> Any:
    value = content.get(key)
    if value is not None and not isinstance(value, types):
        raise ConfigError(f"{shown(path)}: {key!r} cannot be a {type(value).__name__}")
    return value


def _target(path: Path, name: str, spec: Any) -> str:
    target = spec.get("path") if isinstance(spec, dict) else spec
    if not isinstance(target, str):
        raise ConfigError(f"{shown(path)}: graph {name!r} is not given as './file.py:variable'")
    return target


def shown(path: Path) -> str:
    """A path as people expect it: from the current folder, if it is in there."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown(path)}: it cannot be read: {error}") from error
