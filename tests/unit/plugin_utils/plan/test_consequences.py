# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One mistake is one problem: its consequences are not listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import preflight
from playbook_run import play
from real_catalog import CHAT, CODER, codes, only, run
from sample_host import HOST, SETTINGS
from sample_host import service as judged

FP8 = "qwen3-8b-fp8-vllm"  # broken before 26.05
OTHER = {"profile": CODER, "port": 8001}


@pytest.mark.parametrize(
    ("entries", "settings", "variable"),
    [
        # A default in the place of what was meant.
        ([CHAT, {"profile": CODER, "port": "8001"}], {}, "thor_profiles[1].port"),
        ([CHAT, {"profile": CODER, "prot": 8001}], {}, "thor_profiles[1].prot"),
        ([CHAT, {"profile": CHAT, "name": 5, "port": 8001}], {}, "thor_profiles[1].name"),
        ([CHAT, {"profile": CHAT, "nmae": "b", "port": 8001}], {}, "thor_profiles[1].nmae"),
        ([{"profil": CHAT}], {}, "thor_profiles[0].profil"),
        # A version that is none, or no text: nothing is known of it, neither its status nor its options nor its memory.
        ([{"profile": FP8, "version": 26.05}], {}, "thor_profiles[0].version"),
        ([{"profile": FP8, "version": "1.0"}], {}, "thor_profiles[0].version"),
        ([FP8, OTHER], {"engine_versions": {"vllm": "9.9"}}, "thor_engine_versions['vllm']"),
        # Twice below its value, and once a fault of the host's variable.
        ([{"profile": CHAT, "port": 80}, {"profile": CODER, "port": 80, "name": "b"}][:1], {}, "thor_profiles[0].port"),
        ([CHAT, OTHER], {"address": "192.0.2.1"}, "thor_address"),
        ([CHAT, OTHER], {"address": "nowhere"}, "thor_address"),
        # An option that the version does not have, and what that would be about.
        ([{"profile": "qwen3-8b-vllm", "options": {"chat-template-file": "/x.jinja"}}], {}, "['chat-template-file']"),
        ([{"profile": "qwen3-8b-vllm", "options": {"lora": "/x.gguf"}}], {}, "thor_profiles[0].options['lora']"),
        ([{"profile": CHAT, "options": {"nosuch": None}}], {}, "thor_profiles[0].options['nosuch']"),
    ],
)
def test_one_mistake_is_one_problem(entries: list[Any], settings: dict[str, Any], variable: str) -> None:
    problem = only(run(*entries, **settings))
    assert problem.variable.endswith(variable)


@pytest.mark.parametrize(
    "extra",
    [
        {"engines": {"vllm": {"port": "eight"}}},
        {"models": {"qwen3-8b": {"bytes": "many"}}},
        {"profiles": {"qwen3-8b-vllm": {"memory_gib": "much"}}},
    ],
)
def test_what_refers_to_a_refused_entry_is_not_listed(extra: dict[str, Any]) -> None:
    assert codes(run("qwen3-8b-vllm", extra=extra)) == ["THOR-TYPE-INVALID"]


def test_what_refers_to_entries_of_a_wrong_variable_is_not_listed() -> None:
    mine = {"mine": {"engine": "vllm", "model": "my-model", "served_name": "m", "memory_gib": 9}}
    assert codes(run("mine", CHAT, extra={"models": ["my-model"], "profiles": mine})) == ["THOR-TYPE-INVALID"]
    assert [one["name"] for one in run("mine", CHAT, extra={"profiles": ["mine"]}).facts] == [CHAT]


def test_a_host_is_not_held_against_what_is_not_known() -> None:
    result = run({"profile": CHAT, "port": "x", "memory_gib": "y", "version": 1})
    (service,) = result.facts
    assert (service["port"], service["memory_gib"], service["version"]) == (None, None, None)
    full = {
        **HOST,
        "toolchain": {"nvcc": None},
        "listening": [{"address": "0.0.0.0", "port": 8000, "pid": 1, "process": "x", "unit": None}],
    }
    assert preflight.judge([service], full, SETTINGS) == []
    both = preflight.judge([service, judged(memory_gib=200)], HOST, SETTINGS)
    assert [(one.code, one.value) for one in both] == [("THOR-MEMORY-OVER", ["chat"])]


def test_a_budget_larger_than_the_device_is_reported_once() -> None:
    result = run({"profile": "qwen3-8b-vllm", "memory_gib": 500})
    assert codes(result) == ["THOR-MEMORY-FRACTION"]
    assert not [one for one in preflight.judge(result.facts, HOST, SETTINGS) if one.code == "THOR-MEMORY-OVER"]


def test_an_option_unknown_to_the_list_and_the_program_is_reported_once() -> None:
    result = run({"profile": CHAT, "version": "0c1e570", "options": {"nosuch": 1}})
    build = {"options": ["--model", "--alias", "--host", "--port"], "inputs": {}}
    host = {**HOST, "builds": {"llama.cpp": {"0c1e570": build}}}
    found = preflight.unsaid(preflight.judge(result.facts, host, SETTINGS), result.problems)
    assert [(one.code, one.value) for one in found] == [("THOR-FLAG-UNKNOWN", "--ctx-size")]


TWO = [FP8, OTHER]


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"engine_versions": {"vllm": 26.05}}, "thor_engine_versions['vllm']"),
        ({"engine_versions": ["vllm"]}, "thor_engine_versions"),
        ({"engine_versions": {"vlm": "26.05"}}, "thor_engine_versions['vlm']"),
        ({"allow_broken": "yes please", "allow_unauthenticated": True}, "thor_allow_broken"),
        ({"allow_broken": True, "allow_unauthenticated": 7}, "thor_allow_unauthenticated"),
    ],
)
def test_a_wrong_variable_of_the_host_is_one_problem(settings: dict[str, Any], variable: str) -> None:
    assert only(run(*TWO, **settings)).variable == variable


def test_a_version_of_another_engine_hides_nothing() -> None:
    found = codes(run(*TWO, engine_versions={"sglang": 25.1}))
    assert found == ["THOR-TYPE-INVALID", "THOR-STATUS-BROKEN"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("thor_engine_version", {"vllm": "26.05"}),
        ("thor_allow_brokn", True),
        ("thor_extra_profile", {"mine": {}}),
        ("thor_extra_modls", {"mine": {}}),
    ],
)
def test_what_a_mistyped_variable_was_to_allow_or_to_add_is_not_listed(
    tmp_path: Path, variable: str, value: Any
) -> None:
    mine = {"engine": "vllm", "model": "mine", "served_name": "m", "memory_gib": 9}
    host: dict[str, Any] = {"thor_profiles": [FP8], variable: value}
    if "extra" in variable:
        host["thor_profiles"] = ["mine"]
        host |= {"thor_extra_profiles": {"mine": mine}} if variable == "thor_extra_modls" else {}
    (tmp_path / "hosts.json").write_text(json.dumps({"thor": {"hosts": {"thor01": host}}}), encoding="utf-8")
    result = play("playbooks/plan.yml", inventory=str(tmp_path))
    assert result.returncode != 0
    assert "thor01: 1 problem, " in result.stdout
    assert f"THOR-VARIABLE-UNKNOWN: {variable}: " in result.stdout
