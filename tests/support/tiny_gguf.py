# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""GGUF files for tests, written by the package ``gguf`` in the order of llama.cpp's converter: architecture, tokenizer, tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy

TEMPLATE = "{%- if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{%- endif %}"
# Qwen3-8B's, as its config.json has it.
QWEN3 = {"block_count": 36, "context_length": 40960, "embedding_length": 4096, "attention.head_count": 32}
QWEN3 |= {"attention.head_count_kv": 8, "attention.key_length": 128, "attention.value_length": 128}


def write(
    path: Path,
    keys: Mapping[str, Any] = QWEN3,
    tokens: Sequence[str] | None = None,
    template: str | None = TEMPLATE,
    tensors: Iterable[str] = ("token_embd.weight",),
    architecture: str = "qwen3",
    first: Mapping[str, Any] | None = None,
    last: Mapping[str, Any] | None = None,
) -> bytes:
    """Write a file and return its bytes. ``keys``: of the architecture; ``first`` and ``last``: whole names, around the tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, architecture)
    for name, value in {**(first or {}), **{f"{architecture}.{key}": value for key, value in keys.items()}}.items():
        _add(writer, name, value)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(list(tokens if tokens is not None else (f"t{index}" for index in range(1000))))
    for name, value in (last or {}).items():
        _add(writer, name, value)
    if template is not None:
        writer.add_chat_template(template)
    for name in tensors:
        writer.add_tensor(name, numpy.ones(32, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def _add(writer: gguf.GGUFWriter, name: str, value: Any) -> None:
    if isinstance(value, str):
        writer.add_string(name, value)
    elif isinstance(value, list):
        writer.add_array(name, value)
    else:
        writer.add_uint32(name, value)
