# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The caches of vLLM: its pages, as vLLM 0.33.0 forms them.

Sources, in vLLM 0.33.0: v1/kv_cache_interface.py (what a layer keeps in a page, and how many pages a sequence may hold),
v1/core/kv_cache_planning.py (how layers with pages of different sizes share one pool), platforms/interface.py (how attention pages grow to
the size of a recurrent state), engine/arg_utils.py (defaults), config/vllm.py (tokens in flight).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import STATE_BYTES, Attention, Geometry, State
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load

# The options that decide it.
OPTIONS = (
    *("max-model-len", "max-num-seqs", "max-num-batched-tokens", "block-size", "kv-cache-dtype", "enforce-eager"),
    *(
        "enable-prefix-caching",
        "async-scheduling",
        "mamba-cache-dtype",
        "mamba-ssm-cache-dtype",
        "kv-cache-memory-bytes",
    ),
    *("kv-offloading-size", "compilation-config", "optimization-level"),
)
BLOCK = 16  # tokens of a page (CacheConfig.DEFAULT_BLOCK_SIZE)
# Sequences of full length that fit at once. The pool is shared: many short ones fit instead.
SEQUENCES = 2
SPEECH_SEQUENCES = 16  # recordings of 30 seconds, each with all of its encoder's positions
# Tokens of a server's batch for devices with at least so many GiB.
BATCHES = ((160, 16384), (70, 8192), (0, 2048))
# CUDA graphs, which vLLM estimates as a part of its share (VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS). An allowance, unverified on a Thor.
GRAPHS = GIB


@dataclass(frozen=True)
class Pages:
    """Layers of one kind: bytes of one layer's page, and pages of one sequence. ``kind`` is the part that they are counted as."""

    kind: str
    layers: int
    page: int
    block: int  # tokens of a page; 0 where the page holds a state
    tokens: int  # that a sequence keeps; 0 where it holds a state
    more: int = 0  # pages in addition, or the pages of a state


def context(load: Load) -> int | None:
    """The longest sequence in tokens."""
    known = load.geometry.context if load.geometry else None
    return load.count("max-model-len", known or 0) or None


def sequences(load: Load) -> int:
    """How many sequences of full length there is room for."""
    usual = SPEECH_SEQUENCES if any(group.encoder for group in _groups(load.geometry)) else SEQUENCES
    return max(1, min(usual, load.count("max-num-seqs", usual)))


def caches(load: Load, length: int) -> dict[str, int]:
    """The parts ``kv_cache``, ``state`` and ``draft_cache`` for sequences of this length, ``prompt_cache`` and ``graphs``."""
    more = {"prompt_cache": offloaded(load.options.get("kv-offloading-size")), "graphs": _graphs(load)}
    if own := load.count("kv-cache-memory-bytes", 0):  # the size of the whole pool (config/cache.py)
        return {"kv_cache": own, **more}
    number = sequences(load)
    without = pool(pages(load, length, drafts=False), number)
    all_pages = pool(pages(load, length, drafts=True), number)
    return {**without, "draft_cache": sum(all_pages.values()) - sum(without.values()), **more}


def offloaded(size: Any) -> int:
    """Bytes of the cache in host memory, from the GiB of ``kv-offloading-size``; it lies outside vLLM's share. 0 of what is no number."""
    try:
        gibibytes = 0.0 if isinstance(size, bool) or size is None else float(size)
    except (TypeError, ValueError):
        return 0  # reported with the options
    return int(gibibytes * GIB) if 0 < gibibytes < 1 << 20 else 0


def _graphs(load: Load) -> int:
    """CUDA graphs, unless they are switched off: there are none either at the first optimization level (config/vllm.py)."""
    config = json_values.decoded(load.options.get("compilation-config"))
    mode = config.get("cudagraph_mode") if isinstance(config, Mapping) else None
    level = load.options.get("optimization-level")
    is_off = str(level) == "0" if mode is None else str(mode).upper() in ("NONE", "0")
    return 0 if is_off or load.is_on("enforce-eager") else GRAPHS


