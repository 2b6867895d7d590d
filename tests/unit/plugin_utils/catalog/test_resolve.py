# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""thor_profiles becomes services: what a person writes, what comes out, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve
from real_catalog import BUILT_IN, CHAT, CODER, FILES, codes, only, run


def test_a_profile_name_is_enough() -> None:
    resolution = run(CODER)
    assert not resolution.problems
    service = resolution.services[0]
    assert (service.name, service.unit) == (CODER, f"thor-{CODER}.service")
    gguf = "/models/unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF/Qwen3-Coder-30B-A3B-Instruct-Q5_K_M.gguf"
    assert service.argv[:3] == ("llama-server", "--model", gguf)
    # Whatever an engine's own defaults are in its next version: address and port are always said.
    assert "--host 127.0.0.1 --port 8000" in " ".join(service.argv)
    assert service.thinking is None


def test_a_mapping_overrides_the_profile() -> None:
    chat = {
        "profile": CHAT,
        "name": "chat",
        "port": 8001,
        "served_name": "mine",
        "memory_gib": 9,
        "options": {"ctx-size": 4096},
    }
    service = run(chat).services[0]
    assert (service.name, service.port, service.memory_gib) == ("chat", 8001, 9)
    argv = " ".join(service.argv)
    assert "--alias mine" in argv and "--ctx-size 4096" in argv and "--ctx-size 0" not in argv


def test_an_engine_version_for_the_host_and_for_one_service() -> None:
    services = run(
        "qwen3-8b-vllm",
        {"profile": "qwen3-8b-fp8-vllm", "port": 8001, "version": "26.10"},
        engine_versions={"vllm": "26.05"},
    ).services
    assert [service.image for service in services] == [
        "nvcr.io/nvidia/vllm:26.05-py3",
        "nvcr.io/nvidia/vllm:26.10-py3",
    ]


@pytest.mark.parametrize(
    ("entry", "code", "variable", "words"),
    [
        ("qwen3-8b-q5-k-m-llama-cp", "THOR-PROFILE-UNKNOWN", "thor_profiles[0].profile", CHAT),
        ({"profile": CHAT, "prt": 1}, "THOR-KEY-UNKNOWN", "thor_profiles[0].prt", "'port'"),
        ({"name": "x"}, "THOR-KEY-MISSING", "thor_profiles[0].profile", "a model and an engine"),
        ({"profile": CHAT, "port": "8000"}, "THOR-TYPE-INVALID", "thor_profiles[0].port", "whole number"),
        ({"profile": CHAT, "port": True}, "THOR-TYPE-INVALID", "thor_profiles[0].port", "whole number"),
        (7, "THOR-TYPE-INVALID", "thor_profiles[0]", "mapping"),
        ({"profile": CHAT, "port": 80}, "THOR-PORT-INVALID", "thor_profiles[0].port", "1024"),
        ({"profile": CHAT, "name": "My Chat"}, "THOR-NAME-INVALID", "thor_profiles[0].name", "thor-My Chat.service"),
        ({"profile": CHAT, "name": "drop-caches"}, "THOR-NAME-INVALID", "thor_profiles[0].name", "drop-caches"),
        ({"profile": CHAT, "name": "job-a"}, "THOR-NAME-INVALID", "thor_profiles[0].name", "job-"),
        ({"profile": CHAT, "version": "b1"}, "THOR-VERSION-UNKNOWN", "thor_profiles[0].version", "0c1e570"),
        (
            {"profile": CODER, "thinking": True},
            "THOR-THINKING-FIXED",
            "thor_profiles[0].thinking",
            "cannot be switched",
        ),
        (
            {"profile": CHAT, "address": "0.0.0.0"},
            "THOR-ADDRESS-OPEN",
            "thor_profiles[0].address",
            "thor_allow_unauthenticated",
        ),
        ({"profile": CHAT, "address": "here"}, "THOR-ADDRESS-INVALID", "thor_profiles[0].address", "IP address"),
        (
            {"profile": CHAT, "options": {"ctx-sze": 1}},
            "THOR-FLAG-UNKNOWN",
            "thor_profiles[0].options['ctx-sze']",
            "'ctx-size'",
        ),
        (
            {"model": "qwen3-8b", "engine": "vLLM"},
            "THOR-ENGINE-UNKNOWN",
            "thor_profiles[0].engine",
            "Did you mean 'vllm'?",
        ),
        (
            {"profile": CHAT, "options": {"ngpu-layers": 1}},
            "THOR-FLAG-UNKNOWN",
            "thor_profiles[0].options['ngpu-layers']",
            "gpu-layers",
        ),
        (
            {"profile": CHAT, "options": {"port": 1}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['port']",
            "the key port",
        ),
        (
            {"profile": CHAT, "options": {"alias": "x"}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['alias']",
            "served_name",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"gpu-memory-utilization": 0.75}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['gpu-memory-utilization']",
            "the key memory_gib",
        ),
        (
            {"profile": "qwen3-8b-sglang", "options": {"mem-fraction-static": 7}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['mem-fraction-static']",
            "the key memory_gib",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"max-model": 4096}},  # argparse would take the abbreviation
            "THOR-FLAG-UNKNOWN",
            "thor_profiles[0].options['max-model']",
            "'max-model-len'",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"quantization": "nosuch"}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['quantization']",
            "modelopt_fp4",
        ),
        (
            {"profile": "qwen3-8b-fp8-sglang", "options": {"preferred-sampling-params": "{temperature: 0.5}"}},
            "THOR-FLAG-JSON",
            "thor_profiles[0].options['preferred-sampling-params']",
            "Write a mapping",
        ),
        (
            {"profile": "qwen3-8b-sglang", "options": {"context-length": -1}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['context-length']",
            "above 0",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"allowed-local-media-path": True}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['allowed-local-media-path']",
            "needs a value",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"chat-template": "/models/templates/mine.jinja"}},
            "THOR-TEMPLATE-MISSING",
            "thor_profiles[0].options['chat-template']",
            "thor_extra_models",
        ),
        (
            {"profile": "qwen3-8b-sglang", "options": {"chat-template": "/srv/mine.jinja"}},
            "THOR-TEMPLATE-MISSING",
            "thor_profiles[0].options['chat-template']",
            "not one of the service's files",
        ),
        (
            {"profile": CHAT, "options": {"chat-template-file": "/models/templates/qwen3_nonthinking.jinja"}},
            "THOR-TEMPLATE-MISSING",
            "thor_profiles[0].options['chat-template-file']",
            "not one of the service's files",
        ),
        (
            {"profile": "whisper-small-vllm", "memory_gib": 2},
            "THOR-MEMORY-BELOW-WEIGHTS",
            "thor_profiles[0].memory_gib",
            "6 GiB of it are the engine's overhead",
        ),
        (
            {"profile": "qwen3-8b-vllm", "memory_gib": 15},
            "THOR-MEMORY-BELOW-WEIGHTS",
            "thor_profiles[0].memory_gib",
            "alone take 15.3 GiB",
        ),
        (
            {"profile": "qwen3-8b-sglang", "memory_gib": 129},
            "THOR-MEMORY-FRACTION",
            "thor_profiles[0].memory_gib",
            "at most 1",
        ),
        (
            {"profile": CHAT, "options": {"ctx-size": True}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['ctx-size']",
            "needs a value",
        ),
        (
            {"profile": CHAT, "options": {"metrics": 3}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['metrics']",
            "takes no value",
        ),
    ],
)
def test_a_refusal_names_the_culprit(entry: Any, code: str, variable: str, words: str) -> None:
    problem = only(run(entry))
    assert (problem.code, problem.variable) == (code, variable)
    assert words in problem.text()


