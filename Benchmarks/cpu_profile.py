#!/usr/bin/env python3
"""Shows where the CPU time of one unit of work goes, by kinds of work: samples a running server with `perf`.

    Benchmarks/cpu_profile.py --workloads a,d        # prints a table and keeps it in Benchmarks/profiles.json

Needs `perf` and the right to use it. docs/benchmarks.md is written from what is kept by `Benchmarks/run --page`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kinds_of_work import kind_of, table
from load import run_load
from systems import BenchmarkError, System, find_systems
from workloads import NGINX, TRUNKLINE, workloads

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
KEPT = FOLDER / "profiles.json"

def sample(pids: list[int], seconds: float, folder: Path) -> dict[str, float]:
    """Shares of the samples, by kind."""
    data = folder / "perf.data"
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-o", data, "-p",
                    ",".join(map(str, pids)), "--", "sleep", str(seconds)], check=True, capture_output=True)
    report = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-demangle", "-F", "sample,dso,sym", "-t",
                             "|", "-w", "0,200,400"], check=True, capture_output=True, text=True).stdout
    counts: dict[str, int] = {}
    for line in report.splitlines():
        parts = [part.strip() for part in line.split("|")]
        if line.startswith("#") or len(parts) < 3 or not parts[0].isdigit():
            continue
        symbol = re.sub(r"^\[[k.]\] ", "", parts[2])
        kind = kind_of(parts[1], symbol)
        counts[kind] = counts.get(kind, 0) + int(parts[0])
    total = sum(counts.values())
    if total < 200:
        raise BenchmarkError(f"only {total} samples; does perf work here?")
    return {kind: count / total for kind, count in counts.items()}


def profile(key: str, name: str, seconds: float, folder: Path) -> dict[str, float]:
    """Microseconds of CPU per unit of work, by kind."""
    workload = next((one for one in workloads(1000, False) if one.key == key), None)
    if workload is None:
        raise BenchmarkError(f"no such workload: {key}")
    shares: dict[str, float] = {}

    def during(system: System) -> None:
        time.sleep(2)
        shares.update(sample(system.pids(), seconds, folder))

    done = run_load(workload, name, find_systems([name], {}, ROOT)[name], folder, seconds + 2, during)
    # Sampling costs the server a little; the shares are what counts.
    cost = done["server"]["cpu_s"] / done["requests" if workload.unit == "request" else "chunks"] * 1e6
    return {kind: share * cost for kind, share in shares.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="a,h,b,d,e", help="comma-separated keys (default: %(default)s)")
    parser.add_argument("--systems", default=f"{TRUNKLINE},{NGINX}")
    parser.add_argument("--seconds", type=float, default=5, help="length of each profile (default: %(default)s)")
    options = parser.parse_args()
    if not shutil.which("perf"):
        print("cpu_profile: perf is not installed (on Debian: apt-get install linux-perf)", file=sys.stderr)
        return 1
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    try:
        with tempfile.TemporaryDirectory(prefix="trunkline-profile-") as folder:
            for key in options.workloads.split(","):
                for name in options.systems.split(","):
                    if name != TRUNKLINE and key == "h":
                        continue
                    kept[f"{key}, {name}"] = profile(key, name, options.seconds, Path(folder))
                    KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")
                    print(f"{key}, {name}: {sum(kept[f'{key}, {name}'].values()):.2f} µs", flush=True)
    except (BenchmarkError, subprocess.CalledProcessError) as failure:
        detail = getattr(failure, "stderr", None)
        print(f"cpu_profile: {failure}{': ' + detail.decode(errors='replace').strip() if detail else ''}", file=sys.stderr)
        return 1
    kept = dict(sorted(kept.items()))
    lines = [["", *kept], *table(kept)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) if at == 0 else cell.rjust(width)
                        for at, (cell, width) in enumerate(zip(line, widths))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
