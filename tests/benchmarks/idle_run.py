# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a run of site.yml costs that changes nothing: remote module executions, and wall time in pings.

The host must be provisioned already. Prints JSON; the targets are those of the project's first milestone:
at most 12 executions, at most 12 times ``ansible -m ping`` to the same host in the same minute.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def timed(command: list[str]) -> tuple[float, str]:
    """Wall seconds and output of a command that must succeed."""
    begun = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600, env={**os.environ, "NO_COLOR": "1"}
    )
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return seconds, done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/sandbox")
    parser.add_argument("--host", default="thor01")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    folder = Path(sys.executable).parent
    ping_command = [str(folder / "ansible"), arguments.host, "-i", arguments.inventory, "-m", "ansible.builtin.ping"]
    site_command = [str(folder / "ansible-playbook"), "-i", arguments.inventory, "site.yml", "-l", arguments.host]
    timed(ping_command)
    pings, runs, text = [], [], ""
    for _ in range(arguments.rounds):
        pings.append(timed(ping_command)[0])
        seconds, text = timed(site_command)
        runs.append(seconds)
    recap = re.search(rf"^{arguments.host}\s.*$", text, re.MULTILINE)
    _seconds, verbose = timed([*site_command, "-vvv"])
    modules = [Path(path).stem for path in re.findall(r"Using module file (\S+)", verbose)]
    ping, run = statistics.median(pings), statistics.median(runs)
    print(
        json.dumps(
            {
                "host": arguments.host,
                "recap": recap[0] if recap else None,
                "remote_module_executions": len(modules),
                "modules": modules,
                "ping_seconds": round(ping, 3),
                "site_seconds": round(run, 3),
                "pings": round(run / ping, 2),
                "rounds": arguments.rounds,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
