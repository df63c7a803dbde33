"""The acts of a run. Each plays against coordinators of its own and ends with a reckoning: no request left, all slots
free, descriptors as before, an undisturbed request answered whole."""

import asyncio
import collections
import contextlib
import os
import pathlib
import sqlite3
import subprocess
import time

from buyers import Buyers
from http_client import Cut, fetch
from lossy_proxy import LossyProxy
from processes import KEY, REQUEST_TIMEOUT, Agent, Coordinator
from providers import SLOTS, Provider
from vandals import hoard, impersonate, vandalise

# Beyond the request time-out: the preflight's, a drain's, and a machine that is busy with other things.
SLACK = 14
# What the resident memory may grow by between the warm-up and the end, in KiB: for each loop, since the C library gives
# each thread a heap of its own.
GROWTH_LIMIT = 10 * 1024


class Stage:
    """A coordinator with everybody around it."""

    def __init__(self, run, coordinator, provider_count=6, agent_count=3, buyer_count=16):
        self.ledger = run.ledger
        self.random = run.random
        self.coordinator = coordinator
        self.counts = provider_count, agent_count, buyer_count
        self.buyers = Buyers(run.ledger, run.random, REQUEST_TIMEOUT + SLACK)
        self.closing = asyncio.Event()
        self.tasks = set()
        self.proxy = None

    async def open(self, steady=False):
        coordinator, ledger = self.coordinator, self.ledger
        await coordinator.start()
        # Once, so that what is opened on first use is open: libuv keeps a spare descriptor from a loop's first
        # connection on, and which loop a buyer gets is the kernel's choice.
        await coordinator.pool()
        await fetch(coordinator.provider_port, "/metrics", KEY)
        for _ in range(32):
            await fetch(coordinator.buyer_port, "/livez")
        await asyncio.sleep(1)
        self.baseline = coordinator.descriptors()
        providers, agents, buyers = self.counts
        self.proxy = await LossyProxy(coordinator.provider_port, self.random.random()).start()
        ports = lambda: [coordinator.provider_port, self.proxy.port]
        self.providers = [
            Provider(f"numbered-{index}", ports, ledger, self.random.random()) for index in range(providers)
        ]
        self.agents = [Agent(f"agent-{index}", coordinator, ledger) for index in range(agents)]
        await self.until("all providers", lambda pool: pool["summary"]["ready"] >= providers)
        for _ in range(buyers):
            self.spawn(self.buyers.shop(coordinator, self.closing, steady))
        self.spawn(self._watch())

    def spawn(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.ledger.violate("driver", repr(task.exception()))

    async def until(self, what, holds, limit=40):
        """Waits for a state of the pool."""
        deadline = time.monotonic() + limit
        pool = None
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, Cut, asyncio.TimeoutError):
                pool = await self.coordinator.pool()
                if holds(pool):
                    return pool
            await asyncio.sleep(0.1)
        self.ledger.violate("never came true", f"{what}: {str(pool)[:600]}")
        return pool

    async def _watch(self):
        """The operator's view must be right at every moment."""
        coordinator = self.coordinator
        while not self.closing.is_set():
            await asyncio.sleep(0.3)
            try:
                began = time.monotonic()
                pool = await coordinator.pool()
                if not coordinator.is_starved:
                    self.ledger.watch_latency = max(self.ledger.watch_latency, time.monotonic() - began)
            except Exception as error:
                if not (coordinator.is_killed or coordinator.is_draining or coordinator.is_starved):
                    self.ledger.violate("operator", f"no /poolz: {error!r}")
                continue
            for entry in pool["pool"]:
                right = 0 <= entry["active_requests"] <= entry["max_concurrency"] and entry["slots_free"] >= 0
                self.ledger.require(right, "slots", str(entry)[:400])

    def fault(self):
        """One fault, drawn by weight."""
        draw = self.random.choices(_NAMES, _WEIGHTS)[0]
        provider, agent = self.random.choice(self.providers), self.random.choice(self.agents)
        ledger, seconds = self.ledger, self.random.uniform(0.1, 8)
        if draw == "garbage":
            self.spawn(vandalise(self.coordinator, ledger, self.random))
        elif draw == "provider resets":
            provider.reset() and ledger.fault("provider: RST")
        elif draw == "provider stalls":
            ledger.fault("provider: stops reading")
            self.spawn(provider.stall(seconds))
        elif draw == "provider tears":
            provider.tear() and ledger.fault("provider: torn frame")
        elif draw == "provider babbles":
            provider.babble() and ledger.fault("provider: nonsense messages")
        elif draw == "provider taken over":
            self.spawn(impersonate(self.coordinator, ledger, provider))
        elif draw == "link lost":
            self.proxy.lose_one() and ledger.fault("link: half open")
        elif draw == "agent freezes":
            ledger.fault("agent: SIGSTOP, SIGCONT")
            self.spawn(agent.freeze(seconds))
        elif draw == "agent killed":
            agent.kill() and ledger.fault("agent: SIGKILL")
        elif draw == "agent leaves":
            agent.terminate() and ledger.fault("agent: SIGTERM")
        elif draw == "crawler":
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(seconds, stop.set)
            self.spawn(self.buyers.crawl(self.coordinator, stop))

    async def torment(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.fault()
            await asyncio.sleep(self.random.uniform(0.02, 0.35))

    async def close(self):
        """The reckoning. Everybody leaves in turn, and each time the coordinator must have forgotten them."""
        ledger, coordinator = self.ledger, self.coordinator
        self.closing.set()
        if self.tasks:
            _, late = await asyncio.wait(set(self.tasks), timeout=REQUEST_TIMEOUT + SLACK + 10)
            ledger.require(not late, "hung request", f"{len(late)} buyers or vandals have not come to an end")
            for task in late:
                task.cancel()
        ledger.require(self.buyers.waiting == 0, "hung request", f"{self.buyers.waiting} still wait")

        def is_idle(pool):
            # A provider that was caught in the last fault is not ready again at once.
            serving = [e for e in pool["pool"] if e["provider_id"].startswith("numbered-")]
            return (
                len(serving) == len(self.providers)
                and all(e["active_requests"] == 0 for e in pool["pool"])
                and all(e["state"] == "ready" and e["slots_free"] == SLOTS for e in serving)
            )

        await self.until("all slots free and all providers ready", is_idle)
        health = await coordinator.health()
        ledger.require(health["requests_active"] == 0, "leaked request", str(health))
        for _ in range(5):
            outcome = await self.buyers.probe(coordinator)
            ledger.require(outcome == "200, complete", "undisturbed request", outcome)
        for party in self.agents + self.providers:
            await party.stop()
        self.proxy.stop()
        pool = await self.until("an empty pool", lambda pool: pool["summary"]["total_providers"] == 0)
        ledger.require(pool["summary"]["free_slots"] == 0, "leaked slots", str(pool["summary"]))
        await self._check_descriptors()
        await self._check_idleness()

    async def _check_descriptors(self):
        deadline = time.monotonic() + 20
        while len(self.coordinator.descriptors()) > len(self.baseline) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        now = self.coordinator.descriptors()
        more = sorted((collections.Counter(now) - collections.Counter(self.baseline)).elements())
        detail = f"{len(self.baseline)} before, {len(now)} after; new: {more}"
        self.ledger.require(len(now) <= len(self.baseline), "leaked descriptors", detail)

    async def _check_idleness(self):
        """With nobody there it must not burn time: a readiness event that nobody takes away would."""
        before = self.coordinator.cpu_seconds()
        await asyncio.sleep(2)
        spent = self.coordinator.cpu_seconds() - before
        self.ledger.require(spent < 0.3, "busy loop", f"{spent:.2f} s of CPU in 2 s of nothing")


_FAULTS = {
    "garbage": 30,
    "provider resets": 8,
    "provider stalls": 4,
    "provider tears": 4,
    "provider babbles": 10,
    "provider taken over": 4,
    "link lost": 6,
    "agent freezes": 4,
    "agent killed": 4,
    "agent leaves": 2,
    "crawler": 5,
}
_NAMES, _WEIGHTS = list(_FAULTS), list(_FAULTS.values())


async def weather(run, seconds):
    """Everything at once, on a coordinator that nothing is wrong with: it must lose nothing and keep nothing."""
    coordinator = Coordinator(run.binary, run.folder("weather"), run.ledger, shards=run.random.choice([1, 2]))
    run.ledger.figures["weather: shards"] = coordinator.shards
    stage = Stage(run, coordinator)
    await stage.open()
    start = coordinator.resident_kib()
    # Buffers and tables find their sizes in here.
    await stage.torment(seconds * 0.3)
    warm = coordinator.resident_kib()
    await stage.torment(seconds * 0.35)
    middle = coordinator.resident_kib()
    await stage.torment(seconds * 0.35)
    await stage.close()
    end = coordinator.resident_kib()
    sizes = f"{start} {warm} {middle} {end}"
    run.ledger.figures["resident memory: start, warm, middle, end (KiB)"] = sizes
    run.ledger.figures["resident memory: growth after the warm-up (KiB)"] = end - warm
    is_bounded = end - warm < GROWTH_LIMIT * coordinator.shards
    run.ledger.require(is_bounded, "memory", f"{warm} KiB after the warm-up, {end} KiB in the end")
    run.ledger.figures["descriptors: before, after"] = f"{len(stage.baseline)} {len(coordinator.descriptors())}"
    await _end_and_check_database(run, coordinator)


async def few_descriptors(run, seconds):
    """Hoarders take all descriptors, several times over."""
    limit = 96
    coordinator = Coordinator(run.binary, run.folder("few-descriptors"), run.ledger, file_limit=limit)
    stage = Stage(run, coordinator, provider_count=4, agent_count=1, buyer_count=8)
    await stage.open()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        coordinator.is_starved = True
        held = await hoard(coordinator, 300)
        run.ledger.fault("descriptors: used up")
        run.ledger.fault("descriptors: idle connections", len(held))
        most = len(coordinator.descriptors())
        run.ledger.figures["descriptors: limit, most in use"] = f"{limit} {most}"
        before = coordinator.cpu_seconds()
        await asyncio.sleep(2)
        share = (coordinator.cpu_seconds() - before) / 2
        run.ledger.figures["descriptors: CPU share while used up"] = f"{share:.2f}"
        run.ledger.require(share < 0.7, "busy loop", f"{share:.2f} of a core while descriptors are used up")
        for connection in held:
            connection.reset() if run.random.random() < 0.5 else connection.close()
        # They come back by themselves, and whoever was turned away comes again.
        await asyncio.sleep(1)
        await stage.until("service after the hoarders", lambda pool: pool["summary"]["ready"] >= 4)
        await asyncio.sleep(1)
        coordinator.is_starved = False
        await asyncio.sleep(run.random.uniform(1, 2))
    await stage.close()
    await _end_and_check_database(run, coordinator, is_whole=False)


async def full_disk(run, seconds):
    """The database has no room; what buyers get must not depend on it."""
    folder = run.folder("full-disk")
    disk = pathlib.Path(folder) / "disk"
    disk.mkdir()
    mounts = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", disk], stderr=subprocess.DEVNULL
    ).returncode == 0
    # Without the right to mount: a path on which nothing can be written.
    database = disk / "coordinator.db" if mounts else "/dev/full/coordinator.db"
    run.ledger.fault("database: disk of 300 KiB" if mounts else "database: unwritable path")
    coordinator = Coordinator(run.binary, folder, run.ledger, database=database)
    try:
        stage = Stage(run, coordinator, provider_count=4, agent_count=1, buyer_count=8)
        await stage.open(steady=True)
        await asyncio.sleep(seconds)
        if mounts:
            left = os.statvfs(disk)
            run.ledger.figures["full disk: bytes left"] = left.f_bavail * left.f_bsize
        run.ledger.figures["full disk: storage in /healthz"] = (await coordinator.health()).get("storage")
        stage.baseline += ["database"] * 3
        await stage.close()
        took = await coordinator.terminate()
        run.ledger.figures["full disk: seconds to leave"] = f"{took:.1f}"
    finally:
        if coordinator.process and coordinator.process.returncode is None:
            await coordinator.kill()
        if mounts:
            subprocess.run(["umount", disk])


