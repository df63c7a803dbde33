"""What is measured: the loads, what counts as one unit of work, and the targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

TRUNKLINE, NGINX, HAPROXY = "trunkline", "nginx", "haproxy"
PEERS = (NGINX, HAPROXY)


@dataclass(frozen=True)
class Workload:
    key: str
    title: str
    unit: str  # chunk, request, provider or start
    arguments: tuple[str, ...] = ()
    provider_arguments: tuple[str, ...] = ()  # for Trunkline only: what its providers are
    systems: tuple[str, ...] = (TRUNKLINE, NGINX, HAPROXY)
    seconds: float = 6
    quick_seconds: float = 2
    tls: bool = False
    shards: int | None = None  # for Trunkline: `serve --shards N`; more than one share the generator's core
    quick: bool = True  # part of the short variant
    headline: bool = True  # has a row in the table of results


SATURATED = ("--rate", "0", "--burst", "1", "--buyers", "64", "--chunks", "200", "--chunk-bytes", "220")
SATURATED_POOL = ("--providers", "8", "--slots", "8")
PACED = ("--rate", "50", "--buyers", "64", "--chunks", "200", "--chunk-bytes", "220")
MANY = ("--rate", "20", "--buyers", "1000", "--chunks", "100", "--chunk-bytes", "220", "--warmup", "2")
MANY_POOL = ("--providers", "128", "--slots", "8")
SMALL = ("--no-stream", "--buyers", "16")
# The encrypted leg needs `--encrypted-leg` in the generator (its providers then speak version 2 of the protocol).
ENCRYPTED = ("--encrypted-leg",)

CURVE_STREAMS = 1000
CURVE_RATES = (0.5, 2, 5, 10, 20, 40, 60)
QUICK_CURVE_RATES = (2, 10, 20)


def workloads(provider_limit: int, quick: bool) -> list[Workload]:
    """`provider_limit`: as many connections as one process may have open here."""
    # The same for both, since what the process itself takes is spread over them.
    idle = min(20000, provider_limit)
    sizes = [10, 1000] if quick else [10, 1000, min(20000, provider_limit)]
    storm = min(500 if quick else 5000, provider_limit)
    list_ = [
        Workload("a", "saturated stream: 64 buyers, 8 providers × 8 slots", "chunk", SATURATED, SATURATED_POOL),
        Workload("a-bulk", "the same, answers written as whole buffers instead of one event per step", "chunk",
                 (*SATURATED[:3], "0", *SATURATED[4:]), SATURATED_POOL, quick=False),
        Workload("b", "paced: 64 streams × 50 chunks/s", "chunk", PACED, SATURATED_POOL),
        Workload("c", "paced: 1,000 streams × 20 chunks/s, 128 providers", "chunk", MANY, MANY_POOL, seconds=8),
        Workload("d", "small request, no streaming", "request", SMALL, SATURATED_POOL),
        Workload("e", "32 KiB request, no streaming", "request", (*SMALL, "--body-bytes", "32768"), SATURATED_POOL),
        Workload("f", f"{idle:,} idle providers, a heartbeat every 30 s each", "provider", ("--buyers", "0"),
                 ("--providers", "0", "--idle-providers", str(idle), "--settle", "2"), (TRUNKLINE,), seconds=30,
                 quick_seconds=5),
        *(Workload(f"g-{size}", f"small request, {size:,} providers to choose from", "request",
                   (*SMALL, "--heartbeat", "85"), ("--providers", str(size), "--slots", "8", "--settle", "1"),
                   (TRUNKLINE,)) for size in sizes),
        Workload("h", "as a, the encrypted leg", "chunk", SATURATED, (*SATURATED_POOL, *ENCRYPTED), (TRUNKLINE,)),
        Workload("i-a", "as a, TLS on both sides", "chunk", SATURATED, SATURATED_POOL, tls=True, quick=False),
        Workload("i-c", "as c, TLS on both sides", "chunk", (*MANY, "--warmup", "5"), MANY_POOL, seconds=8,
                 tls=True, quick=False),
        Workload("j", f"{storm:,} providers reconnect at once while 64 streams × 50 chunks/s run", "chunk", PACED,
                 (*SATURATED_POOL, "--idle-providers", str(storm), "--storm", str(storm), "--storm-at", "2"),
                 (TRUNKLINE,), seconds=9, quick_seconds=5),
        *(Workload(f"s-{load}-{shards}", f"as {load}, `--shards {shards}`", unit, arguments, SATURATED_POOL,
                   (TRUNKLINE,), shards=shards, quick=False)
          for load, unit, arguments in (("a", "chunk", SATURATED), ("d", "request", SMALL)) for shards in (1, 2)),
        Workload("k", "start: time until both ports listen, resident when idle", "start"),
    ]
    for rate in QUICK_CURVE_RATES if quick else CURVE_RATES:
        arguments = (*MANY[:1], f"{rate:g}", "--buyers", str(CURVE_STREAMS), "--chunks",
                     str(max(5, min(200, round(rate * 5)))), "--chunk-bytes", "220", "--warmup", "2")
        list_.append(Workload(f"curve-{rate:g}", f"paced: {CURVE_STREAMS:,} streams × {rate:g} chunks/s", "chunk",
                              arguments, MANY_POOL, seconds=5, quick=False, headline=False))
    return list_


@dataclass(frozen=True)
class Figure:
    """One number of one workload and system: the median of its rounds, and how far they went apart."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return format(self.median, spec)


