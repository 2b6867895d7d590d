# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Entries of the inventory over the catalog's."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import CHAT, only, run

MODEL = {"bytes": 1}
PROFILE = {"engine": "vllm", "model": "qwen3-8b", "served_name": "q", "memory_gib": 30}
P, V = "thor_extra_profiles['p']", "thor_extra_engines['vllm']"
ADAPTER = {"url": "https://example.org/a.gguf", "path": "adapters", "file": "a.gguf", "bytes": 5}


@pytest.mark.parametrize(
    ("extra", "code", "variable", "words"),
    [
        ({"models": {"m": MODEL | {"urll": "a/b"}}}, "THOR-KEY-UNKNOWN", "thor_extra_models['m'].urll", "'url'"),
        ({"models": {"m": MODEL}}, "THOR-KEY-MISSING", "thor_extra_models['m']", "huggingface"),
        ({"models": ["m"]}, "THOR-TYPE-INVALID", "thor_extra_models", "mapping"),
        ({"profiles": {"p": PROFILE | {"engine": "vlm"}}}, "THOR-ENGINE-UNKNOWN", f"{P}.engine", "'vllm'"),
        ({"profiles": {"p": PROFILE | {"model": "qwen3-8"}}}, "THOR-MODEL-UNKNOWN", f"{P}.model", "'qwen3-8b'"),
        ({"engines": {"vllm": {"version": "nosuch"}}}, "THOR-VERSION-UNKNOWN", f"{V}.version", "25.10"),
    ],
)
def test_own_entries_are_checked_key_by_key(extra: dict[str, Any], code: str, variable: str, words: str) -> None:
    problem = run(extra=extra).problems[0]
    assert (problem.code, problem.variable) == (code, variable)
    assert words in problem.text()


def test_overriding_an_entry_keeps_its_other_keys() -> None:
    service = run(
        CHAT, extra={"profiles": {CHAT: {"memory_gib": 7}}, "engines": {"llama.cpp": {"port": 9000}}}
    ).services[0]
    assert (service.memory_gib, service.port) == (7, 9000)
    assert service.model.path == "/models/Qwen/Qwen3-8B-GGUF"


@pytest.mark.parametrize("url", ["file:///srv/model.gguf", "ftp://example.org/m.gguf", "/srv/m.gguf"])
def test_a_model_is_fetched_over_http(url: str) -> None:
    problem = only(run(extra={"models": {"m": {**ADAPTER, "url": url}}}))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_extra_models['m'].url")
