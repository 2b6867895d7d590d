# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Geometry from config.json: what each family keeps, and what is not guessed."""

from __future__ import annotations

from typing import Any

import model_configs as configs
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.config_geometry import geometry_of_config
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry, State


def read(config: dict[str, Any]) -> Geometry:
    """The geometry, which must be known."""
    geometry, reason = geometry_of_config(config)
    assert geometry is not None, reason
    return geometry


def group(layers: int, kv_heads: int, size: int, window: int | None = None) -> Attention:
    """A group whose keys and values have the same size."""
    return Attention(layers=layers, kv_heads=kv_heads, key_dim=size, value_dim=size, window=window)


def test_plain_attention() -> None:
    geometry = read(configs.QWEN3_8B)
    assert geometry == Geometry(
        attention=(group(36, 8, 128),), layers=36, hidden=4096, vocabulary=151936, context=40960
    )
    assert read(configs.QWEN3_VL_8B).attention == geometry.attention
    assert read(configs.QWEN3_VL_8B).context == 262144, "of the language model inside"


def test_heads_by_default() -> None:
    """Without KV heads each head has its own, and without a size they share the width of the model."""
    config = {
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": 256,
        "architectures": ["LlamaForCausalLM"],
    }
    assert read(config).attention == (group(2, 4, 64),)


def test_delta_nets() -> None:
    """60 and 144 MiB of state in 32 bits, and the convolution beside it."""
    large, small = read(configs.QWEN3_8_27B), read(configs.QWEN3_6_35B_A3B)
    assert (large.attention, small.attention) == ((group(16, 4, 256),), (group(10, 2, 256),))
    assert large.state == State(layers=48, values=48 * 128 * 128, channels=10240, width=3, dtype="float32")
    assert small.state == State(layers=30, values=32 * 128 * 128, channels=8192, width=3, dtype="float32")
    assert large.state.bytes == 144 * 2**20 + 48 * 10240 * 3 * 2
    assert large.draft_layers == 1
    listed = dict(configs.QWEN3_8_27B["text_config"])
    del listed["layer_types"]
    assert read({**configs.QWEN3_8_27B, "text_config": listed}) == large, "the interval says the same as the list"


def test_mamba() -> None:
    geometry = read(configs.NEMOTRON_3_NANO)
    assert geometry.attention == (group(6, 2, 128),)
    assert geometry.state == State(layers=23, values=64 * 64 * 128, channels=6144, width=3, dtype="float32")
    assert geometry.layers == 52
    names = {"M": "mamba", "E": "moe", "*": "attention"}
    pattern = [names[one] for one in configs.NEMOTRON_3_NANO["hybrid_override_pattern"]]
    listed = {**configs.NEMOTRON_3_NANO, "hybrid_override_pattern": None, "layers_block_type": pattern}
    assert read(listed) == geometry
    omni = {"architectures": ["NemotronH_Nano_Omni_Reasoning_V3"], "llm_config": configs.NEMOTRON_3_NANO}
    assert read(omni) == geometry
    drafts = {**configs.NEMOTRON_3_NANO, "num_nextn_predict_layers": 1, "mtp_hybrid_override_pattern": "*E"}
    assert read(drafts).draft_layers == 1


def test_sliding_windows() -> None:
    assert read(configs.GPT_OSS_20B).attention == (group(12, 8, 64), group(12, 8, 64, 128))
    assert read(configs.GPT_OSS_20B).context == 131072, "yarn: the length is scaled already"
    unlisted = {key: value for key, value in configs.GPT_OSS_20B.items() if key != "layer_types"}
    assert read(unlisted) == read(configs.GPT_OSS_20B)
    linear = {**configs.QWEN3_8B, "rope_scaling": {"type": "linear", "factor": 4.0}}
    assert read(linear).context == 4 * 40960
    everywhere = {**configs.QWEN3_8B, "sliding_window": 4096, "use_sliding_window": True}
    assert read(everywhere).attention == (group(36, 8, 128, 4096),)


