"""What has happened, and what must not: the counts of a run, its violations, and the table at its end."""

import collections
import time


class Ledger:
    def __init__(self):
        self.faults = collections.Counter()
        self.outcomes = collections.Counter()
        self.figures = {}
        self.violations = []
        self.violation_count = 0
        self.checked_bytes = 0
        self.checked_frames = 0
        self.checked_pongs = 0
        self.request_count = 0
        self.latencies = []
        self.watch_latency = 0
        self.began = time.monotonic()
        # Where the act that is on writes its log.
        self.log = None

    def fault(self, kind, count=1):
        self.faults[kind] += count

    def violate(self, kind, detail):
        self.violation_count += 1
        if len(self.violations) < 40:
            line = (round(time.monotonic() - self.began, 1), kind, detail, self.log)
            self.violations.append(line)
            print(f"VIOLATION at {line[0]} s: {kind}: {detail}", flush=True)

    def require(self, holds, kind, detail):
        if not holds:
            self.violate(kind, detail)

    def print(self):
        def rows(title, pairs):
            print(f"\n{title}")
            for name, value in pairs:
                print(f"  {name:<58} {value:>12}")

        print("\n" + "=" * 73)
        rows(
            "Checked",
            [
                ("seconds", round(time.monotonic() - self.began)),
                ("requests", self.request_count),
                ("bytes of answers, each compared", self.checked_bytes),
                ("WebSocket frames from the coordinator", self.checked_frames),
                ("PONGs, each in its turn", self.checked_pongs),
            ],
        )
        rows("Faults", sorted(self.faults.items()) + [("all", sum(self.faults.values()))])
        rows("Outcomes", sorted(self.outcomes.items()) + [("all", sum(self.outcomes.values()))])
        rows("Figures", self.figures.items())
        rows("Violations", [("all", self.violation_count)])
        for second, kind, detail, log in self.violations:
            print(f"  at {second} s: {kind}: {detail}\n    read {log}")
        print("=" * 73, flush=True)
