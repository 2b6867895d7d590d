# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The plan: what people read, and that it refuses what the device would refuse."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.filter import lines as lines_filter
from ansible_collections.jetson.thor.plugins.filter.plan_text import plan_text
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries as catalogs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import memory, preflight
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings
from real_catalog import run

ROOT = Path(__file__).resolve().parents[3]
FILES = str(ROOT / "roles" / "catalog" / "files")
CATALOG, _PROBLEMS = catalogs.build(files.files(FILES), {})
CHAT = {"profile": "qwen3-8b-q5-k-m-llama-cpp", "name": "chat", "options": {"alias-note": "two words"}}
SERVICES = resolve(
    Inputs([CHAT, {"profile": "qwen3-coder-30b-a3b-q5-k-m-llama-cpp", "name": "coder", "port": 8002}]), CATALOG
).facts
WANTED = sum(service["memory_gib"] for service in SERVICES)


def play(tmp_path: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run the playbook as part of an installed collection: by name, in another folder, with Ansible's own settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            *("-i", ROOT / "inventories/example", "jetson.thor.plan", "-e", json.dumps(variables)),
        ],
        cwd=tmp_path,
        env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_of_each_service_is_shown_as_a_shell_would_take_it() -> None:
    shown = plan_text(SERVICES, 122, 8)
    (command,) = [line for line in shown if line.startswith("chat runs: ")]
    assert command.startswith("chat runs: llama-server --model /models/")
    assert "--alias-note 'two words'" in command
    assert [line for line in shown if line.startswith("coder runs: ")]


def memory_line(services: list[dict[str, Any]], device_gib: float, host: dict[str, Any] | None = None) -> str:
    """The line with the sum of memory."""
    (line,) = [line for line in plan_text(services, device_gib, 8, host) if line.startswith("memory: ")]
    return line


def test_the_sum_of_budgets_is_compared_with_the_memory_minus_the_reserve() -> None:
    assert memory_line(SERVICES, WANTED + 8.5).endswith(
        f" = {WANTED:g} GiB of services and 8 GiB kept for the system, of {WANTED + 8.5:g} GiB: 0.5 GiB still free"
    )
    assert memory_line(SERVICES, WANTED + 7).endswith(": 1 GiB too much")
    assert plan_text([], 122, 8) == ["Nothing is served here: thor_profiles is empty."]


LOCK = {"path": "/locks/x.txt", "sha256": "5" * 64, "packages": 199, "bytes": 4_000_000_000}
SOME = {"engine_version": None, "state": "untested", "estimated": False}
PACKAGES = {
    **resolved.service(resolved.VLLM).to_facts(),
    "name": "chat",
    "kind": "packages",
    "version": "0.33.0",
    "image": None,
    "image_bytes": None,
    "packages": {"requirement": "vllm==0.33.0", "locks": {"cp312-aarch64": LOCK}, "apt": [], "cuda_code": None},
    "ways": [
        {**SOME, "kind": "image", "version": "26.10", "origin": "example.org/vllm:26.10", "estimated": True}
        | {"download_bytes": 9_600_000_000, "disk_bytes": 30_000_000_000},
        {**SOME, "kind": "packages", "version": "0.33.0", "engine_version": "0.33.0", "origin": "vllm==0.33.0"}
        | {"download_bytes": 4_000_000_000, "disk_bytes": 8_600_000_000, "packages": 199},
    ],
}


def test_the_ways_to_install_an_engine_are_compared() -> None:
    shown = plan_text([PACKAGES, {**PACKAGES, "name": "code"}], 122, 8)
    (start,) = [index for index, line in enumerate(shown) if line.startswith("ways to install vllm for chat and code ")]
    _title, image, packages, blank = (line.split() for line in shown[start + 1 : start + 5])
    assert " ".join(image) == "image 26.10 - about 9.6 about 30 example.org/vllm:26.10 Docker untested"
    assert " ".join(packages) == (
        "* Python packages 0.33.0 0.33.0 4.0 about 9 199 packages of the package index no Docker untested"
    )
    assert blank == []
    assert not [line for line in plan_text(SERVICES, 122, 8) if line.startswith("ways to install")]


