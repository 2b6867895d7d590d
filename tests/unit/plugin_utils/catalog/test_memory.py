# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service's memory is computed, and becomes the engine's own fraction."""

from __future__ import annotations

import re
from typing import Any

import memory_loads
import model_configs
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Memory, Service
from real_catalog import CHAT, codes, only, run


def test_the_budget_becomes_the_engines_own_fraction_rounded_down() -> None:
    vllm = run({"profile": "qwen3-8b-vllm", "memory_gib": 36.5}).services[0]
    assert vllm.argv[vllm.argv.index("--gpu-memory-utilization") + 1] == "0.250"  # (36.5 - 6) / 122
    assert vllm.memory == Memory(option="--gpu-memory-utilization", of="total", budget_bytes=int(30.5 * 2**30))
    sglang = run({"profile": "qwen3-8b-sglang", "memory_gib": 33}, device_memory_gib=100).services[0]
    assert sglang.argv[sglang.argv.index("--mem-fraction-static") + 1] == "0.270"  # (33 - 6) / 100
    assert sglang.memory == Memory(option="--mem-fraction-static", of="free", budget_bytes=27 * 2**30)
    small = run({"profile": "qwen3-8b-sglang", "memory_gib": 33}, device_memory_gib=100.1).services[0]
    assert small.argv[small.argv.index("--mem-fraction-static") + 1] == "0.269"
    assert run(CHAT).services[0].memory is None


MINE = {"mine": {"huggingface": "org/mine"}}


def mine(about: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **entry: Any) -> Service:
    """A model of one's own under vLLM 0.33.0, as far as it has been looked at."""
    extra = {"models": {"mine": {**MINE["mine"], **(model or {})}}}
    seen = {"mine": about} if about else {}
    resolution = run({"model": "mine", "engine": "vllm", **entry}, extra=extra, about=seen)
    assert resolution.problems == []
    return resolution.services[0]


def about(config: dict[str, Any], weights: int) -> dict[str, Any]:
    """What a model says of itself, as facts."""
    return About(format="safetensors", weights_bytes=weights, geometry=memory_loads.geometry(config)).to_facts()


def test_known_after_contact() -> None:
    """Before a model has been looked at its service has no budget and no share; afterwards it has both, and the parts."""
    before = mine()
    assert (before.memory_gib, before.memory, before.memory_parts, before.context) == (None, None, None, None)
    assert "--gpu-memory-utilization" not in before.argv
    after = mine(about(model_configs.QWEN3_8B, 16 * GIB))
    assert after.memory_parts == {
        "weights": 16 * GIB,
        "kv_cache": (2 * 40960 + 16) * 147456,
        "graphs": GIB,
        "overhead": 8 * GIB,
    }
    assert (after.memory_gib, after.context, after.sequences) == (37, 40960, 2)
    assert after.argv[after.argv.index("--gpu-memory-utilization") + 1] == "0.254"  # (37 - 6) / 122


def test_options_under_any_name_count() -> None:
    """Dotted, with underscores, negated: what the engine understands is what is counted."""
    seen = about(model_configs.QWEN3_8_27B, 20 * GIB)
    plain = mine(seen).memory_parts
    options = {"max_model_len": 8192, "disable-prefix-caching": True, "kv-cache-dtype": "fp8"}
    other = mine(seen, options=options).memory_parts
    drafting = mine(seen, options={"speculative_config.method": "mtp", "speculative_config.num_speculative_tokens": 3})
    assert plain is not None and other is not None and drafting.memory_parts is not None
    assert other["kv_cache"] < plain["kv_cache"] / 32
    assert other["state"] < plain["state"]
    assert "draft_cache" in drafting.memory_parts
    assert drafting.memory_parts["state"] > 2 * plain["state"]


def test_geometry_of_the_catalog() -> None:
    """What the catalog says comes first; the bytes are those of the files as soon as they are known."""
    geometry = memory_loads.geometry(model_configs.QWEN3_8B).to_facts()
    said = mine(model={"geometry": geometry, "bytes": 16 * GIB, "estimated": True})
    assert said.memory_gib == 37
    seen = mine(about(model_configs.GPT_OSS_20B, 12 * GIB), model={"geometry": geometry, "bytes": 16 * GIB})
    assert seen.memory_parts is not None
    assert (seen.memory_parts["weights"], seen.context) == (12 * GIB, 40960)


