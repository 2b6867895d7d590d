# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What ``playbooks/status.yml`` costs on many hosts, against ``ansible -m ping`` on the same hosts in the same minute.

Measured as tests/benchmarks/idle_run.py does: the hosts are aliases of one provisioned host, each with an SSH connection of its own.
Prints JSON. The target: at most 3 times the ping's control CPU (SSH included) on 50 hosts.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from alias_fleet import Fleet, compare

TARGET = 3.0
STATUS = ("ansible-playbook", "playbooks/status.yml")


def measure(fleet: Fleet, rounds: int, size: int) -> dict[str, Any]:
    """Ping and status, one after the other, as often as asked for."""
    found, outputs = compare(fleet, "status", STATUS, rounds)
    for output in outputs:
        rows = set(re.findall(r"^ +(alias\d+) +- +up +", output, re.MULTILINE))
        if len(rows) != size:
            sys.exit(f"the table has {len(rows)} hosts, not {size}:\n{output[-4000:]}")
    return found


def main() -> None:
    """Measure, print, and fail beyond the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/sandbox")
    parser.add_argument("--host", default="thor01")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=50, help="number of hosts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="status") as folder:
        fleet = Fleet(Path(folder), arguments.inventory, arguments.host, arguments.size)
        try:
            result = measure(fleet, arguments.rounds, arguments.size)
        finally:
            fleet.close()
    good = result["control_cpu_in_pings"] is not None and result["control_cpu_in_pings"] <= TARGET
    told = {"host": arguments.host, "hosts": arguments.size, "rounds": arguments.rounds, **result}
    print(json.dumps({**told, "target": TARGET, "good": good}, indent=2))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
