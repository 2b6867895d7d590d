# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""GGUF files: which engines load one, and files that are split."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import codes, only, run

SPLIT = "q4/x-{:05}-of-00003.gguf"


def gguf(file: str = "x.gguf", **more: Any) -> dict[str, Any]:
    return {"models": {"mine": {"huggingface": "org/name", "file": file, "bytes": 1_000_000, **more}}}


def entry(engine: str, **more: Any) -> dict[str, Any]:
    return {"model": "mine", "engine": engine, "memory_gib": 20, **more}


@pytest.mark.parametrize(
    ("engine", "version", "words"),
    [
        ("vllm", "25.10", ["serve", "/models/org/name/x.gguf"]),
        ("sglang", "0.5.23", ["--model-path", "/models/org/name/x.gguf"]),
        ("sglang", "25.10", ["--model-path", "/models/org/name/x.gguf"]),
    ],
)
def test_an_engine_that_can_is_started_with_the_file(engine: str, version: str, words: list[str]) -> None:
    result = run(entry(engine, version=version), extra=gguf())
    assert not result.problems
    argv = list(result.services[0].argv)
    assert argv[argv.index(words[0]) :][:2] == words


def test_a_version_that_cannot_is_refused_with_those_that_can() -> None:
    problem = only(run(entry("vllm"), extra=gguf()))
    assert (problem.code, problem.variable) == ("THOR-MODEL-FORMAT", "thor_profiles[0] model")
    assert "0.10.2, 0.20.1" in problem.remedy and "llama.cpp" in problem.remedy
    local = {"models": {"mine": {"local": "/models/x/y.gguf", "bytes": 1_000_000}}}
    assert codes(run(entry("vllm"), extra=local)) == ["THOR-MODEL-FORMAT"]


def test_other_files_leave_the_folder() -> None:
    (service,) = run(entry("vllm"), extra=gguf("model.safetensors")).services
    assert service.argv[:3] == ("vllm", "serve", "/models/org/name")


@pytest.mark.parametrize("number", [2, 3])
def test_the_first_part_is_named(number: int) -> None:
    assert not run(entry("llama.cpp"), extra=gguf(SPLIT.format(1))).problems
    problem = only(run(entry("llama.cpp"), extra=gguf(SPLIT.format(number))))
    assert (problem.code, problem.variable) == ("THOR-MODEL-PART", "thor_extra_models['mine'].file")
    assert problem.remedy == "Write q4/x-00001-of-00003.gguf."
    local = {"models": {"mine": {"local": f"/data/{SPLIT.format(number)}", "bytes": 1_000_000}}}
    assert codes(run(entry("llama.cpp"), extra=local)) == ["THOR-MODEL-PART"]


def test_all_parts_are_fetched() -> None:
    only_two = [SPLIT.format(1), SPLIT.format(3)]
    problem = only(run(entry("llama.cpp"), extra=gguf(SPLIT.format(1), include=only_two)))
    assert problem.code == "THOR-MODEL-PART" and "1 of its 3 parts: q4/x-00002-of-00003.gguf" in problem.reason
    assert not run(entry("llama.cpp"), extra=gguf(SPLIT.format(1), include=["q4/*"])).problems


def test_parts_from_addresses_are_files_of_the_service() -> None:
    models: dict[str, Any] = {
        f"part-{number}": {
            "url": f"https://example.org/{number}",
            "path": "x",
            "file": f"x-{number:05}-of-00002.gguf",
            "bytes": 1_000_000,
        }
        for number in (1, 2)
    }
    alone = {"model": "part-1", "engine": "llama.cpp", "memory_gib": 20}
    assert codes(run(alone, extra={"models": models})) == ["THOR-MODEL-PART"]
    assert not run({**alone, "files": ["part-2"]}, extra={"models": models}).problems


def test_a_draft_is_started_with_its_first_part() -> None:
    models = {**gguf()["models"], "small": {"huggingface": "org/small", "file": SPLIT.format(2), "bytes": 1_000_000}}
    service = entry("llama.cpp", speculative={"method": "draft", "model": "small"})
    problem = only(run(service, extra={"models": models}))
    assert (problem.code, problem.variable) == ("THOR-MODEL-PART", "thor_extra_models['small'].file")