def test_python_packages_are_shown_with_their_number_and_size() -> None:
    shown = plan_text([PACKAGES], 122, 8)
    assert "vllm    0.33.0   4.0  hashes  199 Python packages of the package index, for vllm==0.33.0" in shown
    assert "disk: 16.4 GB of models and files, about 9 GB of Python packages" in shown


def test_the_configured_source_of_packages_is_shown() -> None:
    shown = plan_text([PACKAGES], 122, 8, package_source="https://mirror.example/simple")
    assert len([line for line in shown if "199" in line and "packages of https://mirror.example/simple" in line]) == 2
    assert not [line for line in shown if "the package index" in line]


def on(python: str | None, machine: str) -> dict[str, Any]:
    """A host with this Python and processor."""
    return {"python": {"tag": python}, "architecture": machine}


def test_the_lock_of_the_devices_own_platform_counts() -> None:
    locks = {"cp312-aarch64": LOCK, "cp311-x86_64": {**LOCK, "packages": 7, "bytes": 10**9}}
    both = {**PACKAGES, "packages": {**PACKAGES["packages"], "locks": locks}}
    assert any("199 Python packages" in line for line in plan_text([both], 122, 8))
    assert any("7 Python packages" in line for line in plan_text([both], 122, 8, on("cp311", "x86_64")))
    assert any("199 Python packages" in line for line in plan_text([both], 122, 8, on("cp313", "aarch64")))
    assert any("199 Python packages" in line for line in plan_text([both], 122, 8, on(None, "x86_64")))


def test_the_memory_of_an_observed_device_counts() -> None:
    def on_a_device_with(total: int | None) -> str:
        return memory_line(SERVICES, 122, {"memory": {"total_bytes": total}})

    assert on_a_device_with(int((WANTED + 7) * 2**30)).endswith(": 1 GiB too much")
    assert on_a_device_with(None) == memory_line(SERVICES, 122)


def test_what_an_installed_engine_holds_for_the_gpu_is_shown_once() -> None:
    service = SERVICES[0]
    code = {"architecture": "110", "runs": ["bin/llama-server"], "lacks": [{"path": "bin/other", "lost": None}]}
    builds: dict[str, Any] = {
        service["engine"]: {service["version"]: {"cuda_code": code}, "other": {"cuda_code": code}}
    }
    shown = plan_text(SERVICES, 122, 8, host={"builds": builds, "environments": {}})
    told = [line for line in shown if "CUDA" in line]
    assert told == [
        f"{service['engine']} {service['version']}: 1 of 2 CUDA libraries run on Thor; no code for it in: other"
    ]
    builds[service["engine"]][service["version"]]["cuda_code"] = None
    assert not [line for line in plan_text(SERVICES, 122, 8, host={"builds": builds}) if "CUDA" in line]


def test_plan_and_preflight_use_one_function() -> None:
    (planned,) = memory.over(SERVICES, 50, 8, "thor_device_memory_gib")
    settings = Settings(8, 5, ["ubuntu 24.04"], "38.2", {})
    host = {"memory": {"total_bytes": 50 * 1024**3}}
    (observed,) = preflight._memory(SERVICES, host, settings)
    assert planned.reason.replace(" (thor_device_memory_gib)", "") == observed.reason
    assert (planned.code, planned.value, planned.remedy) == (observed.code, observed.value, observed.remedy)


