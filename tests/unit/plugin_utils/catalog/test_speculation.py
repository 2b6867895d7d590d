# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Speculative decoding as options of each engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import speculation
from real_catalog import BUILT_IN, argument, only, run

MODELS = {
    "mine": {"huggingface": "org/Name"},
    "draft": {"huggingface": "org/Draft"},
    "gguf": {"huggingface": "org/Name-GGUF", "file": "x.gguf"},
    "draft-gguf": {"huggingface": "org/Draft-GGUF", "file": "d.gguf"},
}


def service(engine: str, asked: dict[str, Any], **more: Any) -> Any:
    entry = {"model": "gguf" if engine == "llama.cpp" else "mine", "engine": engine, "speculative": asked, **more}
    return run(entry, extra={"models": MODELS})


@pytest.mark.parametrize(
    ("asked", "rendered"),
    [
        ({"method": "mtp", "tokens": 3}, {"method": "mtp", "num_speculative_tokens": 3}),
        ({"method": "mtp"}, {"method": "mtp"}),
        (
            {"method": "dspark", "model": "draft", "tokens": 5},
            {"method": "dspark", "model": "/models/org/Draft", "num_speculative_tokens": 5},
        ),
        (
            {"method": "draft", "model": "draft", "tokens": 4},
            {"method": "draft_model", "model": "/models/org/Draft", "num_speculative_tokens": 4},
        ),
        ({"method": "ngram", "tokens": 4}, {"method": "ngram", "num_speculative_tokens": 4}),
    ],
)
def test_vllm_gets_one_json(asked: dict[str, Any], rendered: dict[str, Any]) -> None:
    result = service("vllm", asked)
    assert not result.problems
    (one,) = result.services
    assert json.loads(argument(one, "speculative-config") or "") == rendered
    assert [file.key for file in one.files] == ([asked["model"]] if "model" in asked else [])
    assert "--speculative-config" not in one.plain_argv
    assert len(one.plain_argv) == len(one.argv) - 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"method": "mtp"}, "--speculative-algorithm NEXTN"),
        (
            {"method": "mtp", "model": "draft"},
            "--speculative-algorithm FROZEN_KV_MTP --speculative-draft-model-path /models/org/Draft",
        ),
        (
            {"method": "eagle3", "model": "draft", "tokens": 3},
            "--speculative-algorithm EAGLE3 --speculative-draft-model-path /models/org/Draft --speculative-num-steps 3 "
            "--speculative-eagle-topk 1 --speculative-num-draft-tokens 4",
        ),
        (
            {"method": "dflash", "model": "draft", "tokens": 8},
            "--speculative-algorithm DFLASH --speculative-draft-model-path /models/org/Draft --speculative-num-draft-tokens 8",
        ),
        ({"method": "ngram", "tokens": 8}, "--speculative-algorithm NGRAM --speculative-num-draft-tokens 8"),
    ],
)
def test_sglang_gets_its_own_options(asked: dict[str, Any], words: str) -> None:
    result = service("sglang", asked)
    assert not result.problems
    assert " ".join(result.services[0].argv).endswith(words)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"method": "mtp"}, "--spec-type draft-mtp"),
        (
            {"method": "dflash", "model": "draft-gguf", "tokens": 8},
            "--spec-type draft-dflash --spec-draft-model /models/org/Draft-GGUF/d.gguf --spec-draft-n-max 8",
        ),
        (
            {"method": "draft", "model": "draft-gguf"},
            "--spec-type draft-simple --spec-draft-model /models/org/Draft-GGUF/d.gguf",
        ),
        ({"method": "ngram", "tokens": 12}, "--spec-type ngram-simple --spec-ngram-simple-size-m 12"),
    ],
)
def test_llama_cpp_gets_its_own_options(asked: dict[str, Any], words: str) -> None:
    result = service("llama.cpp", asked)
    assert not result.problems
    assert " ".join(result.services[0].argv).endswith(words)


@pytest.mark.parametrize("engine", sorted(speculation.OPTIONS))
def test_the_newest_stored_version_knows_every_method(engine: str) -> None:
    flags = BUILT_IN.some_flags_of(engine)
    known = speculation.known_in(flags, speculation.OPTIONS[engine])
    assert known
    assert speculation.methods_of(engine, known) == list(speculation.NAMES[engine])


@pytest.mark.parametrize(
    ("engine", "version", "asked", "words"),
    [
        ("vllm", "25.10", {"method": "dspark", "model": "draft"}, ["knows: eagle3, draft, ngram", "version 0.27.1"]),
        ("vllm", "25.10", {"method": "mtp"}, ["version 0.20.1"]),
        ("sglang", "26.05", {"method": "dspark", "model": "draft"}, ["DSPARK", "version 0.5.19"][1:]),
    ],
)
def test_a_method_that_the_version_lacks_is_refused_with_those_that_it_knows(
    engine: str, version: str, asked: dict[str, Any], words: list[str]
) -> None:
    problem = only(service(engine, asked, version=version))
    assert (problem.code, problem.variable) == ("THOR-SPECULATIVE-UNKNOWN", "thor_profiles[0].speculative.method")
    assert all(word in f"{problem.reason} {problem.remedy}" for word in words)


def test_an_engine_without_speculation_is_refused() -> None:
    problem = only(run({"profile": "whisper-large-v3-turbo-whisper-cpp", "speculative": {"method": "ngram"}}))
    assert problem.code == "THOR-SPECULATIVE-UNKNOWN"


@pytest.mark.parametrize(
    ("asked", "code", "key"),
    [
        ({"method": "eagle3", "tokens": 3}, "THOR-SPECULATIVE-MODEL", "model"),
        ({"method": "ngram", "model": "draft", "tokens": 3}, "THOR-SPECULATIVE-MODEL", "model"),
        ({"method": "eagle3", "model": "draft"}, "THOR-KEY-MISSING", "tokens"),
        ({"method": "draft", "model": "nosuch", "tokens": 3}, "THOR-MODEL-UNKNOWN", "model"),
    ],
)
def test_a_method_gets_what_it_needs_and_nothing_else(asked: dict[str, Any], code: str, key: str) -> None:
    problem = only(service("vllm", asked))
    assert (problem.code, problem.variable) == (code, f"thor_profiles[0].speculative.{key}")


def test_a_version_without_a_list_is_asked_on_the_device() -> None:
    result = service("llama.cpp", {"method": "mtp"}, version="49bfdde")
    assert not result.problems
    assert argument(result.services[0], "spec-type") == "draft-mtp"
