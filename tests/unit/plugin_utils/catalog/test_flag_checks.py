# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options that the engine's version does not have, or that the collection sets."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import codes, only, run


def test_a_version_without_a_list_of_options_is_left_to_the_device() -> None:
    extra = {"engines": {"vllm": {"versions": {"99.1": {"image": "mine:1"}}}}}
    result = run({"profile": "qwen3-8b-vllm", "version": "99.1", "options": {"nosuch": 1}}, extra=extra)
    (service,) = result.services
    assert (result.problems, service.flags_checked, service.parser) == ([], False, "vllm")
    (built,) = run({"profile": "qwen3-8b-q5-k-m-llama-cpp", "version": "4227c9b"}).services
    assert (built.flags_checked, built.parser) == (False, None)  # the program is asked once it is built


@pytest.mark.parametrize(
    ("more", "checked"),
    [
        ({"engine_version": "0.20.1"}, True),
        ({"flags": "0.20.1"}, True),
        ({"engine_version": "0.99.0", "flags": "0.20.1"}, True),
        ({"engine_version": "0.99.0"}, False),
        ({}, False),  # what a version is called says nothing
    ],
)
def test_a_list_is_found_by_the_engines_own_version(more: dict[str, str], checked: bool) -> None:
    extra = {"engines": {"vllm": {"versions": {"0.20.1": {"image": "mine:1", **more}}}}}
    (service,) = run("qwen3-8b-vllm", extra=extra, engine_versions={"vllm": "0.20.1"}).services
    assert (service.flags_checked, service.parser) == (checked, None if checked else "vllm")


def test_an_engine_that_nobody_can_ask_says_so() -> None:
    extra: dict[str, Any] = {"engines": {"vllm": {"parser": "llama"}}}
    problem = only(run("qwen3-8b-vllm", extra=extra))
    assert problem.code == "THOR-VALUE-INVALID" and "Did you mean 'vllm'?" in problem.remedy
    extra = {"engines": {"vllm": {"parser": None, "version": "99.1", "versions": {"99.1": {"image": "mine:1"}}}}}
    assert run("qwen3-8b-vllm", extra=extra).services[0].parser is None


def test_options_that_the_collection_sets_are_refused_even_without_a_list() -> None:
    entry = {"profile": "qwen3-8b-vllm", "version": "26.03", "options": {"gpu-memory-utilization": 0.9, "anything": 1}}
    assert codes(run(entry)) == ["THOR-FLAG-RESERVED"]


def test_options_that_a_version_has_dropped_are_refused_for_that_version() -> None:
    swap = {"profile": "qwen3-8b-vllm", "options": {"swap-space": 4}}  # of vLLM 0.10, gone in 0.20
    assert not run(swap).problems
    assert only(run(swap, engine_versions={"vllm": "26.05"})).code == "THOR-FLAG-UNKNOWN"


def test_an_inference_path_without_a_slash_is_refused() -> None:
    entry = {"profile": "whisper-large-v3-turbo-whisper-cpp", "options": {"inference-path": "v1/audio/transcriptions"}}
    problem = only(run(entry))
    assert (problem.code, problem.remedy) == ("THOR-VALUE-INVALID", "Write /v1/audio/transcriptions.")
    assert problem.variable == "thor_profiles[0].options['inference-path']"


@pytest.mark.parametrize("value", ["paraformer", None])
@pytest.mark.parametrize("known", [True, False], ids=["list stored", "no list"])
def test_funasrs_model_is_the_profiles(value: str | None, known: bool) -> None:
    """Another name would be a model that is not on the device, and nothing is fetched while serving."""
    more: dict[str, Any] = (
        {} if known else {"extra": {"engines": {"funasr": {"versions": {"x": {"packages": "funasr==1.4.16"}}}}}}
    )
    entry = {"profile": "sensevoice-small-funasr", "options": {"model": value}, **({} if known else {"version": "x"})}
    found = [one for one in run(entry, **more).problems if one.code == "THOR-FLAG-RESERVED"]
    assert [one.variable for one in found] == ["thor_profiles[0].options['model']"]
    assert "another profile" in found[0].remedy
    mine = {
        "engine": "funasr",
        "model": "sensevoice-small",
        "served_name": "p",
        "memory_gib": 5,
        "options": {"model": "p"},
    }
    own = {"profiles": {"mine": mine}}
    assert not run("sensevoice-small-funasr").problems and not run("mine", extra=own).problems


