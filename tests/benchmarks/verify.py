# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What verify.yml costs beyond the slowest answer, for a host with five services.

The host must be provisioned already (molecule converge -s containers). Prints JSON; the target: the whole run of the playbook takes at
most 3 seconds more than its slowest single answer, because all requests go out in parallel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 3.0  # seconds


def measure(command: list[str], host: str) -> dict[str, Any]:
    """One round: the wall time of the playbook alone, then with JUnit XML, which shows how long each answer took."""
    seconds = run(command)
    with tempfile.TemporaryDirectory() as folder:
        with_junit = run([*command, "-e", f"thor_junit_dir={folder}"])
        cases = list(ET.parse(Path(folder) / f"{host}.xml").getroot().iter("testcase"))
    answers = [float(case.get("time", 0)) for case in cases]
    return {
        "services": len({case.get("classname") for case in cases}),
        "requests": len(cases),
        "slowest_answer": round(max(answers), 3),
        "sum_of_answers": round(sum(answers), 3),
        "playbook_seconds": round(seconds, 3),
        "playbook_with_junit_seconds": round(with_junit, 3),
        "beyond_the_slowest": round(seconds - max(answers), 3),
    }


def run(command: list[str]) -> float:
    """Run the playbook; the seconds from the start of its process to its end."""
    begin = time.monotonic()
    environment = {**os.environ, "NO_COLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600, env=environment)
    seconds = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/sandbox")
    parser.add_argument("--host", default="thor04")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", arguments.inventory, "-l", arguments.host, "playbooks/verify.yml"]
    rounds = [measure(command, arguments.host) for _ in range(arguments.rounds)]
    good = all(one["beyond_the_slowest"] <= LIMIT and one["services"] >= 5 for one in rounds)
    print(json.dumps({"host": arguments.host, "limit": LIMIT, "within_limit": good, "rounds": rounds}, indent=2))
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
