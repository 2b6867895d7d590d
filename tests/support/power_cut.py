# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A sandbox host that loses its power: its container is killed, which ends all processes at once, and started again.

What was written is there afterwards, also what was not synchronized: the kernel is this machine's and goes on.
"""

from __future__ import annotations

import subprocess
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BACK_SECONDS = 120.0


@cache
def docker() -> list[str]:
    """The docker client of this machine, as root if the user may not use the socket."""
    allowed = subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0
    return ["docker"] if allowed else ["sudo", "docker"]


def container_of(host: str) -> str:
    """The container that is a host of this checkout."""
    find = [*docker(), "ps", "--quiet", f"--filter=label=thor-sandbox.checkout={ROOT}", f"--filter=name=-{host}$"]
    found = subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip()
    assert found, f"{host} is not a container of this checkout"
    return found


def cut_power(host: str) -> None:
    """Kill a host, start it again, and wait until it can be reached."""
    container = container_of(host)
    subprocess.run([*docker(), "kill", container], check=True, capture_output=True)
    subprocess.run([*docker(), "start", container], check=True, capture_output=True)
    knock = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), "-o", "ControlPath=none", host, "true"]
    deadline = time.monotonic() + BACK_SECONDS
    while (done := subprocess.run(knock, capture_output=True, text=True, check=False)).returncode != 0:
        assert time.monotonic() < deadline, f"{host} does not come back: {done.stderr}"
        time.sleep(0.5)
