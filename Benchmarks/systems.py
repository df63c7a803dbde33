"""The systems under test: their configuration, how they start and stop, which processes they are."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from workloads import HAPROXY, NGINX, TRUNKLINE


class BenchmarkError(Exception):
    """Said to the user as it is, without a traceback."""


@dataclass(frozen=True)
class Ports:
    buyer: int
    provider: int
    upstream: int


def free_ports() -> Ports:
    sockets = [socket.socket() for _ in range(3)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = Ports(*(one.getsockname()[1] for one in sockets))
    for one in sockets:
        one.close()
    return ports


def find_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def pinned(core: int | None, command: list[str], *more: int | None) -> list[str]:
    wanted = [str(one) for one in (core, *more) if one is not None]
    return ["taskset", "-c", ",".join(wanted), *command] if wanted else command


def make_certificate(folder: Path) -> None:
    if (folder / "certificate.pem").exists():
        return
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True, capture_output=True)
    both = (folder / "certificate.pem").read_text() + (folder / "key.pem").read_text()
    (folder / "both.pem").write_text(both)


def trunkline_configuration(folder: Path, ports: Ports, tls: bool, providers: int) -> str:
    """Everything that would refuse the load is raised; what is measured is left at its default."""
    key = [f"{side}_tls_{part}: \"{folder}/{file}.pem\"" for side in ("buyer", "provider")
           for part, file in (("cert", "certificate"), ("key", "key"))] if tls else []
    listen = [f"buyer_port: {ports.buyer}", f"provider_port: {ports.provider}", "bind_address: \"127.0.0.1\"", *key]
    return "\n".join([
        f"listen: {{{', '.join(listen)}}}",
        "pool: {max_providers: 65536}",
        # A body of 32 KiB would else ask the provider first, which the peers have no counterpart for.
        "routing: {preflight_threshold_tokens: 1000000}",
        "ws: {max_unauthenticated_conns: 8192}",
        # The generator's providers do not know the exchange of keys within a session.
        "tier2: {rekey_after_requests: 1000000000, rekey_after_seconds: 86400}",
        "auth: {operator_key: \"benchmark\"}",
        f"storage: {{db_path: \"{folder}/coordinator.db\"}}",
        "logging: {level: info, format: json}",
        *(["providers:"] if providers else []),
        # Pinned: a provisional provider has quotas, which are not the subject here.
        *(f"  - {{provider_id: \"bench-{index:05}\"}}" for index in range(providers)),
        ""])


def nginx_configuration(folder: Path, ports: Ports, tls: bool) -> str:
    certificate = f"ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;" if tls else ""
    return f"""
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; use epoll; multi_accept on; }}
http {{
    access_log off; tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
    client_body_buffer_size 1m; client_max_body_size 16m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream provider {{ server 127.0.0.1:{ports.upstream}; keepalive 2048; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{ports.buyer} backlog=4096 {"ssl" if tls else ""}; {certificate}
        location / {{
            proxy_pass {"https" if tls else "http"}://provider; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 300s;
        }}
    }}
}}
"""


def haproxy_configuration(folder: Path, ports: Ports, tls: bool) -> str:
    return f"""
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    option http-keep-alive
    option http-no-delay
    http-reuse always
frontend buyers
    bind 127.0.0.1:{ports.buyer} backlog 4096 {f"ssl crt {folder}/both.pem alpn http/1.1" if tls else ""}
    default_backend providers
backend providers
    server provider 127.0.0.1:{ports.upstream} {"ssl verify none" if tls else ""}
"""


class System:
    """One running server. A context: stopped, and its log kept for a message, on leaving."""

    def __init__(self, name: str, program: str, folder: Path, core: int | None, *, second_core: int | None = None,
                 tls: bool = False, providers: int = 0, shards: int | None = None) -> None:
        self.name = name
        self.folder = folder / f"{name}-{time.monotonic_ns()}"
        self.folder.mkdir()
        self.ports = free_ports()
        self.process: subprocess.Popen[bytes] | None = None
        if tls:
            make_certificate(folder)
            for part in ("certificate.pem", "key.pem", "both.pem"):
                shutil.copy(folder / part, self.folder)
        if name == TRUNKLINE:
            file = self.folder / "coordinator.yaml"
            file.write_text(trunkline_configuration(self.folder, self.ports, tls, providers))
            command = [program, "serve", "--config", str(file), *(["--shards", str(shards)] if shards else [])]
        elif name == NGINX:
            file = self.folder / "nginx.conf"
            file.write_text(nginx_configuration(self.folder, self.ports, tls))
            command = [program, "-p", str(self.folder), "-c", str(file)]
        elif name == HAPROXY:
            file = self.folder / "haproxy.cfg"
            file.write_text(haproxy_configuration(self.folder, self.ports, tls))
            command = [program, "-db", "-f", str(file)]
        else:
            raise BenchmarkError(f"no such system: {name}")
        self.command = pinned(core, command, second_core)

    def __enter__(self) -> System:
        began = time.monotonic()
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output)
        wanted = [self.ports.buyer] + ([self.ports.provider] if self.name == TRUNKLINE else [])
        while wanted:
            try:
                socket.create_connection(("127.0.0.1", wanted[0]), timeout=1).close()
                wanted.pop(0)
                continue
            except OSError:
                pass
            if self.process.poll() is not None:
                raise BenchmarkError(f"{self.name} ended with status {self.process.returncode}:\n{self.log()}")
            if time.monotonic() - began > 30:
                self.__exit__()
                raise BenchmarkError(f"{self.name} does not listen on port {wanted[0]} after 30 s:\n{self.log()}")
            time.sleep(0.0005)
        self.listening_s = time.monotonic() - began
        # nginx's master listens before its worker exists, and the worker is what has to be measured.
        while self.name == NGINX and len(self.pids()) < 2 and time.monotonic() - began < 30:
            time.sleep(0.001)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if self.name == HAPROXY else signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def log(self) -> str:
        text = ""
        for name in ("output", "nginx.log"):
            if (self.folder / name).exists():
                text += (self.folder / name).read_text(errors="replace")
        return text[-2000:].strip() or "(it said nothing)"

    def pids(self) -> list[int]:
        """The server and its workers."""
        assert self.process
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                queue += [int(child) for child in children.read_text().split()]
        return found

    def resident(self) -> int:
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
        return total


def find_systems(names: list[str], given: dict[str, str], root: Path) -> dict[str, str]:
    """The program of each system that is asked for."""
    programs = {}
    for name in names:
        program = given.get(name) or (str(root / ".build/release/trunkline") if name == TRUNKLINE else
                                      find_program(name))
        if not program or not os.access(program, os.X_OK):
            how = ("build it first (make build) or name it (--server trunkline=PATH)" if name == TRUNKLINE else
                   "install it (Benchmarks/prepare.sh does) or leave it out (--systems)")
            raise BenchmarkError(f"{name} is missing{f' at {program}' if program else ''}: {how}")
        programs[name] = str(Path(program).absolute())
    return programs


def version_of(name: str, program: str) -> str:
    arguments = {TRUNKLINE: ["version"], NGINX: ["-v"], HAPROXY: ["-v"]}[name]
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].split(" - ")[0].removeprefix("nginx version: ") if lines else "unknown"


def cores() -> tuple[int | None, int | None]:
    """One core for the server, another for the generator, where that can be had."""
    if not hasattr(os, "sched_getaffinity") or not shutil.which("taskset"):
        return None, None
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        print("only one core: server and generator share it, latencies mean little", file=sys.stderr)
        return None, None
    return available[0], available[1]
