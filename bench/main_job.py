"""The main job, start to end: plain LangGraph, Signoff as a library, a hand-written app, a server.

    python -m bench main_job [--rounds 3] [--cycles 240] [--concurrency 1 16 64] [--json]

All contenders work on the same embedded PostgreSQL and the same graph, in turns, so that what the
machine does meanwhile meets all of them. Figures are medians over the rounds; what counts are the
ratios. The README of this folder says what each of them is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from bench.processes import ROOT, SIGNOFF, address, database, environment, migrate, project, running
from signoff.db import embedded

TARGETS = (
    # contender, against, factor, concurrencies
    ("B", "A", 0.8, (1,)),
    ("B", "A", 1.25, (16, 64)),
    ("C", "D", 1.0, (16, 64)),
)


class Child:
    """A contender's process, asked over its standard input."""

    def __init__(self, name: str, address: str, **variables: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.contender", name, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **variables},
        )
        assert self._read() == "ready"

    def measure(self, concurrency: int, cycles: int) -> dict[str, float]:
        """Run cycles; see `bench.contender`."""
        assert self._process.stdin is not None
        print(
            json.dumps({"concurrency": concurrency, "cycles": cycles}),
            file=self._process.stdin,
            flush=True,
        )
        result: dict[str, float] = json.loads(self._read())
        return result

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a contender ended before its time")
        return line.strip()


def cpu_of(pid: int) -> float:
    """Processor seconds that a process and its children have used."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in family)


def cpu_of_postgres() -> float:
    """Processor seconds that PostgreSQL's processes have used."""
    total = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if "postgres" in (process.info["name"] or ""):
            times = process.info["cpu_times"]
            total += times.user + times.system
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=240, help="of each contender in a round")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--only", nargs="+", help="contenders to run: A1 A16 B C D")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = options.only or ["A1", "A16", "B", "D", "C"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-")))
        started = stack.enter_context(embedded.start(folder / "data"))
        contenders: dict[str, Child] = {}
        processes: dict[str, dict[str, int]] = defaultdict(dict)
        for name in wanted:
            url = database(started.url, f"bench_{name.lower()}")
            where = url
            if name == "D":
                where = _start_handwritten(stack, url, processes[name])
            elif name == "C":
                where = _start_signoff(stack, url, folder / "project", processes[name])
            elif name == "B":
                migrate(url)
            contenders[name] = Child(name, where)
            stack.callback(contenders[name].close)
        results = _rounds(options, contenders, processes)
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        _print(results)


def _rounds(
    options: argparse.Namespace,
    contenders: dict[str, Child],
    processes: dict[str, dict[str, int]],
) -> list[dict[str, Any]]:
    results = []
    for concurrency in options.concurrency:
        measured: dict[str, list[dict[str, float]]] = defaultdict(list)
        cycles = max(options.cycles, concurrency * 4)
        for child in contenders.values():
            child.measure(concurrency, max(120, concurrency * 8))  # plans are made, caches filled
        for _ in range(options.rounds):
            for name, child in contenders.items():
                before = {each: cpu_of(pid) for each, pid in processes[name].items()}
                postgres = cpu_of_postgres()
                figures = child.measure(concurrency, cycles)
                figures["postgres_cpu_ms"] = (
                    (cpu_of_postgres() - postgres) * 1000 / figures["cycles"]
                )
                for each, pid in processes[name].items():
                    spent = (cpu_of(pid) - before[each]) * 1000 / figures["cycles"]
                    figures[f"{each}_cpu_ms"] = spent
                measured[name].append(figures)
        for name, rounds in measured.items():
            medians = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
            results.append({"contender": name, "concurrency": concurrency, **medians})
    return results


def _print(results: list[dict[str, Any]]) -> None:
    print(f"{'':4} {'at':>3} {'per s':>7} {'p50':>7} {'p95':>7} {'p99':>7}   CPU ms per cycle")
    for row in results:
        cpu = ", ".join(
            f"{key.removesuffix('_cpu_ms').removesuffix('cpu_ms') or 'itself'} {value:.1f}"
            for key, value in row.items()
            if key.endswith("cpu_ms")
        )
        print(
            f"{row['contender']:4} {row['concurrency']:>3} {row['per_second']:>7.1f} "
            f"{row['p50_ms']:>7.1f} {row['p95_ms']:>7.1f} {row['p99_ms']:>7.1f}   {cpu}"
        )
    rates = {(row["contender"], row["concurrency"]): row["per_second"] for row in results}
    for (name, concurrency), rate in list(rates.items()):
        if name in ("A1", "A16"):
            rates["A", concurrency] = max(rate, rates.get(("A", concurrency), 0))
    print()
    for name, against, factor, concurrencies in TARGETS:
        for concurrency in concurrencies:
            if (name, concurrency) in rates and (against, concurrency) in rates:
                ratio = rates[name, concurrency] / rates[against, concurrency]
                print(f"{name} / {against} at {concurrency}: {ratio:.2f} (to reach: {factor})")


def _start_handwritten(stack: ExitStack, url: str, pids: dict[str, int]) -> str:
    uvicorn = [sys.executable, "-m", "uvicorn", "bench.handwritten:app", "--port", "0"]
    started = running(
        [*uvicorn, "--no-access-log"], {"BENCH_DATABASE_URL": url}, ROOT, "Uvicorn running on"
    )
    pids["app"], line = stack.enter_context(started)
    return address(line)


def _start_signoff(stack: ExitStack, url: str, folder: Path, pids: dict[str, int]) -> str:
    migrate(url)
    cwd, env = project(folder, {"bench": "bench.workload:builder"}), environment(url)
    serving = running([*SIGNOFF, "serve", "--port", "0"], env, cwd, "ready at")
    pids["server"], line = stack.enter_context(serving)
    pids["worker"], _ = stack.enter_context(running([*SIGNOFF, "worker"], env, cwd, "ready"))
    return address(line)


if __name__ == "__main__":
    main()
