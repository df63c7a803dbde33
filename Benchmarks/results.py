"""Figures out of runs: medians and spread, ratios within a round, targets, and the comparison with an earlier run."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from workloads import PEERS, TARGETS, TRUNKLINE, Figure, Figures, Workload

# A generator's report, and the figures of one run, are flat JSON objects of numbers.
Numbers = dict[str, Any]


def figures_of_run(workload: Workload, report: Numbers) -> dict[str, float]:
    window, server = report["window_s"], report.get("server", {})
    figures: dict[str, float] = {
        "others_percent": 100 * report["others_cpu_s"] / window,
        "generator_percent": 100 * report["generator"]["cpu_s"] / window,
        "core_percent": 100 * server["cpu_s"] / window,
        "resident_mb": server["resident_end"] / 1e6,
    }
    units = {"chunk": report["chunks"], "request": report["requests"]}.get(workload.unit, 0)
    if units:
        figures["cpu_us"] = 1e6 * server["cpu_s"] / units
        figures["generator_us"] = 1e6 * report["generator"]["cpu_s"] / units
        figures["per_s"] = units / window
        name = "latency" if workload.unit == "chunk" else "request"
        for quantile in ("p50", "p99", "max"):
            figures[f"latency_{quantile}_us"] = report[f"{name}_us"][quantile]
        figures["gap_max_ms"] = report["gap_us"]["max"] / 1e3
        figures["pace_lag_p99_us"] = report["pace_lag_us"]["p99"]
        figures["pace_lag_max_ms"] = report["pace_lag_us"]["max"] / 1e3
    if workload.unit == "provider":
        count = int(workload.provider_arguments[workload.provider_arguments.index("--idle-providers") + 1])
        figures["resident_per_provider"] = (server["resident_end"] - server["resident_idle"]) / count
        figures["connect_us_per_provider"] = 1e6 * server["connect_cpu_s"] / count
    if "storm" in report:
        figures["all_back_s"] = report["storm"]["all_back_s"]
        figures["refused"] = report["storm"]["refused"]
    return figures


def summarise(results: Numbers) -> Figures:
    figures = Figures()
    for key, workload in results["workloads"].items():
        rounds: list[dict[str, dict[str, float]]] = workload["rounds"]
        by_system = figures.values.setdefault(key, {})
        for system in {name for one in rounds for name in one}:
            runs = [one[system] for one in rounds if system in one]
            by_system[system] = {name: figure_of([run[name] for run in runs if name in run]) for name in runs[0]}
        for peer in PEERS:
            ratios = [one[TRUNKLINE]["cpu_us"] / one[peer]["cpu_us"] for one in rounds
                      if "cpu_us" in one.get(TRUNKLINE, {}) and "cpu_us" in one.get(peer, {})]
            if ratios:
                figures.ratios.setdefault(key, {})[peer] = figure_of(ratios)
    return figures


def figure_of(values: list[float]) -> Figure:
    return Figure(statistics.median(values), min(values), max(values))


def load(path: Path) -> Numbers:
    return json.loads(path.read_text()) if path.exists() else {"workloads": {}}


def save(path: Path, results: Numbers) -> None:
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def verdicts(figures: Figures) -> list[tuple[Any, float | None, bool | None]]:
    """(target, its figure, whether it is met); None where nothing was measured."""
    found = []
    for target in TARGETS:
        value = target.figure(figures)
        # A storm after which not all came back is told as -1.
        found.append((target, value, None if value is None else 0 <= value <= target.limit if target.unit == "s" else
                      value <= target.limit))
    return found


ALLOWED_GROWTH = 1.15


def regressions(now: Figures, before: Figures) -> tuple[list[str], list[str]]:
    """Lines to print, and those that are failures. Ratios compare across machines; microseconds do not."""
    lines, failures = [], []

    def compare(what: str, new: float | None, old: float | None, digits: int) -> None:
        if new is None or old is None or old <= 0:
            return
        line = f"{what}: {new:.{digits}f}, was {old:.{digits}f} ({100 * (new / old - 1):+.0f} %)"
        lines.append(line)
        if new > old * ALLOWED_GROWTH:
            failures.append(line)

    for key in sorted(now.ratios):
        for peer in PEERS:
            compare(f"{key}: CPU against {peer}", now.ratio(key, peer), before.ratio(key, peer), 3)
    compare("f: bytes per idle provider", now.value("f", "resident_per_provider"),
            before.value("f", "resident_per_provider"), 0)
    return lines, failures
