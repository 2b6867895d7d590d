# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a service takes, part by part: computed from its files, its model's geometry and its options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import llama_cpp_memory, sglang_memory, vllm_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load

# In the order in which plan.yml shows them.
PARTS: Mapping[str, str] = {
    "weights": "weights",
    "kv_cache": "KV cache",
    "state": "recurrent state",
    "projector": "projector",
    "draft": "draft model",
    "draft_cache": "its cache",
    "adapters": "adapters",
    "prompt_cache": "prompt cache",
    "graphs": "CUDA graphs",
    "overhead": "process",
}


@dataclass(frozen=True)
class Way:
    """How an engine uses memory: its longest sequence, its sequences at once, and its caches for sequences of a length.

    ``length_option`` sets the length, and ``options`` are the options that these read.
    """

    length_option: str
    options: tuple[str, ...]
    context: Callable[[Load], int | None]
    sequences: Callable[[Load], int]
    caches: Callable[[Load, int], Mapping[str, int]]


# By the catalog's `computed.like`. `weights`: the engine keeps no cache that grows with requests.
WAYS: Mapping[str, Way | None] = {
    "vllm": Way(
        "max-model-len",
        vllm_memory.OPTIONS,
        vllm_memory.context,
        vllm_memory.sequences,
        vllm_memory.caches,
    ),
    "sglang": Way(
        "context-length",
        sglang_memory.OPTIONS,
        sglang_memory.context,
        sglang_memory.sequences,
        sglang_memory.caches,
    ),
    "llama.cpp": Way(
        "ctx-size",
        llama_cpp_memory.OPTIONS,
        llama_cpp_memory.context,
        llama_cpp_memory.slots,
        llama_cpp_memory.caches,
    ),
    "weights": None,
}


def parts_of(load: Load, context: int | None = None) -> dict[str, int] | None:
    """Bytes by part, for the service's own context or another one; None where a geometry or the context is not known."""
    files = {"weights": load.weights, "projector": load.projector, "draft": load.draft, "adapters": load.adapters}
    way = WAYS[load.like]
    caches: Mapping[str, int] = {}
    if way is not None:
        length = context or way.context(load)
        if load.geometry is None or length is None or (load.draft and load.draft_geometry is None):
            return None
        caches = way.caches(load, length)
    overhead = load.overhead_bytes + caches.get("overhead", 0)
    found = {**files, **caches, "overhead": overhead}
    return {part: found[part] for part in PARTS if found.get(part)}


def gibibytes(parts: Mapping[str, int]) -> int:
    """The sum, rounded up to whole GiB."""
    return math.ceil(sum(parts.values()) / GIB)


def context_of(load: Load) -> int | None:
    """The longest sequence that the service is started for, in tokens; for llama.cpp, what all slots share."""
    way = WAYS[load.like]
    return way.context(load) if way and load.geometry else None


def sequences_of(load: Load) -> int | None:
    """How many sequences of that length there is room for; for llama.cpp, how many share it."""
    way = WAYS[load.like]
    return way.sequences(load) if way and load.geometry else None


def largest_context(load: Load, available: int) -> int | None:
    """The largest context with which the service takes no more than so many bytes, in steps of 256 tokens.

    None where no context makes a difference: its memory is not computed, or does not depend on it, or not even 256 tokens fit.
    """
    longest = context_of(load)
    if longest is None or not _fits(load, 256, available):
        return None
    if _fits(load, longest, available):
        return longest
    low, high = 1, longest // 256 + 1  # in steps: the first fits, the last does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fits(load, middle * 256, available) else (low, middle)
    return low * 256


def _fits(load: Load, context: int, available: int) -> bool:
    parts = parts_of(load, context)
    return parts is not None and gibibytes(parts) * GIB <= available
