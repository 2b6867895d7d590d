# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The geometry of a model from the metadata of its GGUF file, as llama.cpp reads it.

Sources, in llama.cpp: src/llama-model.cpp (load_hparams, create_memory), src/llama-hparams.cpp (which layer keeps what, sizes of the
recurrent state), and load_arch_hparams of each architecture in src/models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.bound_geometry import sign_of_gguf
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import (
    Attention,
    Geometry,
    State,
    UnreadableGeometry,
    grouped,
    whole,
)

# Full attention in each layer, whatever else is in it.
FULL = frozenset(
    [
        *("llama", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3vl", "qwen3vlmoe"),
        *("mistral3", "minimax-m2", "glm4", "glm4moe", "eagle3"),
    ]
)
# Sliding windows, and every how many layers there is one of full attention where the file does not list them; None: it always does.
SLIDING: Mapping[str, int | None] = {"gemma3": 6, "gpt-oss": 2, "muse-glimmer": 4, "gemma4": None, "dflash": None}
DELTA_NETS = frozenset(["qwen3next", "qwen35", "qwen35moe"])
NEMOTRON_H = frozenset(["nemotron_h", "nemotron_h_moe"])
LATENT = frozenset(["deepseek2"])
# They keep nothing between requests (create_memory: no memory at all).
ENCODERS = frozenset(
    ["bert", "jina-bert-v2", "jina-bert-v3", "nomic-bert", "nomic-bert-moe", "neo-bert", "eurobert", "modern-bert"]
)
# Windows of architectures that are not described here, where the file does not say them (load_arch_hparams in src/models).
WINDOWS: Mapping[str, int] = {"llama4": 8192, "gemma2": 4096, "exaone4": 4096, "smallthinker": 4096, "exaone-moe": 128}
# It reads the cache of the model that it drafts for.
SHARED = frozenset(["gemma4-assistant"])
KNOWN = FULL | frozenset(SLIDING) | DELTA_NETS | NEMOTRON_H | LATENT | ENCODERS | SHARED


def geometry_of_gguf(metadata: Mapping[str, Any]) -> tuple[Geometry | None, str]:
    """The geometry that a GGUF header describes, or None and the reason why it cannot be read from it.

    ``metadata``: the header's keys with their values (``general.architecture``, ``qwen3.block_count``, ...), arrays as lists;
    ``tokenizer.ggml.tokens`` may be the number of tokens.
    """
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str):
        return None, "the header names no architecture (general.architecture)"
    prefix = f"{architecture}."
    keys = {key[len(prefix) :]: value for key, value in metadata.items() if key.startswith(prefix)}
    try:
        if architecture not in KNOWN:
            return _bound(architecture, keys, metadata), ""
        groups, state = _kept(architecture, keys)
        return _geometry(keys, groups, state, _vocabulary(keys, metadata)), ""
    except UnreadableGeometry as error:
        return None, f"header of the GGUF file: {error}"


def _kept(architecture: str, keys: Mapping[str, Any]) -> tuple[list[Attention], State | None]:
    if architecture in ENCODERS | SHARED:
        return [], None
    if architecture in LATENT:
        return _latent(keys), None
    if architecture in DELTA_NETS:
        recurrent = _recurrent(keys)
        return [one for one, is_state in zip(_layers(keys), recurrent, strict=True) if not is_state], _state(
            keys, sum(recurrent)
        )
    if architecture in NEMOTRON_H:
        return _nemotron_h(keys)
    if architecture in SLIDING:
        return _sliding(keys, SLIDING[architecture]), None
    return _layers(keys), None


def _bound(architecture: str, keys: Mapping[str, Any], metadata: Mapping[str, Any]) -> Geometry:
    """An architecture that is not known: full attention in every layer, an upper bound, unless there are signs of anything else."""
    fault = f"the geometry of the architecture {architecture} is not known"
    sign = sign_of_gguf(architecture, keys)
    if sign:
        raise UnreadableGeometry(f"{fault}, and {sign} says that it keeps more than keys and values of equal layers")
    try:
        # Layers for predicting several tokens are counted as well.
        layers = _layers({**keys, "nextn_predict_layers": 0})
        window = whole(keys, "attention.sliding_window", default=WINDOWS.get(architecture, 0))
        found = _geometry(keys, layers, None, _vocabulary(keys, metadata))
    except UnreadableGeometry as error:
        raise UnreadableGeometry(f"{fault}, and its layers cannot be read: {error}") from error
    if not found.attention:
        raise UnreadableGeometry(f"{fault}, and it names no heads")
    return replace(found, is_bound=True, looks_back=window)


def _number(keys: Mapping[str, Any]) -> int:
    """Layers, without those for predicting several tokens."""
    return whole(keys, "block_count", least=1) - whole(keys, "nextn_predict_layers", default=0)


