# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options and variables that let a client run or read things are refused unless allowed by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import find
from real_catalog import CHAT, FILES, codes, only, run

EYES = "qwen3-vl-30b-a3b-llama-cpp"


def test_llama_server_accepts_only_the_device_as_origin() -> None:
    service = run(CHAT).services[0]
    assert service.environment["LLAMA_ARG_CORS_ORIGINS"] == "localhost"
    assert not run({"profile": CHAT, "options": {"cors-origins": "https://chat.example.org"}}).problems


@pytest.mark.parametrize(
    ("profile", "options"),
    [
        (CHAT, {"agent": True}),
        (CHAT, {"tools": "all"}),
        (CHAT, {"tools": ["read_file", "get_info"]}),
        (CHAT, {"tools-runtime": "ssh:me@host"}),
        (CHAT, {"ui-mcp-proxy": True}),
        (CHAT, {"webui-mcp-proxy": True}),  # an alias
        (CHAT, {"mcp-servers-config": "/models/mcp.json"}),
        (CHAT, {"mcp-servers-json": {"mcpServers": {}}}),
        (CHAT, {"path": "/"}),
        (CHAT, {"slot-save-path": "/models"}),
        (CHAT, {"media-path": "/etc"}),
        (CHAT, {"media-path": "/models/../etc"}),
        (CHAT, {"cors-origins": "*"}),
        (CHAT, {"cors-origins": ["https://chat.example.org", "*"]}),
        (CHAT, {"cors-origins": "* "}),
        (CHAT, {"cors-origins": "https://chat.example.org, null"}),
        (CHAT, {"models-preset": "/models/preset.ini"}),
        ("whisper-large-v3-turbo-whisper-cpp", {"public": "/etc"}),
        ("qwen3-8b-vllm", {"trust-remote-code": True}),
        ("qwen3-8b-vllm", {"middleware": "os.system"}),
        ("qwen3-8b-vllm", {"logits-processor-pattern": ".*"}),
        ("qwen3-8b-vllm", {"config": "/models/more.yml"}),
        ("qwen3-8b-vllm", {"tool-server": "demo"}),
        ("qwen3-8b-vllm", {"distributed-executor-backend": "os.system"}),
        ("qwen3-8b-vllm", {"compilation-config": {"backend": "os.system"}}),
        ("qwen3-8b-vllm", {"compilation-config": '{"inductor_passes": {"a": "os.system"}}'}),
        ("qwen3-8b-sglang", {"trust-remote-code": True}),
        ("qwen3-8b-sglang", {"enable-lora": True}),
    ],
    ids=lambda part: str(part)[:60],
)
def test_unsafe_options_must_be_allowed_by_name(profile: str, options: Any) -> None:
    problem = only(run({"profile": profile, "options": options}))
    name = next(iter(options)).replace("webui", "ui")
    assert (problem.code, problem.variable) == (
        "THOR-OPTION-UNSAFE",
        f"thor_profiles[0].options[{next(iter(options))!r}]",
    )
    assert name in problem.remedy and "thor_allow_unsafe_options" in problem.remedy
    allowed = run({"profile": profile, "options": options}, allow_unsafe_options=[name])
    assert not allowed.problems and f"--{next(iter(options))}" in allowed.services[0].argv


@pytest.mark.parametrize("as_text", [False, True])
def test_a_plugin_within_json_must_be_allowed_too(as_text: bool) -> None:
    def asked(value: dict[str, Any], **settings: Any) -> list[str]:
        options = {"structured-outputs-config": json.dumps(value) if as_text else value}
        return codes(run({"profile": "qwen3-8b-vllm", "version": "26.05", "options": options}, **settings))

    plugin = {"reasoning_parser_plugin": "/models/x.py"}
    assert asked(plugin) == ["THOR-OPTION-UNSAFE"]
    assert not asked(plugin, allow_unsafe_options=["structured-outputs-config"])
    assert not asked({"reasoning_parser_plugin": "", "backend": "xgrammar"})


@pytest.mark.parametrize(
    "words",
    [
        ["--middleware=os.system"],
        ["--trust_remote_code"],
        ["--distributed_executor_backend", "os.system"],
        ["--compilation-config.backend=os.system"],
        ['--compilation-config={"backend":"os.system"}'],
    ],
    ids=" ".join,
)
def test_an_engines_own_command_is_read_like_a_parser_reads_it(words: list[str]) -> None:
    command = {"engines": {"vllm": {"command": ["vllm", "serve", "{path}", *words]}}}
    assert codes(run("qwen3-8b-vllm", extra=command)) == ["THOR-OPTION-UNSAFE"]


