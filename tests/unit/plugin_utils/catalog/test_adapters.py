# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters as options of each engine."""

from __future__ import annotations

from typing import Any

from real_catalog import codes, only, run

MODELS = {
    "mine": {"huggingface": "org/Name"},
    "gguf": {"huggingface": "org/Name-GGUF", "file": "x.gguf"},
    "one": {"huggingface": "org/One"},
    "two": {"huggingface": "org/Two", "file": "two.gguf"},
}
BOTH = [{"name": "first", "model": "one"}, {"name": "second", "model": "two"}]


def serve(engine: str, loras: list[dict[str, str]], **more: Any) -> Any:
    entry = {"model": "gguf" if engine == "llama.cpp" else "mine", "engine": engine, "loras": loras}
    return run(entry, extra={"models": MODELS}, **more)


def test_vllm_serves_them_by_name() -> None:
    result = serve("vllm", BOTH)
    assert not result.problems
    (service,) = result.services
    words = ("--enable-lora", "--lora-modules", "first=/models/org/One", "second=/models/org/Two/two.gguf")
    assert service.argv[-4:] == words
    assert [(one.name, one.path) for one in service.loras] == [
        ("first", "/models/org/One"),
        ("second", "/models/org/Two/two.gguf"),
    ]
    assert [one.key for one in service.files] == ["one", "two"]


def test_sglang_would_open_a_door_with_them() -> None:
    problem = only(serve("sglang", BOTH))
    assert (problem.code, problem.variable) == ("THOR-OPTION-UNSAFE", "thor_profiles[0].loras")
    result = serve("sglang", BOTH, allow_unsafe_options=["enable-lora"])
    assert not result.problems
    assert result.services[0].argv[-3:] == ("--lora-paths", "first=/models/org/One", "second=/models/org/Two/two.gguf")


def test_llama_cpp_loads_them_and_applies_none_unasked() -> None:
    result = serve("llama.cpp", BOTH[1:])
    assert not result.problems
    assert result.services[0].argv[-3:] == ("--lora", "/models/org/Two/two.gguf", "--lora-init-without-apply")
    problem = only(serve("llama.cpp", BOTH[:1]))
    assert (problem.code, problem.variable) == ("THOR-LORA-UNSUPPORTED", "thor_profiles[0].loras[0].model")


def test_names_are_unique_among_themselves_and_beside_the_model() -> None:
    twice = [{"name": "Name", "model": "one"}, {"name": "a", "model": "one"}, {"name": "a", "model": "two"}]
    found = serve("vllm", twice).problems
    assert [problem.variable for problem in found] == [
        "thor_profiles[0].loras[0].name",
        "thor_profiles[0].loras[2].name",
    ]


def test_an_engine_without_adapters_and_a_model_that_is_not_there_are_refused() -> None:
    entry = {"profile": "whisper-large-v3-turbo-whisper-cpp", "loras": [{"name": "a", "model": "one"}]}
    assert codes(run(entry, extra={"models": MODELS})) == ["THOR-LORA-UNSUPPORTED"]
    assert codes(serve("vllm", [{"name": "a", "model": "nosuch"}])) == ["THOR-MODEL-UNKNOWN"]
