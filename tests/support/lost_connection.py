# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A sandbox host that cannot be reached for a while. It keeps running, cuts itself off, and comes back by itself."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SSH = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), "-o", "ConnectTimeout=5"]
UNIT = "test-lost-connection.service"
DOORS = ("ssh.socket", "ssh.service")  # which of them listens depends on the release
NO_CONNECTION = 255  # ssh(1): its own failures
WAIT = 120  # seconds for each step, and for the host to come back
# The host is left alone between two looks: many connections that end early would be refused as an attack (PerSourcePenalties).
LOOK_SECONDS = 1.0


def _on(host: str, command: str) -> subprocess.CompletedProcess[str]:
    words = [*SSH, host, f"sudo sh -c {shlex.quote(command)}"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=WAIT)


@contextmanager
def lost_connection(host: str, meanwhile: str, first: str = "sleep 1") -> Iterator[None]:
    """Once a host has done ``first``, end its connections and refuse others while it does ``meanwhile``.

    Both are shell commands that run as root on the host. Whatever becomes of them or of the test, systemd opens again what was open
    (ExecStopPost=), and this ends only when a connection succeeds: what comes next must not meet a host that is still closed.
    """
    listens = _on(host, f"systemctl is-active {' '.join(DOORS)}").stdout.split()
    doors = [door for door, state in zip(DOORS, listens, strict=True) if state == "active"]
    assert doors, f"{host} cannot be reached before the test, or by neither of {DOORS}"
    script = f"{first}; systemctl stop {' '.join(DOORS)}; pkill -9 sshd; {meanwhile}"
    properties = (f"RuntimeMaxSec={2 * WAIT}", f"ExecStopPost=/usr/bin/systemctl start {' '.join(doors)}")
    words = ("systemd-run", "--quiet", "--collect", f"--unit={UNIT}", *(f"--property={one}" for one in properties))
    done = _on(host, shlex.join((*words, "sh", "-c", script.replace("$", "$$"))))  # systemd expands variables
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        _wait_for(host)


def _wait_for(host: str) -> None:
    """Wait until the host can be reached. A cut that has not begun by now does not begin any more."""
    deadline = time.monotonic() + WAIT
    while (done := _on(host, f"systemctl stop {UNIT}")).returncode == NO_CONNECTION:
        assert time.monotonic() < deadline, f"{host} does not come back: {done.stderr}"
        time.sleep(LOOK_SECONDS)
