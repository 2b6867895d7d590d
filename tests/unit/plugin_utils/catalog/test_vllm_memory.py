# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""vLLM's pages: exactly as many bytes as vLLM itself says that one sequence of full length takes."""

from __future__ import annotations

from typing import Any

import memory_loads
import model_configs as configs
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import vllm_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load


def one_sequence(load: Load, length: int | None = None) -> int:
    """Bytes of one sequence, which is what more sequences cost."""
    length = length or vllm_memory.context(load)
    assert length
    one, none = (
        sum(vllm_memory.pool(vllm_memory.pages(load, length, drafts=True), number).values()) for number in (1, 0)
    )
    return one - none


def of(config: dict[str, Any], options: dict[str, Any] | None = None, **more: Any) -> Load:
    return memory_loads.load("vllm", config, options, **more)


# What vLLM v0.29.0 pages for one sequence of 262,144 tokens in BF16, from a public test that quotes these configurations.
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (configs.QWEN3_8_27B, 17_520_656_384),
        (configs.QWEN3_6_35B_A3B, 5_514_854_400),
        (configs.NEMOTRON_3_NANO, 1_725_628_416),
    ],
)
def test_hybrid_models(config: dict[str, Any], expected: int) -> None:
    """Attention pages grow to the size of a state, which decides how many tokens a page holds."""
    assert one_sequence(of(config)) == expected


@pytest.mark.parametrize(("device_gib", "in_flight", "expected"), [(122, 16384, 35.7), (61, 4096, 25.7)])
def test_sliding_windows(device_gib: int, in_flight: int, expected: float) -> None:
    """Windows are charged for the tokens in flight: two batches, whose size depends on the device's memory."""
    load = of(configs.GEMMA_4_31B, device_bytes=device_gib * GIB)
    assert round(one_sequence(load) / 1e9, 1) == expected
    said = of(configs.GEMMA_4_31B, {"max-num-batched-tokens": in_flight // 2}, device_bytes=122 * GIB)
    assert one_sequence(said) == one_sequence(load)
    alone = of(configs.GEMMA_4_31B, {"max-num-batched-tokens": in_flight, "async-scheduling": False})
    assert one_sequence(alone) == one_sequence(load)


def test_plain_attention() -> None:
    """144 KiB a token in BF16, half of it in FP8, in whole pages of 16 tokens."""
    assert one_sequence(of(configs.QWEN3_8B)) == 40960 * 147456
    assert one_sequence(of(configs.QWEN3_8B, {"kv-cache-dtype": "fp8"})) == 40960 * 147456 // 2
    assert one_sequence(of(configs.QWEN3_8B, {"max-model-len": 17})) == 32 * 147456
    assert one_sequence(of(configs.QWEN3_8B, {"max-model-len": 17, "block-size": 64})) == 64 * 147456
    assert one_sequence(of(configs.QWEN3_8B, {"max-model-len": "32k"})) == 32000 * 147456
    assert one_sequence(of(configs.QWEN3_8B, {"max-model-len": "auto"})) == 40960 * 147456


def test_sequences() -> None:
    """Two of full length, or as many as the options allow; short ones share the same pool. One page is never used."""
    two = vllm_memory.caches(of(configs.QWEN3_8B), 40960)
    assert two["kv_cache"] == 2 * 40960 * 147456 + 16 * 147456
    assert (two["state"], two["draft_cache"]) == (0, 0)
    one = vllm_memory.caches(of(configs.QWEN3_8B, {"max-num-seqs": 1}), 40960)
    assert one["kv_cache"] == 40960 * 147456 + 16 * 147456
    assert vllm_memory.sequences(of(configs.QWEN3_8B, {"max-num-seqs": 256})) == 2


def test_a_pool_of_its_own_size() -> None:
    """vLLM then takes exactly that, whatever the context is."""
    for written, size in ((3 * GIB, 3 * GIB), ("3G", 3 * GIB)):
        found = vllm_memory.caches(of(configs.QWEN3_8B, {"kv-cache-memory-bytes": written}), 40960)
        assert found == {"kv_cache": size, "prompt_cache": 0, "graphs": GIB}


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, GIB),
        ({"compilation-config": {"cudagraph_mode": "NONE"}}, 0),
        ({"compilation-config": '{"cudagraph_mode": "none"}'}, 0),
        ({"compilation-config": {"cudagraph_mode": "PIECEWISE"}, "optimization-level": 0}, GIB),
        ({"compilation-config": {"mode": 3}}, GIB),
        ({"optimization-level": 0}, 0),
        ({"optimization-level": 2}, GIB),
        ({"enforce-eager": True}, 0),
    ],
)
def test_graphs(options: dict[str, Any], size: int) -> None:
    assert vllm_memory.caches(of(configs.QWEN3_8B, options), 40960)["graphs"] == size


