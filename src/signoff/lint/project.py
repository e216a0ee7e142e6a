"""What the project around a file says that its graphs have to fit."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from signoff.domain.principal import GROUP
from signoff.project import toml_file
from signoff.project.files import CONFIG_FILE


def groups_around(path: Path) -> frozenset[str] | None:
    """The groups of the `signoff.toml` nearest to a file; None if it has no users."""
    for folder in path.resolve().parents:
        if (folder / CONFIG_FILE).is_file():
            return _groups(folder / CONFIG_FILE)
    return None


@cache
def _groups(file: Path) -> frozenset[str] | None:
    try:
        users = toml_file.parse(file.read_text(encoding="utf-8")).content.get("user")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None  # `signoff policy check` says what is wrong with it
    if not isinstance(users, list) or not users:
        return None
    listed = (user.get("groups", ()) for user in users if isinstance(user, dict))
    return frozenset(
        group.removeprefix(GROUP)
        for groups in listed
        if isinstance(groups, list)
        for group in groups
        if isinstance(group, str)
    )
