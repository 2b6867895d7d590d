# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models as people write them: one source is enough, contradictions are refused, and keys of earlier versions name their successors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.model_entries import base_for
from real_catalog import load, only, run

M = "thor_extra_models['m']"


@pytest.mark.parametrize(
    "model",
    [
        {"huggingface": "a/b"},
        {"modelscope": "a/b"},
        {"huggingface": "a/b", "modelscope": "a/b", "revision": {"huggingface": "main", "modelscope": "v1"}},
        {"local": "/models/a/b"},
        {"url": "https://example.org/a.gguf", "path": "p", "file": "a.gguf"},
        {"huggingface": "a/b", "file": "x.gguf", "bytes": None, "thinking": "always"},
        {"huggingface": "a/b", "thinking": {"argument": "reasoning_effort", "efforts": ["low", "high"], "off": None}},
    ],
)
def test_one_source_is_enough(model: dict[str, Any]) -> None:
    catalog, problems = load({"models": {"m": model}})
    assert problems == []
    assert catalog.models["m"] == model


@pytest.mark.parametrize(
    ("model", "code", "variable", "words"),
    [
        ({"bytes": 5}, "THOR-KEY-MISSING", M, "huggingface: OWNER/NAME"),
        ({"local": "/a", "url": "https://h/a"}, "THOR-VALUE-INVALID", f"{M}.local", "comes from there alone"),
        ({"huggingface": "a/b", "url": "https://h/a"}, "THOR-VALUE-INVALID", f"{M}.url", "huggingface and url"),
        ({"local": "models/a"}, "THOR-VALUE-INVALID", f"{M}.local", "absolute path"),
        ({"local": "/models/../etc"}, "THOR-VALUE-INVALID", f"{M}.local", "without .."),
        ({"local": "/models/.."}, "THOR-VALUE-INVALID", f"{M}.local", "without .."),
        ({"local": "/a", "revision": "v1"}, "THOR-VALUE-INVALID", f"{M}.revision", "no revision"),
        ({"local": "/a", "include": ["*"]}, "THOR-VALUE-INVALID", f"{M}.include", "no include"),
        ({"huggingface": "a/b", "checksum": f"sha1:{'0' * 40}"}, "THOR-VALUE-INVALID", f"{M}.checksum", "no checksum"),
        ({"local": "/a/b.gguf", "file": "c.gguf"}, "THOR-VALUE-INVALID", f"{M}.file", "one file already"),
        ({"url": "https://h/a", "path": "p"}, "THOR-KEY-MISSING", f"{M}.file", "needs"),
        (
            {"huggingface": "a/b", "revision": {"modelscope": "v1"}},
            "THOR-VALUE-INVALID",
            f"{M}.revision.modelscope",
            "modelscope: OWNER/NAME",
        ),
        ({"huggingface": "a/b", "revision": {"hub": "v1"}}, "THOR-KEY-UNKNOWN", f"{M}.revision.hub", "huggingface"),
        (
            {"huggingface": "a/b", "revision": {"huggingface": "a b"}},
            "THOR-VALUE-INVALID",
            f"{M}.revision.huggingface",
            "branch",
        ),
        ({"huggingface": "a/b", "file": "x", "include": ["y"]}, "THOR-VALUE-INVALID", f"{M}.file", "include"),
        ({"huggingface": "a/b", "file": "x", "exclude": ["*"]}, "THOR-VALUE-INVALID", f"{M}.file", "exclude"),
        (
            {"huggingface": "a/b", "file": "x", "projector": "p", "include": ["x"]},
            "THOR-VALUE-INVALID",
            f"{M}.projector",
            "include",
        ),
        ({"huggingface": "a/b", "file": "*Q4_K_M*.gguf"}, "THOR-VALUE-INVALID", f"{M}.file", "as the repository lists"),
        ({"huggingface": "a/b", "projector": "mmproj-?.gguf"}, "THOR-VALUE-INVALID", f"{M}.projector", "pattern"),
        ({"huggingface": "a/b-GGUF:Q4_K_M"}, "THOR-VALUE-INVALID", f"{M}.huggingface", "the key file"),
        ({"huggingface": "https://huggingface.co/a/b"}, "THOR-VALUE-INVALID", f"{M}.huggingface", "OWNER/NAME"),
        ({"huggingface": "a/b", "thinking": "sometimes"}, "THOR-VALUE-INVALID", f"{M}.thinking", "switchable"),
        (
            {"huggingface": "a/b", "thinking": {"argument": "x"}},
            "THOR-KEY-MISSING",
            f"{M}.thinking.efforts",
            "required",
        ),
        ({"huggingface": "a/b", "parsers": {"tool": {}}}, "THOR-KEY-UNKNOWN", f"{M}.parsers.tool", "'tools'"),
    ],
)
def test_a_contradiction_is_refused_by_code_key_and_way_out(
    model: dict[str, Any], code: str, variable: str, words: str
) -> None:
    problem = only(run(extra={"models": {"m": model}}))
    assert (problem.code, problem.variable) == (code, variable)
    assert words in problem.text()


@pytest.mark.parametrize(
    ("model", "instead"),
    [
        ({"source": "modelscope", "id": "a/b", "bytes": 1}, "Write modelscope: a/b."),
        ({"id": "a/b"}, "Write modelscope: a/b."),
        ({"source": "modelscope"}, "Write modelscope: OWNER/NAME."),
        ({"source": "url", "url": "https://h/a", "path": "p", "file": "a"}, "Write url alone"),
        ({"id": ["a/b"]}, "Write modelscope: OWNER/NAME."),
    ],
)
def test_the_keys_of_earlier_versions_name_their_successors(model: dict[str, Any], instead: str) -> None:
    problem = only(run(extra={"models": {"m": model}}))
    assert problem.code == "THOR-KEY-UNKNOWN" and problem.variable in (f"{M}.source", f"{M}.id")
    assert instead in problem.text()


def test_an_own_source_takes_the_place_of_the_catalogs() -> None:
    base = {
        "modelscope": "a/b",
        "huggingface": "a/B",
        "revision": {"modelscope": "v1", "huggingface": "v2"},
        "bytes": 5,
        "path": "p",
    }
    # Half of them replaced: the other half might be another model.
    assert base_for(base, {"modelscope": "me/b"}) == {
        "modelscope": "a/b",
        "revision": {"modelscope": "v1"},
        "bytes": 5,
        "path": "p",
    }
    assert base_for(base, {"local": "/models/mine"}) == {}
    assert base_for(base, {"bytes": 7}) == base
    assert base_for({}, {"local": "/a"}) == {}
    assert base_for(base, None) == base
    # The same files on another hub: what they are called and how large they are still holds.
    one = {"modelscope": "a/b", "revision": "v1", "include": ["x"], "bytes": 5}
    assert base_for(one, {"huggingface": "a/B"}) == {"include": ["x"], "bytes": 5}
    file = {"url": "https://h/a", "path": "p", "file": "a", "checksum": "sha256:1"}
    assert base_for(file, {"url": "https://mirror/a"}) == file


def test_a_catalog_model_can_be_taken_from_the_disk() -> None:
    result = run("qwen3-8b-q5-k-m-llama-cpp", extra={"models": {"qwen3-8b-q5-k-m": {"local": "/models/mine/q5.gguf"}}})
    assert result.problems == []
    assert result.services[0].argv[:3] == ("llama-server", "--model", "/models/mine/q5.gguf")
    # Nobody has tried that one.
    assert result.services[0].status.state == "untested"
