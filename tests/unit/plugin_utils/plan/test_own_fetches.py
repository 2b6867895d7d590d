# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The plan says what an engine would fetch by itself."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import own_fetches


def test_a_built_engine_cannot_fetch() -> None:
    service: dict[str, Any] = {
        "name": "chat",
        "engine": "llama.cpp",
        "kind": "build",
        "environment": {},
        "argv": ["llama-server", "-hfd", "a/b"],
    }
    (line,) = own_fetches.lines([service])
    assert line.startswith("chat: a/b (-hfd) is neither pinned nor counted") and "no HTTPS" in line
    (image,) = own_fetches.lines([{**service, "kind": "image"}])
    assert "HTTPS" not in image
    (problem,) = own_fetches.problems([service])
    assert (problem.code, problem.value) == ("THOR-ADAPTER-MISSING", "a/b") and "no HTTPS" in problem.reason
    assert "MODEL_ENDPOINT" in problem.remedy and not list(own_fetches.problems([{**service, "kind": "image"}]))


@pytest.mark.parametrize(
    ("environment", "option", "value"),
    [
        ({"LLAMA_CACHE": "/models/cache"}, "-hfd", "a/b"),
        ({"HF_ENDPOINT": "http://hub.example.org:8083"}, "-hfd", "a/b"),
        ({}, "--mmproj-url", "http://files.example.org/mmproj.gguf"),
        ({}, "--model-draft", "/models/draft.gguf"),
    ],
)
def test_a_built_engine_may_have_a_cache_or_need_no_https(environment: dict[str, str], option: str, value: str) -> None:
    service = {"name": "chat", "engine": "llama.cpp", "kind": "build", "environment": environment}
    assert not list(own_fetches.problems([{**service, "argv": ["llama-server", option, value]}]))


@pytest.mark.parametrize(
    ("options", "is_told"),
    [
        (["--spec-type", "draft-dflash"], True),
        (["--spec_type", "ngram-simple,draft-eagle3"], True),
        (["--spec-type", "draft-dflash", "-md", "/models/draft.gguf"], False),
        (["--spec-type", "draft-dflash", "--spec_draft_model", "/models/draft.gguf"], False),
        (["--spec-type", "draft-mtp"], False),  # the model's own layers
        ([], False),
    ],
)
def test_speculation_without_its_model_is_told(options: list[str], is_told: bool) -> None:
    service = {"name": "chat", "engine": "llama.cpp", "kind": "build", "environment": {}}
    lines = own_fetches.lines([{**service, "argv": ["llama-server", "--model", "/models/a.gguf", *options]}])
    assert [line for line in lines if "has no model that guesses" in line] == lines
    assert bool(lines) is is_told


VLLM: dict[str, Any] = {
    "name": "chat",
    "engine": "vllm",
    "kind": "packages",
    "environment": {},
    "argv": ["vllm", "serve", "/models/a", "--speculative_config.model", "org/draft"],
}


def test_python_packages_run_offline_so_such_a_service_cannot_start() -> None:
    (line,) = own_fetches.lines([VLLM])
    assert "vllm runs offline" in line and "fetches it by itself" not in line
    (problem,) = own_fetches.problems([VLLM])
    assert (problem.code, problem.value) == ("THOR-ADAPTER-MISSING", "org/draft")
    assert (
        problem.remedy.startswith("Speculative with a model of thor_extra_models")
        and "HF_HUB_OFFLINE" in problem.remedy
    )


def test_it_may_be_let_online_or_have_a_cache_and_an_image_is_online() -> None:
    online = {**VLLM, "environment": {"HF_HUB_OFFLINE": "0"}}
    image = {**VLLM, "kind": "image"}
    for service in (online, image):
        assert not list(own_fetches.problems([service]))
        assert "vllm fetches it by itself" in own_fetches.lines([service])[0]
    cached = {**VLLM, "environment": {"HF_HOME": "/models/cache"}}
    assert not list(own_fetches.problems([cached])) and "cache of its own" in own_fetches.lines([cached])[0]
    assert list(own_fetches.problems([{**VLLM, "environment": {"TRANSFORMERS_OFFLINE": "0"}}])), (
        "HF_HUB_OFFLINE decides"
    )


def test_a_tokenizer_is_fetched_beforehand_with_files() -> None:
    (problem,) = own_fetches.problems([{**VLLM, "argv": ["vllm", "serve", "/models/a", "--tokenizer", "org/tok"]}])
    assert problem.remedy.startswith("An entry of thor_extra_models, named in files")
    assert not list(
        own_fetches.problems([{**VLLM, "argv": ["vllm", "serve", "/models/a", "--tokenizer", "/models/a"]}])
    )