def test_gemma_4() -> None:
    """Full layers have heads of their own; the last layers of the small models share the cache of earlier ones."""
    assert read(configs.GEMMA_4_31B).attention == (group(10, 4, 512), group(50, 16, 256, 1024))
    text = dict(configs.GEMMA_4_31B["text_config"])
    of_layer = {"5": {"head_dim": 512, "num_key_value_heads": 4}}
    newer = {**text, "num_global_key_value_heads": None, "global_head_dim": None, "per_layer_config": of_layer}
    assert read({**configs.GEMMA_4_31B, "text_config": newer}).attention == read(configs.GEMMA_4_31B).attention
    shared = {**text, "num_kv_shared_layers": 18}
    assert read({**configs.GEMMA_4_31B, "text_config": shared}).attention == (
        group(7, 4, 512),
        group(35, 16, 256, 1024),
    )
    assert read({**configs.GEMMA_4_31B, "architectures": ["Gemma4AssistantForCausalLM"]}).attention == ()


def test_latent() -> None:
    latent = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
    config = {**configs.QWEN3_8B, **latent, "architectures": ["DeepseekV3ForCausalLM"]}
    assert read(config).attention == (Attention(layers=36, kv_heads=1, key_dim=576, value_dim=0),)
    assert "index" in geometry_of_config({**config, "index_topk": 2048})[1]


def test_drafts() -> None:
    """A head of its own, with the layers beside or inside its configuration."""
    layer = {**configs.QWEN3_8B, "num_hidden_layers": 1}
    for architecture in ("LlamaForCausalLMEagle3", "DFlashDraftModel", "Qwen3DSparkModel"):
        assert read({**layer, "architectures": [architecture]}).attention == (group(1, 8, 128),)
    inside = {
        "speculators_model_type": "eagle3",
        "transformer_layer_config": layer,
        "architectures": ["Eagle3Speculator"],
    }
    assert read(inside).attention == (group(1, 8, 128),)
    assert geometry_of_config({**inside, "speculators_model_type": "new"})[0] is None


def test_encoder_and_decoder() -> None:
    own, seen = read(configs.WHISPER_SMALL).attention
    assert own == group(12, 12, 64)
    assert (seen.encoder, seen.layers) == (1500, 12)
    assert read(configs.WHISPER_SMALL).context == 448
    bert = {"architectures": ["XLMRobertaModel"], "num_hidden_layers": 24, "hidden_size": 1024, "vocab_size": 250002}
    assert read(bert).attention == ()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "none named"),
        ({"architectures": "Qwen3ForCausalLM"}, "none named"),
        (
            {"architectures": ["NewForCausalLM"]},
            "not known (NewForCausalLM), and config.json does not say its layers: num_attention_heads is missing",
        ),
        (
            {**configs.QWEN3_8B, "architectures": ["NewForCausalLM"], "num_key_value_heads": [8] * 36},
            "does not say its layers: num_key_value_heads is [8, 8",
        ),
        ({"architectures": ["Qwen3ForCausalLM"]}, "num_attention_heads is missing"),
        ({**configs.QWEN3_8B, "num_hidden_layers": "36"}, "num_hidden_layers is '36', not a whole number of 1 or more"),
        ({**configs.QWEN3_8B, "num_hidden_layers": True}, "num_hidden_layers is True"),
        ({**configs.QWEN3_8B, "num_key_value_heads": 0}, "num_key_value_heads is 0"),
        ({**configs.QWEN3_8B, "layer_types": ["full_attention"]}, "layer_types has 1 entries for 36 layers"),
        ({**configs.QWEN3_8B, "layer_types": ["chunked_attention"] * 36}, "layer_types has 'chunked_attention'"),
        ({**configs.NEMOTRON_3_NANO, "hybrid_override_pattern": "MX"}, "the pattern of layers has X"),
        ({**configs.NEMOTRON_3_NANO, "mamba_ssm_cache_dtype": "fp3"}, "mamba_ssm_cache_dtype is 'fp3'"),
        (
            {**configs.NEMOTRON_3_NANO, "hybrid_override_pattern": 3},
            "hybrid_override_pattern and layers_block_type are missing",
        ),
    ],
)
def test_not_guessed(config: dict[str, Any], reason: str) -> None:
    geometry, found = geometry_of_config(config)
    assert geometry is None
    assert reason in found


