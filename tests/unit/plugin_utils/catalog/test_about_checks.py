# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that want of a model what it cannot do are refused, from what the model says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from real_catalog import codes, run

GGUF = About(format="gguf", architectures=("qwen3",), vocabulary={"size": 151_936, "digest": "a"}, rank_head=False)
FOLDER = About(format="safetensors", architectures=("Qwen3ForCausalLM",), vocabulary={"size": 151_936, "digest": None})
MODELS = {
    "mine": {"huggingface": "acme/mine"},
    "file": {"huggingface": "acme/file", "file": "m.gguf"},
    "small": {"huggingface": "acme/small", "file": "s.gguf"},
    "tiny": {"huggingface": "acme/tiny"},
}


def refused(entry: dict[str, Any], **said: About) -> list[str]:
    """The codes of a service's problems, after a look at its models."""
    about = {key: one.to_facts() for key, one in said.items()}
    known = {
        "THOR-MODEL-ARCHITECTURE",
        "THOR-MODEL-UNREADABLE",
        "THOR-MODEL-NO-RANK",
        "THOR-MODEL-NO-VISION",
        "THOR-DRAFT-VOCABULARY",
    }
    return [code for code in codes(run(entry, extra={"models": MODELS}, about=about)) if code in known]


def test_a_model_that_cannot_be_read_is_refused_and_nothing_else_is_said_of_it() -> None:
    entry = {"model": "file", "engine": "llama.cpp", "api": "rerank"}
    broken = replace(GGUF, fault="m.gguf is in 4 parts, of which m-00002-of-00004.gguf is missing.")
    assert refused(entry, file=broken) == ["THOR-MODEL-UNREADABLE"]
    assert refused(entry) == []


def test_a_gguf_file_without_a_head_that_ranks_is_no_reranker() -> None:
    entry = {"model": "file", "engine": "llama.cpp", "api": "rerank"}
    assert refused(entry, file=GGUF) == ["THOR-MODEL-NO-RANK"]
    assert refused(entry, file=replace(GGUF, rank_head=True)) == []
    assert refused(entry, file=replace(GGUF, rank_head=None)) == []
    assert refused({**entry, "api": "chat"}, file=GGUF) == []
    assert refused({"model": "mine", "engine": "vllm", "api": "rerank"}, mine=replace(FOLDER, rank_head=False)) == []


@pytest.mark.parametrize(
    ("options", "is_refused"),
    [
        ({"limit-mm-per-prompt": {"image": 2}}, True),
        ({"limit-mm-per-prompt": '{"video": 1}'}, True),
        ({"limit-mm-per-prompt": {"image": 0, "audio": 1}}, False),
        ({"allowed-local-media-path": "/models/images"}, True),
        ({"max-model-len": 4096}, False),
    ],
)
def test_options_about_images_need_a_model_that_sees(options: dict[str, Any], is_refused: bool) -> None:
    entry = {"model": "mine", "engine": "vllm", "options": options}
    assert refused(entry, mine=FOLDER) == (["THOR-MODEL-NO-VISION"] if is_refused else [])
    assert refused(entry, mine=replace(FOLDER, vision=True)) == []
    assert refused(entry, mine=replace(FOLDER, code=True)) == []


@pytest.mark.parametrize(
    ("size", "digest", "is_refused"),
    [
        (151_936, "a", False),
        (151_936, "b", True),
        (151_936, None, False),
        (151_936 - 128, "a", False),
        (151_936 - 128, "b", True),
        (151_936 - 129, "a", True),
        (32_000, "b", True),
    ],
)
def test_a_draft_has_the_vocabulary_of_its_model(size: int, digest: str | None, is_refused: bool) -> None:
    entry = {"model": "file", "engine": "llama.cpp", "speculative": {"method": "draft", "model": "small", "tokens": 4}}
    small = replace(GGUF, vocabulary={"size": size, "digest": digest})
    assert refused(entry, file=GGUF, small=small) == (["THOR-DRAFT-VOCABULARY"] if is_refused else [])


