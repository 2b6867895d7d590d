# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model says of itself fills in what nobody has written, and what somebody has written goes first."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.filter.plan_text import plan_text
from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import HUBS, artifact_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.described import api_of, described, is_needed
from real_catalog import codes, run

GGUF = About(format="gguf", thinking="switchable", context=4096, precision="Q4_K_M", pooling=None)
FOLDER = About(format="safetensors", thinking="never", vision=True, context=8192, pooling="last")


def test_the_catalogs_word_goes_first() -> None:
    model, places = described({"huggingface": "a/b", "thinking": "never", "vision": False}, GGUF)
    assert (model["thinking"], model["vision"], model["context"], model["precision"]) == (
        "never",
        False,
        4096,
        "Q4_K_M",
    )
    assert set(places) == {"context", "precision"}
    assert places["context"] == "the header of its GGUF file"


def test_what_was_not_looked_at_stays_open() -> None:
    assert described({"huggingface": "a/b"}, None) == ({"huggingface": "a/b"}, {})
    model, places = described({"huggingface": "a/b", "projector": "p.gguf"}, None)
    assert (model["vision"], places) == (True, {"vision": "its projector"})


@pytest.mark.parametrize(
    ("about", "api"),
    [
        (About(pooling="mean"), "embedding"),
        (About(pooling="last"), "embedding"),
        (About(pooling="rank"), "rerank"),
        (About(rank_head=True), "rerank"),
        (About(pooling="none"), None),
        (About(rank_head=False), None),
    ],
)
def test_the_api_by_how_a_model_pools(about: About, api: str | None) -> None:
    assert api_of(about) == api


def resolved(about: About | None, **entry: Any) -> Any:
    """The service of a model of one's own, of which this is known."""
    seen = {"mine": about.to_facts()} if about else {}
    written = {"model": "mine", "engine": "vllm", **entry}
    return run(written, extra={"models": {"mine": {"huggingface": "org/Name"}}}, about=seen)


def test_a_service_of_a_model_of_ones_own() -> None:
    (service,) = resolved(FOLDER).services
    assert (service.name, service.profile, service.served_name) == ("mine", "mine-vllm", "Name")
    assert (service.api, service.vision is not None, service.thinking) == ("embedding", True, None)
    assert service.about == FOLDER.to_facts()
    assert service.derived == {
        "served_name": "the name of its model",
        "vision": "its config.json",
        "api": "its pooling",
    }
    (written,) = resolved(FOLDER, served_name="other", api="chat").services
    assert (written.served_name, written.api) == ("other", "chat")
    assert set(written.derived) == {"vision"}


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({}, True),
        ({"engine": "sglang"}, True),
        ({"options": {"generation-config": "vllm"}}, False),
        ({"options": {"override-generation-config": {"temperature": 1.0}}}, False),
        ({"engine": "sglang", "options": {"sampling-defaults": "openai"}}, False),
        ({"api": "embedding"}, False),
    ],
)
def test_the_sampling_that_a_model_recommends_is_shown_where_the_engine_uses_it(
    entry: dict[str, Any], shown: bool
) -> None:
    said = About(format="safetensors", thinking="never", generation={"temperature": 0.6, "top_k": 20})
    result = resolved(said, memory_gib=20, **entry)
    assert ("sampling" in result.services[0].derived) is shown
    line = 'sampling {"temperature": 0.6, "top_k": 20} (its generation_config.json)'
    assert any(line in one for one in plan_text(result.facts, 122, 8)) is shown


@pytest.mark.parametrize(
    ("model", "needed"),
    [
        ({"huggingface": "a/b"}, True),
        ({"huggingface": "a/b", "bytes": 5, "geometry": {"layers": 1}}, True),
        ({"huggingface": "a/b", "bytes": 5, "thinking": "never"}, True),
        ({"huggingface": "a/b", "geometry": {"layers": 1}, "thinking": "never"}, True),
        ({"huggingface": "a/b", "bytes": 5, "geometry": {"layers": 1}, "thinking": "never"}, False),
        # A file that no engine computes with.
        ({"url": "https://h/t", "path": "p", "file": "t.jinja"}, True),
        ({"url": "https://h/t", "path": "p", "file": "t.jinja", "bytes": 5}, False),
    ],
)
def test_a_model_is_looked_at_where_something_is_left_open(model: dict[str, Any], needed: bool) -> None:
    assert is_needed(model, artifact_of("m", model, {}, list(HUBS))) is needed


def test_what_is_refused_waits_until_somebody_has_looked() -> None:
    assert codes(resolved(None, thinking=False)) == []
    assert codes(resolved(FOLDER, thinking=False)) == ["THOR-THINKING-FIXED"]
    assert codes(resolved(None, remote_media=False)) == []
    assert codes(resolved(About(format="safetensors"), remote_media=False)) == ["THOR-MEDIA-FIXED"]
