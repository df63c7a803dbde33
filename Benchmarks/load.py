"""One workload on one system: starts the system, puts the generator on it, and gives back what the generator saw."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from systems import BenchmarkError, System, cores, pinned
from workloads import TRUNKLINE, Workload

GENERATOR = Path(__file__).resolve().parent / ".build/loadgen"


def run_load(workload: Workload, name: str, program: str, folder: Path, seconds: float,
             during: Callable[[System], None] = lambda _: None) -> dict[str, Any]:
    """`during` is called with the running system while the generator works."""
    server_core, generator_core = cores()
    arguments = [*workload.arguments, "--seconds", str(seconds)]
    arguments += workload.provider_arguments if name == TRUNKLINE else ["--proxy"]
    known = sum(int(arguments[at + 1]) for at, word in enumerate(arguments)
                if word in ("--providers", "--idle-providers"))
    # A second loop needs a second core, and there may be no third one for the generator.
    second_core = generator_core if (workload.shards or 1) > 1 else None
    with System(name, program, folder, server_core, second_core=second_core, tls=workload.tls, providers=known,
                shards=workload.shards) as system:
        ports = system.ports
        arguments += ["--buyer-port", str(ports.buyer), "--provider-port", str(ports.provider), "--upstream-port",
                      str(ports.upstream)]
        if workload.tls:
            arguments += ["--tls-buyer", "--tls-provider", "--certificate", f"{system.folder}/certificate.pem",
                          "--key", f"{system.folder}/key.pem"]
        for pid in system.pids():
            arguments += ["--pid", str(pid)]
        with subprocess.Popen(pinned(generator_core, [str(GENERATOR), *arguments]), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as generator:
            during(system)
            output, error = generator.communicate()
        if generator.returncode != 0:
            raise BenchmarkError(f"{error.strip()[:1500]}\n{name} said: {system.log()[-500:]}")
    return json.loads(output)
