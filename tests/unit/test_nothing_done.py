# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Variables that nothing reads, and runs that would do nothing: refused by the real playbooks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playbook_run import play

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = {
    f"playbooks/{path.name}": path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("playbooks/*.yml"))
}
# Those that need the devices.
FLEET = [
    name
    for name, text in PLAYBOOKS.items()
    if "'thor' | jetson.thor.play_hosts(" in text or "jetson.thor.preflight\n" in text
]


def test_the_value_of_an_unknown_variable_is_in_no_message() -> None:
    result = play("playbooks/plan.yml", "-e", "thor_modelscope_tokn=hunter2")
    assert result.returncode != 0
    assert "thor01: THOR-VARIABLE-UNKNOWN: thor_modelscope_tokn: " in result.stdout + result.stderr
    assert "hunter2" not in result.stdout + result.stderr


def test_a_mistyped_and_therefore_missing_variable_is_one_problem(tmp_path: Path) -> None:
    hosts = {"thor": {"hosts": {"thor01": {"thor_profile": ["qwen3-8b-vllm"]}}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts), encoding="utf-8")
    result = play("playbooks/plan.yml", inventory=str(tmp_path))
    text = result.stdout + result.stderr
    assert result.returncode != 0
    assert "1 problem, " in text
    assert (
        "THOR-VARIABLE-UNKNOWN: thor_profile: Nothing reads a variable of this name. Did you mean 'thor_profiles'?"
        in text
    )


def test_the_report_refuses_a_mistyped_variable_too(tmp_path: Path) -> None:
    result = play("playbooks/report.yml", "-e", f"thor_bench_result={tmp_path}")
    assert result.returncode != 0
    assert "THOR-VARIABLE-UNKNOWN: thor_bench_result: " in result.stdout + result.stderr


@pytest.mark.parametrize("playbook", ["site.yml", *PLAYBOOKS])
@pytest.mark.parametrize("option", ["--syntax-check", "--list-tasks"])
def test_every_playbook_can_be_inspected_without_the_group(
    playbook: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ansible's default, as for an installed collection; ansible.cfg of the checkout makes every missing host an error.
    monkeypatch.setenv("ANSIBLE_HOST_PATTERN_MISMATCH", "warning")
    result = play(playbook, option, inventory="localhost,")
    assert result.returncode == 0, result.stderr
    assert f"playbook: {playbook}" in result.stdout


def test_every_playbook_begins_with_a_play_that_refuses_to_do_nothing() -> None:
    here = [name for name, text in PLAYBOOKS.items() if "'localhost' | jetson.thor.play_hosts(" in text]
    assert sorted([*FLEET, *here]) == sorted(PLAYBOOKS)
    assert {f"playbooks/{name}.yml" for name in ("images", "models", "restart", "site", "verify")} <= set(FLEET)


@pytest.mark.parametrize("playbook", ["site.yml", *FLEET])
def test_every_playbook_refuses_an_inventory_without_the_group(playbook: str) -> None:
    result = play(playbook, inventory="localhost,")
    assert result.returncode != 0
    assert "THOR-HOSTS-NONE: The inventory (localhost,) has no group thor" in result.stderr


@pytest.mark.parametrize("playbook", ["site.yml", *PLAYBOOKS])
def test_every_playbook_refuses_tags_that_no_task_has(playbook: str) -> None:
    result = play(playbook, "--tags", "build")
    assert result.returncode != 0
    assert "THOR-TAGS-UNKNOWN: --tags build" in result.stderr


def test_an_installed_collection_without_an_inventory_says_where_the_example_is(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    result = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "jetson.thor.site"],
        cwd=tmp_path,
        env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode != 0
    (example,) = re.findall(r"Copy (\S+), set the address", result.stderr)
    assert (Path(example) / "hosts.yml").exists()


def test_in_the_checkout_a_missing_inventory_and_a_missing_host_are_errors(tmp_path: Path) -> None:
    assert (
        "No inventory was parsed" in (absent := play("playbooks/plan.yml", inventory=str(tmp_path / "absent"))).stderr
    )
    assert absent.returncode != 0
    assert (
        "Could not match supplied host pattern"
        in (mistyped := play("playbooks/plan.yml", "-l", "thor01,thro02")).stderr
    )
    assert mistyped.returncode != 0


def test_prune_refuses_a_wrong_variable_before_it_connects_to_a_host() -> None:
    # The example's hosts do not exist, so connecting to one of them would end with UNREACHABLE.
    result = play("playbooks/prune.yml", "-e", '{"thor_prune_keep": -1}')
    text = result.stdout + result.stderr
    assert result.returncode != 0
    assert "THOR-VALUE-INVALID: thor_prune_keep" in text
    assert "UNREACHABLE" not in text
