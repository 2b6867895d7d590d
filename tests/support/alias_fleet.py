# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Many hosts that are aliases of one, each with an SSH connection of its own, and what a command on them costs."""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")
PING = ("ansible", "all", "-m", "ansible.builtin.ping")


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


def compare(fleet: Fleet, name: str, command: Sequence[str], rounds: int) -> tuple[dict[str, float | None], list[str]]:
    """Medians of a ping and of a command in turn, the command's in pings as well; and the outputs of the command."""
    # Opens the connections: sshd drops some of more than ten that begin at once (MaxStartups).
    fleet.measure(*PING, forks=5)
    pings: list[Cost] = []
    runs: list[tuple[Cost, str]] = []
    for _ in range(rounds):
        pings.append(fleet.measure(*PING)[0])
        runs.append(fleet.measure(*command))
    found: dict[str, float | None] = {}
    for key in ("wall", "control_cpu", "target_cpu"):
        ping, other = (
            statistics.median(getattr(one, key) for one in costs) for costs in (pings, [cost for cost, _said in runs])
        )
        found[f"ping_{key}_seconds"], found[f"{name}_{key}_seconds"] = round(ping, 3), round(other, 3)
        found[f"{key}_in_pings"] = round(other / ping, 2) if ping else None
    return found, [said for _cost, said in runs]


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
