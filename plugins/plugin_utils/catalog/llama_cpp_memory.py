# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The caches of llama-server, exactly as it allocates them.

Sources, in llama.cpp 0c1e570: src/llama-kv-cache.cpp, src/llama-kv-cache-iswa.cpp, src/llama-memory-recurrent.cpp (sizes),
src/llama-context.cpp (context of a slot), common/common.h and tools/server (defaults, prompt cache, context checkpoints).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import MIB, Load, rounded

# Bytes of a number in the cache (ggml-common.h: blocks of 32 numbers).
TYPES = {
    "f32": Fraction(4),
    "f16": Fraction(2),
    "bf16": Fraction(2),
    "q8_0": Fraction(34, 32),
    "q5_1": Fraction(24, 32),
    "q5_0": Fraction(22, 32),
    "q4_1": Fraction(20, 32),
    "q4_0": Fraction(18, 32),
    "iq4_nl": Fraction(18, 32),
}
# The options that decide it.
OPTIONS = (
    *(
        "ctx-size",
        "parallel",
        "kv-unified",
        "kv-unified-per-slot",
        "cache-type-k",
        "cache-type-v",
        "swa-full",
        "flash-attn",
    ),
    *("batch-size", "ubatch-size", "cache-ram", "ctx-checkpoints", "checkpoint-min-step"),
    *("spec-draft-type-k", "spec-draft-type-v"),
)
PAD = 256  # cells of a cache come in multiples of this
SLOTS = 4  # --parallel is automatic: four slots that share one cache
UBATCH, BATCH = 512, 2048
PROMPT_CACHE = 8192  # --cache-ram, in MiB
CHECKPOINTS, CHECKPOINT_STEP = 32, 8192
DRAFT_TOKENS = 3  # --spec-draft-n-max
# Methods that need the recurrent state of each drafted token (common_params_speculative.need_n_rs_seq).
ROLLED_BACK = ("mtp", "eagle3", "dflash", "dspark")


def context(load: Load) -> int | None:
    """Tokens in the cache, as asked for: all slots share them."""
    known = load.geometry.context if load.geometry else None
    each = load.count("kv-unified-per-slot", 0)
    return load.count("ctx-size", 0) or (each * slots(load) if each else known)


def slots(load: Load) -> int:
    """Requests that are worked on at once."""
    return load.count("parallel", SLOTS) or 1


def is_unified(load: Load) -> bool:
    """Whether all slots share one cache."""
    return load.is_on("kv-unified", load.options.get("parallel") in (None, -1, "-1"))


def caches(load: Load, length: int) -> dict[str, int]:
    """The parts of the caches for a context of this length, and the buffers for computing."""
    geometry = load.geometry
    if geometry is None:
        return {}
    return {
        "kv_cache": kv_cache(load, geometry, length, "cache-type-k", "cache-type-v"),
        "state": state(load, geometry, _rolled_back(load)),
        "draft_cache": _draft_cache(load, geometry, length),
        "prompt_cache": load.count("cache-ram", PROMPT_CACHE) * MIB + _checkpoints(load, geometry, length),
        "overhead": _compute(load, geometry, length),
    }