PLAIN = {**configs.QWEN3_8B, "architectures": ["NewForCausalLM"]}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sliding_window": 4096, "use_sliding_window": True},
        {"layer_types": ["full_attention", "sliding_attention", "chunked_attention"] * 12, "sliding_window": 512},
        {"is_encoder_decoder": False, "add_cross_attention": False, "use_cla": False, "cache_implementation": "hybrid"},
        {"rope_scaling": {"rope_type": "longrope"}, "attention_bias": False, "hidden_size_per_layer_input": 256},
    ],
)
def test_upper_bound(more: dict[str, Any]) -> None:
    """Of an architecture that nobody has described every layer is counted in full."""
    found = read({**PLAIN, **more})
    assert found.attention == (Attention(layers=36, kv_heads=8, key_dim=128, value_dim=128),)
    assert (found.is_bound, found.layers, found.context) == (True, 36, 40960)
    assert not read(configs.QWEN3_8B).is_bound


def test_upper_bound_of_other_shapes() -> None:
    """Older names of the keys, as many KV heads as heads where they are not said, and values as wide as keys."""
    gpt2 = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50257}
    old = read({"architectures": ["GPT2LMHeadModel"], **gpt2})
    assert old.attention == (Attention(layers=12, kv_heads=12, key_dim=64, value_dim=64),)
    assert (old.hidden, old.context, old.is_bound) == (768, 1024, True)
    assert read({**PLAIN, "v_head_dim": 256}).attention[0].key_dim == 256
    assert read({**PLAIN, "v_head_dim": 64}).attention[0].value_dim == 128
    sees = read({"architectures": ["InternVLChatModel"], "vision_config": {"conv": 3}, "llm_config": PLAIN})
    assert (sees.attention, sees.is_bound) == (read(PLAIN).attention, True)


@pytest.mark.parametrize(
    "sign",
    [
        *(
            "mamba_d_conv",
            "ssm_cfg",
            "linear_num_key_heads",
            "linear_attn_config",
            "conv_L_cache",
            "lru_width",
            "wkv_size",
        ),
        *("attn_type_list", "layers_block_type", "block_types", "layer_group_size", "attn_layer_period", "state_size"),
        *("kv_lora_rank", "qk_rope_head_dim", "index_topk", "compress_ratios", "num_kv_shared_layers", "use_cla"),
        *("is_encoder_decoder", "cross_attention_layers", "total_ut_steps", "loop_num", "n_recurrent_loops"),
        *("block_configs", "per_layer_config", "num_key_value_heads_per_layer", "global_head_dim", "swa_head_dim"),
    ],
)
def test_signs_of_something_else(sign: str) -> None:
    """Recurrent, latent and shared caches are not bounded by full attention: such a model stays unknown, and the sign is named."""
    for config in (
        {**PLAIN, sign: 4},
        {**PLAIN, "text_config": PLAIN, sign: 4},
        {**PLAIN, "llm_config": {**PLAIN, sign: 4}},
    ):
        geometry, reason = geometry_of_config(config)
        assert geometry is None
        assert reason.startswith("the geometry of this architecture is not known (NewForCausalLM), and")
        assert f"{sign} says" in reason
    assert read({**PLAIN, sign: None}).is_bound


def test_other_kinds_of_layers_are_a_sign() -> None:
    for types in (["conv", "full_attention"] * 18, "full", [["full_attention"]] * 36):
        geometry, reason = geometry_of_config({**PLAIN, "layer_types": types})
        assert geometry is None and "layer_types says" in reason


@pytest.mark.parametrize("name", [name for name in dir(configs) if name.isupper()])
def test_facts(name: str) -> None:
    """As facts and in the catalog a geometry is plain data, without what is not set."""
    geometry = read(getattr(configs, name))
    facts = geometry.to_facts()
    assert Geometry.from_facts(facts) == geometry
    assert None not in facts.values()
    assert all(None not in group.values() for group in facts["attention"])
