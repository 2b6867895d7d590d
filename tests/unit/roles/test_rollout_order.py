# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is switched when: the plan of the role rollout and the play that follows it, with Ansible itself and without devices.

The expressions and tasks are those of playbooks/rollout.yml and roles/rollout; what switches a host is left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import PLANNED

ROOT = Path(__file__).resolve().parents[3]
FLAT = {"thor": {"hosts": {"thor05": {}}, "children": {"fleet": {"hosts": {"thor06": {}, "thor07": {}}}}}}
# Ansible walks the grandchildren of a group as a set: in another order with every seed of Python's hashes.
NESTED: dict[str, Any] = {
    "thor": {
        "children": {
            "north": {"children": {"row1": {"hosts": {"thor05": {}}}, "row2": {"hosts": {"thor06": {}}}}},
            "south": {"children": {"row3": {"hosts": {"thor07": {}}}}},
            "west": {"children": {"row4": {"hosts": {"thor08": {}}}}},
        }
    }
}


def playbook() -> list[dict[str, Any]]:
    """The plays of rollout.yml that make the order, with a host of your choice (``slow``) that is the last to be sorted."""
    plays = yaml.safe_load((ROOT / "playbooks/rollout.yml").read_text(encoding="utf-8"))
    tasks = [task for play in plays for task in play.get("tasks", [])]
    plan = [task for task in tasks if task.get("ansible.builtin.import_role", {}).get("tasks_from") == "waves"]
    left = yaml.safe_load((ROOT / "roles/rollout/tasks/waiting.yml").read_text(encoding="utf-8"))
    sort = [task for task in left if "ansible.builtin.group_by" in task]
    (switch,) = [play for play in plays if "serial" in play]
    assert len(plan) == len(sort) == 1
    slowly = "{{ inventory_hostname != slow | default('') or lookup('ansible.builtin.pipe', 'sleep 2') == '' }}"
    is_left = "{{ inventory_hostname not in done | default([]) and __in_time }}"
    show = {"ansible.builtin.debug": {"msg": "switched"}}
    common = {"gather_facts": False}
    return [
        {**common, "hosts": "thor", "any_errors_fatal": True, "tasks": plan},
        {**common, "hosts": "thor", "tasks": sort, "vars": {"__rollout_waiting": is_left, "__in_time": slowly}},
        {**common, **{key: switch[key] for key in ("name", "hosts", "serial")}, "tasks": [show]},
    ]


def rollout(
    folder: Path, inventory: dict[str, Any], *arguments: str, seed: str = "0", **variables: Any
) -> tuple[list[list[str]], str]:
    """The waves in their order, each with its hosts, and the output."""
    (folder / "hosts.yml").write_text(json.dumps(inventory))
    (folder / "order.yml").write_text(json.dumps(playbook()))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "-c", "local", "order.yml"]
    command += ["-e", json.dumps(variables), *arguments]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NO_COLOR": "1", "PYTHONHASHSEED": seed}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
    environment["LC_ALL"] = "C.UTF-8"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    output = done.stdout + done.stderr
    parts = output.split("PLAY [Switch and verify, wave by wave]")[1:]
    return [re.findall(r"^ok: \[(thor\d\d)\]", part, re.MULTILINE) for part in parts], output


def test_the_order_is_the_inventorys_whoever_is_quickest(tmp_path: Path) -> None:
    waves, output = rollout(tmp_path, FLAT, slow="thor05", thor_rollout_waves=[1, 1, "100%"])
    assert waves == [["thor05"], ["thor06"], ["thor07"]], output


def test_a_person_names_the_first(tmp_path: Path) -> None:
    waves, output = rollout(
        tmp_path, FLAT, slow="thor07", thor_rollout_waves=1, thor_rollout_first=["thor07", "thor06"]
    )
    assert waves == [["thor07"], ["thor06"], ["thor05"]], output


def test_who_is_left_keeps_the_order_of_the_first_run(tmp_path: Path) -> None:
    waves, output = rollout(tmp_path, FLAT, slow="thor06", done=["thor05"], thor_rollout_first="thor05")
    assert waves == [["thor06"], ["thor07"]], output
    waves, output = rollout(tmp_path, FLAT, done=["thor05", "thor06", "thor07"])
    assert waves == [[]] and "skipping: no hosts matched" in output and "failed=1" not in output, output


@pytest.mark.parametrize("seed", ["1", "2", "5"])
def test_nested_groups_are_in_the_order_in_which_the_inventory_names_the_hosts(tmp_path: Path, seed: str) -> None:
    waves, output = rollout(tmp_path, NESTED, seed=seed, thor_rollout_waves=[1])
    assert waves == [["thor05"], ["thor06"], ["thor07"], ["thor08"]], output


def test_a_limit_leaves_the_order_alone(tmp_path: Path) -> None:
    named = ["thor07", "thor05"]
    waves, output = rollout(
        tmp_path, FLAT, "-l", "thor06,thor07", slow="thor07", thor_rollout_waves=1, thor_rollout_first=named
    )
    assert waves == [["thor07"], ["thor06"]], output


@pytest.mark.parametrize("first", [["thor70"], "thor0", [{"thor05": 1}], [7]])
def test_a_first_host_that_there_is_not_is_refused(tmp_path: Path, first: object) -> None:
    waves, output = rollout(tmp_path, FLAT, thor_rollout_first=first)
    assert waves == []
    assert "THOR-ROLLOUT-FIRST: thor_rollout_first = " in output and "is not a host in the group" in output


@pytest.mark.parametrize("nothing", [None, []])
def test_nobody_need_be_first(tmp_path: Path, nothing: object) -> None:
    waves, output = rollout(tmp_path, FLAT, thor_rollout_first=nothing)
    assert waves == [["thor05"], ["thor06"], ["thor07"]], output


@pytest.mark.parametrize("waves", [0, "110%", [], None])
def test_waves_that_are_none_are_refused(tmp_path: Path, waves: object) -> None:
    switched, output = rollout(tmp_path, FLAT, thor_rollout_waves=waves)
    assert switched == [] and "THOR-ROLLOUT-WAVES: thor_rollout_waves = " in " ".join(output.split())


def test_hosts_that_are_told_otherwise_than_others_are_refused(tmp_path: Path) -> None:
    inventory = {"thor": {"hosts": {"thor05": {}, "thor06": {"thor_rollout_max_failures": 3}}}}
    waves, output = rollout(tmp_path, inventory)
    assert waves == []
    said = " ".join(output.split())
    assert "THOR-ROLLOUT-WAVES: thor06: a rollout has one set of waves" in said and '"max_failures": 3' in said


def roles_of(name: str, play: str) -> list[str]:
    """The roles that a play includes, in their order, each where the plan says that it is due."""
    plays = yaml.safe_load((ROOT / "playbooks" / name).read_text(encoding="utf-8"))
    (tasks,) = [one["tasks"] for one in plays if one["name"] == play]
    roles = [task["ansible.builtin.include_role"]["name"].removeprefix("jetson.thor.") for task in tasks]
    assert [task["when"] for task in tasks] == [f"'{role}' in ansible_facts['thor_plan']['due']" for role in roles]
    return roles


def test_every_role_that_plans_runs_in_the_plans_order_and_all_but_the_switch_is_prepared_before_it() -> None:
    planned = [role for role in PLANNED if role not in ("preflight", "restart")]
    assert roles_of("site.yml", "Build, fetch and serve on hosts with something to do") == planned
    prepared = roles_of("rollout.yml", "Build and fetch, while the old services keep serving")
    assert prepared == [role for role in planned if role not in ("power", "serving", "gateway", "metrics")]
