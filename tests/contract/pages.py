# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Run with vLLM's own code (contract_helper.run): bytes that one sequence takes in vLLM's cache, for each case on standard input.

A case is the layers of a model (module_utils/models/geometry.py), its longest sequence and the tokens in flight. The layers' pages, the
size to which attention pages grow beside recurrent states, the groups of layers and the sum are vLLM's; only the configuration around
them is a double, which holds what these functions read.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from types import SimpleNamespace
from typing import Any
from unittest import mock

torch: Any = importlib.import_module("torch")
configurations: Any = importlib.import_module("vllm.config.vllm")
mamba_layers: Any = importlib.import_module("vllm.model_executor.layers.mamba.abstract")
registry: Any = importlib.import_module("vllm.model_executor.models").ModelRegistry
platform: Any = importlib.import_module("vllm.platforms.interface").Platform
attention: Any = importlib.import_module("vllm.v1.attention.backend")
planning: Any = importlib.import_module("vllm.v1.core.kv_cache_planning")
interface: Any = importlib.import_module("vllm.v1.kv_cache_interface")
layouts: Any = importlib.import_module("vllm.v1.kv_cache_layout")
MARK = "thor-flags: "  # module_utils/real_parser.py


class Backend:
    """An attention backend as FlashAttention and Triton declare themselves: blocks of 16 tokens and their multiples."""

    @staticmethod
    def get_supported_kernel_block_sizes() -> list[Any]:
        """Kernel blocks."""
        return [attention.MultipleOf(16)]

    @staticmethod
    def customize_spec(spec: Any) -> Any:
        """Nothing is packed."""
        return spec


def configuration(case: dict[str, Any]) -> Any:
    """What vLLM's functions read of its configuration."""
    dtype = torch.bfloat16
    first = next(iter(case["attention"]), {"kv_heads": 1, "key_dim": 1})
    cache = SimpleNamespace(
        block_size=16,
        cache_dtype="auto",
        mamba_cache_mode="align",
        mamba_block_size=None,
        mamba_page_size_padded=None,
        num_gpu_blocks_override=None,
        kv_cache_dtype_skip_layers=[],
        prefix_cache_retention_interval=None,
        get_resolved_kv_cache_layout=lambda: layouts.KVCacheLayout.LBNHC,
    )
    model = SimpleNamespace(
        max_model_len=case["length"],
        dtype=dtype,
        use_mla=False,
        architecture="",
        supports_kv_cache_grouping=False,
        get_num_kv_heads=lambda _parallel: first["kv_heads"],
        get_head_size=lambda: first["key_dim"],
    )
    return SimpleNamespace(
        cache_config=cache,
        model_config=model,
        parallel_config=SimpleNamespace(decode_context_parallel_size=1, pipeline_parallel_size=1),
        scheduler_config=SimpleNamespace(disable_hybrid_kv_cache_manager=False, max_num_encoder_input_tokens=1500),
        attention_config=SimpleNamespace(hisparse_config=None),
        max_in_flight_tokens=case["in_flight"],
    )


def align(config: Any, state: dict[str, Any], drafts: int) -> Any:
    """The spec of one recurrent layer, after vLLM has made attention pages at least as large."""
    shapes = ((state["width"] + drafts, state["channels"]), (state["values"],))
    dtypes = (torch.bfloat16, getattr(torch, state["dtype"]))
    model = SimpleNamespace(
        get_mamba_state_shape_from_config=lambda _config: shapes,
        get_mamba_state_dtype_from_config=lambda _config: dtypes,
    )
    patches = (
        mock.patch.object(registry, "resolve_model_cls", return_value=(model, "")),
        mock.patch.object(mamba_layers, "get_mamba_prefill_checkpoint_alignment", return_value=None),
        mock.patch.object(configurations, "set_current_vllm_config", contextlib.nullcontext),
        mock.patch.object(platform, "_find_non_ssm_backends", return_value=[Backend]),
    )
    with contextlib.ExitStack() as entered:
        for patch in patches:
            entered.enter_context(patch)
        platform._align_hybrid_block_size(config, Backend)
    return interface.MambaSpec(
        block_size=config.cache_config.mamba_block_size,
        shapes=shapes,
        dtypes=dtypes,
        page_size_padded=config.cache_config.mamba_page_size_padded,
        mamba_cache_mode="align",
        num_speculative_blocks=drafts,
    )


def one_sequence(case: dict[str, Any]) -> int:
    """Bytes of one sequence of full length."""
    config = configuration(case)
    specs: dict[str, Any] = {}
    if case.get("state"):
        spec = align(config, case["state"], case["drafts"])
        specs |= {f"state.{index}": spec for index in range(case["state"]["layers"])}
    for number, group in enumerate(case["attention"]):
        common = {
            "block_size": config.cache_config.block_size,
            "num_kv_heads": group["kv_heads"],
            "dtype": torch.bfloat16,
            "head_size": group["key_dim"],
            "head_size_v": group["value_dim"],
        }
        if group.get("window"):
            spec = interface.SlidingWindowSpec(sliding_window=group["window"], **common)
        else:
            spec = (interface.CrossAttentionSpec if group.get("encoder") else interface.FullAttentionSpec)(**common)
        specs |= {f"attention.{number}.{index}": spec for index in range(group["layers"])}
    builder = planning.DefaultKVCacheConfigBuilder()
    groups = builder.get_kv_cache_groups(config, specs)
    needed: int = planning._max_memory_usage_bytes_from_groups(builder, config, groups)
    return needed


if __name__ == "__main__":
    print(MARK + json.dumps([one_sequence(case) for case in json.load(sys.stdin)]))
