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
import re
import tempfile
from pathlib import Path
from typing import Any

from alias_fleet import Fleet, compare, run


def measure(fleet: Fleet, rounds: int) -> dict[str, Any]:
    """Ping and site.yml, one after the other, as often as asked for."""
    found, outputs = compare(fleet, "site", ("ansible-playbook", "site.yml"), rounds)
    recap = re.search(r"^alias001\s.*$", outputs[-1], re.MULTILINE)
    return {"recap": recap[0] if recap else None, **found}


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
            if not result["sizes"]:
                # ansible-inventory sorts keys, the options of services among them: one run changes the host, and is not measured.
                fleet.measure("ansible-playbook", "site.yml")
            result["sizes"][size] = measure(fleet, arguments.rounds)
            if size == 1:
                verbose = run("ansible-playbook", "site.yml", "-i", str(fleet.file), "-vvv")
                result["modules"] = [Path(path).stem for path in re.findall(r"Using module file (\S+)", verbose)]
                result["remote_module_executions"] = len(result["modules"])
            fleet.close()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
