#!/usr/bin/env python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Make a tiny Qwen3 for the real vLLM: tiny_qwen3.py DIRECTORY.

The same trick as in tests/sandbox/hub.py, in the format that transformers reads: two faint random layers, a one-hot embedding,
and an output matrix that says which token follows which. The model says one known sentence, after a known thought if its
template lets it think. Its first word is one of several that are almost equally likely: sampling shows all of them, and
top_k=1 always gives the first. So an answer shows which sampling values were in force.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy
import numpy.typing

from tests.sandbox.hub import TEMPLATE, byte_alphabet, pieces

Matrix = numpy.typing.NDArray[numpy.float32]

WIDTH = 512
LAYERS = 2
HEADS = 4
KEY_HEADS = 2
HEAD_WIDTH = 32
FEED_FORWARD = 128
CONTEXT = 4096

THOUGHT = "Whoever asks wants to see that vLLM answers."
# The first is the likeliest, by a small margin.
FIRST_WORDS = ("Hello", "Greetings", "Welcome", "Salutations")
REST = " from the real vLLM, which serves a tiny Qwen3 with random layers and one sentence learned by heart."
ANSWER = FIRST_WORDS[0] + REST


def tokenizer(alphabet: list[str], blank_line: str, words: list[str], special: list[str]) -> dict[str, Any]:
    """Return the content of a tokenizer.json: bytes, a blank line, the model's words, and special tokens after them."""
    vocabulary = {token: index for index, token in enumerate([*alphabet, blank_line, *words])}
    added = [
        {
            "id": len(vocabulary) + index,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            # The tags around thinking are text that a client may see; the marks of a turn are not.
            "special": "think" not in token,
        }
        for index, token in enumerate(special)
    ]
    half = blank_line[: len(blank_line) // 2]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [[half, half]],
        },
    }


def write_safetensors(path: Path, tensors: dict[str, numpy.typing.NDArray[Any]]) -> None:
    """Write a JSON header preceded by its length, then the values: float32 as bfloat16, float16 unchanged."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = bytearray()
    for name, values in tensors.items():
        halved = values.dtype == numpy.float16
        # The upper half of a float32 is the next lower bfloat16, which is close enough for all numbers here.
        full = numpy.ascontiguousarray(values) if halved else numpy.ascontiguousarray(values).view(numpy.uint32) >> 16
        data = full.tobytes() if halved else full.astype("<u2").tobytes()
        header[name] = {
            "dtype": "F16" if halved else "BF16",
            "shape": list(values.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(len(head).to_bytes(8, "little") + head + body)


def make(directory: Path) -> None:
    """Write the model, about 2 MB, into an existing directory."""
    alphabet = byte_alphabet()

    def encoded(text: str) -> str:
        return "".join(alphabet[byte] for byte in text.encode())

    used: set[str] = set(FIRST_WORDS)
    thought = pieces(THOUGHT, used)
    rest = [f" {piece}" if index == 0 else piece for index, piece in enumerate(pieces(REST.strip(), used))]
    blank_line = encoded("\n\n")
    words = [encoded(piece) for piece in [*thought, *FIRST_WORDS, *rest]]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    tokens = [*alphabet, blank_line, *words, *special]
    number = {token: index for index, token in enumerate(tokens)}
    first = [number[encoded(word)] for word in FIRST_WORDS]

    successors = [first] * len(tokens)  # after anything else, the answer begins
    to_think = [encoded("\n"), "<think>", *words[: len(thought)], "</think>", blank_line]
    to_answer = [encoded(REST_WORD) for REST_WORD in rest] + ["<|im_end|>"]
    for before, after in itertools.pairwise(to_think):
        successors[number[before]] = [number[after]]
    for index in first:
        successors[index] = [number[to_answer[0]]]
    for before, after in itertools.pairwise(to_answer):
        successors[number[before]] = [number[after]]

    random = numpy.random.default_rng(1)

    def noise(rows: int, columns: int, scale: float) -> Matrix:
        return random.normal(0, scale, (rows, columns)).astype(numpy.float32)

    def ones(size: int) -> Matrix:
        return numpy.ones(size, dtype=numpy.float32)

    output = numpy.zeros((len(tokens), WIDTH), dtype=numpy.float32)
    for index, following in enumerate(successors):
        for place, successor in enumerate(following):
            # The norm before it makes 22.6 of 1: the others, at 0, are never sampled. A 64th is 0.35 then.
            output[successor, index] = 1 - place / 64
    tensors = {"model.embed_tokens.weight": numpy.eye(len(tokens), WIDTH, dtype=numpy.float32)}
    for layer in range(LAYERS):
        block = f"model.layers.{layer}"
        tensors |= {
            f"{block}.input_layernorm.weight": ones(WIDTH),
            f"{block}.post_attention_layernorm.weight": ones(WIDTH),
            f"{block}.self_attn.q_norm.weight": ones(HEAD_WIDTH),
            f"{block}.self_attn.k_norm.weight": ones(HEAD_WIDTH),
            f"{block}.self_attn.q_proj.weight": noise(HEADS * HEAD_WIDTH, WIDTH, 0.02),
            f"{block}.self_attn.k_proj.weight": noise(KEY_HEADS * HEAD_WIDTH, WIDTH, 0.02),
            f"{block}.self_attn.v_proj.weight": noise(KEY_HEADS * HEAD_WIDTH, WIDTH, 0.02),
            f"{block}.mlp.gate_proj.weight": noise(FEED_FORWARD, WIDTH, 0.02),
            f"{block}.mlp.up_proj.weight": noise(FEED_FORWARD, WIDTH, 0.02),
            # The layers' contribution is kept far below the one-hot embedding: it must not change the next token.
            f"{block}.self_attn.o_proj.weight": noise(WIDTH, HEADS * HEAD_WIDTH, 1e-4),
            f"{block}.mlp.down_proj.weight": noise(WIDTH, FEED_FORWARD, 1e-4),
        }
    tensors["model.norm.weight"] = ones(WIDTH)
    tensors["lm_head.weight"] = output
    write_safetensors(directory / "model.safetensors", tensors)

    end, pad = number["<|im_end|>"], number["<|endoftext|>"]
    documents: dict[str, dict[str, Any]] = {
        "config.json": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "torch_dtype": "bfloat16",
            "vocab_size": len(tokens),
            "hidden_size": WIDTH,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KEY_HEADS,
            "head_dim": HEAD_WIDTH,
            "intermediate_size": FEED_FORWARD,
            "max_position_embeddings": CONTEXT,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000,
            "tie_word_embeddings": False,
            "attention_bias": False,
            "eos_token_id": end,
        },
        # The values of Qwen3-8B, which the profile's values must override.
        "generation_config.json": {
            "do_sample": True,
            "eos_token_id": [end, pad],
            "pad_token_id": pad,
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
        },
        "tokenizer.json": tokenizer(alphabet, blank_line, words, special),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": CONTEXT,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "bos_token": None,
            "chat_template": TEMPLATE,
        },
    }
    for name, content in documents.items():
        (directory / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
