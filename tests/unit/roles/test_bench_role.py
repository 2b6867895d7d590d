# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The report of the role bench is about all hosts of a play, though one task writes it."""

from __future__ import annotations

import json
from pathlib import Path

import made_up_results
from playbook_run import play

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
    done = play(str(tmp_path / "play.yml"), "-c", "local", inventory=str(tmp_path / "hosts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slow: thor02" in done.stdout and "slow: thor01" not in done.stdout
