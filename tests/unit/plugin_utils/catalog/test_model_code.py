# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""trust-remote-code: allowed only where the code can only ever be the same, shown by the plan, and hashed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import model_code
from real_catalog import codes, only, run

COMMIT = "abc123def456" + "0" * 28
TRUST = {"trust-remote-code": True}


def profile(engine: str, **more: Any) -> dict[str, Any]:
    return {"model": "mine", "engine": engine, "memory_gib": 20, "options": TRUST, **more}


def extra(**model: Any) -> dict[str, Any]:
    return {"models": {"mine": {"huggingface": "org/name", "bytes": 1_000_000, "precision": "bf16", **model}}}


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_it_is_allowed_only_with_a_pinned_commit(engine: str) -> None:
    pinned = run(profile(engine), extra=extra(revision=COMMIT))
    assert not pinned.problems
    assert "--trust-remote-code" in pinned.services[0].argv
    problem = only(run(profile(engine), extra=extra()))
    assert problem.code == "THOR-OPTION-UNSAFE"
    assert "the revision main of org/name is not a commit" in problem.reason
    assert "40 hexadecimal digits" in problem.remedy
    assert codes(run(profile(engine), extra=extra(revision=COMMIT[:12]))) == ["THOR-OPTION-UNSAFE"]
    assert not run(profile(engine), extra=extra(), allow_unsafe_options=["trust-remote-code"]).problems


def test_a_folder_of_somebody_is_not_pinned() -> None:
    local = {"models": {"mine": {"local": "/data/mine", "bytes": 1_000_000, "precision": "bf16"}}}
    problem = only(run(profile("vllm"), extra=local))
    assert "somebody's own folder" in problem.reason


def test_an_address_needs_a_checksum() -> None:
    url = {"url": "https://example.org/x.gguf", "path": "x", "file": "x.gguf", "bytes": 1_000_000, "precision": "bf16"}
    entry = profile("sglang")
    assert "neither a commit nor a checksum" in only(run(entry, extra={"models": {"mine": url}})).reason
    assert not run(entry, extra={"models": {"mine": {**url, "checksum": "sha256:" + "0" * 64}}}).problems


def test_each_hub_of_a_model_must_be_pinned() -> None:
    both = extra(modelscope="org/name", revision={"huggingface": COMMIT, "modelscope": "master"})
    assert "master of org/name" in only(run(profile("vllm"), extra=both)).reason


SERVICE: dict[str, Any] = {
    "name": "chat",
    "argv": ["vllm", "serve", "--trust-remote-code"],
    "model": {
        "key": "mine",
        "source": "hub",
        "path": "/models/org/name",
        "sources": [{"hub": "huggingface", "id": "org/name", "revision": COMMIT}],
    },
    "files": [],
}


def test_the_plan_shows_which_code_runs() -> None:
    held = {"models": {"/models/org/name": {"commit": COMMIT, "code": {"files": 3, "unlisted": []}}}}
    assert model_code.lines([SERVICE], held) == ["chat: runs 3 Python files of org/name at abc123def456"]
    assert model_code.lines([SERVICE], {}) == ["chat: runs the Python files of org/name at abc123def456"]
    assert model_code.lines([SERVICE | {"argv": ["vllm", "serve"]}], held) == []
    held["models"]["/models/org/name"]["code"] = {"files": 0, "unlisted": []}
    assert model_code.lines([SERVICE], held) == [], "it brings none"


def test_code_that_nobody_hashed_is_refused() -> None:
    held = {"models": {"/models/org/name": {"code": {"files": 3, "unlisted": ["evil.py"]}}}}
    [problem] = model_code.problems([SERVICE], held)
    assert problem.code == "THOR-CODE-UNKNOWN"
    assert problem.reason.startswith("evil.py in /models/org/name")
    assert not list(model_code.problems([SERVICE | {"argv": []}], held))


@pytest.mark.parametrize(
    "word", ["--trust_remote_code", "--trust-remote-code=true", "--trust_remote_code=1", "--trust-remote"]
)
def test_every_spelling_counts(word: str) -> None:
    service = SERVICE | {"argv": ["vllm", "serve", word]}
    assert model_code.lines([service], {}) == ["chat: runs the Python files of org/name at abc123def456"]
    held = {"models": {"/models/org/name": {"code": {"files": 3, "unlisted": ["evil.py"]}}}}
    assert [problem.code for problem in model_code.problems([service], held)] == ["THOR-CODE-UNKNOWN"]
    assert not model_code.runs(SERVICE | {"argv": ["vllm", "serve", "--no-trust-remote-code"]})


def test_the_spelling_of_a_person_arrives_and_counts() -> None:
    result = run(profile("vllm", options={"trust_remote_code": True}), extra=extra(revision=COMMIT))
    assert "--trust_remote_code" in result.services[0].argv and model_code.runs(result.facts[0])


DRAFT = {
    "speculative_config.method": "eagle3",
    "speculative_config.model": "org/d",
    "speculative_config.num_speculative_tokens": 3,
}


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("vllm", DRAFT),
        ("vllm", {"tokenizer": "org/d"}),
        ("vllm", {"hf-config-path": "org/d"}),
        ("sglang", {"speculative-algorithm": "EAGLE3", "speculative-draft-model-path": "org/d"}),
        ("sglang", {"tokenizer-path": "org/d"}),
    ],
)
def test_a_repository_that_an_option_names_is_not_pinned(engine: str, options: dict[str, Any]) -> None:
    entry = profile(engine, options={**TRUST, **options})
    online = {"environment": {"HF_HUB_OFFLINE": "0"}}
    problem = only(run({**entry, **online}, extra=extra(revision=COMMIT)))
    assert problem.code == "THOR-OPTION-UNSAFE" and "the engine fetches org/d" in problem.reason
    assert not run(entry, extra=extra(revision=COMMIT)).problems, "Python packages run offline, so its code cannot come"
    without = {**profile(engine, options=options), **online}
    assert not run(without, extra=extra(revision=COMMIT)).problems


def test_a_folder_that_an_option_names_may_change() -> None:
    entry = profile("vllm", options={**TRUST, "tokenizer": "/data/tok"})
    assert "/data/tok (--tokenizer) is a folder" in only(run(entry, extra=extra(revision=COMMIT))).reason
    own = profile("vllm", options={**TRUST, "tokenizer": "/models/org/name"})
    assert not run(own, extra=extra(revision=COMMIT)).problems
