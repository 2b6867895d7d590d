# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether and how hard a model thinks, as default arguments of its chat template."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import thinking
from real_catalog import argument, only, run

# Qwen3.8: efforts, and a switch. gpt-oss: efforts only.
EFFORTS = {
    "argument": "reasoning_effort",
    "efforts": ["low", "medium", "xhigh"],
    "off": {"enable_thinking": False},
    "default": "xhigh",
}
ALWAYS_EFFORT = {"argument": "reasoning_effort", "efforts": ["low", "medium", "high"], "off": None, "default": "medium"}

OFF_AS_FALSE: dict[Any, Any] = {
    "argument": "reasoning_effort",
    "efforts": ["low"],
    False: {"enable_thinking": False},
}


@pytest.mark.parametrize(
    ("said", "wanted", "can", "own_way", "chosen"),
    [
        ("switchable", None, True, False, True),
        ("switchable", True, False, False, True),
        ("switchable", False, True, False, False),
        ("switchable", False, False, True, False),
        ("switchable", False, False, False, None),
        ("switchable", "low", True, True, None),
        ("never", False, True, True, None),
        ("always", True, True, False, None),
        (None, None, True, False, None),
        (EFFORTS, None, False, False, "xhigh"),
        (EFFORTS, "low", True, False, "low"),
        (EFFORTS, "low", False, False, None),
        (EFFORTS, "high", True, False, None),
        (EFFORTS, False, True, False, False),
        (ALWAYS_EFFORT, False, True, False, None),
        # YAML 1.1 reads the key off as false.
        (OFF_AS_FALSE, False, True, False, False),
    ],
)
def test_what_can_be_chosen(said: Any, wanted: Any, can: bool, own_way: bool, chosen: Any) -> None:
    assert thinking.chosen(said, wanted, can, own_way) == chosen


@pytest.mark.parametrize(
    ("said", "wanted", "arguments"),
    [
        ("switchable", True, {"enable_thinking": True}),
        ("switchable", False, {"enable_thinking": False}),
        ("always", True, {}),
        (EFFORTS, "low", {"enable_thinking": True, "reasoning_effort": "low"}),
        (EFFORTS, True, {"enable_thinking": True, "reasoning_effort": "xhigh"}),
        (EFFORTS, False, {"enable_thinking": False}),
        (ALWAYS_EFFORT, "high", {"reasoning_effort": "high"}),
        ({**EFFORTS, "default": True}, True, {"enable_thinking": True}),
    ],
)
def test_what_the_template_is_told(said: Any, wanted: Any, arguments: dict[str, Any]) -> None:
    assert thinking.arguments(said, wanted, wanted) == arguments


def extra(said: Any, **more: Any) -> dict[str, Any]:
    model = {"huggingface": "org/Name", "thinking": said, **more}
    return {"models": {"mine": model, "gguf": {**model, "file": "x.gguf"}}}


@pytest.mark.parametrize(
    ("entry", "option", "arguments"),
    [
        (
            {"model": "mine", "engine": "vllm", "thinking": False},
            "default-chat-template-kwargs",
            '{"enable_thinking":false}',
        ),
        (
            {"model": "mine", "engine": "sglang", "thinking": True},
            "default-chat-template-kwargs",
            '{"enable_thinking":true}',
        ),
        (
            {"model": "gguf", "engine": "llama.cpp", "thinking": False},
            "chat-template-kwargs",
            '{"enable_thinking":false}',
        ),
        # What a person writes beside it stays.
        (
            {
                "model": "mine",
                "engine": "vllm",
                "thinking": False,
                "options": {"default_chat_template_kwargs.preserve_thinking": True},
            },
            "default-chat-template-kwargs",
            '{"enable_thinking":false,"preserve_thinking":true}',
        ),
    ],
)
def test_each_engine_is_told_by_its_own_option(entry: dict[str, Any], option: str, arguments: str) -> None:
    result = run(entry, extra=extra("switchable"))
    assert not result.problems
    assert argument(result.services[0], option) == arguments
    assert result.services[0].thinking == entry["thinking"]


def test_a_template_that_switches_is_told_in_any_case() -> None:
    (service,) = run({"model": "mine", "engine": "vllm"}, extra=extra("switchable")).services
    assert service.thinking is True and argument(service, "default-chat-template-kwargs") == '{"enable_thinking":true}'
    # Its own effort is a template's default; an older engine has no option; an embedder does not think.
    for said, more in ((EFFORTS, {}), ("switchable", {"version": "25.10"}), ("switchable", {"api": "embedding"})):
        (service,) = run({"model": "mine", "engine": "vllm", **more}, extra=extra(said)).services
        assert "--default-chat-template-kwargs" not in service.argv


@pytest.mark.parametrize("value", [{"enable_thinking": False}, '{"enable_thinking": false}'])
def test_what_the_options_say_is_what_counts(value: Any) -> None:
    entry = {"model": "mine", "engine": "vllm", "options": {"default-chat-template-kwargs": value}}
    (service,) = run(entry, extra=extra("switchable")).services
    assert service.thinking is False
    assert (argument(service, "default-chat-template-kwargs") or "").replace(" ", "") == '{"enable_thinking":false}'


@pytest.mark.parametrize(
    ("said", "entry", "words"),
    [
        ("switchable", {"engine": "vllm", "thinking": "low"}, "It can: true, false."),
        ("never", {"engine": "vllm", "thinking": True}, "Thinking cannot be switched"),
        (EFFORTS, {"engine": "vllm", "thinking": "high"}, "It can: true, false, low, medium, xhigh."),
        (ALWAYS_EFFORT, {"engine": "sglang", "thinking": False}, "It can: true, low, medium, high."),
        # vLLM 0.10.2 and SGLang 0.5.11 have no such option.
        (
            "switchable",
            {"engine": "vllm", "version": "25.10", "thinking": False},
            "--default-chat-template-kwargs: 0.20.1",
        ),
        (
            EFFORTS,
            {"engine": "sglang", "version": "26.05", "thinking": "low"},
            "--default-chat-template-kwargs: 0.5.19",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(said: Any, entry: dict[str, Any], words: str) -> None:
    problem = only(run({"model": "mine", **entry}, extra=extra(said)))
    assert (problem.code, problem.variable) == ("THOR-THINKING-FIXED", "thor_profiles[0].thinking")
    assert words in f"{problem.reason} {problem.remedy}"


def test_an_effort_that_the_engine_reads_from_requests_only_is_refused() -> None:
    parsers = {"tools": {"vllm": "openai"}}
    problem = only(
        run({"model": "mine", "engine": "vllm", "thinking": "low"}, extra=extra(ALWAYS_EFFORT, parsers=parsers))
    )
    assert problem.code == "THOR-THINKING-FIXED" and "each request" in problem.reason
    assert not run(
        {"model": "gguf", "engine": "llama.cpp", "thinking": "low"}, extra=extra(ALWAYS_EFFORT, parsers=parsers)
    ).problems