def test_profiles_must_be_a_list() -> None:
    catalog, _found = entries.build(files.files(str(FILES)), {})
    for written in (None, CHAT, {"profile": CHAT}):
        assert codes(resolve(Inputs(written), catalog)) == ["THOR-TYPE-INVALID"]


def test_without_profiles_there_is_neither_a_service_nor_a_problem() -> None:
    assert run() == Resolution([], [])


def test_all_problems_are_reported_at_once() -> None:
    entries = ("nosuch", {"profile": CHAT, "prt": 1, "options": {"nosuch-flag": 1}}, "qwen3-8b-fp8-vllm")
    resolution = run(*entries)
    assert codes(resolution) == [
        "THOR-PROFILE-UNKNOWN",
        "THOR-KEY-UNKNOWN",
        "THOR-FLAG-UNKNOWN",
        "THOR-STATUS-BROKEN",
    ]


def test_two_services_cannot_share_a_name_or_a_port() -> None:
    assert codes(run(CHAT, CHAT)) == ["THOR-NAME-DUPLICATE", "THOR-PORT-DUPLICATE"]
    assert CODER in only(run(CHAT, CODER)).reason
    assert not run(CHAT, {"profile": CODER, "port": 8001}).problems


def test_every_profile_of_the_catalog_resolves() -> None:
    catalog, found = entries.build(files.files(str(FILES)), {})
    assert not found and len(catalog.profiles) == 35
    profiles = [{"profile": name, "port": 9000 + index} for index, name in enumerate(catalog.profiles)]
    resolution = run(*profiles, allow_broken=True)
    assert not resolution.problems
    json.dumps(resolution.facts)


def test_a_version_without_quotes_is_recognized() -> None:
    for problem in (
        only(run(CHAT, engine_versions={"llama.cpp": 26.1})),
        only(run({"profile": CHAT, "version": 26.1})),
    ):
        assert (problem.code, problem.value, problem.remedy) == ("THOR-TYPE-INVALID", 26.1, "Put it in quotes.")


