# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Sandbox hosts that serve with the real vLLM: how they are made, provisioned and asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[3]
UNIT = "thor-chat.service"
ENDPOINT = "http://127.0.0.1:8000"
MESSAGES = [{"role": "user", "content": "Who are you? /think"}]
START = 400  # seconds until vLLM answers; 70 to 130 on two cores
FIGURES = ROOT / "tests" / "output" / "real-vllm.json"


class Box:
    """A host, and what runs on it."""

    def __init__(self, host: Any) -> None:
        self.host = host

    def run(self, command: str) -> str:
        """Run a shell command as root; its output."""
        return str(self.host.check_output(command))

    def ask(self, **fields: Any) -> dict[str, Any]:
        """The answer of a chat, requested on the host itself."""
        body = json.dumps({"model": "tiny", "messages": MESSAGES, **fields})
        answer: dict[str, Any] = json.loads(
            self.run(f"curl -sS --fail --max-time 120 --json '{body}' {ENDPOINT}/v1/chat/completions")
        )
        return answer

    def answers(self) -> bool:
        """Whether it answers, and systemd knows it."""
        up = self.host.run(f"systemctl is-active {UNIT}").stdout.strip() == "active"
        return up and bool(self.host.run(f"curl -sS --fail --max-time 5 {ENDPOINT}/v1/models").rc == 0)

    def journal(self) -> str:
        """The service's log since its last start."""
        return self.run(
            f'journalctl --no-pager -o cat -u {UNIT} --since "$(systemctl show -P ExecMainStartTimestamp {UNIT})"'
        )


def eventually(condition: Callable[[], bool], timeout: float) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(1)


def play(name: str, playbook: str, **variables: Any) -> str:
    """Run a playbook as a person would; its output, which is also shown."""
    inventories = ["-i", "inventories/sandbox", "-i", "tests/integration/real_vllm/inventory.yml"]
    command = [str(Path(sys.executable).with_name("ansible-playbook")), *inventories, "--limit", name, playbook]
    command += ["-e", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    assert process.returncode == 0, "".join(lines[-60:])
    return "".join(lines)


def fresh(request: pytest.FixtureRequest, name: str, *options: str) -> Iterator[Any]:
    """A new host; it is kept for inspection if a test has failed, because the next run starts with another one."""
    sandbox = str(ROOT / "script" / "sandbox")
    subprocess.run([sandbox, "down", name], check=True)
    subprocess.run([sandbox, "up", *options, name], check=True)
    failed = request.session.testsfailed
    yield testinfra.get_host(f"ssh://{name}", ssh_config=str(ROOT / ".sandbox" / "ssh_config"), sudo=True)
    if request.session.testsfailed == failed:
        subprocess.run([sandbox, "down", name], check=True)


def first_answer(box: Box, begin: float) -> float:
    """Seconds from ``begin`` (time.monotonic) to the service's first answer: hosts of the sandbox share this machine's clock."""
    entered = int(box.run(f"systemctl show -P ActiveEnterTimestampMonotonic {UNIT}"))
    assert entered > 0
    return entered / 1e6 - begin


def note(way: str, **figures: float) -> None:
    """Add the figures of one way to the file that script/test real-vllm prints."""
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    known[way] = {name: round(value, 1) for name, value in figures.items()}
    FIGURES.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