@pytest.mark.parametrize(
    ("written", "gibibytes"),
    [(20, 20), ("20", 20), (0.5, 0.5), (None, 0), (True, 0), ("much", 0), (-1, 0), ("inf", 0), ("nan", 0), ([2], 0)],
)
def test_cache_in_host_memory(written: Any, gibibytes: float) -> None:
    found = vllm_memory.caches(of(configs.QWEN3_8B, {"kv-offloading-size": written}), 40960)
    assert found["prompt_cache"] == gibibytes * GIB


def test_states() -> None:
    """Prefix caching keeps one more state; narrower types make smaller states, and those smaller pages."""
    states = [
        vllm_memory.caches(of(configs.NEMOTRON_3_NANO, options), 262144)["state"]
        for options in (
            {},
            {"enable-prefix-caching": False},
            {"mamba-ssm-cache-dtype": "float16"},
        )
    ]
    assert states[1] == states[0] // 2
    # 1,085,440 bytes a layer in 1,072 tokens of 1,024 bytes; groups of six layers, two states, two sequences.
    assert states[2] == 1072 * 1024 * 6 * 4 * 2 * 2


def test_speculation() -> None:
    """Drafted tokens widen the state's convolution and keep a state each; the draft's own layers keep keys and values."""
    plain = vllm_memory.caches(of(configs.QWEN3_8_27B), 32768)
    drafting = vllm_memory.caches(of(configs.QWEN3_8_27B, method="mtp", draft_tokens=3), 32768)
    assert drafting["state"] > 2 * plain["state"], "two states become five"
    assert plain["draft_cache"] == 0 < drafting["draft_cache"]
    head = Geometry(attention=(Attention(layers=1, kv_heads=8, key_dim=128, value_dim=128),), layers=1, hidden=4096)
    eagle = vllm_memory.caches(of(configs.QWEN3_8B, method="eagle3", draft_tokens=5, draft_geometry=head), 40960)
    assert eagle["draft_cache"] == (2 * 40960 + 16) * 4096, "one layer beside 36 of the same size"


def test_draft_beside_windows() -> None:
    """gpt-oss has 12 layers of each kind; with a draft's layer 13 of one, and the groups are padded to 13 (vLLM's own example)."""
    head = Geometry(attention=(Attention(layers=1, kv_heads=8, key_dim=64, value_dim=64),), layers=1, hidden=2880)
    plain, drafting = of(configs.GPT_OSS_20B), of(configs.GPT_OSS_20B, draft_geometry=head)
    assert one_sequence(drafting) * 12 == one_sequence(plain) * 13


def test_speech() -> None:
    """Sixteen recordings, each with the encoder's 1500 positions in every layer, and one page of 12 layers that is never used."""
    load = of(configs.WHISPER_SMALL)
    assert vllm_memory.sequences(load) == 16
    page = 12 * 16 * 2 * 768 * 2
    assert vllm_memory.caches(load, 448)["kv_cache"] == page * (16 * (28 + 94) + 1)


def test_graphs_and_encoders() -> None:
    assert vllm_memory.caches(of(configs.QWEN3_8B), 1024)["graphs"] == GIB
    assert vllm_memory.caches(of(configs.QWEN3_8B, {"enforce-eager": True}), 1024)["graphs"] == 0
    encoder = Geometry(attention=(), layers=24, hidden=1024, context=8192)
    assert vllm_memory.caches(of(configs.QWEN3_8B, geometry=encoder), 8192)["kv_cache"] == 0
