"""The real programs: one coordinator, which may die and come back on the same ports, and agents."""

import asyncio
import os
import pathlib
import resource
import signal
import socket
import time

from http_client import Cut, fetch_json

KEY = "a-key-that-only-this-run-knows"
REQUEST_TIMEOUT = 6

CONFIGURATION = """\
listen: {{buyer_port: {buyer_port}, provider_port: {provider_port}, bind_address: "127.0.0.1"}}
pool: {{heartbeat_interval_s: 1, heartbeat_miss_threshold_s: 5, disconnect_grace_period_s: 1, wake_gap_threshold_s: 60,
       degraded_backoff_s: 1, degraded_max_retries: 100}}
routing: {{preflight_timeout_s: 1, request_timeout_s: {request_timeout}}}
ws: {{write_timeout_s: 2, handshake_timeout_s: 2, ping_interval_s: 2}}
admission: {{provisional_rate_per_hour: 1000000, max_provisional_providers: 1000,
            provisional_request_quota_per_hour: 1000000000}}
limits: {{max_buffered_bytes_per_request: 2097152}}
auth: {{operator_key: "{key}"}}
storage: {{db_path: "{database}", snapshot_interval_s: 1}}
logging: {{level: info, format: json}}
"""


def free_ports(count):
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


class Coordinator:
    def __init__(self, binary, directory, ledger, database=None, file_limit=None, shards=1):
        self.binary = binary
        self.directory = pathlib.Path(directory)
        self.ledger = ledger
        self.database = database or self.directory / "coordinator.db"
        self.file_limit = file_limit
        self.shards = shards
        self.buyer_port, self.provider_port = free_ports(2)
        self.life = 0
        self.is_killed = self.is_draining = False
        # Set while descriptors are used up on purpose.
        self.is_starved = False
        self.process = None
        self.configuration = self.directory / "coordinator.yaml"
        self.configuration.write_text(
            CONFIGURATION.format(
                buyer_port=self.buyer_port,
                provider_port=self.provider_port,
                request_timeout=REQUEST_TIMEOUT,
                key=KEY,
                database=self.database,
            )
        )

    async def start(self):
        log = self.directory / f"coordinator-{self.life + 1}.log"
        self.ledger.log = str(log)

        def limit():
            if self.file_limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.file_limit, self.file_limit))

        with open(log, "wb") as file:
            arguments = ["serve", "--config", self.configuration, "--shards", str(self.shards)]
            self.process = await asyncio.create_subprocess_exec(
                self.binary, *arguments, stdout=file, stderr=file, preexec_fn=limit
            )
        while True:
            if self.process.returncode is not None:
                raise RuntimeError(f"the coordinator does not start; read {log}")
            try:
                await self.health(timeout=2)
                break
            except (OSError, ValueError, Cut, asyncio.TimeoutError):
                await asyncio.sleep(0.02)
        self.life += 1
        self.is_killed = self.is_draining = False
        self.watch = asyncio.create_task(self._watch(self.process))

    async def _watch(self, process):
        code = await process.wait()
        if not (self.is_killed or self.is_draining):
            self.is_killed = True
            self.ledger.violate("coordinator died", f"exit code {code}")

    async def terminate(self):
        """SIGTERM, and the time it took."""
        self.is_draining = True
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        # What is in flight has its request time-out; then everybody is told.
        try:
            code = await asyncio.wait_for(self.process.wait(), REQUEST_TIMEOUT + 34)
            self.ledger.require(code == 0, "exit code", f"{code} after SIGTERM")
        except asyncio.TimeoutError:
            self.ledger.violate("hung drain", "still there long after SIGTERM")
            self.process.kill()
            await self.process.wait()
        return time.monotonic() - began

    async def kill(self):
        self.is_killed = True
        self.process.kill()
        await self.process.wait()

    async def health(self, timeout=20):
        return await fetch_json(self.provider_port, "/healthz", timeout=timeout)

    async def pool(self):
        return await fetch_json(self.provider_port, "/poolz", KEY)

    def descriptors(self):
        folder = f"/proc/{self.process.pid}/fd"
        names = []
        for entry in os.listdir(folder):
            try:
                names.append(os.readlink(f"{folder}/{entry}"))
            except OSError:
                pass
        return names

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Agent:
    """`trunkline provide` with the demo engine, started again whenever it has died."""

    def __init__(self, name, coordinator, ledger):
        self.name = name
        self.coordinator = coordinator
        self.ledger = ledger
        self.process = None
        self.is_stopped = False
        self.task = asyncio.create_task(self._live())

    async def _live(self):
        log = self.coordinator.directory / f"{self.name}.log"
        address = f"ws://127.0.0.1:{self.coordinator.provider_port}"
        arguments = ["--coordinator", address, "--engine", "demo", "--demo-pace-ms", "4", "--slots", "4"]
        while True:
            with open(log, "ab") as file:
                self.process = await asyncio.create_subprocess_exec(
                    self.coordinator.binary, "provide", "--id", self.name, *arguments, stdout=file, stderr=file
                )
            code = await self.process.wait()
            is_right = code in (0, -signal.SIGKILL)
            self.ledger.require(is_right, "agent died", f"{self.name}: exit code {code}; read {log}")
            await asyncio.sleep(0.3)

    async def freeze(self, seconds):
        if self.is_stopped or not self._signal(signal.SIGSTOP):
            return
        self.is_stopped = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self._signal(signal.SIGCONT)
            self.is_stopped = False

    def kill(self):
        return self._signal(signal.SIGKILL)

    def terminate(self):
        return not self.is_stopped and self._signal(signal.SIGTERM)

    def _signal(self, number):
        if self.process is None or self.process.returncode is not None:
            return False
        self.process.send_signal(number)
        return True

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        if self._signal(signal.SIGKILL):
            await self.process.wait()
