# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done on a host, by whom, and how it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import text
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import BUILD_BYTES, BuildSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import plan
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import PLANNED
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import SCHEMA, Kind, Plan, Share, Step
from playbook_run import play
from sample_host import ARTIFACT, HOST, SERVICE, SETTINGS, made

ROOT = Path(__file__).resolve().parents[4]
POWER = {
    "mode": "MAXN",
    "clocks": True,
    "clocks_unit": "unit",
    "headless": False,
    "stop_display_manager": False,
    "disable_zram": False,
    "sysctl": {},
}
DEVICE: dict[str, Any] = {
    "nvpmodel": "/usr/sbin/nvpmodel",
    "mode": {"name": "120W", "id": 1},
    "modes": {"MAXN": 0, "120W": 1},
    "jetson_clocks": None,
    "clocks": {"unit": None, "enabled": False, "applied": False},
    "default_target": "multi-user.target",
    "display_manager": None,
    "zram": None,
    "sysctl": {"file": None, "values": {}, "writable": True},
}
OBSERVED = {**HOST, "power": DEVICE, "hub_clients": {"modelscope": None, "huggingface": None}}
ALL = replace(SETTINGS, power=POWER, hub_clients={"modelscope": "0.5.1", "huggingface": "2.4.0"})


def steps(found: Plan) -> list[tuple[str, str, str]]:
    """Kind, role and subject of each step."""
    return [(str(step.kind), step.concern, step.subject) for step in found.steps]


def settled() -> dict[str, Any]:
    """A host that has everything that SERVICE needs."""
    model = {
        "source": "hub",
        "hub": "modelscope",
        "id": "a/b",
        "revision": "master",
        "include": ["x.gguf"],
        "intact": True,
    }
    return {
        **OBSERVED,
        "builds": made(),
        "models": {"/models/a/b": model},
        "power": {**DEVICE, "mode": {"name": "MAXN", "id": 0}},
    }


def test_everything_that_a_bare_device_needs_in_the_order_of_the_roles() -> None:
    found = plan("thor01", [SERVICE], OBSERVED, ALL)
    assert steps(found) == [
        ("configure", "power", "power mode MAXN"),
        ("build", "llama_cpp", "llama.cpp 0c1e570"),
        ("install", "model_store", "modelscope-hub 0.5.1"),
        ("fetch", "model_store", "m"),
    ]
    assert found.due == ("power", "llama_cpp", "model_store")
    assert all(step.reason for step in found.steps)
    assert found.steps[-1].bytes == ARTIFACT["bytes"]
    assert found.notes == ("Lock the clocks at their maximum: there is no jetson_clocks on this device.",)


def test_the_client_of_each_hub_that_may_be_asked_is_installed() -> None:
    both = [{"hub": hub, "id": "a/b", "revision": "main"} for hub in ("huggingface", "modelscope")]
    there = {**OBSERVED, "hub_clients": {"modelscope": "0.5.1", "huggingface": "2.3.0"}}
    for sources, clients in ((both, ["huggingface"]), (both[1:], [])):
        service = {**SERVICE, "model": {**SERVICE["model"], "sources": sources}}
        found = plan("thor01", [service], there, ALL)
        assert found.as_dict()["model_store"]["clients"] == clients
        installs = [subject for kind, _role, subject in steps(found) if kind == "install"]
        assert installs == [f"{hub}-hub 2.4.0" for hub in clients], "one of another version is replaced"


def test_a_host_that_has_everything_has_nothing_to_do() -> None:
    found = plan("thor01", [SERVICE], settled(), ALL)
    assert (found.steps, found.due, found.problems) == ((), (), ())
    assert found.as_dict()["llama_cpp"] == {"programs": [], "tools": [], "builds": []}, "each role finds its section"
    assert text.lines(found)[0] == "thor01: nothing to do"


def test_a_part_is_planned_alone_and_refuses_the_same() -> None:
    found = plan("thor01", [SERVICE], OBSERVED, ALL, roles=["model_store"])
    assert found.due == ("model_store",)
    assert set(found.as_dict()) & set(PLANNED) == {"model_store"}
    assert text.lines(found) == ["thor01: install modelscope-hub 0.5.1; fetch m (21.5 GB)"]
    wrong = replace(ALL, power={**POWER, "mode": "MAXM"})
    assert [one.code for one in plan("thor01", [SERVICE], OBSERVED, wrong, roles=["model_store"]).problems] == [
        "THOR-POWER-MODE"
    ]


