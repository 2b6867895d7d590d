# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Signs that an architecture keeps something else than keys and values of each layer.

An architecture that nobody has described here is counted as full attention in every layer, which is an upper bound, unless its own keys
say that it keeps recurrent states, latent vectors, caches that layers share, or layers of other sizes.
Sources: the configurations that vLLM 0.33.0's model_executor/models read, and llama.cpp 0c1e570's LLM_KV_NAMES (src/llama-arch.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CONFIG = re.compile(
    # recurrent: Mamba, RWKV, linear attention, convolutions
    r"mamba|ssm|rwkv|wkv|recurrent|retention|lightning|^linear_|lru_|(^|_)conv(_|$)|state_size|time_mix|attn_type|attention_type$|hybrid"
    r"|blocks?_types?$|layer_group_size|layer_period|attention_interval|full_attn"
    # latent vectors, and indexes beside them
    r"|kv_lora_rank|qk_rope_head_dim|qk_nope_head_dim|index_topk|index_head|index_n_heads|compress_ratio"
    # caches that are shared, seen by other layers, or filled several times
    r"|kv_shared|shared_kv|share_kv|kv_mirror|(^|_)cla_|use_cla|cross_attention|is_encoder_decoder|encoder_layers|decoder_layers|loop|ut_steps"
    # layers of different sizes
    r"|block_configs|per_layer_config|(heads|head_dim)_per_layer|global_head_dim|num_global_key_value|^swa_|attention_other_setting"
)
# Layers that keep keys and values, of all tokens or of fewer.
_PLAIN_LAYERS = ("full_attention", "sliding_attention", "chunked_attention")
_GGUF = re.compile(
    r"(ssm|kda|wkv|shortconv|conv_|convnext|posnet|time_mix|time_decay|token_shift|num_loops|hrm|ple|decoder_|hyper_connection)"
    r"|full_attention_interval"
    r"|attention\.(kv_lora|decay_lora|indexer|compress|shared_kv|recurrent|relative_buckets|output_group|cross|\w+_mla|\w+_swa)"
)
# llama.cpp gives these recurrent layers without any key (src/models/minimax-01.cpp).
_GGUF_RECURRENT = ("minimax-01",)


def sign_of_config(config: Mapping[str, Any]) -> str | None:
    """The first key of a config.json that is set and is such a sign; None where there is none."""
    types = config.get("layer_types")
    if types and not (isinstance(types, list) and all(one in _PLAIN_LAYERS for one in types)):
        return "layer_types"
    return next((key for key, value in config.items() if value and _CONFIG.search(key.lower())), None)


def sign_of_gguf(architecture: str, keys: Mapping[str, Any]) -> str | None:
    """The same of a GGUF header; ``keys`` without the name of the architecture in front of them."""
    if architecture in _GGUF_RECURRENT:
        return "general.architecture"
    kv_heads = keys.get("attention.head_count_kv")
    if kv_heads == 0 or (isinstance(kv_heads, list) and 0 in kv_heads):
        return "attention.head_count_kv"  # layers without attention
    return next((key for key, value in keys.items() if value and _GGUF.match(key)), None)
