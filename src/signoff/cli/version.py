"""`signoff version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of

from signoff.cli.options import AsJson
from signoff.cli.output import print_json


def version(*, as_json: AsJson = False) -> None:
    """Print the version."""
    versions = {
        "signoff": version_of("signoff"),
        "langgraph": version_of("langgraph"),
        "python": platform.python_version(),
    }
    if as_json:
        print_json(versions)
    else:
        print(f"signoff {versions['signoff']}")
