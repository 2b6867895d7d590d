# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Published speeds against the bandwidth: each row is inside the limits, or its ratio is explained."""

from __future__ import annotations

from typing import Any

import pytest
import real_catalog
import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.speeds import Speed

from tests.benchmarks import bound

DATA: dict[str, Any] = yaml.safe_load(bound.DATA.read_text(encoding="utf-8"))
MODELS = real_catalog.BUILT_IN.models


def row(**changes: Any) -> Speed:
    """A published speed of Llama 3.1 8B in 4 bits, with changes."""
    fields: dict[str, Any] = {"title": "Llama 3.1 8B", "precision": "W4A16", "engine": "vllm", "module": "T5000"}
    return Speed(**{**fields, "tokens_per_s": 44.0, "source": "somebody", "concurrency": 1, **changes})


def test_every_row_with_one_client_is_inside_or_explained() -> None:
    entries = bound.measured(files.published_speeds(), MODELS, DATA)
    assert bound.problems(entries, DATA) == []
    assert len(entries) == 138
    assert all(("ratio" in one) != ("unknown" in one) for one in entries)
    because = {one["explained"]["because"] for one in entries if "explained" in one}
    assert because == {one["because"] for one in DATA["explained"]} == {"speculation", "active bytes", "engine"}
    for one in entries:
        if one.get("explained", {}).get("because") == "speculation":
            assert one["speculative"], one


def test_the_bound_is_bandwidth_over_active_bytes() -> None:
    (entry,) = bound.measured([row()], MODELS, DATA)
    assert entry["active_gb"] == 4.25  # 8 billion weights at 4.25 bits
    assert (entry["bound"], entry["ratio"]) == (64.2, 0.685)
    (entry,) = bound.measured([row(model="qwen3-8b-fp4", title="Qwen3 8B", precision="NVFP4")], MODELS, DATA)
    assert entry["active_gb"] == MODELS["qwen3-8b-fp4"]["active_bytes"] / 1e9
    assert bound.measured([row(concurrency=8), row(concurrency=None)], MODELS, DATA) == []


@pytest.mark.parametrize("speed", [10.0, 80.0], ids=["too slow", "too fast"])
def test_a_row_outside_must_be_explained(speed: float) -> None:
    entries = bound.measured([row(tokens_per_s=speed)], MODELS, {**DATA, "explained": []})
    (problem,) = bound.problems(entries, {**DATA, "explained": []})
    assert problem.startswith("Llama 3.1 8B, W4A16, vllm: ")
    reason = {"title": "Llama 3.1 8B", "precision": "W4A16", "engine": "vllm", "because": "engine", "text": "x"}
    explained = {**DATA, "explained": [reason]}
    assert bound.problems(bound.measured([row(tokens_per_s=speed)], MODELS, explained), explained) == []


def test_an_explanation_that_nothing_needs_is_a_problem() -> None:
    reason = {"title": "Llama 3.1 8B", "precision": "W4A16", "engine": "vllm", "because": "engine", "text": "x"}
    explained = {**DATA, "explained": [reason]}
    assert bound.problems(bound.measured([row()], MODELS, explained), explained) == [
        "Llama 3.1 8B, W4A16: nothing to explain"
    ]


def test_a_precision_that_is_not_stated_gives_no_bound() -> None:
    (entry,) = bound.measured([row(precision="not stated")], MODELS, DATA)
    assert entry["unknown"] == "the source does not state the precision"
