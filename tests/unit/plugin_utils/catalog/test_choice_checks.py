# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a service asks of its engine and cannot have: APIs, speculation beside its own options."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import BUILT_IN, argument, codes, only, run

MODELS: dict[str, Any] = {
    "mine": {"huggingface": "org/name", "file": "x.gguf", "bytes": 1_000_000},
    "folder": {"huggingface": "org/folder", "bytes": 1_000_000},
    "ranks": {"huggingface": "org/ranks", "file": "r.gguf", "bytes": 1_000_000, "api": "rerank"},
}


def resolved(engine: str, **more: Any) -> Any:
    model = "folder" if engine in ("vllm", "sglang") else "mine"
    entry = {"model": model, "engine": engine, "memory_gib": 20, **more}
    return run(entry, extra={"models": MODELS})


@pytest.mark.parametrize("engine", ["llama.cpp", "whisper.cpp", "vllm", "sglang"])
@pytest.mark.parametrize("api", ["chat", "transcription", "embedding", "rerank"])
def test_an_api_that_the_engine_lacks_is_refused(engine: str, api: str) -> None:
    result = resolved(engine, api=api)
    if api in BUILT_IN.engines[engine]["apis"]:
        assert not result.problems
        return
    problem = only(result)
    assert (problem.code, problem.variable) == ("THOR-API-UNSUPPORTED", "thor_profiles[0].api")
    assert "transcription" in problem.reason and "vllm" in problem.remedy and "whisper" not in problem.remedy


def test_the_models_own_api_counts() -> None:
    problem = only(resolved("whisper.cpp", model="ranks"))
    assert (problem.code, problem.variable, problem.value) == (
        "THOR-API-UNSUPPORTED",
        "thor_profiles[0] model",
        "rerank",
    )


def test_every_engine_of_the_catalog_says_which_apis_it_has() -> None:
    assert all(engine["api"] in engine["apis"] for engine in BUILT_IN.engines.values())


def test_an_engine_of_ones_own_need_not_say() -> None:
    engine = {**BUILT_IN.engines["llama.cpp"], "versions": {"1": {"image": "example.org/x:1"}}, "version": "1"}
    engine = {
        key: value for key, value in engine.items() if key not in ("apis", "role", "source", "gpu", "api_options")
    }
    result = run(
        {"model": "mine", "engine": "own", "memory_gib": 20, "api": "rerank"},
        extra={"models": MODELS, "engines": {"own": engine}},
    )
    assert "THOR-API-UNSUPPORTED" not in codes(result)


@pytest.mark.parametrize(("word", "known"), [("extreme", False), ("hgih", False), ("max", True), ("xhigh", True)])
def test_an_effort_that_nobody_knows_is_refused_before_the_model_is_looked_at(word: str, known: bool) -> None:
    unread = {"models": {"new": {"huggingface": "org/new"}}}
    result = run({"model": "new", "engine": "vllm", "thinking": word}, extra=unread)
    assert codes(result) == ([] if known else ["THOR-THINKING-FIXED"])
    own = {"models": {"new": {"huggingface": "org/new", "thinking": {"argument": "effort", "efforts": ["extreme"]}}}}
    assert not run({"model": "new", "engine": "vllm", "thinking": "extreme"}, extra=own).problems


@pytest.mark.parametrize("api", ["embedding", "rerank", "transcription"])
def test_only_a_chat_speculates(api: str) -> None:
    problem = only(resolved("vllm", api=api, speculative={"method": "ngram", "tokens": 3}))
    assert problem.code == "THOR-SPECULATIVE-UNKNOWN" and api in problem.reason


def test_llama_cpp_needs_the_file_of_a_draft() -> None:
    problem = only(resolved("llama.cpp", speculative={"method": "draft", "model": "folder"}))
    assert (problem.code, problem.variable) == ("THOR-SPECULATIVE-MODEL", "thor_profiles[0].speculative.model")
    assert "thor_extra_models['folder'].file" in problem.remedy


@pytest.mark.parametrize(
    ("engine", "options", "name"),
    [
        ("vllm", {"speculative-config": {"method": "mtp"}}, "speculative-config"),
        ("vllm", {"speculative_config.method": "mtp"}, "speculative_config.method"),
        ("vllm", {"speculative-config": '{"method": "mtp"}'}, "speculative-config"),
        ("vllm", {"speculative-config.num_speculative_tokens": 5}, "speculative-config.num_speculative_tokens"),
        ("llama.cpp", {"spec-type": "draft-mtp"}, "spec-type"),
        ("sglang", {"speculative-algorithm": "EAGLE"}, "speculative-algorithm"),
    ],
)
def test_options_cannot_say_otherwise_than_the_key(engine: str, options: dict[str, Any], name: str) -> None:
    problem = only(resolved(engine, speculative={"method": "ngram", "tokens": 3}, options=options))
    assert (problem.code, problem.variable) == ("THOR-FLAG-TWICE", f"thor_profiles[0].options[{name!r}]")


def test_options_may_add_to_the_key() -> None:
    options = {"speculative-config": {"prompt_lookup_max": 4}}
    result = resolved("vllm", speculative={"method": "ngram", "tokens": 3}, options=options)
    assert not result.problems
    text = argument(result.services[0], "speculative-config") or ""
    assert '"prompt_lookup_max":4' in text and '"method":"ngram"' in text
