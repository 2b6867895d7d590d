# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a host with gateway and metrics takes while nobody asks it anything.

The real nginx with the gateway's files, the real node exporter with our options, and the timer's program as it is on a device, every
30 seconds; Prometheus' part is a request for the exporter's page through the gateway as often. A minute is measured. Sensors are
stand-ins, and there is no systemd to answer. Prints JSON; the targets: below 1 % of one processor, and 80 MB.

Memory is what the processes have for themselves plus their share of what they have in common (Pss), with the program at its largest.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gateway_run
import prometheus
import resolved
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import routes
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import metrics
from sensor_files import THOR, write

SECONDS, EVERY = 60, 30
CPU_PERCENT, MEGABYTES = 1.0, 80.0
EYES = "eyes-" + "b" * 20
HOST = {"metrics": {"files": {}, "installed": False, "textfiles": False}}
# The program's own files, with another place for its configuration.
PROGRAM = """
import sys
from pathlib import Path
from ansible_collections.jetson.thor.plugins.module_utils.metrics import textfile
textfile.CONFIGURATION = Path({configuration!r})
status = textfile.main()
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))  # its own largest
sys.exit(status)
"""


def install(folder: Path) -> list[str]:
    """The program on this machine; the command that runs it once."""
    service = {"name": "chat", "unit": "thor-chat.service"}
    for one in metrics.files([service], HOST, metrics.MetricsSettings(enabled=True)):
        path = folder / one.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.content, encoding="utf-8")
    write(folder / "device", THOR)
    configuration = folder / "metrics.json"
    services = [{**service, "on_demand": False, "floor_share": 0.9}]
    textfile, facts = str(folder / "textfiles" / "thor.prom"), str(folder / "device")
    records.write(configuration, {"textfile": textfile, "facts_root": facts, "services": services})
    program = folder / "opt/thor/metrics"
    (program / "__main__.py").write_text(PROGRAM.format(configuration=str(configuration)), encoding="utf-8")
    return ["/usr/bin/python3", "-I", "-S", "-X", f"pycache_prefix={folder}/cache", str(program)]


def cpu_seconds(pids: list[int]) -> float:
    """What these processes have computed so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """The memory of a process, with its share of what it has in common with others."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0]) / 1024


def measure(folder: Path) -> dict[str, float]:
    """CPU in percent of one processor, and memory in MB, by part."""
    (folder / "textfiles").mkdir()
    command = install(folder)
    subprocess.run(command, check=True, capture_output=True)  # compiles its files, as the first run on a device does
    with prometheus.node_exporter(folder / "textfiles") as (address, exporter):
        routes.NODE_EXPORTER = address
        service = resolved.services({"profile": resolved.LLAMA, "name": "chat"}, metrics=True)
        with gateway_run.running(service, [gateway_run.client("eyes", EYES, metrics=True)]) as gateway:
            assert gateway.process
            nginx = [gateway.process.pid, *gateway.workers()]
            before = {"gateway": cpu_seconds(nginx), "exporter": cpu_seconds([exporter])}
            program = resource.getrusage(resource.RUSAGE_CHILDREN)
            for _ in range(SECONDS // EVERY):
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                page = gateway.ask("GET", "/metrics/node", EYES).body.decode()
                assert "thor_power_watts" in page
                time.sleep(EVERY)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = {
                "gateway": cpu_seconds(nginx) - before["gateway"],
                "exporter": cpu_seconds([exporter]) - before["exporter"],
                "program": after.ru_utime + after.ru_stime - program.ru_utime - program.ru_stime,
            }
            memory = {
                "gateway": sum(map(megabytes, nginx)),
                "exporter": megabytes(exporter),
                "program": int(done.stdout.split()[1]) / 1024,
            }
    found = {f"{part}_cpu_percent": round(100 * seconds / SECONDS, 3) for part, seconds in used.items()}
    found |= {f"{part}_mb": round(size, 1) for part, size in memory.items()}
    total = {"cpu_percent": sum(used.values()) * 100 / SECONDS, "mb": sum(memory.values())}
    return found | {key: round(value, 3) for key, value in total.items()}


def main() -> int:
    """Measure, print, judge."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    good = found["cpu_percent"] < CPU_PERCENT and found["mb"] < MEGABYTES
    print(json.dumps({**found, "limits": {"cpu_percent": CPU_PERCENT, "mb": MEGABYTES}, "ok": good}, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
