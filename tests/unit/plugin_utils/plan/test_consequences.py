# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One mistake is one problem: what only follows from it is not listed. And what the catalog says nothing of."""

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


def test_a_budget_beyond_the_device_is_said_once() -> None:
    result = run({"profile": "qwen3-8b-vllm", "memory_gib": 500})
    assert codes(result) == ["THOR-MEMORY-FRACTION"]
    assert not [one for one in preflight.judge(result.facts, HOST, SETTINGS) if one.code == "THOR-MEMORY-OVER"]


# Status


def state(profile: str, version: str | None = None, **extra: Any) -> str:
    """The state of a profile, with what a person has added."""
    entry = {"profile": profile, **({"version": version} if version else {})}
    result = run(entry, extra=extra, allow_unchecked_flags=True, allow_broken=True)
    assert not result.problems
    return str(result.facts[0]["status"]["state"])


def test_the_catalog_says_nothing_of_a_version_or_an_image_of_ones_own() -> None:
    assert state(FP8, "25.10") == "broken"
    for version in ("my-build", "25.11-mine", "24.01"):
        own = {"vllm": {"versions": {version: {"image": "registry.test/vllm:mine"}}}}
        assert not run(
            {"profile": FP8, "version": version}, extra={"engines": own}, allow_unchecked_flags=True
        ).problems
        assert state(FP8, version, engines=own) == "untested"
    assert state(FP8, "25.10", engines={"vllm": {"image": "registry.test/vllm:{version}"}}) == "untested"
    assert state("qwen3-8b-vllm", "25.10", engines={"vllm": {"versions": {"25.10": {"image": "mine:1"}}}}) == "untested"
    # What does not change what runs leaves the statement in force.
    assert state(FP8, "25.10", engines={"vllm": {"start_timeout": 60}}) == "broken"


def test_the_catalog_says_nothing_of_another_engine_or_model_under_its_name() -> None:
    assert state("qwen3-8b-vllm", models={"qwen3-8b": {"bytes": 18000}}) == "works"
    assert state("qwen3-8b-vllm", models={"qwen3-8b": {"id": "me/Mine", "bytes": 1}}) == "untested"
    assert state("qwen3-8b-vllm", profiles={"qwen3-8b-vllm": {"model": "qwen3-8b-fp4"}}) == "untested"


def test_what_a_person_states_holds_and_a_name_is_in_no_range_of_versions() -> None:
    own = {"vllm": {"versions": {"my-build": {"image": "mine:1"}}}}
    works = {FP8: {"status": [{"state": "works", "versions": ["my-build"]}]}}
    assert state(FP8, "my-build", engines=own, profiles=works) == "works"
    ranged = {FP8: {"status": [{"state": "broken", "before": "26.05", "reason": "x"}, {"state": "untested"}]}}
    assert state(FP8, "my-build", engines=own, profiles=ranged) == "untested"
    assert state(FP8, "25.10", profiles=ranged) == "broken"


def test_an_image_of_ones_own_does_not_inherit_the_memory_fault_of_the_catalogs() -> None:
    two = ["qwen3-8b-vllm", OTHER]
    assert codes(run(*two)) == ["THOR-MEMORY-UNBOUNDED"]
    assert not run(*two, extra={"engines": {"vllm": {"image": "registry.test/vllm:{version}"}}}).problems


# null, adapters


def test_null_takes_away_what_is_there_and_nothing_else() -> None:
    assert not run({"profile": CHAT, "options": {"ctx-size": None}}).problems
    problem = only(run({"profile": CHAT, "options": {"threads": None}}))
    assert (problem.code, problem.variable) == ("THOR-FLAG-NULL", "thor_profiles[0].options['threads']")
    near = {
        "p": {
            "engine": "vllm",
            "model": "qwen3-8b",
            "served_name": "q",
            "memory_gib": 30,
            "options": {"max-num-seqs": 4},
        }
    }
    mistyped = only(run({"profile": "p", "options": {"max-num-seq": None}}, extra={"profiles": near}))
    assert mistyped.code == "THOR-FLAG-UNKNOWN"


@pytest.mark.parametrize(
    ("extra", "variable"),
    [
        ({"profiles": {CHAT: {"options": {"threads": None}}}}, f"thor_extra_profiles['{CHAT}'].options['threads']"),
        ({"engines": {"vllm": {"options": {"seed": None}}}}, "thor_extra_engines['vllm'].options['seed']"),
        (
            {"engines": {"vllm": {"versions": {"25.10": {"options": {"seed": None}}}}}},
            "thor_extra_engines['vllm'].versions['25.10'].options['seed']",
        ),
    ],
)
def test_null_in_entries_of_ones_own_too(extra: dict[str, Any], variable: str) -> None:
    problem = only(run(extra=extra))
    assert (problem.code, problem.variable) == ("THOR-FLAG-NULL", variable)
    assert not run(extra={"profiles": {CHAT: {"options": {"ctx-size": None}}}}).problems


ADAPTER = {"source": "url", "url": "https://example.org/a.gguf", "path": "adapters", "file": "a.gguf", "bytes": 5}
FOLDER = {"source": "modelscope", "id": "me/lora", "bytes": 5}
LLAMA = "/models/Qwen/Qwen3-8B-GGUF"


