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