@pytest.mark.parametrize("method", ["eagle3", "draft"])
def test_drafts_and_adapters(method: str) -> None:
    """Their files are counted, and the cache of a draft."""
    extra = {
        "models": {
            **MINE,
            "head": {"huggingface": "org/head", "bytes": GIB},
            "style": {"huggingface": "org/style", "bytes": GIB // 2},
        }
    }
    seen = {"mine": about(model_configs.QWEN3_8B, 16 * GIB), "head": about(model_configs.QWEN3_8B, 2 * GIB)}
    entry = {
        "model": "mine",
        "engine": "vllm",
        "loras": [{"name": "style", "model": "style"}],
        "speculative": {"method": method, "model": "head", "tokens": 3},
    }
    parts = run(entry, extra=extra, about=seen).services[0].memory_parts
    assert parts is not None
    assert (parts["draft"], parts["adapters"]) == (2 * GIB, GIB // 2)
    assert parts["draft_cache"] == parts["kv_cache"]
    unknown = run(
        {**entry, "speculative": None, "loras": [{"name": "a", "model": "b"}]},
        extra={"models": {**MINE, "b": MINE["mine"]}},
    )
    assert unknown.services[0].memory_parts is None, "an adapter of unknown size"


def test_too_large_for_its_device() -> None:
    """A sum that is no valid share says what to shorten."""
    problem = only(run({"profile": "qwen3-8b-vllm"}, device_memory_gib=29))
    assert problem.code == "THOR-MEMORY-FRACTION"
    length = int(re.findall(r"max-model-len of at most (\d+)", problem.remedy)[0])
    for shorter, found in ((length, 29), (length + 256, 30)):
        fits = run({"profile": "qwen3-8b-vllm", "options": {"max-model-len": shorter}})
        assert fits.services[0].memory_gib == found
    assert "smaller model" in only(run({"profile": "qwen3-8b-vllm"}, device_memory_gib=20)).remedy
    # The weights lie in the engine's share, beside its overhead of 6 GiB.
    problem = only(run({"profile": "qwen3-8b-vllm", "memory_gib": 21.2}))
    assert problem.code == "THOR-MEMORY-BELOW-WEIGHTS" and "6 GiB of it are the engine's overhead" in problem.reason
    assert codes(run({"profile": "qwen3-8b-vllm", "memory_gib": 21.3})) == []


def test_an_entry_without_a_profile_may_write_the_engines_own_share() -> None:
    extra = {"models": {"mine": {"huggingface": "org/Name"}}}
    entry: dict[str, Any] = {"model": "mine", "engine": "vllm", "options": {"gpu_memory_utilization": 0.7}}
    result = run(entry, extra=extra, device_memory_gib=122)
    (service,) = result.services
    assert not result.problems
    assert service.argv[-2:] == ("--gpu_memory_utilization", "0.7") and "--gpu-memory-utilization" not in service.argv
    assert service.memory_gib == 91.4  # 0.7 x 122, and 6 of overhead
    assert service.memory is not None and service.memory.budget_bytes / 2**30 == pytest.approx(85.4)


def test_a_share_must_hold_the_weights() -> None:
    extra = {"models": {"mine": {"huggingface": "org/Name", "bytes": 15 * 2**30}}}
    for share, code in ((0.1, ["THOR-MEMORY-BELOW-WEIGHTS"]), (0.13, [])):  # 12.2 and 15.9 GiB
        entry = {"model": "mine", "engine": "vllm", "options": {"gpu-memory-utilization": share}}
        result = run(entry, extra=extra, device_memory_gib=122)
        assert codes(result) == code
        assert all("Leave gpu-memory-utilization out" in one.remedy for one in result.problems)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"options": {"gpu-memory-utilization": 7}}, "THOR-FLAG-VALUE"),
        ({"options": {"gpu-memory-utilization": 0.7}, "memory_gib": 90}, "THOR-FLAG-RESERVED"),
    ],
)
def test_a_share_is_given_once_and_at_most_one(more: dict[str, Any], code: str) -> None:
    extra = {"models": {"mine": {"huggingface": "org/Name"}}}
    assert only(run({"model": "mine", "engine": "vllm", **more}, extra=extra)).code == code


def test_a_cache_in_host_memory_is_outside_the_share() -> None:
    """It is the same memory, so the sum has it; vLLM's share does not."""
    options = {"kv-offloading-size": 20}
    plain, more = (mine(about(model_configs.QWEN3_8B, 16 * GIB), options=one) for one in ({}, options))
    assert (plain.memory_gib, more.memory_gib) == (37, 57)
    assert plain.memory == more.memory and plain.memory is not None
    given = mine(about(model_configs.QWEN3_8B, 16 * GIB), options=options, memory_gib=57)
    assert given.memory == plain.memory
    share = mine(about(model_configs.QWEN3_8B, 16 * GIB), options={**options, "gpu-memory-utilization": 0.5})
    assert share.memory_gib == 61 + 6 + 20
    seen = {"mine": about(model_configs.QWEN3_8B, 16 * GIB)}
    entry: dict[str, Any] = {"model": "mine", "engine": "vllm", "options": options}
    problem = only(run({**entry, "memory_gib": 41}, extra={"models": MINE}, about=seen))
    assert problem.code == "THOR-MEMORY-BELOW-WEIGHTS" and "26 GiB of it are the engine's overhead" in problem.reason


@pytest.mark.parametrize("asked", ["auto", -1])
def test_a_context_that_the_engine_shortens(asked: Any) -> None:
    """Too long for the device, it is refused with both ways out; the second is one."""
    entry: dict[str, Any] = {"model": "mine", "engine": "vllm", "options": {"max-model-len": asked}}
    seen = {"mine": about(model_configs.QWEN3_8B, 16 * GIB)}
    problem = only(run(entry, extra={"models": MINE}, about=seen, device_memory_gib=29))
    assert problem.code == "THOR-MEMORY-FRACTION"
    assert f"Or give a memory_gib: with max-model-len {asked} the engine shortens it" in problem.remedy
    assert codes(run({**entry, "memory_gib": 25}, extra={"models": MINE}, about=seen, device_memory_gib=29)) == []
    plain = only(run({**entry, "options": {}}, extra={"models": MINE}, about=seen, device_memory_gib=29))
    assert "Or give a memory_gib" not in plain.remedy
