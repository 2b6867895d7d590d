# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Parsers of tool calls and of reasoning."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import tools
from real_catalog import argument, only, run

PARSERS = {"reasoning": {"vllm": "qwen3", "sglang": "qwen3"}, "tools": {"vllm": "qwen3_coder", "sglang": "qwen25"}}


@pytest.mark.parametrize(
    ("dialect", "wanted", "options"),
    [
        (
            "vllm",
            True,
            {"reasoning-parser": "qwen3", "enable-auto-tool-choice": True, "tool-call-parser": "qwen3_coder"},
        ),
        ("vllm", None, {"reasoning-parser": "qwen3"}),
        ("vllm", False, {"reasoning-parser": "qwen3"}),
        ("sglang", True, {"reasoning-parser": "qwen3", "tool-call-parser": "qwen25"}),
        ("llama.cpp", True, {"jinja": True}),
        ("llama.cpp", None, {}),
        (None, True, {}),
    ],
)
def test_each_engine_has_its_own_options(dialect: str | None, wanted: bool | None, options: dict[str, Any]) -> None:
    assert tools.options(dialect, PARSERS, wanted) == options


def extra(**more: Any) -> dict[str, Any]:
    return {"models": {"mine": {"huggingface": "org/Name", **more}}}


def test_what_a_person_writes_comes_first() -> None:
    entry = {"model": "mine", "engine": "vllm", "tools": True, "options": {"tool_call_parser": "hermes"}}
    result = run(entry, extra=extra(parsers=PARSERS))
    assert not result.problems and result.services[0].tools is True
    assert argument(result.services[0], "tool_call_parser") == "hermes"
    assert "--tool-call-parser" not in result.services[0].argv


def test_a_model_without_a_parser_needs_one_named() -> None:
    entry = {"model": "mine", "engine": "vllm", "tools": True}
    problem = only(run(entry, extra=extra()))
    assert (problem.code, problem.variable) == ("THOR-TOOLS-UNKNOWN", "thor_profiles[0].tools")
    assert "qwen3_coder" in problem.remedy  # what this version knows
    assert not run({**entry, "options": {"tool-call-parser": "hermes"}}, extra=extra()).problems


def test_a_parser_that_the_version_lacks_is_refused() -> None:
    entry = {"model": "mine", "engine": "vllm", "tools": True}
    problem = only(run(entry, extra=extra(parsers={"tools": {"vllm": "qwen4"}})))
    assert problem.code == "THOR-FLAG-VALUE" and "tool-call-parser" in problem.reason
    assert problem.variable == "thor_extra_models['mine'].parsers.tools.vllm"
    written = only(run({**entry, "options": {"tool-call-parser": "qwen4"}}, extra=extra()))
    assert written.variable == "thor_profiles[0].options['tool-call-parser']"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"model": "mine", "engine": "vllm", "api": "embedding"}, "only a chat"),
        ({"profile": "whisper-large-v3-turbo-whisper-cpp"}, "only a chat"),
    ],
)
def test_only_a_chat_calls_tools(entry: dict[str, Any], words: str) -> None:
    problem = only(run({**entry, "tools": True}, extra=extra(parsers=PARSERS)))
    assert problem.code == "THOR-TOOLS-UNKNOWN" and words in problem.reason


@pytest.mark.parametrize(
    ("engine", "api", "word"),
    [
        ("llama.cpp", "embedding", "--embedding"),
        ("llama.cpp", "rerank", "--rerank"),
        ("vllm", "embedding", "--runner"),
        ("sglang", "rerank", "--is-embedding"),
    ],
)
def test_an_api_brings_the_options_that_it_needs(engine: str, api: str, word: str) -> None:
    file = {"file": "x.gguf"} if engine == "llama.cpp" else {}
    result = run({"model": "mine", "engine": engine, "api": api}, extra=extra(**file))
    assert not result.problems and result.services[0].argv.count(word) == 1
    assert word not in run({"model": "mine", "engine": engine}, extra=extra(**file)).services[0].argv


def test_an_option_of_the_api_is_there_once_however_it_is_spelled() -> None:
    entry = {"model": "mine", "engine": "llama.cpp", "api": "embedding", "options": {"embeddings": True}}
    (service,) = run(entry, extra=extra(file="x.gguf")).services
    assert [one for one in service.argv if one.startswith("--embed")] == ["--embeddings"]
