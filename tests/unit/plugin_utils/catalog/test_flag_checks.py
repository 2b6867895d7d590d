# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options that the engine's version does not have, or that the collection sets."""

from __future__ import annotations

from real_catalog import codes, only, run


def test_a_container_version_without_a_list_of_options_is_refused() -> None:
    extra = {"engines": {"vllm": {"version": "99.1", "versions": {"99.1": {"image": "mine:1"}}}}}
    problem = only(run("qwen3-8b-vllm", extra=extra))
    assert problem.code == "THOR-FLAGS-MISSING" and "script/flags" in problem.remedy
    assert not run("qwen3-8b-vllm", extra=extra, allow_unchecked_flags=True).problems


def test_options_that_the_collection_sets_are_refused_even_without_a_list() -> None:
    entry = {"profile": "qwen3-8b-vllm", "version": "26.03", "options": {"gpu-memory-utilization": 0.9, "anything": 1}}
    assert codes(run(entry, allow_unchecked_flags=True)) == ["THOR-FLAG-RESERVED"]


def test_options_that_a_version_has_dropped_are_refused_for_that_version() -> None:
    swap = {"profile": "qwen3-8b-vllm", "options": {"swap-space": 4}}  # of vLLM 0.10, gone in 0.20
    assert not run(swap).problems
    assert only(run(swap, engine_versions={"vllm": "26.05"})).code == "THOR-FLAG-UNKNOWN"


def test_an_inference_path_without_a_slash_is_refused() -> None:
    entry = {"profile": "whisper-large-v3-turbo-whisper-cpp", "options": {"inference-path": "v1/audio/transcriptions"}}
    problem = only(run(entry))
    assert (problem.code, problem.remedy) == ("THOR-VALUE-INVALID", "Write /v1/audio/transcriptions.")
    assert problem.variable == "thor_profiles[0].options['inference-path']"