def _each(keys: Mapping[str, Any], key: str, number: int, default: Sequence[int] | None = None) -> list[int]:
    """A value of each layer: one number for all, or one for each (the layers of MTP at the end are left out)."""
    found = keys.get(key)
    if not isinstance(found, list):
        if found is None and default is not None:
            return list(default)
        return [whole(keys, key)] * number
    if len(found) < number:
        raise UnreadableGeometry(f"{key} has {len(found)} entries for {number} layers")
    return [whole({key: int(one) if isinstance(one, bool) else one}, key) for one in found[:number]]


def _layers(keys: Mapping[str, Any]) -> list[Attention]:
    """Each layer's attention, as if all were full."""
    number = _number(keys)
    heads = _each(keys, "attention.head_count", number)
    kv_heads = _each(keys, "attention.head_count_kv", number, heads)
    first = next((one for one in heads if one), 0)
    size = whole(keys, "embedding_length", least=1) // first if first else 0
    key = whole(keys, "attention.key_length", default=size)
    value = whole(keys, "attention.value_length", default=size)
    return [Attention(layers=1, kv_heads=one, key_dim=key, value_dim=value) for one in kv_heads]


def _sliding(keys: Mapping[str, Any], pattern: int | None) -> list[Attention]:
    if whole(keys, "hyper_connection.count", default=0):
        raise UnreadableGeometry("a draft for DeepSeek V4, whose cache is of another kind")
    layers = _layers(keys)
    window = whole(keys, "attention.sliding_window", default=0)
    if not window:
        return layers
    found = keys.get("attention.sliding_window_pattern")
    if isinstance(found, list) or pattern is None:
        slides = [bool(one) for one in _each(keys, "attention.sliding_window_pattern", len(layers))]
    else:
        every = whole(keys, "attention.sliding_window_pattern", default=pattern)
        slides = [every == 0 or index % every < every - 1 for index in range(len(layers))]
    key = whole(keys, "attention.key_length_swa", default=layers[0].key_dim)
    value = whole(keys, "attention.value_length_swa", default=layers[0].value_dim)
    own = len(layers) - whole(keys, "attention.shared_kv_layers", default=0)
    return [
        Attention(layers=1, kv_heads=one.kv_heads, key_dim=key, value_dim=value, window=window) if is_sliding else one
        for one, is_sliding in list(zip(layers, slides, strict=True))[:own]
    ]


def _latent(keys: Mapping[str, Any]) -> list[Attention]:
    """One latent vector for each token, where the file is converted for that (key_length_mla); full keys and values otherwise."""
    layers = _layers(keys)
    if "attention.key_length_mla" not in keys:
        return layers
    return [Attention(layers=1, kv_heads=one.kv_heads, key_dim=one.key_dim, value_dim=0) for one in layers]


def _recurrent(keys: Mapping[str, Any]) -> list[bool]:
    """Which layers of a delta net are recurrent: as listed, or all but every fourth."""
    number = _number(keys)
    if isinstance(keys.get("attention.recurrent_layers"), list):
        return [bool(one) for one in _each(keys, "attention.recurrent_layers", number)]
    interval = whole(keys, "full_attention_interval", default=4, least=1)
    return [(index + 1) % interval != 0 for index in range(number)]


def _nemotron_h(keys: Mapping[str, Any]) -> tuple[list[Attention], State | None]:
    """A layer with neither KV heads nor a feed-forward network is recurrent; one with KV heads and no network is attention."""
    networks = _each(keys, "feed_forward_length", _number(keys), [0] * _number(keys))
    layers = [one for one, network in zip(_layers(keys), networks, strict=True) if network == 0]
    return [one for one in layers if one.kv_heads], _state(keys, sum(not one.kv_heads for one in layers))


def _state(keys: Mapping[str, Any], layers: int) -> State | None:
    """Mamba2 and delta nets alike (n_embd_s, n_embd_r); llama.cpp keeps all of it in 32 bits."""
    if not layers:
        return None
    inner, size = whole(keys, "ssm.inner_size", least=1), whole(keys, "ssm.state_size", least=1)
    return State(
        layers=layers,
        values=inner * size,
        channels=inner + 2 * whole(keys, "ssm.group_count") * size,
        width=whole(keys, "ssm.conv_kernel", least=1) - 1,
    )


def _vocabulary(keys: Mapping[str, Any], metadata: Mapping[str, Any]) -> int | None:
    """The size that the architecture says, or else the number of tokens, which may stand for the list of them."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    number = len(tokens) if isinstance(tokens, list) else tokens
    return whole(keys, "vocab_size", default=number if isinstance(number, int) else 0) or None


def _geometry(
    keys: Mapping[str, Any], attention: list[Attention], state: State | None, vocabulary: int | None
) -> Geometry:
    return Geometry(
        attention=grouped(one for one in attention if one.kv_heads),
        state=state,
        layers=_number(keys),
        hidden=whole(keys, "embedding_length", least=1),
        vocabulary=vocabulary,
        context=whole(keys, "context_length", default=0) or None,
        draft_layers=whole(keys, "nextn_predict_layers", default=0),
    )