@dataclass
class Figures:
    """figures[workload][system][name]; ratios[workload][peer] of Trunkline's cost to the peer's, within rounds."""

    values: dict[str, dict[str, dict[str, Figure]]] = field(default_factory=dict)
    ratios: dict[str, dict[str, Figure]] = field(default_factory=dict)

    def value(self, workload: str, name: str, system: str = TRUNKLINE) -> float | None:
        figure = self.values.get(workload, {}).get(system, {}).get(name)
        return figure.median if figure else None

    def ratio(self, workload: str, peer: str = NGINX) -> float | None:
        figure = self.ratios.get(workload, {}).get(peer)
        return figure.median if figure else None


@dataclass(frozen=True)
class Target:
    workload: str
    text: str
    limit: float
    unit: str
    figure: Callable[[Figures], float | None]
    digits: int = 2


def difference(figures: Figures, name: str, of: str, to: str) -> float | None:
    a, b = figures.value(of, name), figures.value(to, name)
    return None if a is None or b is None else a - b


def quotient(figures: Figures, name: str, of: str, to: str) -> float | None:
    a, b = figures.value(of, name), figures.value(to, name)
    return None if a is None or not b else a / b


def largest_pool(figures: Figures) -> str | None:
    sizes = [int(key[2:]) for key in figures.values if key.startswith("g-")]
    return f"g-{max(sizes)}" if len(sizes) > 1 else None


def pool_growth(figures: Figures) -> float | None:
    largest = largest_pool(figures)
    return difference(figures, "cpu_us", largest, "g-10") if largest else None


TARGETS = (
    Target("a", "server CPU per chunk", 0.9, "µs", lambda f: f.value("a", "cpu_us")),
    Target("a", "of nginx's CPU per chunk, at most a sixth", 1 / 6, "×", lambda f: f.ratio("a"), 3),
    Target("b", "of nginx's CPU per chunk", 1, "×", lambda f: f.ratio("b")),
    Target("c", "of nginx's CPU per chunk", 1, "×", lambda f: f.ratio("c")),
    Target("c", "one-way latency, median", 80, "µs", lambda f: f.value("c", "latency_p50_us"), 0),
    Target("c", "one-way latency, 99th percentile", 1000, "µs", lambda f: f.value("c", "latency_p99_us"), 0),
    Target("d", "of nginx's CPU per request", 1.2, "×", lambda f: f.ratio("d")),
    Target("e", "more CPU per request than d", 25, "µs", lambda f: difference(f, "cpu_us", "e", "d"), 1),
    Target("f", "resident per idle provider", 3072, "bytes", lambda f: f.value("f", "resident_per_provider"), 0),
    Target("f", "of one core", 2, "%", lambda f: f.value("f", "core_percent")),
    Target("g", "more CPU per request at the largest pool than at 10 providers", 2, "µs", pool_growth),
    Target("h", "more CPU per chunk than a", 1.0, "µs", lambda f: difference(f, "cpu_us", "h", "a")),
    Target("i", "of nginx's CPU per chunk with TLS, as a", 1, "×", lambda f: f.ratio("i-a")),
    Target("i", "of nginx's CPU per chunk with TLS, as c", 1, "×", lambda f: f.ratio("i-c")),
    Target("j", "largest gap between chunks of a running stream", 50, "ms", lambda f: f.value("j", "gap_max_ms"), 1),
    Target("j", "until all are back", 5, "s", lambda f: f.value("j", "all_back_s")),
    # Both are one loop on one core: more than the machine's noise would be what the existence of shards costs.
    Target("s", "of a's CPU per chunk, with `--shards 1`", 1.1, "×", lambda f: quotient(f, "cpu_us", "s-a-1", "a")),
    Target("s", "of d's CPU per request, with `--shards 1`", 1.1, "×", lambda f: quotient(f, "cpu_us", "s-d-1", "d")),
    Target("k", "until listening", 100, "ms", lambda f: f.value("k", "listening_ms"), 0),
    Target("k", "resident when idle", 15, "MB", lambda f: f.value("k", "resident_mb"), 1),
)