@pytest.mark.parametrize(
    ("profile", "options", "culprit"),
    [
        (CHAT, {"lora": "/models/adapters/a.gguf"}, None),
        (CHAT, {"lora": "/models/adapters/b.gguf"}, "/models/adapters/b.gguf"),
        (CHAT, {"lora": "/models/adapters/a.gguf,/models/no.gguf"}, "/models/no.gguf"),
        (CHAT, {"lora-scaled": "/models/adapters/a.gguf:0.5"}, None),
        (CHAT, {"lora-scaled": "/models/no.gguf:0.5"}, "/models/no.gguf"),
        (CHAT, {"lora": "/opt/mine/a.gguf"}, "/opt/mine/a.gguf"),
        (CHAT, {"lora": "/srv/none.gguf"}, "/srv/none.gguf"),
        (CHAT, {"lora": "/models/../srv/none.gguf"}, "/models/../srv/none.gguf"),
        (CHAT, {"spec-draft-model": "/srv/none.gguf"}, "/srv/none.gguf"),
        ("whisper-large-v3-turbo-whisper-cpp", {"vad": True, "vad-model": "/srv/no.bin"}, "/srv/no.bin"),
        (CHAT, {"mmproj": "/models/none.gguf"}, "/models/none.gguf"),
        (CHAT, {"grammar-file": "/models/none.gbnf"}, "/models/none.gbnf"),
        (CHAT, {"json-schema-file": "/root/none.json"}, "/root/none.json"),
        (CHAT, {"grammar-file": "/srv/mine.gbnf"}, None),
        ("qwen3-8b-vllm", {"tokenizer": "/models/none"}, "/models/none"),
        ("qwen3-8b-vllm", {"tokenizer": "{path}"}, None),
        ("qwen3-8b-sglang", {"tokenizer-path": "/models/none"}, "/models/none"),
        (CHAT, {"lora": "/root/a.gguf"}, "/root/a.gguf"),
        (CHAT, {"lora": "a.gguf"}, "a.gguf"),
        (CHAT, {"lora": "{path}/no.gguf"}, f"{LLAMA}/no.gguf"),
        (CHAT, {"control-vector": "/models/no.gguf"}, "/models/no.gguf"),
        (CHAT, {"spec-draft-model": "/models/no.gguf"}, "/models/no.gguf"),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/models/me/lora"]}, None),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/models/me/lora/sub"]}, None),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/models/me/other"]}, "/models/me/other"),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=/opt/lora"]}, "/opt/lora"),
        ("qwen3-8b-vllm", {"enable-lora": True, "lora-modules": ["sql=me/hub-name"]}, "me/hub-name"),
        (
            "qwen3-8b-vllm",
            {"enable-lora": True, "lora-modules": ['{"name": "sql", "path": "/models/no", "base_model_name": "x"}']},
            "/models/no",
        ),
        ("qwen3-8b-vllm", {"default-mm-loras": {"audio": "/models/no"}}, "/models/no"),
        ("qwen3-8b-vllm", {"speculative-config": {"model": "/models/no", "num_speculative_tokens": 2}}, "/models/no"),
        ("qwen3-8b-vllm", {"speculative-config": {"method": "ngram", "num_speculative_tokens": 2}}, None),
        ("qwen3-8b-sglang", {"lora-paths": ["sql=/models/me/lora", "/models/no"]}, "/models/no"),
        ("whisper-large-v3-turbo-whisper-cpp", {"vad": True, "vad-model": "/models/no.bin"}, "/models/no.bin"),
    ],
)
def test_an_adapter_is_brought_or_refused(profile: str, options: dict[str, Any], culprit: str | None) -> None:
    extra = {"models": {"adapter": ADAPTER, "folder": FOLDER}, "profiles": {profile: {"files": ["adapter", "folder"]}}}
    result = run({"profile": profile, "options": options}, extra=extra)
    if culprit is None:
        assert not result.problems
        return
    problem = only(result)
    assert (problem.code, problem.value) == ("THOR-ADAPTER-MISSING", culprit)
    assert f"options['{list(options)[-1]}']" in problem.variable and "thor_extra_models" in problem.remedy


@pytest.mark.parametrize("url", ["file:///srv/model.gguf", "ftp://example.org/m.gguf", "/srv/m.gguf"])
def test_a_model_comes_by_http(url: str) -> None:
    problem = only(run(extra={"models": {"m": {**ADAPTER, "url": url}}}))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_extra_models['m'].url")


def test_an_option_that_the_list_and_the_program_do_not_know_is_said_once_and_others_are_said() -> None:
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
        ({"allow_broken": "yes please", "allow_unbounded_memory": True}, "thor_allow_broken"),
        ({"allow_broken": True, "allow_unbounded_memory": 7}, "thor_allow_unbounded_memory"),
    ],
)
def test_a_wrong_variable_of_the_host_is_one_problem(settings: dict[str, Any], variable: str) -> None:
    assert only(run(*TWO, **settings)).variable == variable


def test_a_version_of_another_engine_hides_nothing() -> None:
    found = codes(run(*TWO, engine_versions={"sglang": 25.1}, allow_unbounded_memory=True))
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
