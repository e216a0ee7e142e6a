"""What is installed is what is pinned: a build of today and one of next year are the same."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"

PYPROJECT = tomllib.loads((CONSTRAINTS.parent / "pyproject.toml").read_text())["project"]


def needed() -> set[str]:
    """All that Signoff needs, with its extras, and what that needs in its turn."""
    found: set[str] = set()
    extras = PYPROJECT["optional-dependencies"].values()
    to_do = [(line, "") for line in [*PYPROJECT["dependencies"], *(x for e in extras for x in e)]]
    seen = set(to_do)
    while to_do:
        line, extra = to_do.pop()
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        found.add(str(canonicalize_name(requirement.name)))
        for wanted in ("", *requirement.extras):
            for more in distribution(requirement.name).requires or []:
                if (more, wanted) not in seen:
                    seen.add((more, wanted))
                    to_do.append((more, wanted))
    return found


def test_every_package_that_is_needed_is_pinned_to_the_version_that_is_here() -> None:
    pinned = {
        str(canonicalize_name(name)): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+)$", CONSTRAINTS.read_text(), re.M)
    }
    assert {"fastapi", "prometheus-client", "opentelemetry-sdk", "bandit"} <= needed()
    wrong = {
        name: (pinned.get(name), distribution(name).version)
        for name in needed()
        if pinned.get(name) != distribution(name).version
    }
    assert not wrong


def test_constraints_are_nothing_but_pins() -> None:
    """No address of a registry, no range: a name and a version in each line, in order."""
    lines = CONSTRAINTS.read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.!+-]+", line) for line in lines)
    assert len({canonicalize_name(line.partition("==")[0]) for line in lines}) == len(lines)
