# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a run of site.yml costs that changes nothing, on one host and on many, against ``ansible -m ping`` in the same minute.

The host must be provisioned already. Many hosts are aliases of it, each with an SSH connection of its own. Prints JSON. The targets:
at most 2 remote module executions and 3 pings of wall time on one host; at most 6 times the ping's control CPU (SSH included) on 50
hosts, growing no more than linearly. ``target_cpu_seconds`` is what the host itself spends, its services' answers included: in the
sandbox the same machine pays for it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """What a command has cost."""

    wall: float
    control_cpu: float  # of Ansible, its workers and its ssh clients
    target_cpu: float


class Fleet:
    """An inventory of aliases of one host."""

    def __init__(self, folder: Path, inventory: str, host: str, size: int) -> None:
        self.folder = folder / str(size)
        self.folder.mkdir()
        self.inventory, self.host = inventory, host
        # The variables are as written, and may name the folder of their inventory.
        written = run("ansible-inventory", "-i", inventory, "--host", host)
        variables = json.loads(re.sub(r"\binventory_dir\b", f"'{Path(ROOT, inventory).resolve()}'", written))
        names = [f"alias{number:03d}" for number in range(1, size + 1)]
        hosts = {
            name: {**variables, "ansible_host": host, "ansible_control_path": f"{self.folder}/{name}-%%C"}
            for name in names
        }
        self.file = self.folder / "hosts.json"
        self.file.write_text(json.dumps({"thor": {"hosts": hosts}}))

    def measure(self, *command: str, forks: int = 20) -> tuple[Cost, str]:
        """Run a command on all aliases."""
        before = self.target_cpu(), self.masters_cpu(), children_cpu()
        begun = time.monotonic()
        output = run(*command, "-i", str(self.file), "-f", str(forks))
        wall = time.monotonic() - begun
        control = children_cpu() - before[2] + self.masters_cpu() - before[1]
        return Cost(wall, control, self.target_cpu() - before[0]), output

    def masters_cpu(self) -> float:
        """Seconds of the ssh processes that keep the connections open: they are nobody's children."""
        ticks = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.folder) in (process / "cmdline").read_text():
                    ticks += sum(map(int, (process / "stat").read_text().rsplit(") ", 1)[1].split()[11:13]))
            except OSError:
                continue
        return ticks / TICKS

    def target_cpu(self) -> float:
        """Seconds that the host has spent since it was started."""
        read = "cat /sys/fs/cgroup/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpuacct/cpuacct.usage"
        output = run("ansible", self.host, "-i", self.inventory, "-m", "ansible.builtin.raw", "-a", read)
        if found := re.search(r"usage_usec (\d+)", output):
            return int(found[1]) / 1e6
        found = re.search(r"^(\d+)\s*$", output, re.MULTILINE)
        return int(found[1]) / 1e9 if found else 0.0

    def close(self) -> None:
        """End the connections."""
        for socket in self.folder.glob("alias*-*"):
            subprocess.run(
                ["ssh", "-O", "exit", "-S", str(socket), self.host], capture_output=True, check=False, timeout=20
            )


def run(*command: str) -> str:
    """The output of a command that must succeed."""
    environment = {**os.environ, "NO_COLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(
        [str(PROGRAMS / command[0]), *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
        env=environment,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return done.stdout


def children_cpu() -> float:
    """Seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(fleet: Fleet, rounds: int) -> dict[str, Any]:
    """Ping and site.yml, one after the other, as often as asked for."""
    ping_command, site_command = ("ansible", "all", "-m", "ansible.builtin.ping"), ("ansible-playbook", "site.yml")
    # Opens the connections: sshd drops some of more than ten that begin at once (MaxStartups).
    fleet.measure(*ping_command, forks=5)
    pings, runs, output = [], [], ""
    for _ in range(rounds):
        pings.append(fleet.measure(*ping_command)[0])
        cost, output = fleet.measure(*site_command)
        runs.append(cost)
    recap = re.search(r"^alias001\s.*$", output, re.MULTILINE)
    found: dict[str, Any] = {"recap": recap[0] if recap else None}
    for key in ("wall", "control_cpu", "target_cpu"):
        ping, site = (statistics.median(getattr(one, key) for one in costs) for costs in (pings, runs))
        found[f"ping_{key}_seconds"], found[f"site_{key}_seconds"] = round(ping, 3), round(site, 3)
        found[f"{key}_in_pings"] = round(site / ping, 2) if ping else None
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/sandbox")
    parser.add_argument("--host", default="thor01")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="1,10,25,50", help="numbers of hosts")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"host": arguments.host, "rounds": arguments.rounds, "sizes": {}}
    with tempfile.TemporaryDirectory(prefix="idle") as folder:
        for size in map(int, arguments.sizes.split(",")):
            fleet = Fleet(Path(folder), arguments.inventory, arguments.host, size)
            result["sizes"][size] = compare(fleet, arguments.rounds)
            if size == 1:
                verbose = run("ansible-playbook", "site.yml", "-i", str(fleet.file), "-vvv")
                result["modules"] = [Path(path).stem for path in re.findall(r"Using module file (\S+)", verbose)]
                result["remote_module_executions"] = len(result["modules"])
            fleet.close()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
