# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""llama-server's caches: its own `KV buffer size` and `RS buffer size`, to the byte."""

from __future__ import annotations

from typing import Any

import memory_loads
import model_configs as configs
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import llama_cpp_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import MIB, Load


def of(config: dict[str, Any], options: dict[str, Any] | None = None, **more: Any) -> Load:
    return memory_loads.load("llama.cpp", config, options, **more)


def mebibytes(load: Load, part: str = "kv_cache") -> float:
    """One part, for the service's own context."""
    length = llama_cpp_memory.context(load)
    assert length
    return llama_cpp_memory.caches(load, length)[part] / MIB


def test_as_seen_on_a_gpu() -> None:
    """`CUDA0 KV buffer size = 5760.00 MiB` for Qwen3-8B with 40,960 tokens, by llama.cpp 0c1e570."""
    assert mebibytes(of(configs.QWEN3_8B, {"ctx-size": 0})) == 5760
    assert mebibytes(of(configs.QWEN3_8B)) == 5760


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cache-type-k": "q8_0", "cache-type-v": "q8_0"}, 5760 * 34 / 64),
        ({"cache-type-k": "q8_0"}, 2880 + 2880 * 34 / 64),
        ({"cache-type-k": "q4_0", "cache-type-v": "q4_0"}, 5760 * 18 / 64),
        ({"cache-type-k": "f32", "cache-type-v": "f32"}, 2 * 5760),
        ({"ctx-size": 1000}, 1024 * 144 / 1024),
        ({"ctx-size": 1000, "parallel": 3}, 3 * 512 * 144 / 1024),  # each slot's third in steps of 256
        ({"ctx-size": 1000, "parallel": 3, "kv-unified": True}, 1024 * 144 / 1024),
        ({"kv-unified-per-slot": 4096}, 4 * 4096 * 144 / 1024),
    ],
)
def test_types_and_slots(options: dict[str, Any], expected: float) -> None:
    assert mebibytes(of(configs.QWEN3_8B, options)) == expected


def test_windows() -> None:
    """1,024 tokens for each of the four slots and one batch of 512, in steps of 256: 4,608 cells."""
    full = 10 * 2 * 4 * 512 * 2 * 262144
    assert mebibytes(of(configs.GEMMA_4_31B)) == (full + 50 * 2 * 16 * 256 * 2 * 4608) / MIB
    assert mebibytes(of(configs.GEMMA_4_31B, {"parallel": 1})) == (full + 50 * 2 * 16 * 256 * 2 * 1536) / MIB
    larger = mebibytes(of(configs.GEMMA_4_31B, {"parallel": 1, "ubatch-size": 2048}))
    assert larger == (full + 50 * 2 * 16 * 256 * 2 * 3072) / MIB
    assert mebibytes(of(configs.GEMMA_4_31B, {"swa-full": True})) == (full + 50 * 2 * 16 * 256 * 2 * 262144) / MIB
    # Without flash attention the values of full layers (2,048 wide) are padded to those of sliding ones (4,096).
    off = mebibytes(of(configs.GEMMA_4_31B, {"flash-attn": "off", "parallel": 1, "ctx-size": 4096}))
    assert off == (10 * (2048 + 4096) * 2 * 4096 + 50 * 8192 * 2 * 1536) / MIB


def test_states() -> None:
    """In 32 bits, of four slots; with speculation one more for each drafted token."""
    state = 48 * (48 * 128 * 128 + 10240 * 3) * 4
    assert mebibytes(of(configs.QWEN3_8_27B), "state") == 4 * state / MIB
    assert mebibytes(of(configs.QWEN3_8_27B, {"parallel": 1}, method="mtp", draft_tokens=5), "state") == 6 * state / MIB
    assert mebibytes(of(configs.QWEN3_8_27B, {"parallel": 1}, method="mtp"), "state") == 4 * state / MIB, "3 by default"
    assert mebibytes(of(configs.QWEN3_8_27B, {"parallel": 1}, method="ngram"), "state") == state / MIB


def test_drafts() -> None:
    """A draft's cache holds the same context, in its own types; the model's own layers for it are not in the model's cache."""
    load = of(configs.QWEN3_8_27B, {"ctx-size": 8192}, method="mtp")
    assert mebibytes(load, "draft_cache") == 8192 * 4096 / MIB
    assert mebibytes(load) == 16 * 8192 * 4096 / MIB
    small = Geometry(attention=(Attention(layers=28, kv_heads=8, key_dim=128, value_dim=128),), layers=28, hidden=1024)
    options = {"ctx-size": 8192, "spec-draft-type-k": "q8_0", "spec-draft-type-v": "q8_0"}
    drafting = of(configs.QWEN3_8B, options, method="draft", draft_geometry=small)
    assert mebibytes(drafting, "draft_cache") == 28 * 8192 * 4096 * 34 / 64 / MIB
    assert mebibytes(of(configs.QWEN3_8B), "draft_cache") == 0


def test_prompt_cache() -> None:
    """8 GiB unless --cache-ram says otherwise; models with windows or states also keep copies of these."""
    assert mebibytes(of(configs.QWEN3_8B), "prompt_cache") == 8192
    assert mebibytes(of(configs.QWEN3_8B, {"cache-ram": 0}), "prompt_cache") == 0
    options = {"cache-ram": 0, "ctx-size": 16384, "parallel": 1}
    copies = mebibytes(of(configs.QWEN3_8_27B, options), "prompt_cache")
    assert copies == 3 * 48 * (48 * 128 * 128 + 10240 * 3) * 4 / MIB, "one for 8,192 tokens each, and one more"
    assert mebibytes(of(configs.QWEN3_8_27B, {**options, "ctx-checkpoints": 1}), "prompt_cache") == copies / 3
    assert mebibytes(of(configs.QWEN3_8_27B, {**options, "ctx-checkpoints": 0}), "prompt_cache") == 0
    assert mebibytes(of(configs.GPT_OSS_20B, options), "prompt_cache") == 3 * 12 * 128 * 2 * 512 * 2 / MIB
    assert mebibytes(of(configs.GPT_OSS_20B, {**options, "swa-full": True}), "prompt_cache") == 0
