"""What `signoff dev` takes while nothing happens, without PostgreSQL.

    python -m bench memory

All its processes, with a graph loaded: resident memory (RSS), which counts shared pages in each of
them, and proportional memory (PSS), which shares them out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from bench.processes import ROOT, SIGNOFF, project, running


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as folder:
        cwd = project(Path(folder), {"bench": "bench.workload:builder"})
        env = {"PYTHONPATH": str(ROOT), "SIGNOFF_LOG_LEVEL": "warning"}
        with running([*SIGNOFF, "dev", "--port", "0"], env, cwd, "ready at") as (pid, _):
            supervisor = psutil.Process(pid)
            family = [supervisor, *supervisor.children(recursive=True)]
            own = [each for each in family if "postgres" not in each.name()]
            memory = [each.memory_full_info() for each in own]
            rss = sum(each.rss for each in memory) / 2**20
            pss = sum(each.pss for each in memory) / 2**20
            print(f"{len(own)} processes: {rss:.0f} MB resident, {pss:.0f} MB proportional")
            print("(to reach: 200 MB)")


if __name__ == "__main__":
    main()
