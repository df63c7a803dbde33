#!/usr/bin/env python3
"""Measures Trunkline beside nginx and HAProxy: CPU time per unit of work, latency, memory.

Each system runs alone, pinned to one core, with the generator on another; systems take turns within a round, and
ratios are formed within a round, because shared machines are not the same from one minute to the next.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import page
import results as results_module
from load import GENERATOR, run_load
from systems import BenchmarkError, System, cores, find_systems, version_of
from workloads import HAPROXY, NGINX, TRUNKLINE, Workload, workloads

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
STORED = FOLDER / "results.json"
DISTURBED_PERCENT = 10.0
STARTS = 7


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int,
                        help="how often each system runs each workload (default 3; with --quick 1)")
    parser.add_argument("--workloads", help="comma-separated keys, for example a,b,c (g, i, s and curve name families)")
    parser.add_argument("--systems", default=f"{TRUNKLINE},{NGINX},{HAPROXY}", help="comma-separated (default: all)")
    parser.add_argument("--server", action="append", default=[], metavar="NAME=PATH", help="the program of a system")
    parser.add_argument("--seconds", type=float, help="length of each measured window")
    parser.add_argument("--quick", action="store_true", help="short windows, small pools, for CI")
    parser.add_argument("--check", action="store_true",
                        help="quick, and fail when a ratio is more than 15 %% worse than in results.json")
    parser.add_argument("--patience", type=int, default=2, metavar="N",
                        help="repeat a run up to N times while other processes take CPU (default 2)")
    parser.add_argument("--output", type=Path, help="where results go (default: results.json; with --quick nowhere)")
    parser.add_argument("--page", action="store_true", help="only write docs/benchmarks.md and its pictures anew")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    options = parser.parse_args()
    options.quick = options.quick or options.check
    options.rounds = options.rounds or (1 if options.quick and not options.check else 3)
    return options


def selected(options: argparse.Namespace) -> list[Workload]:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    provider_limit = limit - 200 if limit != resource.RLIM_INFINITY else 1_000_000
    known = workloads(provider_limit, options.quick)
    if not options.workloads:
        return [workload for workload in known if workload.quick or not options.quick]
    chosen = []
    for key in options.workloads.split(","):
        found = [workload for workload in known if workload.key == key] or \
                [workload for workload in known if workload.key.split("-")[0] == key]
        if not found:
            raise BenchmarkError(f"no such workload: {key} (there are {', '.join(one.key for one in known)})")
        chosen += found
    return chosen


class Bench:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        given = dict(one.split("=", 1) for one in options.server if "=" in one)
        self.programs = find_systems(options.systems.split(","), given, ROOT)
        self.server_core, _ = cores()

    def seconds(self, workload: Workload) -> float:
        return self.options.seconds or (workload.quick_seconds if self.options.quick else workload.seconds)

    def measure(self, workload: Workload, name: str) -> dict[str, float]:
        if workload.unit == "start":
            return self.measure_start(name)
        attempts = []
        for _ in range(1 + self.options.patience):
            attempts.append(self.measure_load(workload, name))
            if attempts[-1]["others_percent"] <= DISTURBED_PERCENT:
                break
        return min(attempts, key=lambda one: one["others_percent"])

    def measure_load(self, workload: Workload, name: str) -> dict[str, float]:
        done = run_load(workload, name, self.programs[name], self.folder, self.seconds(workload))
        return results_module.figures_of_run(workload, done)

    def measure_start(self, name: str) -> dict[str, float]:
        listening, resident = [], []
        for _ in range(STARTS):
            with System(name, self.programs[name], self.folder, self.server_core) as system:
                listening.append(system.listening_s * 1e3)
                time.sleep(0.5)
                resident.append(system.resident() / 1e6)
        return {"listening_ms": statistics.median(listening), "resident_mb": statistics.median(resident)}


def machine() -> dict[str, str]:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
                  if line.startswith("MemTotal"))
    return {"cpu": model, "cores": str(os.cpu_count()), "memory": f"{memory / 1024 / 1024:.0f} GiB",
            "kernel": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
            "files": str(resource.getrlimit(resource.RLIMIT_NOFILE)[1])}


def commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def line_of(figures: dict[str, float]) -> str:
    parts = []
    for name, text in (("cpu_us", "{:.2f} µs CPU"), ("per_s", "{:,.0f}/s"), ("latency_p50_us", "p50 {:.0f} µs"),
                       ("latency_p99_us", "p99 {:.0f} µs"), ("resident_per_provider", "{:.0f} bytes each"),
                       ("all_back_s", "all back in {:.2f} s"), ("listening_ms", "listens after {:.0f} ms"),
                       ("resident_mb", "{:.1f} MB"), ("core_percent", "core {:.0f} %"),
                       ("others_percent", "others {:.0f} %")):
        if name in figures:
            parts.append(text.format(figures[name]))
    return ", ".join(parts)


def run(options: argparse.Namespace) -> int:
    chosen = selected(options)
    if options.list:
        for workload in chosen:
            print(f"{workload.key:12} {workload.title}")
        return 0
    stored = results_module.load(STORED)
    if options.page:
        page.write(ROOT, stored)
        return 0
    if platform.system() != "Linux":
        raise BenchmarkError("The benchmark runs on Linux only: it needs epoll and /proc.")
    if not GENERATOR.exists():
        raise BenchmarkError("The load generator is not built: run Benchmarks/prepare.sh (or make bench).")
    failed: list[str] = []
    fresh: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as folder:
        bench = Bench(options, Path(folder))
        versions = {name: version_of(name, program) for name, program in bench.programs.items()}
        print(", ".join(versions.values()), flush=True)
        rounds: dict[str, list[dict[str, dict[str, float]]]] = {}
        for number in range(options.rounds):
            for workload in chosen:
                one: dict[str, dict[str, float]] = {}
                for name in bench.programs:
                    if name not in workload.systems:
                        continue
                    print(f"[{number + 1}/{options.rounds}] {workload.key:9} {name:10}", end=" ", flush=True)
                    try:
                        one[name] = bench.measure(workload, name)
                        print(line_of(one[name]), flush=True)
                    except BenchmarkError as error:
                        failed.append(f"{workload.key} {name}: {error}")
                        print(f"FAILED\n{error}", flush=True)
                if one:
                    rounds.setdefault(workload.key, []).append(one)
        date = datetime.date.today().isoformat()
        for workload in chosen:
            if workload.key in rounds:
                fresh[workload.key] = {"title": workload.title, "unit": workload.unit, "headline": workload.headline,
                                       "measured": date, "commit": commit(), "seconds": bench.seconds(workload),
                                       "rounds": rounds[workload.key]}
    new = {"machine": machine(), "versions": versions, "workloads": fresh}
    figures = results_module.summarise(new)
    print("\n" + page.terminal_table(new, figures))
    disturbed = [f"{key} {name}" for key, systems in figures.values.items() for name, values in systems.items()
                 if "others_percent" in values and values["others_percent"].median > DISTURBED_PERCENT]
    if disturbed:
        print(f"\nOther processes took more than {DISTURBED_PERCENT:g} % of a core during: {', '.join(disturbed)}.\n"
              "Do not trust these figures.")
    if options.check:
        lines, worse = results_module.regressions(figures, results_module.summarise(stored))
        print("\nagainst the stored results:\n" + "\n".join(lines or ["nothing to compare"]))
        failed += worse
    elif options.output or not options.quick:
        output = options.output or STORED
        kept = results_module.load(output)
        # Another machine's figures do not belong into the same file.
        if kept.get("machine") not in (None, new["machine"]):
            kept = {"workloads": {}}
        new["workloads"] = {**kept["workloads"], **fresh}
        new["versions"] = {**kept.get("versions", {}), **versions}
        results_module.save(output, new)
        if output == STORED:
            page.write(ROOT, new)
    for line in failed:
        print(f"FAILED {line}", file=sys.stderr)
    return 1 if failed else 0


def main() -> int:
    options = parse()
    try:
        return run(options)
    except BenchmarkError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