def test_a_changed_option_is_a_build_with_a_reason_and_a_duration() -> None:
    chosen = replace(ALL, builds={"llama_cpp": BuildSettings(cmake_options={"GGML_CUDA_F16": True})})
    (step,) = plan("thor01", [SERVICE], settled(), chosen).steps
    assert (step.kind, step.reason) == (Kind.BUILD, "option GGML_CUDA_F16: none -> ON")
    assert step.bytes == BUILD_BYTES and step.seconds


def test_a_damaged_model_is_fetched_and_a_checksum_that_is_asked_for_is_checked() -> None:
    host = settled()
    (check,) = [
        one for one in plan("t", [SERVICE], host, replace(ALL, verify_checksums=True)).steps if one.subject == "m"
    ]
    assert (check.kind, check.bytes) == (Kind.CHECK, None)
    host["models"]["/models/a/b"]["intact"] = False
    assert ("fetch", "model_store", "m") in steps(plan("t", [SERVICE], host, ALL))


def test_programs_that_engines_start_are_installed_only_by_leave() -> None:
    service = {**SERVICE, "role": "whisper_cpp", "programs": ["ffmpeg"]}
    assert ("install", "whisper_cpp", "ffmpeg") in steps(plan("t", [service], settled(), ALL))
    without = {**service, "role": "llama_cpp"}  # a role that installs none must not be due on every run
    assert "install" not in [
        kind for kind, role, _subject in steps(plan("t", [without], None, ALL)) if role == "llama_cpp"
    ]
    refused = plan("t", [service], settled(), replace(ALL, installs_programs=()))
    assert [problem.code for problem in refused.problems] == ["THOR-PROGRAM-MISSING"]
    assert refused.steps == ()


def test_what_is_refused_has_no_steps_and_says_why() -> None:
    wrong = replace(ALL, power={**POWER, "mode": "MAXM"})
    refused = plan("thor01", [SERVICE], OBSERVED, wrong)
    assert [problem.code for problem in refused.problems] == ["THOR-POWER-MODE"]
    assert refused.steps == () and refused.refusal == "\n".join(text.lines(refused))
    assert "thor01: THOR-POWER-MODE: power_mode" in refused.refusal


def test_problems_of_power_and_of_docker_are_reported_with_all_others() -> None:
    wrong = replace(ALL, power={**POWER, "mode": "MAXM"})
    small = {**OBSERVED, "memory": {"total_bytes": 16 * GIB}}
    refused = plan("thor01", [SERVICE], small, wrong)
    assert {problem.code for problem in refused.problems} == {"THOR-POWER-MODE", "THOR-MEMORY-OVER"}
    unfit = {**OBSERVED, "device": {"model": "a PC", "thor": False}}
    assert [problem.code for problem in plan("thor01", [SERVICE], unfit, wrong).problems] == ["THOR-DEVICE-UNSUPPORTED"]


def test_what_follows_from_an_invalid_variable_of_power_is_not_listed() -> None:
    invalid = Problem("THOR-TYPE-INVALID", "power_sysctl", "many", "It is not a mapping.", "Write a mapping.")
    refused = plan("thor01", [SERVICE], OBSERVED, replace(ALL, power={**POWER, "sysctl": "many"}), [invalid])
    assert refused.problems == (invalid,)


def test_an_image_is_pulled_then_checked_then_left_alone() -> None:
    image = "nvcr.io/nvidia/vllm:25.10-py3"
    service = {
        **SERVICE,
        "role": "serving",
        "kind": "build",
        "image": image,
        "image_bytes": 30 * GIB,
        "engine": "vllm",
    }
    settings = SETTINGS
    disks = {path: {**disk, "free_bytes": 900 * GIB} for path, disk in OBSERVED["disks"].items()}
    host = {**settled(), "disks": disks}
    host["builds"] = {"vllm": {"0c1e570": {"inputs": {}}}}
    assert steps(plan("t", [service], host, settings)) == [("pull", "engine_image", image)]
    host["images"] = {image: {"digest": "sha256:1", "present": True, "proof": None, "extras": {}}}
    assert steps(plan("t", [service], host, settings)) == [("check", "engine_image", image)]


