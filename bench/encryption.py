"""What encryption at rest costs the main job.

    python -m bench encryption [--rounds 12] [--cycles 480] [--concurrency 16]

Signoff's library does it on two databases in turns, with a key and without one.
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.main_job import Child
from bench.processes import database, migrate
from signoff.db import embedded


def main() -> None:
    """Measure in pairs, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--cycles", type=int, default=480)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    keys = {"with": base64.b64encode(os.urandom(32)).decode(), "without": ""}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-"))
        server = stack.enter_context(embedded.start(Path(folder)))
        contenders = []
        for name, key in keys.items():
            url = database(server.url, name)
            migrate(url)
            contenders.append(Child("B", url, SIGNOFF_ENCRYPTION_KEYS=key))
            stack.callback(contenders[-1].close)
            contenders[-1].measure(options.concurrency, options.cycles)  # caches are filled
        pairs = []
        for number in range(options.rounds):
            order = contenders if number % 2 else contenders[::-1]
            figures = {
                id(each): each.measure(options.concurrency, options.cycles) for each in order
            }
            pairs.append([figures[id(each)] for each in contenders])
    for key, unit in (("per_second", "cycles/s"), ("cpu_ms", "ms of the process a cycle")):
        ratio = statistics.median(first[key] / second[key] for first, second in pairs)
        middle = [statistics.median(pair[side][key] for pair in pairs) for side in (0, 1)]
        print(f"encrypted {middle[0]:.1f} {unit}, in the clear {middle[1]:.1f}: {ratio:.3f}")


if __name__ == "__main__":
    main()
