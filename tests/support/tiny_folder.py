# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A model in safetensors files for tests: the files that say what it is, and the beginning of its weights."""

from __future__ import annotations

import json
import struct
from typing import Any

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "torch_dtype": "bfloat16",
}
SWITCH = b"{% if enable_thinking is defined and enable_thinking is false %}x{% endif %}"


def weights(size: int = 1000) -> bytes:
    """The beginning of a safetensors file."""
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    return (struct.pack("<Q", len(header)) + header).ljust(size, b"\0")


FOLDER: dict[str, bytes] = {
    "config.json": json.dumps(CONFIG).encode(),
    "generation_config.json": b'{"temperature": 0.6, "top_k": 20, "top_p": true, "eos_token_id": [1]}',
    "tokenizer_config.json": json.dumps({"chat_template": SWITCH.decode()}).encode(),
    "model.safetensors": weights(),
}
