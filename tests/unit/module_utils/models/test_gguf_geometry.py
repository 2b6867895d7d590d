# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Geometry from a GGUF header: the same as from the config.json that the file was converted from."""

from __future__ import annotations

from typing import Any

import model_configs as configs
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.config_geometry import geometry_of_config
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry, State
from ansible_collections.jetson.thor.plugins.module_utils.models.gguf_geometry import geometry_of_gguf

Keys = dict[str, Any]


def header(architecture: str, keys: Keys) -> Keys:
    """The metadata of a file: general keys, and those of its architecture."""
    own = {f"{architecture}.{key}": value for key, value in keys.items()}
    return {"general.architecture": architecture, "general.file_type": 7, "tokenizer.ggml.model": "gpt2", **own}


def read(architecture: str, keys: Keys) -> Geometry:
    """The geometry, which must be known."""
    geometry, reason = geometry_of_gguf(header(architecture, keys))
    assert geometry is not None, reason
    return geometry


def of_config(config: Keys) -> Geometry:
    """The geometry of the same model as its config.json tells it."""
    geometry, reason = geometry_of_config(config)
    assert geometry is not None, reason
    return geometry


QWEN3: Keys = {
    "block_count": 36,
    "embedding_length": 4096,
    "context_length": 40960,
    "attention.head_count": 32,
    "attention.head_count_kv": 8,
    "attention.key_length": 128,
    "attention.value_length": 128,
}
QWEN35: Keys = {
    "block_count": 65,
    "nextn_predict_layers": 1,
    "embedding_length": 5120,
    "context_length": 262144,
    "attention.head_count": 24,
    "attention.head_count_kv": 4,
    "attention.key_length": 256,
    "attention.value_length": 256,
    "ssm.conv_kernel": 4,
    "ssm.state_size": 128,
    "ssm.group_count": 16,
    "ssm.time_step_rank": 48,
    "ssm.inner_size": 6144,
    "full_attention_interval": 4,
}
LETTERS = configs.NEMOTRON_3_NANO["hybrid_override_pattern"]
NEMOTRON: Keys = {
    "block_count": 52,
    "embedding_length": 2688,
    "context_length": 262144,
    "attention.head_count": 32,
    "attention.key_length": 128,
    "attention.value_length": 128,
    "attention.head_count_kv": [2 if one == "*" else 0 for one in LETTERS],
    "feed_forward_length": [1856 if one == "E" else 0 for one in LETTERS],
    "ssm.conv_kernel": 4,
    "ssm.state_size": 128,
    "ssm.group_count": 8,
    "ssm.inner_size": 4096,
    "ssm.time_step_rank": 64,
}
SLIDES = [(index + 1) % 6 != 0 for index in range(60)]
GEMMA4: Keys = {
    "block_count": 60,
    "embedding_length": 5376,
    "context_length": 262144,
    "attention.head_count": 32,
    "attention.head_count_kv": [16 if one else 4 for one in SLIDES],
    "attention.key_length": 512,
    "attention.value_length": 512,
    "attention.key_length_swa": 256,
    "attention.value_length_swa": 256,
    "attention.sliding_window": 1024,
    "attention.sliding_window_pattern": SLIDES,
    "attention.shared_kv_layers": 0,
}
GPT_OSS: Keys = {
    "block_count": 24,
    "embedding_length": 2880,
    "context_length": 131072,
    "attention.sliding_window": 128,
    "attention.head_count": 64,
    "attention.head_count_kv": 8,
    "attention.key_length": 64,
    "attention.value_length": 64,
}


@pytest.mark.parametrize(
    ("architecture", "keys", "config"),
    [
        ("qwen3", QWEN3, configs.QWEN3_8B),
        ("qwen35", QWEN35, configs.QWEN3_8_27B),
        ("nemotron_h_moe", NEMOTRON, configs.NEMOTRON_3_NANO),
        ("gemma4", GEMMA4, configs.GEMMA_4_31B),
        ("gpt-oss", GPT_OSS, configs.GPT_OSS_20B),
    ],
)
def test_the_same_as_from_the_configuration(architecture: str, keys: Keys, config: Keys) -> None:
    """Only the size of the vocabulary may be absent: the header's tokens follow after these keys."""
    found, expected = read(architecture, keys), of_config(config)
    assert found.vocabulary is None
    assert found == Geometry(**{**vars(expected), "vocabulary": None})


@pytest.mark.parametrize("tokens", [7, ["a"] * 7])
def test_vocabulary(tokens: object) -> None:
    """Its size is said by the architecture, or is the number of tokens."""
    said, counted = header("qwen3", {**QWEN3, "vocab_size": 9}), header("qwen3", QWEN3)
    for metadata, size in ((said, 9), (counted, 7)):
        geometry, _reason = geometry_of_gguf({**metadata, "tokenizer.ggml.tokens": tokens})
        assert geometry is not None
        assert geometry.vocabulary == size


