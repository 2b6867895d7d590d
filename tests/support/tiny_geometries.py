# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""GGUF files of zeros that real llama.cpp loads, one for each way to keep something of a sequence: for the sizes of its buffers.

The tensors and their shapes are those that llama.cpp 0c1e570 asks for (load_arch_tensors in src/models).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy

WIDTH, NETWORK, HEADS, CONTEXT, TOKENS = 64, 96, 4, 8192, 300
Shapes = dict[str, tuple[int, ...]]


def _network(block: str) -> Shapes:
    return {
        f"{block}.ffn_gate": (WIDTH, NETWORK),
        f"{block}.ffn_up": (WIDTH, NETWORK),
        f"{block}.ffn_down": (NETWORK, WIDTH),
    }


def _attention(block: str, size: int, kv_heads: int, gate: int = 1) -> Shapes:
    """Projections of one layer; ``gate`` 2: the queries come with a gate of the same size."""
    return {
        f"{block}.attn_q": (WIDTH, HEADS * size * gate),
        f"{block}.attn_k": (WIDTH, kv_heads * size),
        f"{block}.attn_v": (WIDTH, kv_heads * size),
        f"{block}.attn_output": (HEADS * size, WIDTH),
    }


def _norms(block: str, size: int) -> Shapes:
    return {f"{block}.attn_q_norm": (size,), f"{block}.attn_k_norm": (size,)}


def plain(writer: gguf.GGUFWriter) -> Shapes:
    """qwen3: full attention in three layers."""
    writer.add_block_count(3)
    writer.add_head_count_kv(2)
    writer.add_key_length(32)
    writer.add_value_length(32)
    shapes: Shapes = {}
    for block in (f"blk.{index}" for index in range(3)):
        shapes |= {f"{block}.attn_norm": (WIDTH,), f"{block}.ffn_norm": (WIDTH,)}
        shapes |= {**_attention(block, 32, 2), **_norms(block, 32), **_network(block)}
    return shapes


def windows(writer: gguf.GGUFWriter) -> Shapes:
    """gemma4: windows with heads of their own in four layers of six, the last two of which share the cache of earlier ones."""
    slides = [True, True, True, False, True, False]
    writer.add_block_count(len(slides))
    writer.add_head_count_kv([4 if one else 2 for one in slides])
    writer.add_key_length(64)
    writer.add_value_length(64)
    writer.add_key_length_swa(32)
    writer.add_value_length_swa(32)
    writer.add_sliding_window(512)
    writer.add_sliding_window_pattern(slides)
    writer.add_shared_kv_layers(2)
    writer.add_embedding_length_per_layer_input(0)
    writer.add_rope_dimension_count_swa(32)
    shapes: Shapes = {"rope_freqs": (32,)}
    for index, is_sliding in enumerate(slides):
        block, size = f"blk.{index}", 32 if is_sliding else 64
        norms = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        shapes |= {f"{block}.{name}": (WIDTH,) for name in norms}
        shapes |= {**_attention(block, size, 4 if is_sliding else 2), **_norms(block, size), **_network(block)}
    return shapes


def delta_net(writer: gguf.GGUFWriter) -> Shapes:
    """qwen35: three delta nets and one layer of full attention, and one layer for predicting several tokens."""
    writer.add_block_count(5)
    writer.add_nextn_predict_layers(1)
    writer.add_head_count_kv(2)
    writer.add_key_length(32)
    writer.add_value_length(32)
    writer.add_rope_dimension_sections([4, 4, 4, 0])
    writer.add_full_attention_interval(4)
    _state(writer, kernel=4, size=16, groups=2, heads=4)
    keys, values = 2 * 16, 4 * 16
    shapes: Shapes = {}
    for index in range(5):
        block = f"blk.{index}"
        shapes |= {f"{block}.attn_norm": (WIDTH,), f"{block}.post_attention_norm": (WIDTH,), **_network(block)}
        if index < 3:
            shapes |= {f"{block}.attn_qkv": (WIDTH, 2 * keys + values), f"{block}.attn_gate": (WIDTH, values)}
            shapes |= {
                f"{block}.ssm_conv1d": (4, 2 * keys + values),
                f"{block}.ssm_dt.bias": (4,),
                f"{block}.ssm_a.": (4,),
            }
            shapes |= {f"{block}.ssm_beta": (WIDTH, 4), f"{block}.ssm_alpha": (WIDTH, 4), f"{block}.ssm_norm": (16,)}
            shapes |= {f"{block}.ssm_out": (values, WIDTH)}
        else:
            shapes |= {**_attention(block, 32, 2, gate=2), **_norms(block, 32)}
    shapes |= {"blk.4.nextn.eh_proj": (2 * WIDTH, WIDTH), "blk.4.nextn.enorm": (WIDTH,), "blk.4.nextn.hnorm": (WIDTH,)}
    return shapes