def pool(layers: Sequence[Pages], number: int) -> dict[str, int]:
    """Bytes of the pool for so many sequences, by kind, with the one page that vLLM never uses."""
    layers = [one for one in layers if one.layers]
    if not layers:
        return {"kv_cache": 0, "state": 0}
    if all(one.kind == "kv_cache" and one.tokens == layers[0].tokens and not one.more for one in layers):
        # All need the same number of tokens: one group, whose block holds a page of each layer.
        block = sum(one.layers * one.page for one in layers)
        return {"kv_cache": block * (number * _blocks(layers[0]) + 1), "state": 0}
    unified = _unified(layers)
    sizes = [one.layers for one in unified]
    # The smallest kind sets the size of a group, unless the kinds are nearly of one size.
    size = max(sizes) if max(sizes) < min(sizes) * 1.5 else min(sizes)
    groups = [(one, -(-one.layers // size)) for one in unified]
    block = max(-(-one.layers // each) * one.page for one, each in groups)
    parts = {"kv_cache": block, "state": 0}
    for one, each in groups:
        parts[one.kind] += block * number * each * _blocks(one)
    return parts


def _blocks(pages: Pages) -> int:
    return (-(-pages.tokens // pages.block) if pages.block else 0) + pages.more


def _unified(layers: Sequence[Pages]) -> list[Pages]:
    """Pages of one size: smaller ones hold more tokens where that divides, and are padded where it does not. Equal kinds are merged."""
    largest = max(one.page for one in layers)
    unified: dict[tuple[str, int, int, int], Pages] = {}
    for one in layers:
        times = largest // one.page if one.block and largest % one.page == 0 else 1
        page = replace(one, page=largest, block=one.block * times)
        key = (page.kind, page.block, page.tokens, page.more)
        found = unified.get(key)
        unified[key] = replace(page, layers=page.layers + (found.layers if found else 0))
    return list(unified.values())


def pages(load: Load, length: int, drafts: bool) -> list[Pages]:
    """The pages of the model's layers, and of its draft's, for one sequence of this length."""
    geometry = load.geometry
    groups = list(_groups(geometry))
    if drafts and geometry and load.method == "mtp" and groups and not load.draft_geometry:
        groups.append(replace(groups[0], layers=max(1, geometry.draft_layers)))
    if drafts:
        groups += _groups(load.draft_geometry)
    block = load.count("block-size", BLOCK) or BLOCK
    state = geometry.state if geometry else None
    states: list[Pages] = []
    if state and groups:
        held = _state_page(load, state)
        step = max(BLOCK, block)
        block = max(block, step * -(-held // (step * _token(load, groups[0]))))
        page = max(held, block * _token(load, groups[0]))
        states.append(Pages("state", state.layers, page, 0, 0, _states(load)))
    elif state:
        states.append(Pages("state", state.layers, _state_page(load, state), 0, 0, _states(load)))
    return [*(_attention(load, group, block, length) for group in groups), *states]


def _attention(load: Load, group: Attention, block: int, length: int) -> Pages:
    page = block * _token(load, group)
    if group.encoder:
        return Pages("kv_cache", group.layers, page, block, group.encoder)
    if group.window is None:
        return Pages("kv_cache", group.layers, page, block, length)
    # The window may begin within a page, which takes one more.
    return Pages("kv_cache", group.layers, page, block, min(group.window - 1 + _in_flight(load), length), 1)


def _token(load: Load, group: Attention) -> int:
    """Bytes of one token in one layer."""
    return group.kv_heads * (group.key_dim + group.value_dim) * _width(load)


def _width(load: Load) -> int:
    """Bytes of a number in the cache. What is packed more tightly than FP8 is counted as FP8."""
    kind = str(load.options.get("kv-cache-dtype") or "auto")
    return 2 if kind in ("auto", "bfloat16", "float16") else 1


def _state_page(load: Load, state: State) -> int:
    """Bytes of one layer's state; drafted tokens widen its convolution."""
    asked = str(load.options.get("mamba-ssm-cache-dtype") or "auto")
    kind = state.dtype if asked == "auto" else asked
    convolution = STATE_BYTES.get(str(load.options.get("mamba-cache-dtype") or "auto"), 2)
    return state.values * STATE_BYTES.get(kind, 4) + state.channels * (state.width + load.draft_tokens) * convolution


def _states(load: Load) -> int:
    """Pages of one sequence: with prefix caching (the default) one is kept while the next is written."""
    return (2 if load.is_on("enable-prefix-caching", True) else 1) + load.draft_tokens


def _in_flight(load: Load) -> int:
    """Tokens that may be scheduled and not yet settled: two batches, because batches overlap (async scheduling)."""
    return batch_tokens(load) * (2 if load.is_on("async-scheduling", True) else 1)


def batch_tokens(load: Load) -> int:
    """Tokens of one batch. The default of a server depends on the device's memory (get_batch_defaults)."""
    default = next(tokens for least, tokens in BATCHES if load.device_bytes >= least * GIB)
    return load.count("max-num-batched-tokens", default) or default


def _groups(geometry: Geometry | None) -> tuple[Attention, ...]:
    return geometry.attention if geometry else ()
