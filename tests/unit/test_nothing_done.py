# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Variables that nothing reads, and runs that would do nothing: refused by the real playbooks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible import context
from ansible.errors import AnsibleFilterError
from ansible.utils.context_objects import CLIArgs
from ansible_collections.jetson.thor.plugins.filter.play_hosts import play_hosts
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.variables import FACTS, KNOWN, RENAMED, unknown
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
GROUPS = {"all": ["thor01", "build01"], "ungrouped": [], "thor": ["thor01", "thor02"], "builders": ["build01"]}


def refused(*names: str) -> dict[str, str]:
    """The names that are refused, each with the way out."""
    return {problem.variable: problem.remedy for problem in files.unknown_variables(names).problems}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("thor_profile", "thor_profiles"),
        ("thor_adress", "thor_address"),
        ("thor-profiles", "thor_profiles"),
        ("THOR_PROFILES", "thor_profiles"),
        ("thor_engine_version", "thor_engine_versions"),
        ("serving_requre_gpu", "serving_require_gpu"),
        ("power_mod", "power_mode"),
        ("bench_resultz", "bench_results"),
    ],
)
def test_a_mistyped_variable_is_refused_with_the_nearest_name(written: str, meant: str) -> None:
    assert refused(written) == {written: f"Did you mean {meant!r}?"}


def test_an_unknown_name_of_the_collection_is_refused_with_the_known_ones() -> None:
    assert refused("thor_zzzzzzzz")["thor_zzzzzzzz"].startswith("Known: thor_address, ")


def test_other_variables_of_users_are_ignored() -> None:
    own = (
        "power_plant",
        "bench_press_room",
        "serving_hatch",
        "verify_tls",
        "thorax",
        "author_profiles",
        "my_thor_note",
    )
    assert refused(*own) == {}


def test_known_variables_and_facts_of_the_modules_are_not_refused() -> None:
    assert refused(*KNOWN, *FACTS, *files.role_variables()) == {}
    assert "serving_require_gpu" in files.role_variables()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("catalog_memory_reserve_gib", "preflight_memory_reserve_gib"),
        ("catalog_plan_file", "preflight_plan_file"),
        ("engine_image_collect", "engine_image_prune"),
        ("engine_image_extend", "engine_image_derive"),
        ("model_store_rehash", "model_store_verify_checksums"),
        ("preflight_container_runtime", "container_runtime_toolkit_version, container_runtime_daemon_options"),
        ("preflight_cuda", "llama_cpp_cuda, whisper_cpp_cuda"),
        ("preflight_install_programs", "whisper_cpp_install_ffmpeg"),
    ],
)
def test_a_renamed_or_removed_variable_is_refused_with_its_successors(old: str, new: str) -> None:
    assert refused(old) == {old: f"Set {new} instead."}


@pytest.mark.parametrize("name", ["thor_allow_unbounded_memory", "catalog_allow_unbounded_memory"])
def test_a_variable_that_is_gone_is_refused_without_a_successor(name: str) -> None:
    assert refused(name)[name].endswith("so nothing has to be allowed. Remove it.")


def test_successors_of_removed_variables_are_variables_of_roles() -> None:
    assert not RENAMED.keys() & files.role_variables()
    assert set().union(*RENAMED.values()) <= files.role_variables() | set(KNOWN)


def test_three_edits_from_a_role_variable_make_an_independent_name() -> None:
    near = {
        name: bool(unknown([name], {"power_mode"}, {"power"}).problems)
        for name in ("power_mo", "power_m", "power_xyde")
    }
    assert near == {"power_mo": True, "power_m": False, "power_xyde": True}


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


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the arguments of ansible-playbook."""

    def called_with(**options: Any) -> None:
        monkeypatch.setattr(context, "CLIARGS", CLIArgs({"tags": ["all"], "inventory": ("hosts.yml",), **options}))

    called_with()
    return called_with


def why(group: str = "thor", groups: Mapping[str, list[str]] = GROUPS, reached: tuple[str, ...] = ("thor01",)) -> str:
    """The message of the refusal."""
    with pytest.raises(AnsibleFilterError) as caught:
        play_hosts(group, groups, reached)
    return str(caught.value)


def test_a_run_that_reaches_a_host_passes(command_line: Callable[..., None]) -> None:
    command_line(subset="thor01", skip_tags=())
    assert play_hosts("thor", GROUPS, ["thor01"]) == "thor"
    command_line(tags=["untagged"])
    assert play_hosts("thor", GROUPS, ["thor01"]) == "thor"
    command_line(
        skip_tags=["molecule-notest", "notest", "molecule-idempotence-notest"]
    )  # as molecule runs every playbook
    assert play_hosts("thor", GROUPS, ["thor01"]) == "thor"
    command_line(subset="localhost,thor01")
    assert play_hosts("localhost", {}, []) == "localhost"


def test_a_run_that_would_do_nothing_is_refused_with_the_way_out(command_line: Callable[..., None]) -> None:
    absent = why(groups={"all": ["a"], "ungrouped": [], "Thors": ["a"]})
    assert absent.startswith("THOR-HOSTS-NONE: The inventory (hosts.yml) has no group thor, ")
    assert "Its groups are Thors: rename the right one." in absent
    assert "/inventories/example, set the address" in absent
    assert "The group thor of the inventory (hosts.yml) has no hosts" in why(groups={"all": [], "thor": []})
    command_line(subset="build01")
    assert why(reached=("build01",)).startswith(
        "THOR-HOSTS-NONE: -l build01 matches none of the hosts in the group thor: thor01, thor02."
    )
    command_line(subset="thor01")
    assert why("localhost").startswith("THOR-HOSTS-NONE: -l thor01 excludes this machine")


@pytest.mark.parametrize("option", ["tags", "skip_tags"])
def test_tags_that_no_task_has_are_refused(command_line: Callable[..., None], option: str) -> None:
    command_line(**{option: ["build"]})
    assert f"THOR-TAGS-UNKNOWN: --{option.replace('_', '-')} build: " in why()


@pytest.mark.parametrize("reading", ["syntax", "listhosts", "listtasks", "listtags"])
def test_inspecting_a_playbook_needs_no_inventory(command_line: Callable[..., None], reading: str) -> None:
    command_line(**{reading: True})
    assert play_hosts("thor", {}, []) == "thor"


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
