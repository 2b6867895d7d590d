# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the config.json of known models says about their layers. Keys that the geometry does not depend on are left out.

The numbers are those of the models' public configurations (Qwen3, Qwen3.5 and its successors, Nemotron 3 Nano, Gemma 4, gpt-oss, Whisper).
"""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]


def pattern(number: int, every: int, other: str) -> list[str]:
    """Layer types with full attention in every so many layers."""
    return [other if (index + 1) % every else "full_attention" for index in range(number)]


QWEN3_8B: Config = {
    "architectures": ["Qwen3ForCausalLM"],
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 4096,
    "max_position_embeddings": 40960,
    "vocab_size": 151936,
    "sliding_window": None,
    "use_sliding_window": False,
}
QWEN3_VL_8B: Config = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "text_config": {**QWEN3_8B, "max_position_embeddings": 262144, "rope_scaling": {"rope_type": "default"}},
    "vision_config": {"depth": 27, "hidden_size": 1152},
}
QWEN3_8_27B: Config = {
    "architectures": ["Qwen3_5ForConditionalGeneration"],
    "text_config": {
        "num_hidden_layers": 64,
        "num_attention_heads": 24,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_size": 5120,
        "vocab_size": 248320,
        "max_position_embeddings": 262144,
        "full_attention_interval": 4,
        "linear_num_key_heads": 16,
        "linear_key_head_dim": 128,
        "linear_num_value_heads": 48,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
        "mamba_ssm_dtype": "float32",
        "mtp_num_hidden_layers": 1,
        "layer_types": pattern(64, 4, "linear_attention"),
    },
}
QWEN3_6_35B_A3B: Config = {
    "architectures": ["Qwen3_5MoeForConditionalGeneration"],
    "text_config": {
        **QWEN3_8_27B["text_config"],
        "num_hidden_layers": 40,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "hidden_size": 2048,
        "linear_num_value_heads": 32,
        "layer_types": pattern(40, 4, "linear_attention"),
    },
}
NEMOTRON_3_NANO: Config = {
    "architectures": ["NemotronHForCausalLM"],
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    "num_hidden_layers": 52,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "hidden_size": 2688,
    "mamba_num_heads": 64,
    "mamba_head_dim": 64,
    "n_groups": 8,
    "ssm_state_size": 128,
    "conv_kernel": 4,
    "max_position_embeddings": 262144,
    "vocab_size": 131072,
    "mamba_ssm_cache_dtype": "float32",
}
GEMMA_4_31B: Config = {
    "architectures": ["Gemma4ForConditionalGeneration"],
    "text_config": {
        "num_hidden_layers": 60,
        "num_attention_heads": 32,
        "num_key_value_heads": 16,
        "head_dim": 256,
        "num_global_key_value_heads": 4,
        "global_head_dim": 512,
        "sliding_window": 1024,
        "num_kv_shared_layers": 0,
        "hidden_size": 5376,
        "vocab_size": 262144,
        "max_position_embeddings": 262144,
        "attention_k_eq_v": True,
        "layer_types": pattern(60, 6, "sliding_attention"),
    },
}
GPT_OSS_20B: Config = {
    "architectures": ["GptOssForCausalLM"],
    "num_hidden_layers": 24,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "hidden_size": 2880,
    "sliding_window": 128,
    "max_position_embeddings": 131072,
    "vocab_size": 201088,
    "layer_types": pattern(24, 2, "sliding_attention"),
    "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096},
}
WHISPER_SMALL: Config = {
    "architectures": ["WhisperForConditionalGeneration"],
    "decoder_layers": 12,
    "decoder_attention_heads": 12,
    "d_model": 768,
    "max_target_positions": 448,
    "max_source_positions": 1500,
    "vocab_size": 51865,
    "encoder_layers": 12,
    "num_hidden_layers": 12,
}
