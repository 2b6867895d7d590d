# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The sandbox's client (tests/sandbox/client): a machine on the network of the hosts, on which nothing is provisioned."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SSH = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), "client"]
# Here is OpenAI's client (requirements/client.txt).
PYTHON = "/opt/client/bin/python"


def run(command: str, text: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a shell command on the client, as its user, with a text as its standard input."""
    words = [*SSH, f"bash -e -o pipefail -c {shlex.quote(command)}"]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=timeout)


def check(command: str, text: str = "", timeout: float = 120) -> str:
    """The output of a shell command that succeeds."""
    done = run(command, text, timeout)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def call(program: Path, *arguments: str, timeout: float = 120) -> Any:
    """Run a Python program there, with OpenAI's client; the JSON that it prints."""
    words = " ".join(shlex.quote(word) for word in (PYTHON, "-", *arguments))
    return json.loads(check(words, program.read_text(encoding="utf-8"), timeout))


def write(path: str, content: str) -> None:
    """Write a file there."""
    check(f"cat > {shlex.quote(path)}", content)


def name_host(name: str, host: str) -> None:
    """Make a name lead to a host of the sandbox, as a local DNS would."""
    script = f"""address=$(getent ahostsv4 {host} | awk 'NR == 1 {{print $1}}')
    sed '/ {name}$/d' /etc/hosts > /tmp/hosts
    echo "$address {name}" >> /tmp/hosts
    sudo cp /tmp/hosts /etc/hosts"""
    check(script)
