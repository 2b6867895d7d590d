# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A sandbox host for the tests of faults, and runs of playbooks for it.

The host is THOR_FAULTS_HOST (thor01) of THOR_FAULTS_INVENTORY (inventories/sandbox), reached as that inventory says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import resolved
import testinfra

ROOT = Path(__file__).resolve().parents[2]
HOST = os.environ.get("THOR_FAULTS_HOST", "thor01")
BIN = Path(sys.executable).parent
SSH_CONFIG = ROOT / ".sandbox" / "ssh_config"
INVENTORY = os.environ.get("THOR_FAULTS_INVENTORY", str(ROOT / "inventories" / "sandbox"))
PLAYBOOK = ROOT / "tests" / "integration" / "faults" / "serving.yml"
# A hang is detected within interval + 3 * (timeout + interval) seconds; systemd then waits 5 seconds.
SETTINGS = {"serving_liveness_interval": 2, "serving_liveness_timeout": 3}
SOON = 60

Service = dict[str, Any]


def stand_in(name: str, port: int, *arguments: str, mode: str = "ok", **fields: Any) -> Service:
    """A resolved service of the catalog, whose engine is replaced by the stand-in."""
    service = resolved.service(resolved.LLAMA, name=name, port=port).to_facts()
    return {
        **service,
        "profile": "stand-in",
        "engine": "stand-in",
        "version": "1",
        "argv": ["stand-in-engine", "--mode", mode, "--port", str(port), *arguments],
        "environment": {},
        "model": {**service["model"], "path": "/models"},
        "files": [],
        "served_name": "stand-in",
        "thinking": None,
        "start_timeout": 20,
        "memory_gib": 0.5,
        "progress": None,
        "gpu": None,
        **fields,
    }


def play(*services: Service, background: bool = False, playbook: Path = PLAYBOOK, **variables: Any) -> Any:
    """Run the playbook; returns (exit status, output), or the process if it should continue in the background."""
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        f"--inventory={INVENTORY}",
        f"--limit={HOST}",
        "--extra-vars",
        json.dumps({**SETTINGS, "faults_services": services, **variables}),
        str(playbook),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if background:
        return process
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


SERVED: list[Any] = []  # the services of the last run


def served(*services: Service, **variables: Any) -> None:
    """Make the host serve these, with a run that must succeed; skipped if it already does."""
    if [services, variables] != SERVED:
        SERVED[:] = []
        status, output = play(*services, **variables)
        assert status == 0, output
        SERVED[:] = [services, variables]


def refused(*services: Service, **variables: Any) -> str:
    """Run the playbook, which must fail; returns its output on one line."""
    SERVED[:] = []
    status, output = play(*services, **variables)
    assert status != 0, output
    return " ".join(output.split())


class Device:
    """The host, with the queries of these tests."""

    def __init__(self) -> None:
        self.host = testinfra.get_host(f"ssh://{HOST}?ssh_config={SSH_CONFIG}&controlpersist=60", sudo=True)

    def run(self, command: str) -> str:
        """The output of a command that must succeed."""
        done = self.host.run(command)
        assert done.rc == 0, f"{command}: {done.stdout}{done.stderr}"
        return str(done.stdout).strip()

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run(f"systemctl show --property={name} --value {unit}")

    def engine(self, name: str) -> int:
        """Process id of a service's engine, the child of the supervisor; 0 if there is none."""
        main = self.show(f"thor-{name}.service", "MainPID")
        children = self.host.run(f"cat /proc/{main}/task/{main}/children").stdout.split()
        return int(children[0]) if children else 0

    def answers(self, port: int) -> bool:
        """Whether a chat request is answered."""
        data = """'{"model": "stand-in", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}'"""
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        return bool(self.host.run(f"curl -sf -m 5 -H 'Content-Type: application/json' -d {data} {url}").rc == 0)

    def journal(self, name: str, since: float = 0) -> str:
        """The journal of a service."""
        return self.run(f"journalctl -u thor-{name}.service --since=@{int(since)} -o cat --no-pager")

    def clock(self) -> float:
        """The host's time."""
        return float(self.run("date +%s.%N"))


def eventually(condition: Callable[[], bool], seconds: float = SOON) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(1)


def site(*options: str) -> list[str]:
    """The command that provisions the host."""
    return [str(BIN / "ansible-playbook"), "-i", INVENTORY, "site.yml", "-l", HOST, *options]


def finish(command: list[str]) -> str:
    """Run a command to its end; its output."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