def cells(load: Load, length: int) -> int:
    """Cells of the cache of one slot, or of all where they share it."""
    whole = rounded(length, PAD)
    return whole if is_unified(load) else rounded(whole // slots(load), PAD)


def kv_cache(load: Load, geometry: Geometry, length: int, key_type: str, value_type: str) -> int:
    """Keys and values. Without flash attention values of all layers are as wide as the widest."""
    full = cells(load, length)
    widest = max((group.kv_heads * group.value_dim for group in geometry.attention), default=0)
    padded = widest if load.options.get("flash-attn") in ("off", False) else 0
    keys, values = _type(load, key_type), _type(load, value_type)
    total = Fraction(0)
    for group in geometry.attention:
        held = full if group.window is None or load.is_on("swa-full") else _window_cells(load, group.window, full)
        value = group.value_dim and max(group.kv_heads * group.value_dim, padded)
        total += group.layers * held * (group.kv_heads * group.key_dim * keys + value * values)
    return int(total) * (1 if is_unified(load) else slots(load))


def state(load: Load, geometry: Geometry, rolled_back: int) -> int:
    """Recurrent state of all slots, in 32 bits."""
    if geometry.state is None:
        return 0
    one = geometry.state.values + geometry.state.channels * geometry.state.width
    return geometry.state.layers * one * 4 * slots(load) * (1 + rolled_back)


def _window_cells(load: Load, window: int, full: int) -> int:
    sharing = slots(load) if is_unified(load) else 1
    return rounded(min(full, window * sharing + _ubatch(load)), PAD)


def _ubatch(load: Load) -> int:
    return min(load.count("ubatch-size", UBATCH) or UBATCH, load.count("batch-size", BATCH) or BATCH)


def _type(load: Load, option: str) -> Fraction:
    return TYPES.get(str(load.options.get(option) or "f16"), TYPES["f16"])


def _rolled_back(load: Load) -> int:
    return (load.draft_tokens or DRAFT_TOKENS) if load.method in ROLLED_BACK else 0


def _draft_cache(load: Load, geometry: Geometry, length: int) -> int:
    """A draft's cache holds the same context; drafting with the model's own layers (MTP) keeps those of them."""
    drafting = load.draft_geometry
    if drafting is None and load.method == "mtp" and geometry.attention:
        own = Geometry(attention=(_draft_group(geometry),), layers=1, hidden=geometry.hidden)
        return kv_cache(load, own, length, "spec-draft-type-k", "spec-draft-type-v")
    if drafting is None:
        return 0
    return kv_cache(load, drafting, length, "spec-draft-type-k", "spec-draft-type-v") + state(load, drafting, 0)


def _draft_group(geometry: Geometry) -> Attention:
    return replace(geometry.attention[0], layers=max(1, geometry.draft_layers), window=None)


def _windows(geometry: Geometry) -> list[Attention]:
    """Layers with a sliding window; of an upper bound, all layers where some may have one."""
    if geometry.looks_back:
        return [replace(group, window=geometry.looks_back) for group in geometry.attention]
    return [group for group in geometry.attention if group.window]


def _checkpoints(load: Load, geometry: Geometry, length: int) -> int:
    """Copies of windows and states from which a prompt can be taken up again: one for every 8,192 tokens, and one for each slot.

    There may be more (32 for each slot), one for each turn of a conversation.
    """
    windows = _windows(geometry)
    most = load.count("ctx-checkpoints", CHECKPOINTS)
    if not (windows or geometry.state) or (load.is_on("swa-full") and not geometry.state):
        return 0
    number = min(most * slots(load), length // (load.count("checkpoint-min-step", CHECKPOINT_STEP) or 1) + slots(load))
    keys, values = _type(load, "cache-type-k"), _type(load, "cache-type-v")
    held = sum(
        group.layers
        * min(group.window or 0, length)
        * group.kv_heads
        * (group.key_dim * keys + group.value_dim * values)
        for group in windows
    )
    return number * (int(held) + state(load, geometry, 0) // slots(load))


def _compute(load: Load, geometry: Geometry, length: int) -> int:
    """Buffers for computing one batch: its scores over the vocabulary, its activations, and a mask over each cache.

    Without flash attention there are also the scores of all heads over the cache. A draft has buffers of its own.
    """
    full = cells(load, length)
    windows = {group.window for group in _windows(geometry) if group.window}
    masks = full + sum(full if load.is_on("swa-full") else _window_cells(load, window, full) for window in windows)
    row = 4 * ((geometry.vocabulary or 0) + 8 * geometry.hidden) + 2 * masks
    if load.options.get("flash-attn") in ("off", False) and geometry.attention:
        row += 4 * full * max(1, geometry.hidden // geometry.attention[0].key_dim)
    drafts = load.draft_geometry is not None or load.method == "mtp"
    return _ubatch(load) * row * (2 if drafts else 1)