def test_a_t4000_is_refused_before_anybody_connects(tmp_path: Path) -> None:
    two = ["qwen3-8b-q5-k-m-llama-cpp", {"profile": "qwen3-coder-30b-a3b-q5-k-m-llama-cpp", "port": 8002}]
    assert play(tmp_path, thor_profiles=two).returncode == 0
    small = play(tmp_path, thor_profiles=two, thor_device_memory_gib=WANTED + 7)
    assert small.returncode != 0
    assert "THOR-MEMORY-OVER: thor_profiles" in small.stdout + small.stderr
    assert f"the device has {WANTED + 7:.1f} GiB (thor_device_memory_gib): 1.0 GiB too much" in small.stdout
    assert "runs: llama-server" in small.stdout, "the plan is shown before the verdict"
    assert (
        play(tmp_path, thor_profiles=two, thor_device_memory_gib=WANTED + 7, thor_memory_reserve_gib=7).returncode == 0
    )


def test_from_an_installed_collection_the_plan_is_a_list_of_lines(tmp_path: Path) -> None:
    result = play(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    (told,) = re.findall(r'ok: \[thor01\] => (\{\n    "msg":.*?\n\})', result.stdout, re.DOTALL)
    shown = json.loads(told)["msg"]
    assert shown[0].startswith("service  profile ")
    assert any(line.startswith("chat runs: llama-server ") for line in shown)
    assert not any("\n" in line for line in shown)


@pytest.mark.parametrize(("shown_as", "expected"), [("json", ["a", "", "b"]), ("yaml", "a\n\nb")])
def test_lines_are_shown_as_lines_in_either_format(
    monkeypatch: pytest.MonkeyPatch, shown_as: str, expected: object
) -> None:
    monkeypatch.setenv("ANSIBLE_CALLBACK_RESULT_FORMAT", shown_as)
    assert lines_filter.lines("a\n\nb") == expected
    assert lines_filter.lines(["a", "", "b"]) == expected


def test_tables_are_shown_as_lines() -> None:
    shown = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("roles/*/tasks/*.yml"))
    tables = re.findall(r"^ +(?:\w+_)?msg: .*(?:table\(|_table |plan_text|\.text|'text'\]\)).*$", shown, re.MULTILINE)
    assert len(tables) == 6
    assert [line for line in tables if "jetson.thor.lines" not in line] == []


@pytest.mark.parametrize(
    ("model", "pin"),
    [
        ({"huggingface": "org/Name", "revision": "abc123def456" + "0" * 28}, "commit abc123def456"),
        ({"huggingface": "org/Name", "revision": "abc123def456"}, "none: abc123def456"),
        (
            {"huggingface": "org/Name", "modelscope": "org/Name", "revision": {"huggingface": "a" * 40}},
            "none: master",
        ),
        ({"local": "/models/here"}, "none: on the device"),
    ],
)
def test_a_commit_is_a_pin_and_a_branch_is_none(model: dict[str, Any], pin: str) -> None:
    shown = plan_text(run({"model": "mine", "engine": "vllm"}, extra={"models": {"mine": model}}).facts, 122, 8)
    rows = [line for line in shown if line.startswith(("org/Name", "mine ")) and "unknown" in line]
    assert any(f" {pin} " in line for line in rows), rows


def test_what_nobody_knows_is_shown_as_unknown_and_what_was_derived_says_from_where() -> None:
    mine = {"models": {"mine": {"huggingface": "org/Name"}, "here": {"local": "/models/here"}}}
    two = [{"model": "mine", "engine": "vllm"}, {"model": "here", "engine": "vllm", "port": 8001, "memory_gib": 9}]
    shown = plan_text(run(*two, extra=mine).facts, 122, 8)
    assert 'mine: taken from its model: served_name "Name" (the name of its model)' in shown
    (model,) = [line for line in shown if line.startswith("org/Name")]
    assert re.search(r"org/Name +unknown +.*none: main", model)
    (local,) = [
        line
        for line in shown
        if line.startswith("here ") and "/models/here" in line and "runs" not in line and "9" not in line
    ]
    assert "on the device" in local
    assert [line for line in shown if line.startswith("disk: 1 model of unknown size")]
    assert shown[-1].startswith("memory: unknown + 9: at least 9 GiB of services")