INLINE = {"models": {"My.Model_2": {"huggingface": "org/Name-8B"}, "gguf": {"modelscope": "a/b"}}}


def test_a_model_and_an_engine_are_enough() -> None:
    entry = {"model": "My.Model_2", "engine": "vllm", "memory_gib": 20, "options": {"max-model-len": 4096}}
    result = run(entry, extra=INLINE)
    assert result.problems == []
    (service,) = result.services
    assert (service.name, service.profile) == ("my-model-2", "My-Model_2-vllm")
    assert (service.served_name, service.version, service.kind) == ("Name-8B", "0.33.0", "packages")
    assert "--max-model-len 4096" in " ".join(service.argv)
    assert service.status.state == "untested"
    assert run({**entry, "name": "other"}, extra=INLINE).services[0].name == "other"


@pytest.mark.parametrize(
    ("entry", "code", "variable", "words"),
    [
        ({"model": "gguf"}, "THOR-KEY-MISSING", "thor_profiles[0].engine", "engine that serves it"),
        ({"engine": "vllm"}, "THOR-KEY-MISSING", "thor_profiles[0].model", "engine that serves it"),
        ({"profile": CHAT, "engine": "vllm"}, "THOR-VALUE-INVALID", "thor_profiles[0].engine", "already"),
        ({"profile": CHAT, "model": 7}, "THOR-TYPE-INVALID", "thor_profiles[0].model", "string"),
        ({"model": "ggu", "engine": "vllm"}, "THOR-MODEL-UNKNOWN", "thor_profiles[0].model", "'gguf'"),
        ({"model": "gguf", "engine": "vlm"}, "THOR-ENGINE-UNKNOWN", "thor_profiles[0].engine", "'vllm'"),
        ({"model": "gguf", "engin": "vllm"}, "THOR-KEY-UNKNOWN", "thor_profiles[0].engin", "'engine'"),
        ({"model": "gguf", "engine": "llama.cpp"}, "THOR-KEY-MISSING", "thor_profiles[0].model", "single file"),
        ({"profile": CHAT, "thinking": 7}, "THOR-TYPE-INVALID", "thor_profiles[0].thinking", "boolean or string"),
        ({"profile": CHAT, "thinking": "Very much"}, "THOR-VALUE-INVALID", "thor_profiles[0].thinking", "low"),
        ({"profile": CHAT, "api": "speech"}, "THOR-VALUE-INVALID", "thor_profiles[0].api", "embedding"),
        ({"profile": CHAT, "tools": "yes"}, "THOR-TYPE-INVALID", "thor_profiles[0].tools", "boolean"),
        (
            {"profile": CHAT, "speculative": {"method": "guess"}},
            "THOR-VALUE-INVALID",
            "thor_profiles[0].speculative.method",
            "eagle3",
        ),
        (
            {"profile": CHAT, "speculative": {"method": "draft", "model": "ggu"}},
            "THOR-MODEL-UNKNOWN",
            "thor_profiles[0].speculative.model",
            "'gguf'",
        ),
        (
            {"profile": CHAT, "loras": [{"name": "a", "model": "ggu"}]},
            "THOR-MODEL-UNKNOWN",
            "thor_profiles[0].loras[0].model",
            "'gguf'",
        ),
        (
            {"profile": CHAT, "loras": [{"name": "a"}]},
            "THOR-KEY-MISSING",
            "thor_profiles[0].loras[0].model",
            "required",
        ),
    ],
)
def test_what_an_entry_without_a_profile_may_get_wrong(
    entry: dict[str, Any], code: str, variable: str, words: str
) -> None:
    problem = run(entry, extra=INLINE).problems[0]
    assert (problem.code, problem.variable) == (code, variable)
    assert words in problem.text()


def test_a_refused_model_is_not_reported_again_where_it_is_named() -> None:
    wrong = {"models": {"mine": {"hugingface": "a/b"}}}
    assert codes(run({"model": "mine", "engine": "vllm"}, extra=wrong)) == ["THOR-KEY-UNKNOWN"]


def test_an_entry_that_is_wrong_has_no_conclusions_drawn_from_it() -> None:
    result = run({"profile": CHAT, "memory_gib": "much"})
    assert result.services[0].unclear == ("memory_gib",)
    assert codes(result) == ["THOR-TYPE-INVALID"]


@pytest.mark.parametrize("key", ["engine", "model"])
def test_an_empty_name_is_unknown_like_any_other(key: str) -> None:
    entry = {"engine": "llama.cpp", "model": BUILT_IN.profiles[CHAT]["model"], "memory_gib": 9, key: ""}
    assert codes(run(entry)) == [f"THOR-{key.upper()}-UNKNOWN"]
