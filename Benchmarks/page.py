"""The table in the terminal, docs/benchmarks.md and its pictures, all from one set of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kinds_of_work import table as kinds_table
from pictures import Line, chart
from results import summarise, verdicts
from workloads import HAPROXY, NGINX, TRUNKLINE, Figure, Figures, Target

FOLDER = Path(__file__).resolve().parent
SYSTEMS = (TRUNKLINE, NGINX, HAPROXY)
# Written by hand: what the figures say about targets that are missed, or met by little.
NOTES = (FOLDER / "page_notes.md").read_text().splitlines()

# Measured before the first line of this program was written, on another machine with 2 cores (docs/architecture.md).
REFERENCE = {
    "C relay, no JSON decoding (the floor)": ("0.33", "17", "11.0", "13.7", "34", "1,270"),
    "throw-away prototype of this design": ("0.5–0.8", "18–19", "12–17", "13–16", "(134)", "1,090"),
    "Go relay, byte scanning, coalesced": ("0.78", "43", "21.2", "13.4", "50", "8,700"),
    "SwiftNIO relay, byte scanning, coalesced": ("1.9", "23", "18.2", "20.4", "45", "5,640"),
    "nginx, plain SSE reverse proxy": ("5.9", "21", "15.5", "13.1", "23", "–"),
    "HAProxy, the same": ("6.1", "21", "16.8", "13.3", "34", "–"),
    "Go `httputil.ReverseProxy`": ("5.0", "41", "24.7", "62", "86", "–"),
    "Go relay in the reference coordinator's design": ("16.6", "62", "34", "73", "303", "28,300"),
    "LiteLLM proxy": ("456", "542", "–", "7,094", "7,584", "–"),
}


def amount(value: float, digits: int = 2) -> str:
    return f"{value:,.{digits}f}"


def limit_text(target: Target) -> str:
    return "1/6" if target.limit == 1 / 6 else f"{target.limit:,g}"


def with_spread(figure: Figure | None, digits: int = 2) -> str:
    if figure is None:
        return "–"
    if figure.low == figure.high:
        return amount(figure.median, digits)
    return f"{amount(figure.median, digits)} ({amount(figure.low, digits)}–{amount(figure.high, digits)})"


def rows(results: dict[str, Any], figures: Figures) -> list[list[str]]:
    table = []
    for key, workload in results["workloads"].items():
        if not workload["headline"] or workload["unit"] not in ("chunk", "request"):
            continue
        for system in SYSTEMS:
            values = figures.values[key].get(system)
            if not values:
                continue
            ratio = figures.ratios.get(key, {}).get(system)
            table.append([key, workload["title"], system, with_spread(values["cpu_us"]), workload["unit"],
                          amount(values["per_s"].median, 0), amount(values["latency_p50_us"].median, 0),
                          amount(values["latency_p99_us"].median, 0), amount(values["resident_mb"].median, 1),
                          with_spread(ratio) if ratio else "–"])
    return sorted(table, key=lambda row: (row[0].split("-")[0], len(row[0]), row[0]))


HEAD = ["", "load", "server", "CPU µs", "per", "units/s", "p50 µs", "p99 µs", "RSS MB", "Trunkline’s CPU ÷ this"]


def terminal_table(results: dict[str, Any], figures: Figures) -> str:
    body = [[row[0], *row[2:]] for row in rows(results, figures)]
    lines = [[HEAD[0], *HEAD[2:]], *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    for target, value, met in verdicts(figures):
        if value is not None:
            text.append(f"{'met ' if met else 'MISS'}  {target.workload}: {target.text}: "
                        f"{amount(value, target.digits)} {target.unit} (target {limit_text(target)})")
    return "\n".join(text)


def markdown_table(head: list[str], body: list[list[str]], numbers_from: int) -> list[str]:
    rule = ["---" if column < numbers_from else "--:" for column in range(len(head))]
    return ["| " + " | ".join(line) + " |" for line in [head, rule, *body]]


def curve(figures: Figures, system: str, name: str) -> list[tuple[float, float]]:
    points = []
    for key, systems in figures.values.items():
        if key.startswith("curve-") and system in systems:
            points.append((systems[system]["per_s"].median, systems[system][name].median))
    return sorted(points)


def pictures(root: Path, figures: Figures) -> list[str]:
    images = root / "docs/images"
    present = [system for system in SYSTEMS if len(curve(figures, system, "cpu_us")) > 1]
    if not present:
        return []
    load = "chunks per second, 1,000 streams (220 bytes each)"
    chart(images / "benchmark-latency.svg", "One-way latency against load", load, "microseconds",
          [Line(system, curve(figures, system, f"latency_{quantile}_us"), quantile == "p99", f"{system} {quantile}")
           for system in present for quantile in ("p50", "p99")])
    chart(images / "benchmark-cost.svg", "Server CPU per chunk against load", load, "microseconds of CPU",
          [Line(system, curve(figures, system, "cpu_us")) for system in present])
    return ["## Against load", "",
            "One thousand streams, paced ever faster; the server has one core, the generator another.", "",
            "![Server CPU per chunk against load](images/benchmark-cost.svg)", "",
            "![One-way latency against load](images/benchmark-latency.svg)", ""]


def write(root: Path, results: dict[str, Any]) -> None:
    figures = summarise(results)
    machine, versions = results.get("machine", {}), results.get("versions", {})
    commits = sorted({workload["commit"] for workload in results["workloads"].values()})
    dates = sorted({workload["measured"] for workload in results["workloads"].values()})
    counts = sorted({len(workload["rounds"]) for workload in results["workloads"].values()})
    out = [
        "# Benchmarks", "",
        "What a token costs on its way through the coordinator, beside two proxies that do less: nginx and HAProxy",
        "as plain reverse proxies for event streams. They parse no JSON, route to one upstream and mix no streams on",
        "one connection; that Trunkline may cost no more is the point.", "",
        "This page is written by `Benchmarks/run.py`; do not edit it.", "",
        "```sh", "make bench                                    # everything; three rounds take about half an hour",
        "Benchmarks/run --workloads a,c --rounds 5     # a part of it",
        "make bench-check                              # short; fails when a ratio is 15 % worse than stored",
        "```", "",
        "## Targets", "",
        *markdown_table(["", "target", "limit", "measured", ""],
                        [[target.workload, target.text, f"{limit_text(target)} {target.unit}",
                          "not measured" if value is None else f"{amount(value, target.digits)} {target.unit}",
                          {None: "", True: "met", False: "**missed**"}[met]]
                         for target, value, met in verdicts(figures)], 2), "",
        "## Results", "",
        "CPU is the server's own time, user and system, all its processes; medians over the rounds, with the lowest",
        "and highest in parentheses. The ratio is formed within each round. Latency of a chunk is one way, from the",
        "provider's write to the buyer's read, of a request there and back; under a saturated load it is the length",
        "of the queue, not the server's doing.", "",
        *markdown_table(HEAD, rows(results, figures), 3), "",
        *other_rows(results, figures),
        *pictures(root, figures),
        *where_the_time_goes(root),
        "## How it is measured", "",
        "One generator (`Benchmarks/loadgen`, C, one thread) plays buyers and providers at once, or buyers and the",
        "HTTP upstream behind a proxy. It checks every byte of every answer and its order, and fails the run",
        "on the first that is wrong. Each chunk carries its time of writing. Answers are copied from prepared frames,",
        "so that the generator costs a fraction of any server. Server and generator have a core each. Every",
        "run has a fresh server. Client frames are masked with a key that is not zero.", "",
        "- *Saturated*: each step gives every stream that its socket takes one more event, and writes each connection",
        "  once: providers that decode in batches. The upstream of nginx and HAProxy has a connection per stream, so",
        "  it writes one event at a time; a provider's WebSocket carries eight streams. `a-bulk` drops the",
        "  steps: whole answers go into the socket buffers at once, which no model does but which shows what a proxy",
        "  that need not look inside can do.",
        "- *Paced*: every event is a write of its own, at its own time.",
        "- *s*: with two shards the server has both cores, the generator's too, so units per second show what is left",
        "  of a second core beside the generator, and CPU per unit what the way between the shards costs. The system",
        "  spreads the buyers over both shards. With one shard it is the load that it repeats.",
        f"- One process could have {int(machine.get('files', '0')):,} open files here, which bounds *f* and *g*.",
        "- `routing.preflight_threshold_tokens` is raised for *e* (the peers ask nobody before they forward), and the",
        "  limits that would refuse the load; everything else has its default.", "",
        "| | |", "| --- | --- |",
        f"| machine | {machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('memory')}, "
        f"{machine.get('kernel')} |",
        f"| versions | {', '.join(versions.values())} |",
        f"| measured | {', '.join(dates)} at {', '.join(commits)}; rounds: {', '.join(map(str, counts))} |", "",
        "## For comparison", "",
        "From the study that came before this program (another 2-core machine: compare within this table only);",
        "microseconds of CPU per chunk or request, the last column in bytes.", "",
        *markdown_table(["", "a", "b", "c", "d", "e", "f, bytes each"],
                        [[name, *values] for name, values in REFERENCE.items()], 1), "",
    ]
    target = root / "docs/benchmarks.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(out))


def where_the_time_goes(root: Path) -> list[str]:
    file = root / "Benchmarks/profiles.json"
    if not file.exists():
        return []
    profiles = json.loads(file.read_text())
    return ["## Where the time goes", "",
            "Microseconds of CPU per chunk (*a*, *b*, *h*) or request (*d*, *e*), sampled by",
            "`Benchmarks/cpu_profile.py`.", "",
            *markdown_table(["", *profiles], kinds_table(profiles), 1), "", *NOTES, ""]


def other_rows(results: dict[str, Any], figures: Figures) -> list[str]:
    names = {"resident_per_provider": ("resident bytes per provider", 0), "core_percent": ("% of a core", 2),
             "connect_us_per_provider": ("CPU µs to admit one", 1), "all_back_s": ("s until all are back", 2),
             "gap_max_ms": ("ms, largest gap of a stream", 1), "latency_max_us": ("µs, largest one-way latency", 0),
             "refused": ("upgrades refused and retried", 0), "listening_ms": ("ms until listening", 1),
             "resident_mb": ("MB resident", 1)}
    wanted = {"f": ("resident_per_provider", "core_percent", "connect_us_per_provider"),
              "j": ("all_back_s", "gap_max_ms", "latency_max_us", "refused"), "k": ("listening_ms", "resident_mb")}
    body = []
    for key, columns in wanted.items():
        for system in SYSTEMS:
            values = figures.values.get(key, {}).get(system, {})
            body += [[key, results["workloads"][key]["title"], system, with_spread(values[name], names[name][1]),
                      names[name][0]] for name in columns if name in values]
    return [*markdown_table(["", "load", "server", "measured", ""], body, 3), ""] if body else []