def test_listed_recurrent_layers() -> None:
    listed = {**QWEN35, "attention.recurrent_layers": [True] * 60 + [False] * 5}
    state = read("qwen35", listed).state
    assert state == State(layers=60, values=6144 * 128, channels=6144 + 2 * 16 * 128, width=3)
    assert read("qwen35", listed).attention == (Attention(layers=4, kv_heads=4, key_dim=256, value_dim=256),)


def test_shared_layers_and_one_pattern_for_all() -> None:
    shared = read("gemma4", {**GEMMA4, "attention.shared_kv_layers": 18})
    assert [one.layers for one in shared.attention] == [7, 35]
    windows = read("gemma3", {**GPT_OSS, "attention.sliding_window": 512})
    assert [(one.layers, one.window) for one in windows.attention] == [(4, None), (20, 512)]
    assert [one.layers for one in read("gemma3", {**QWEN3, "vocab_size": 9}).attention] == [36], "without a window"


def test_latent_vectors() -> None:
    """Files converted for it keep one vector, with 1 head of 576 numbers (DeepSeek)."""
    keys = {**QWEN3, "attention.head_count_kv": 1, "attention.key_length": 576, "attention.value_length": 512}
    (latent,) = read(
        "deepseek2", {**keys, "attention.key_length_mla": 192, "attention.value_length_mla": 128}
    ).attention
    assert (latent.key_dim, latent.value_dim) == (576, 0)
    (older,) = read("deepseek2", {**QWEN3, "attention.key_length": 192}).attention
    assert (older.key_dim, older.value_dim) == (192, 128)


def test_upper_bound() -> None:
    """Of an architecture that nobody has described every layer is counted in full, also those for predicting several tokens."""
    keys = {**QWEN3, "nextn_predict_layers": 1, "attention.sliding_window": 4096}
    found = read("granite", keys)
    assert found.attention == (Attention(layers=36, kv_heads=8, key_dim=128, value_dim=128),)
    assert (found.is_bound, found.looks_back, found.context) == (True, 4096, 40960)
    assert (read("llama4", QWEN3).looks_back, read("phi3", QWEN3).looks_back) == (8192, 0)
    assert not read("qwen3", QWEN3).is_bound


@pytest.mark.parametrize(
    "sign",
    [
        *("ssm.conv_kernel", "wkv.head_size", "shortconv.l_cache", "kda.head_dim", "token_shift_count"),
        *(
            "full_attention_interval",
            "attention.kv_lora_rank",
            "attention.key_length_mla",
            "attention.shared_kv_layers",
        ),
        *("attention.indexer.top_k", "attention.compress_ratios", "attention.recurrent_layers", "num_loops"),
        *(
            "attention.key_length_swa",
            "decoder_block_count",
            "attention.relative_buckets_count",
            "hyper_connection.count",
        ),
    ],
)
def test_signs_of_something_else(sign: str) -> None:
    """Recurrent, latent and shared caches are not bounded by full attention: such a header stays unknown, and the sign is named."""
    geometry, reason = geometry_of_gguf(header("new", {**QWEN3, sign: 4}))
    assert geometry is None
    assert f"{sign} says" in reason
    assert read("new", {**QWEN3, sign: 0}).is_bound


@pytest.mark.parametrize("architecture", ["bert", "gemma4-assistant"])
def test_nothing_kept(architecture: str) -> None:
    assert read(architecture, {"block_count": 12, "embedding_length": 384, "context_length": 512}).attention == ()


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "names no architecture"),
        ({"general.architecture": 3}, "names no architecture"),
        (
            header("new", {**QWEN3, "block_count": None}),
            "the architecture new is not known, and its layers cannot be read",
        ),
        (header("new", {**QWEN3, "attention.head_count": 0, "attention.head_count_kv": None}), "it names no heads"),
        (header("minimax-01", QWEN3), "minimax-01 is not known, and general.architecture says"),
        (header("new", {**QWEN3, "attention.head_count_kv": [8, 0] * 18}), "attention.head_count_kv says"),
        (header("qwen3", {**QWEN3, "block_count": None}), "block_count is missing"),
        (
            header("qwen3", {**QWEN3, "attention.head_count_kv": [8] * 3}),
            "attention.head_count_kv has 3 entries for 36 layers",
        ),
        (header("qwen3", {**QWEN3, "attention.head_count_kv": ["8"] * 36}), "attention.head_count_kv is '8'"),
        (
            header("gemma4", {**GEMMA4, "attention.sliding_window_pattern": None}),
            "attention.sliding_window_pattern is missing",
        ),
        (header("dflash", {**GPT_OSS, "hyper_connection.count": 4}), "DeepSeek V4"),
    ],
)
def test_not_guessed(metadata: Keys, reason: str) -> None:
    geometry, found = geometry_of_gguf(metadata)
    assert geometry is None
    assert reason in found