def test_vllm_wants_as_many_tokens_and_other_methods_do_not_care() -> None:
    entry = {"model": "mine", "engine": "vllm", "speculative": {"method": "draft", "model": "tiny", "tokens": 4}}
    tiny = replace(FOLDER, vocabulary={"size": 151_900, "digest": None})
    assert refused(entry, mine=FOLDER, tiny=tiny) == ["THOR-DRAFT-VOCABULARY"]
    assert refused(entry, mine=FOLDER, tiny=FOLDER) == []
    eagle = {**entry, "speculative": {"method": "eagle3", "model": "tiny", "tokens": 4}}
    assert refused(eagle, mine=FOLDER, tiny=tiny) == []


@pytest.mark.parametrize(
    ("entry", "architecture", "is_refused"),
    [
        ({"model": "mine", "engine": "vllm"}, "NewForCausalLM", True),
        ({"model": "mine", "engine": "vllm"}, "Qwen3_5MoeForConditionalGeneration", False),
        # Whether the Transformers of that image know it is asked on the device.
        ({"model": "mine", "engine": "vllm", "version": "25.10"}, "Qwen3_5MoeForConditionalGeneration", False),
        ({"model": "mine", "engine": "vllm"}, "AlbertModel", False),  # by its Transformers
        ({"model": "mine", "engine": "vllm", "options": {"model-impl": "vllm"}}, "AlbertModel", True),
        ({"model": "mine", "engine": "vllm"}, "Qwen3ForRewardModeling", False),  # a Qwen3, used in another way
        ({"model": "mine", "engine": "vllm", "options": {"model-impl": "transformers"}}, "NewForCausalLM", False),
        (
            {"model": "mine", "engine": "vllm", "options": {"hf-overrides": {"architectures": ["Qwen3ForCausalLM"]}}},
            "NewForCausalLM",
            False,
        ),
        ({"model": "mine", "engine": "sglang"}, "NewForCausalLM", True),
        ({"model": "mine", "engine": "sglang"}, "Qwen3ForCausalLM", False),
    ],
)
def test_the_engines_version_has_to_know_the_architecture(
    entry: dict[str, Any], architecture: str, is_refused: bool
) -> None:
    said = replace(FOLDER, architectures=(architecture,))
    assert refused(entry, mine=said) == (["THOR-MODEL-ARCHITECTURE"] if is_refused else [])
    assert refused(entry, mine=replace(said, code=True)) == []


def test_a_service_says_what_stored_lists_do_not_tell() -> None:
    """The device is asked where no list says what the Transformers of the engine's version can run."""

    def service(architecture: str, version: str | None = None) -> Any:
        about = {"mine": replace(FOLDER, architectures=(architecture,)).to_facts()}
        entry = {"model": "mine", "engine": "vllm", **({"version": version} if version else {})}
        (found,) = run(entry, extra={"models": MODELS}, about=about).services
        return found.unlisted, found.parser

    assert service("Qwen3ForCausalLM") == ((), None)
    assert service("AlbertModel") == (("AlbertModel",), None)
    assert service("AlbertModel", "25.10") == (("AlbertModel",), "vllm")
    assert service("Qwen3ForCausalLM", "25.10") == ((), None)


def test_llama_cpp_has_to_know_the_architecture_of_the_file() -> None:
    entry = {"model": "file", "engine": "llama.cpp"}
    assert refused(entry, file=replace(GGUF, architectures=("qwen9",))) == ["THOR-MODEL-ARCHITECTURE"]
    assert refused(entry, file=GGUF) == []


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_folder_without_a_configuration_is_refused_by_the_engines_that_need_one(engine: str) -> None:
    entry = {"model": "mine", "engine": engine, "memory_gib": 20}
    assert refused(entry, mine=About(weights_bytes=10)) == ["THOR-MODEL-UNREADABLE"]
    assert refused(entry, mine=About(format="mistral", weights_bytes=10)) == []
    assert refused({"model": "file", "engine": "llama.cpp"}, file=About(weights_bytes=10)) == []