def test_a_list_that_is_not_stored_is_refused_with_those_that_are() -> None:
    extra = {"engines": {"vllm": {"versions": {"mine": {"image": "mine:1", "flags": "0.1"}}}}}
    problem = only(run({"profile": "qwen3-8b-vllm", "version": "mine"}, extra=extra))
    where = "thor_extra_engines['vllm'].versions['mine'].flags"
    assert (problem.code, problem.variable, problem.value) == ("THOR-VALUE-INVALID", where, "0.1")
    assert "0.20.1" in problem.remedy and "0.5.3" not in problem.remedy, "those of this engine"


@pytest.mark.parametrize("option", ["tool-call-parser", "reasoning-parser", "--tool_call_parser"])
def test_a_parser_that_the_version_lacks_is_refused(option: str) -> None:
    entry = {"profile": "qwen3-8b-vllm", "version": "0.33.0", "options": {option: "qwen3coder"}}
    problem = only(run(entry))
    assert (problem.code, problem.variable) == ("THOR-FLAG-VALUE", f"thor_profiles[0].options[{option!r}]")
    assert "qwen3" in problem.remedy


def test_a_plugin_may_bring_other_parsers() -> None:
    more = {"tool-call-parser": "mine", "tool-parser-plugin": "/models/mine.py"}
    entry = {"profile": "qwen3-8b-vllm", "version": "0.33.0", "options": more}
    assert not run(entry, allow_unsafe_options=["tool-parser-plugin"]).problems
    other = {**entry, "options": {**more, "reasoning-parser": "mine"}}
    assert codes(run(other, allow_unsafe_options=["tool-parser-plugin"])) == ["THOR-FLAG-VALUE"]


def test_two_names_of_one_option_are_refused() -> None:
    entry = {"profile": "qwen3-8b-q5-k-m-llama-cpp", "options": {"c": 4096, "ctx-size": 8192}}
    problem = only(run(entry))
    assert (problem.code, problem.variable) == ("THOR-FLAG-TWICE", "thor_profiles[0].options['ctx-size']")
    assert "--c " in problem.reason or "-c " in problem.reason
    # The profile's own gives way instead: ctx-size 0.
    (service,) = run({**entry, "options": {"c": 4096}}).services
    assert "--ctx-size" not in service.argv and service.argv[service.argv.index("-c") + 1] == "4096"


@pytest.mark.parametrize(
    ("profile", "option", "key"),
    [
        ("qwen3-8b-q5-k-m-llama-cpp", "hf", "huggingface"),
        ("qwen3-8b-q5-k-m-llama-cpp", "-hff", "file"),
        ("qwen3-8b-q5-k-m-llama-cpp", "m", "another profile"),
        ("qwen3-8b-q5-k-m-llama-cpp", "a", "served_name"),
        ("qwen3-8b-vllm", "model", "model"),
        ("qwen3-8b-vllm", "served_model_name", "served_name"),
    ],
)
def test_what_names_the_model_is_set_by_a_key(profile: str, option: str, key: str) -> None:
    problem = only(
        run(
            {
                "profile": profile,
                "version": {"qwen3-8b-vllm": "0.33.0"}.get(profile, "0c1e570"),
                "options": {option: "x/y"},
            }
        )
    )
    assert problem.code == "THOR-FLAG-RESERVED" and key in problem.remedy


def test_an_option_of_an_earlier_version_names_its_successor() -> None:
    problem = only(run({"profile": "qwen3-8b-q5-k-m-llama-cpp", "options": {"no-mmap": False}}))
    assert (problem.code, problem.remedy) == ("THOR-FLAG-UNKNOWN", "Write load-mode: none.")
    old = run({"profile": "qwen3-8b-q5-k-m-llama-cpp", "version": "49bfdde", "options": {"no-mmap": True, "fa": True}})
    assert not old.problems
    assert old.services[0].argv[-3:] == ("--no-mmap", "-fa", "on")


def test_secrets_and_unsafe_options_are_found_under_every_name() -> None:
    short = {"profile": "qwen3-8b-q5-k-m-llama-cpp", "options": {"hft": "hf_abcdefgh", "ag": True}}
    assert sorted(codes(run(short))) == ["THOR-OPTION-UNSAFE", "THOR-SECRET-PLAIN"]
    dotted = {"profile": "qwen3-8b-vllm", "version": "0.33.0", "options": {"compilation_config.backend": "my.module"}}
    assert codes(run(dotted)) == ["THOR-OPTION-UNSAFE"]


def test_layers_that_a_short_option_keeps_off_the_gpu_are_known() -> None:
    (service,) = run({"profile": "qwen3-8b-q5-k-m-llama-cpp", "options": {"ngl": 7}}).services
    assert service.gpu is not None and service.gpu.asked.layers == {"-ngl 7": 7}