async def restarts(run, seconds):
    """The coordinator leaves in order, or dies, while everybody is busy, and comes back."""
    coordinator = Coordinator(run.binary, run.folder("restarts"), run.ledger, shards=run.random.choice([1, 2]))
    run.ledger.figures["restarts: shards"] = coordinator.shards
    stage = Stage(run, coordinator)
    await stage.open()
    end = time.monotonic() + seconds
    kills = True
    while time.monotonic() < end or not kills:
        await stage.torment(run.random.uniform(2, 5))
        kills = not kills
        if kills:
            run.ledger.fault("coordinator: SIGKILL")
            await coordinator.kill()
        else:
            run.ledger.fault("coordinator: SIGTERM")
            took = await coordinator.terminate()
            longest = run.ledger.figures.get("longest drain (s)", 0)
            run.ledger.figures["longest drain (s)"] = max(longest, round(took, 1))
        _check_integrity(run, coordinator)
        await asyncio.sleep(run.random.uniform(0, 1))
        await coordinator.start()
        # Agents back off; one that is started anew comes at once.
        for agent in stage.agents:
            agent.kill()
        await stage.until("the providers' return", lambda pool: pool["summary"]["ready"] >= len(stage.providers) // 2)
    await stage.close()
    await _end_and_check_database(run, coordinator, is_whole=False)


def _check_integrity(run, coordinator):
    with contextlib.closing(sqlite3.connect(coordinator.database)) as database:
        answer = database.execute("PRAGMA integrity_check").fetchone()[0]
    run.ledger.require(answer == "ok", "database", answer)


async def _end_and_check_database(run, coordinator, is_whole=True):
    """After an orderly end every request of a life without faults of the disk is in the log, once."""
    total = (await coordinator.health())["requests_total"]
    await coordinator.terminate()
    _check_integrity(run, coordinator)
    with contextlib.closing(sqlite3.connect(coordinator.database)) as database:
        rows, names = database.execute("SELECT count(*), count(DISTINCT request_id) FROM request_log").fetchone()
    run.ledger.require(rows == names, "database", f"{rows} rows of {names} requests")
    if is_whole:
        run.ledger.figures["requests counted, requests in the database"] = f"{total} {rows}"
        run.ledger.require(rows == total, "database", f"{rows} rows, but {total} requests")