@pytest.mark.parametrize(
    ("profile", "environment"),
    [
        (CHAT, {"LLAMA_ARG_TOOLS": "all"}),
        (CHAT, {"LLAMA_ARG_AGENT": 1}),
        (CHAT, {"LLAMA_ARG_STATIC_PATH": "/etc"}),
        (CHAT, {"LLAMA_ARG_CORS_ORIGINS": "*"}),
        (CHAT, {"LLAMA_ARG_CORS_ORIGINS": " null"}),
        ("qwen3-8b-vllm", {"VLLM_SERVER_DEV_MODE": "1"}),
    ],
)
def test_variables_with_the_same_effect_are_refused_too(profile: str, environment: Any) -> None:
    problem = only(run({"profile": profile, "environment": environment}))
    where = f"thor_profiles[0].environment[{next(iter(environment))!r}]"
    assert (problem.code, problem.variable) == ("THOR-OPTION-UNSAFE", where)


@pytest.mark.parametrize(
    "entry",
    [
        {"profile": CHAT, "options": {"agent": False, "tools": False, "ui-mcp-proxy": False}},
        {"profile": CHAT, "environment": {"LLAMA_ARG_AGENT": "0"}},
        {"profile": CHAT, "options": {"cors-origins": "https://null.example.org"}},
        {"profile": "qwen3-8b-vllm", "options": {"distributed-executor-backend": "mp"}},
        {"profile": "qwen3-8b-vllm", "options": {"compilation-config": {"backend": "inductor", "level": 3}}},
        {"profile": CHAT, "options": {"media-path": "/models/pictures"}},
        {"profile": EYES, "options": {"media-path": "{path}/pictures"}},
        {"profile": "qwen2-5-vl-7b-awq-vllm"},  # /models, which the container sees read-only
    ],
)
def test_harmless_values_are_accepted(entry: Any) -> None:
    assert not run(entry).problems


def test_unsafe_options_are_found_wherever_they_come_from() -> None:
    extra = {
        "profiles": {"p": {"engine": "llama.cpp", "model": "qwen3-8b-q5-k-m", "served_name": "q", "memory_gib": 9}}
    }
    extra["profiles"]["p"]["options"] = {"agent": True}
    problem = only(run("p", extra=extra))
    assert (problem.code, problem.variable) == (
        "THOR-OPTION-UNSAFE",
        "thor_profiles[0] (from the profile p) options['agent']",
    )
    command = {"engines": {"llama.cpp": {"command": ["llama-server", "--model", "{file}", "--agent"]}}}
    assert only(run(CHAT, extra=command)).code == "THOR-OPTION-UNSAFE"


@pytest.mark.parametrize(
    ("profile", "version", "options"),
    [
        (CHAT, "49bfdde", {"slot_save_path": "/models"}),
        (CHAT, "49bfdde", {"tools": "all"}),
        ("qwen3-8b-vllm", "26.03", {"trust_remote_code": True}),
        ("qwen3-8b-vllm", "26.03", {"trust-remote": True}),  # argparse knows it by its beginning
    ],
)
def test_without_a_list_of_options_whatever_a_parser_accepts_counts(profile: str, version: str, options: Any) -> None:
    entry = {"profile": profile, "version": version, "options": options}
    assert codes(run(entry)) == ["THOR-OPTION-UNSAFE"]


def test_only_names_that_would_be_refused_can_be_allowed() -> None:
    problem = only(run(CHAT, allow_unsafe_options=["trust-remote-cod"]))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_allow_unsafe_options[0]")
    assert "'trust-remote-code'" in problem.remedy


def test_every_unsafe_option_is_in_a_stored_list() -> None:
    """A name that no version has would refuse nothing."""
    data = files.files(str(FILES))["engines"]
    lists = files.flags(str(FILES))
    assert {engine for engine, entry in data.items() if entry["unsafe_options"]} >= {"llama.cpp", "sglang", "vllm"}
    for engine, entry in data.items():
        known = [
            find(flags, name)
            for (owner, _), flags in lists.items()
            if owner == engine
            for name in entry["unsafe_options"]
        ]
        names = {name[2:] for name in known if name}
        assert {name for name in entry["unsafe_options"] if not name.isupper()} - names == set(), engine


def test_without_a_list_an_option_of_its_own_is_not_the_beginning_of_another() -> None:
    options = {"reasoning-parser": "qwen3"}  # not --reasoning-parser-plugin
    assert not run({"profile": "qwen3-8b-vllm", "version": "26.03", "options": options}).problems
