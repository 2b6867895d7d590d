# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""SGLang's pools: bytes of a token times tokens, and the states' share."""

from __future__ import annotations

from typing import Any

import memory_loads
import model_configs as configs
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import sglang_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import Load


def of(config: dict[str, Any], options: dict[str, Any] | None = None, **more: Any) -> Load:
    return memory_loads.load("sglang", config, options, **more)


def test_tokens() -> None:
    """Two sequences of full length, one if that is all that runs, or the tokens that are said."""
    for options, tokens in (
        ({}, 2 * 40960),
        ({"max-running-requests": 1}, 40960),
        ({"max-total-tokens": 65536}, 65536),
        ({"context-length": 8192}, 2 * 8192),
    ):
        load = of(configs.QWEN3_8B, options)
        assert sglang_memory.caches(load, sglang_memory.context(load) or 0)["kv_cache"] == tokens * 147456
    half = of(configs.QWEN3_8B, {"kv-cache-dtype": "fp8_e4m3", "max-running-requests": 1})
    assert sglang_memory.caches(half, 40960)["kv_cache"] == 40960 * 147456 // 2


def test_windows() -> None:
    """Sliding layers hold 0.8 tokens for each of the full ones."""
    one = {"max-running-requests": 1}
    assert sglang_memory.caches(of(configs.GPT_OSS_20B, one), 1000)["kv_cache"] == 12 * 2048 * 1000 * 1.8
    less = of(configs.GPT_OSS_20B, {**one, "swa-full-tokens-ratio": 0.5})
    assert sglang_memory.caches(less, 1000)["kv_cache"] == 12 * 2048 * 1000 * 1.5
    alone = {**configs.QWEN3_8B, "sliding_window": 4096, "use_sliding_window": True}
    assert sglang_memory.caches(of(alone, one), 1000)["kv_cache"] == 1000 * 147456


def state_bytes(config: dict[str, Any]) -> int:
    """Recurrent state of one sequence, as the model asks for."""
    state = memory_loads.geometry(config).state
    assert state is not None
    return state.bytes


def test_states() -> None:
    """A share of the pool, as large as 0.9 of the keys and values, unless the number of states is said."""
    state = state_bytes(configs.QWEN3_8_27B)
    shared = sglang_memory.caches(of(configs.QWEN3_8_27B), 262144)
    assert shared["state"] == int(0.9 * shared["kv_cache"])
    assert sglang_memory.caches(of(configs.QWEN3_8_27B), 1024)["state"] == 9 * state, "at least four for each sequence"
    said = of(configs.QWEN3_8_27B, {"max-mamba-cache-size": 16})
    assert sglang_memory.caches(said, 262144)["state"] == 17 * state
    without = of(configs.QWEN3_8_27B, {"disable-radix-cache": True, "max-running-requests": 4})
    assert sglang_memory.caches(without, 262144)["state"] == 5 * state
    narrow = of(configs.QWEN3_8_27B, {"max-mamba-cache-size": 16, "mamba-ssm-dtype": "bfloat16"})
    assert sglang_memory.caches(narrow, 262144)["state"] == 17 * (state - 48 * 48 * 128 * 128 * 2)


def test_drafts() -> None:
    head = Geometry(attention=(Attention(layers=1, kv_heads=8, key_dim=128, value_dim=128),), layers=1, hidden=4096)
    drafting = of(configs.QWEN3_8B, method="eagle3", draft_tokens=4, draft_geometry=head)
    assert sglang_memory.caches(drafting, 1000)["draft_cache"] == 2 * 1000 * 4096
    own = of(configs.QWEN3_8_27B, {"max-mamba-cache-size": 2}, method="mtp", draft_tokens=3)
    found = sglang_memory.caches(own, 1000)
    assert found["draft_cache"] == 2 * 1000 * 4096
    assert found["state"] == (3 + 3 * 3) * state_bytes(configs.QWEN3_8_27B)
