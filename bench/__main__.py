"""`python -m bench [NAME] [OPTIONS]`: run one measurement, `main_job` if none is named."""

from __future__ import annotations

import runpy
import sys

NAMES = (
    "main_job",
    "wake_up",
    "stream",
    "deadlines",
    "memory",
    "audit",
    "encryption",
    "inbox",
    "notify",
)

if __name__ == "__main__":
    name = "main_job"
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        name = sys.argv.pop(1)
    if name not in NAMES:
        raise SystemExit(f"no such measurement: {name} (there are: {', '.join(NAMES)})")
    runpy.run_module(f"bench.{name}", run_name="__main__")