def test_without_a_look_at_the_host_the_plan_is_that_of_a_bare_one_and_says_so() -> None:
    found = plan("thor01", [SERVICE], None, ALL)
    assert not found.observed
    assert [kind for kind, _role, _subject in steps(found)] == ["build", "install", "fetch", "start"]
    assert "thor_plan_contact=true" in text.lines(found)[-1]
    small = plan("thor01", [SERVICE], None, replace(ALL, device_memory_gib=16))
    assert [problem.code for problem in small.problems] == ["THOR-MEMORY-OVER"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            Step(Kind.BUILD, "r", "llama.cpp 0c1e570", "", 6 * GIB, 420),
            "build llama.cpp 0c1e570 (6.44 GB, about 7 min)",
        ),
        (Step(Kind.FETCH, "r", "qwen3", "", 5850000000), "fetch qwen3 (5.85 GB)"),
        (Step(Kind.FETCH, "r", "template", "", 4150), "fetch template (4.15 kB)"),
        (Step(Kind.FETCH, "r", "note", "", 3), "fetch note"),
        (Step(Kind.SWITCH, "r", "chat", ""), "replace chat"),
        (Step(Kind.REMOVE, "r", "old", ""), "remove old"),
        (Step(Kind.BUILD, "r", "x", "", None, 60), "build x (about 60 s)"),
    ],
)
def test_a_step_in_words(step: Step, said: str) -> None:
    assert text.lines(Plan("thor01", True, (Share("r", (step,)),))) == [f"thor01: {said}"]


def test_the_schema_is_the_documented_one() -> None:
    """docs/plan.md shows a plan; a change of its keys wants a new number and a new text."""
    page = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    block = "\n".join(line for line in page.split("## As JSON")[1].splitlines() if line.startswith("    "))
    shown = json.loads(block)["thor01"]["plan"]
    found = {**plan("thor01", [SERVICE], OBSERVED, ALL).as_dict(), "text": []}
    assert shown["schema"] == found["schema"] == SCHEMA
    assert set(found) - set(PLANNED) == set(shown), "the sections of the roles are internal"
    assert set(shown["steps"][0]) == set(found["steps"][0])
    variables = yaml.safe_load((ROOT / "roles/preflight/vars/main.yml").read_text(encoding="utf-8"))
    assert set(variables["__preflight_plan_keys"]) == set(shown), "what plan.yml writes"
    for kind in Kind:
        assert f"`{kind}`" in page
    json.dumps(found)


def test_the_file_has_the_problems_of_every_host_and_no_section_of_a_role(tmp_path: Path) -> None:
    chat = {"profile": "qwen3-8b-q5-k-m-llama-cpp", "name": "chat"}
    hosts = {
        "good": {"thor_profiles": [chat]},
        "unknown": {"thor_profiles": ["no-such-profile"]},
        "small": {"thor_profiles": [chat], "thor_device_memory_gib": 9},
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"thor": {"hosts": hosts}}), encoding="utf-8")
    result = play(
        "playbooks/plan.yml", "-e", f"thor_plan_file={tmp_path}/plan.out", inventory=str(tmp_path / "hosts.json")
    )
    assert result.returncode != 0
    assert (tmp_path / "plan.out").stat().st_mode & 0o777 == 0o600
    written = {name: one["plan"] for name, one in json.loads((tmp_path / "plan.out").read_text()).items()}
    codes = {name: [problem["code"] for problem in one["problems"]] for name, one in written.items()}
    assert codes == {"good": [], "unknown": ["THOR-PROFILE-UNKNOWN"], "small": ["THOR-MEMORY-OVER"]}
    assert written["good"]["due"] and not written["small"]["steps"]
    assert not any(set(one) & set(PLANNED) for one in written.values())
    assert "THOR-PROFILE-UNKNOWN" in result.stdout and "THOR-MEMORY-OVER" in result.stdout


def test_a_role_without_a_plan_fails(tmp_path: Path) -> None:
    """It must not do nothing and call that success."""
    tasks = [{"ansible.builtin.include_role": {"name": "jetson.thor.power"}}]
    playbook = tmp_path / "play.json"
    playbook.write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks}]),
        encoding="utf-8",
    )
    result = play(str(playbook), inventory="localhost,")
    assert result.returncode != 0 and "thor_plan" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "roles").glob("*/vars/main.yml")), ids=lambda path: path.parts[-3])
def test_no_role_has_a_substitute_for_its_section(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        assert "thor_plan" not in line or "default(" not in line


def test_a_memory_that_is_no_number_is_one_problem() -> None:
    """The services are compared with a device's usual memory then, not with none."""
    wrong = Problem("THOR-TYPE-INVALID", "thor_device_memory_gib", "many", "It must be a number.", "Correct it.")
    unread = replace(SETTINGS, device_memory_gib=0.0)
    assert [one.code for one in plan("thor01", [SERVICE], None, unread).problems] == ["THOR-MEMORY-OVER"]
    assert plan("thor01", [SERVICE], None, unread, [wrong]).problems == (wrong,)
