# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The caches of SGLang, as SGLang 0.5.23 divides its share of the memory.

Sources, in SGLang 0.5.23: srt/model_executor/pool_configurator.py (bytes of a token; sliding windows),
srt/mem_cache/kv_cache_configurator.py (_handle_max_mamba_cache), srt/configs/mamba_utils.py (types of states),
srt/arg_groups/fields/schedule.py (defaults).
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import STATE_BYTES, Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import Load

# The options that decide it.
OPTIONS = (
    *("context-length", "max-running-requests", "max-total-tokens", "kv-cache-dtype", "swa-full-tokens-ratio"),
    *("max-mamba-cache-size", "disable-radix-cache", "mamba-full-memory-ratio", "mamba-ssm-dtype"),
)
SEQUENCES = 2  # of full length; the pool is shared
SWA_RATIO = 0.8  # tokens in sliding layers for each token in full ones, where there are both
STATE_RATIO = 0.9  # bytes of states for each byte of keys and values, unless their number is said
SLOTS = 4  # states of one running request: three, and one in reserve


def context(load: Load) -> int | None:
    """The longest sequence in tokens."""
    known = load.geometry.context if load.geometry else None
    length = load.count("context-length", known or 0)
    return min(length, load.count("max-total-tokens", 0) or length) or None


def sequences(load: Load) -> int:
    """How many sequences of full length there is room for."""
    return max(1, min(SEQUENCES, load.count("max-running-requests", SEQUENCES)))


def caches(load: Load, length: int) -> dict[str, int]:
    """The parts ``kv_cache``, ``state`` and ``draft_cache`` for sequences of this length."""
    geometry = load.geometry
    if geometry is None:
        return {}
    tokens = load.count("max-total-tokens", 0) or sequences(load) * length
    kept = int(tokens * _token(load, geometry))
    drafted = _token(load, load.draft_geometry) if load.draft_geometry else 0.0
    if load.method == "mtp" and not load.draft_geometry and geometry.attention:
        first = geometry.attention[0]
        drafted = max(1, geometry.draft_layers) * first.kv_heads * (first.key_dim + first.value_dim) * _width(load)
    return {"kv_cache": kept, "state": _state(load, geometry, kept), "draft_cache": int(tokens * drafted)}


def _token(load: Load, geometry: Geometry) -> float:
    """Bytes of one token in all layers."""
    windows = any(group.window for group in geometry.attention)
    mixed = windows and any(not group.window for group in geometry.attention)
    ratio = float(load.options.get("swa-full-tokens-ratio") or SWA_RATIO) if mixed else 1.0
    return sum(
        group.layers
        * group.kv_heads
        * (group.key_dim + group.value_dim)
        * _width(load)
        * (ratio if group.window else 1.0)
        for group in geometry.attention
    )


def _width(load: Load) -> int:
    """Bytes of a number in the cache. What is packed more tightly than FP8 is counted as FP8."""
    return 2 if str(load.options.get("kv-cache-dtype") or "auto") in ("auto", "bf16", "bfloat16") else 1


def _state(load: Load, geometry: Geometry, kept: int) -> int:
    """Recurrent states. Unless their number is said they get a fixed share of the pool, whatever they need; one is never used."""
    state = geometry.state
    if state is None:
        return 0
    kind = str(load.options.get("mamba-ssm-dtype") or state.dtype)
    one = replace(state, dtype=kind if kind in STATE_BYTES and kind != "auto" else "float32").bytes
    running = load.count("max-running-requests", 0)
    drafted = one * (sequences(load) + 1) * load.draft_tokens
    if size := load.count("max-mamba-cache-size", 0):
        return one * (size + 1) + drafted
    if load.is_on("disable-radix-cache") and running:
        return one * (running + 1) + one * (running + 1) * load.draft_tokens
    ratio = float(load.options.get("mamba-full-memory-ratio") or STATE_RATIO)
    return max(int(ratio * kept), one * (SLOTS * sequences(load) + 1) + drafted)
