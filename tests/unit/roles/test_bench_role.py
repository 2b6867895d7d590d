# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The report of the role bench is about all hosts of a play, though one task writes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import made_up_results

ROOT = Path(__file__).resolve().parents[3]


def test_a_host_with_its_own_folder_is_judged_too(tmp_path: Path) -> None:
    hosts = {}
    for number, (host, speed) in enumerate({"thor01": 60.0, "thor02": 3.0}.items()):
        folder = tmp_path / f"results-{number}"
        folder.mkdir()
        service = made_up_results.service("qwen3-8b-q5-k-m-llama-cpp", speed)
        document = made_up_results.result(host, [service])
        (folder / f"{host}.json").write_text(json.dumps(document))
        hosts[host] = {"thor_bench_results": str(folder), "__bench_measured": {"file": f"{folder}/{host}.json"}}
    tasks = [
        {"ansible.builtin.import_role": {"name": "jetson.thor.bench", "tasks_from": "report"}},
        {
            "ansible.builtin.debug": {"msg": "slow: {{ inventory_hostname }}"},
            "when": "inventory_hostname in __bench_reported.messages",
        },
    ]
    (tmp_path / "hosts.yml").write_text(json.dumps({"thor": {"hosts": hosts}}))
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "thor", "gather_facts": False, "tasks": tasks}]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "-c", "local", "play.yml"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slow: thor02" in done.stdout and "slow: thor01" not in done.stdout