def mamba(writer: gguf.GGUFWriter) -> Shapes:
    """nemotron_h: Mamba2, feed-forward and attention layers, two of each but one of the last."""
    kinds = "M-M*-"
    writer.add_block_count(len(kinds))
    writer.add_head_count_kv([2 if one == "*" else 0 for one in kinds])
    writer.add_feed_forward_length([NETWORK if one == "-" else 0 for one in kinds])
    writer.add_key_length(32)
    writer.add_value_length(32)
    writer.add_layer_norm_eps(1e-5)
    inner, groups, size, heads = 64, 2, 16, 4
    _state(writer, kernel=4, size=size, groups=groups, heads=heads)
    shapes: Shapes = {}
    for index, kind in enumerate(kinds):
        block = f"blk.{index}"
        shapes |= {f"{block}.attn_norm": (WIDTH,)}
        if kind == "M":
            channels = inner + 2 * groups * size
            shapes |= {f"{block}.ssm_in": (WIDTH, inner + channels + heads), f"{block}.ssm_conv1d": (4, channels)}
            shapes |= {f"{block}.ssm_conv1d.bias": (channels,)}
            shapes |= {f"{block}.ssm_dt.bias": (heads,), f"{block}.ssm_a.": (1, heads), f"{block}.ssm_d.": (1, heads)}
            shapes |= {f"{block}.ssm_norm": (inner // groups, groups), f"{block}.ssm_out": (inner, WIDTH)}
        elif kind == "*":
            shapes |= _attention(block, 32, 2)
        else:
            shapes |= {f"{block}.ffn_up": (WIDTH, NETWORK), f"{block}.ffn_down": (NETWORK, WIDTH)}
    return shapes


KINDS: dict[str, tuple[str, Callable[[gguf.GGUFWriter], Shapes]]] = {
    "plain": ("qwen3", plain),
    "windows": ("gemma4", windows),
    "delta-net": ("qwen35", delta_net),
    "mamba": ("nemotron_h", mamba),
}


def make(folder: Path, kind: str) -> Path:
    """Write the file of one kind, below one megabyte."""
    architecture, layers = KINDS[kind]
    path = folder / f"{kind}.gguf"
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    if kind != "mamba":
        writer.add_feed_forward_length(NETWORK)
    shapes = layers(writer)
    _add_vocabulary(writer)
    for name, shape in {"token_embd": (WIDTH, TOKENS), "output_norm": (WIDTH,), **shapes}.items():
        # A name that ends with a dot has no suffix, and GGUF lists dimensions from the innermost.
        values: Any = numpy.zeros(shape[::-1], dtype=numpy.float32)
        suffix = "" if name.endswith(".bias") else ".weight"
        writer.add_tensor(name.removesuffix(".") if name.endswith(".") else name + suffix, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _state(writer: gguf.GGUFWriter, kernel: int, size: int, groups: int, heads: int) -> None:
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_state_size(size)
    writer.add_ssm_group_count(groups)
    writer.add_ssm_time_step_rank(heads)
    writer.add_ssm_inner_size(heads * size)


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    tokens = ["<|end|>", *(f"t{index}" for index in range(TOKENS - 1))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL, *[gguf.TokenType.NORMAL] * (TOKENS - 1)])
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
