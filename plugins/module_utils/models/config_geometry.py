# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The geometry of a model from its config.json, as vLLM 0.33 reads it.

Sources, in vLLM 0.33.0: transformers_utils/model_arch_config_convertor.py (heads, head size, context), config/model.py (layers of hybrid
models), model_executor/layers/mamba/mamba_utils.py (shapes and types of states), and the models' own files in model_executor/models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.bound_geometry import sign_of_config
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import (
    STATE_BYTES,
    Attention,
    Geometry,
    State,
    UnreadableGeometry,
    grouped,
    whole,
)

Config = Mapping[str, Any]
# Drafts in the format of the library speculators have their layers' configuration inside; vLLM gives them these architectures
# (transformers_utils/configs/speculators/algos.py).
SPECULATORS: Mapping[str, str] = {
    "eagle3": "Eagle3LlamaForCausalLM",
    "peagle": "Eagle3LlamaForCausalLM",
    "dflash": "DFlashDraftModel",
    "dflash2": "DFlash2DraftModel",
    "dspark": "Qwen3DSparkModel",
}
# Where the configurations of models that also see or hear keep that of their language model.
NESTED = (("text_config",), ("llm_config",), ("thinker_config", "text_config"), ("language_config",))
# What the classes of older models call the same (their attribute_map in Transformers).
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "num_hidden_layers": ("n_layer", "n_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "hidden_size": ("n_embd", "n_embed", "d_model"),
}
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length")
# Scalings that leave max_position_embeddings as it is: it is the scaled length already (vLLM 0.33.0, config/model.py).
SCALED_ALREADY = ("default", "su", "longrope", "llama3", "yarn", "deepseek_yarn", "proportional", "mrope")


def geometry_of_config(config: Config) -> tuple[Geometry | None, str]:
    """The geometry that a config.json describes, or None and the reason why it cannot be read from it."""
    layers = config.get("transformer_layer_config")
    if config.get("speculators_model_type") in SPECULATORS and isinstance(layers, Mapping):
        config = {**layers, "architectures": [SPECULATORS[config["speculators_model_type"]]]}
    architectures = _architectures(config)
    reader = next((READERS[one] for one in architectures if one in READERS), None)
    if reader is None:
        return _bound(config, architectures)
    try:
        return reader(_language_model(config)), ""
    except UnreadableGeometry as error:
        return None, f"config.json: {error}"


def _architectures(config: Config) -> list[str]:
    named = config.get("architectures")
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []


def _bound(config: Config, architectures: list[str]) -> tuple[Geometry | None, str]:
    """An architecture that is not known: full attention in every layer, an upper bound, unless there are signs of anything else."""
    fault = f"the geometry of this architecture is not known ({', '.join(architectures) or 'none named'})"
    if not architectures:
        return None, fault
    model = _language_model(config)
    sign = sign_of_config({**config, **model})
    if sign:
        return None, f"{fault}, and {sign} says that it keeps more than keys and values of equal layers"
    try:
        named = {key: next((model[one] for one in others if one in model), None) for key, others in OTHER_NAMES.items()}
        plain = {**named, **{key: value for key, value in model.items() if value is not None}}
        layer = _attention(plain)
        widest = max(layer.key_dim, layer.value_dim)
        number = whole(plain, "num_hidden_layers", least=1)
        found = _geometry(plain, [replace(layer, layers=number, key_dim=widest, value_dim=widest)])
    except UnreadableGeometry as error:
        return None, f"{fault}, and config.json does not say its layers: {error}"
    return replace(found, is_bound=True), ""


def _language_model(config: Config) -> Config:
    for path in NESTED:
        found: Any = config
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            return found
    return config


def _transformer(config: Config) -> Geometry:
    """Attention in every layer, full or sliding, of one size."""
    if whole(config, "kv_lora_rank", default=0):
        return _latent(config)
    layer = _attention(config)
    windows = [_window(config, kind) for kind in _layer_types(config)]
    return _geometry(config, [Attention(**{**vars(layer), "window": window}) for window in windows])


def _alternating(pattern: int, config: Config) -> Geometry:
    """Every so many layers one of full attention, unless the configuration lists them (the classes' defaults in Transformers)."""
    return _transformer({"sliding_window_pattern": pattern, **config})


def _latent(config: Config) -> Geometry:
    """Multi-head latent attention: one vector for each token and layer (vLLM: kv_lora_rank + qk_rope_head_dim)."""
    if config.get("index_topk") or config.get("compress_ratios"):
        raise UnreadableGeometry("it keeps an index beside its latent vectors, whose size is not known here")
    size = whole(config, "kv_lora_rank", least=1) + whole(config, "qk_rope_head_dim")
    layers = whole(config, "num_hidden_layers", least=1)
    return _geometry(config, [Attention(layers=layers, kv_heads=1, key_dim=size, value_dim=0)])


def _gemma4(config: Config) -> Geometry:
    """Full layers have heads of their own size and number; the last layers share the cache of earlier ones (gemma4.py)."""
    types = _layer_types(config)
    full = _layer_of(config, types, "full_attention")
    heads = {
        "full_attention": (
            whole(config, "num_global_key_value_heads", default=whole(full, "num_key_value_heads", least=1), least=1),
            whole(config, "global_head_dim", default=whole(full, "head_dim", least=1), least=1),
        ),
        "sliding_attention": (whole(config, "num_key_value_heads", least=1), whole(config, "head_dim", least=1)),
    }
    own = types[: len(types) - whole(config, "num_kv_shared_layers", default=0)]
    layers = []
    for kind in own:
        if kind not in heads:
            raise UnreadableGeometry(f"layer_types has {kind!r}")
        number, size = heads[kind]
        window = _window(config, kind)
        layers.append(Attention(layers=1, kv_heads=number, key_dim=size, value_dim=size, window=window))
    return _geometry(config, layers)


def _layer_of(config: Config, types: list[str], kind: str) -> Config:
    """The configuration of the first layer of a kind, where layers have configurations of their own (per_layer_config)."""
    of_layer = config.get("per_layer_config")
    index = str(types.index(kind)) if kind in types else ""
    own = of_layer.get(index) if isinstance(of_layer, Mapping) else None
    return {**config, **own} if isinstance(own, Mapping) else config


def _shared(config: Config) -> Geometry:
    """A draft whose layers read the cache of the model that it drafts for (gemma4_mtp.py)."""
    return _geometry(config, [])


def _delta_net(config: Config) -> Geometry:
    """Qwen3-Next and Qwen3.5: gated delta nets, and full attention in every fourth layer."""
    types = _layer_types(config, interval=whole(config, "full_attention_interval", default=4, least=1))
    unknown = set(types) - {"linear_attention", "full_attention"}
    if unknown:
        raise UnreadableGeometry(f"layer_types has {', '.join(sorted(unknown))}")
    keys = whole(config, "linear_num_key_heads", least=1) * whole(config, "linear_key_head_dim", least=1)
    values = whole(config, "linear_num_value_heads", least=1) * whole(config, "linear_value_head_dim", least=1)
    state = State(
        layers=types.count("linear_attention"),
        values=values * whole(config, "linear_key_head_dim"),
        channels=2 * keys + values,
        width=whole(config, "linear_conv_kernel_dim", least=1) - 1,
        dtype=_state_type(config, "mamba_ssm_dtype", "auto"),
    )
    attention = Attention(**{**vars(_attention(config)), "layers": types.count("full_attention")})
    return _geometry(config, [attention], state)


def _nemotron_h(config: Config) -> Geometry:
    """Mamba2, attention and feed-forward layers in the order of a pattern (nemotron_h.py)."""
    kinds = _nemotron_kinds(config)
    heads, size = whole(config, "mamba_num_heads", least=1), whole(config, "mamba_head_dim", least=1)
    groups, numbers = whole(config, "n_groups", least=1), whole(config, "ssm_state_size", least=1)
    state = State(
        layers=kinds.count("mamba"),
        values=heads * size * numbers,
        channels=heads * size + 2 * groups * numbers,
        width=whole(config, "conv_kernel", least=1) - 1,
        dtype=_state_type(config, "mamba_ssm_cache_dtype", "float32"),
    )
    attention = Attention(**{**vars(_attention(config)), "layers": kinds.count("attention")})
    return _geometry(config, [attention], state, layers=len(kinds))


def _nemotron_kinds(config: Config) -> list[str]:
    letters = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
    pattern = config.get("hybrid_override_pattern") or config.get("layers_block_type")
    if not isinstance(pattern, str | list) or not pattern:
        raise UnreadableGeometry("hybrid_override_pattern and layers_block_type are missing")
    kinds = [letters.get(one, one) if isinstance(one, str) else "" for one in pattern]
    unknown = set(kinds) - set(letters.values())
    if unknown:
        raise UnreadableGeometry(f"the pattern of layers has {', '.join(sorted(unknown))}")
    return kinds


def _whisper(config: Config) -> Geometry:
    """The decoder keeps its own tokens, and in each layer what it sees of the encoder's 1500 positions."""
    layers, heads = whole(config, "decoder_layers", least=1), whole(config, "decoder_attention_heads", least=1)
    size = whole(config, "d_model", least=1) // heads
    own = Attention(layers=layers, kv_heads=heads, key_dim=size, value_dim=size)
    seen = Attention(**{**vars(own), "encoder": whole(config, "max_source_positions", least=1)})
    return Geometry(
        attention=(own, seen),
        layers=layers,
        hidden=whole(config, "d_model"),
        vocabulary=whole(config, "vocab_size"),
        context=whole(config, "max_target_positions", least=1),
    )


def _encoder(config: Config) -> Geometry:
    """An encoder keeps nothing between requests."""
    return _geometry(config, [])


def _geometry(config: Config, attention: list[Attention], state: State | None = None, layers: int = 0) -> Geometry:
    return Geometry(
        attention=grouped(one for one in attention if one.layers),
        state=state if state and state.layers else None,
        layers=layers or whole(config, "num_hidden_layers", least=1),
        hidden=whole(config, "hidden_size", least=1),
        vocabulary=whole(config, "vocab_size", default=0) or None,
        context=_context(config),
        draft_layers=_draft_layers(config),
    )


def _attention(config: Config) -> Attention:
    """One layer of attention with the sizes of the whole model."""
    heads = whole(config, "num_attention_heads", least=1)
    size = whole(config, "head_dim", "attention_head_dim", default=0) or whole(config, "hidden_size", least=1) // heads
    number = whole(config, "num_key_value_heads", "n_head_kv", default=heads, least=1)
    return Attention(layers=1, kv_heads=number, key_dim=size, value_dim=whole(config, "v_head_dim", default=size))


def _layer_types(config: Config, interval: int = 0) -> list[str]:
    """The kind of each layer. ``interval``: where the types are not listed, every so many layers there is one of full attention."""
    number = whole(config, "num_hidden_layers", least=1)
    types = config.get("layer_types")
    if isinstance(types, list) and types:
        if len(types) != number:
            raise UnreadableGeometry(f"layer_types has {len(types)} entries for {number} layers")
        return [str(one) for one in types]
    if interval:
        return ["linear_attention" if (index + 1) % interval else "full_attention" for index in range(number)]
    pattern = whole(config, "sliding_window_pattern", default=0)
    if pattern:
        return ["sliding_attention" if (index + 1) % pattern else "full_attention" for index in range(number)]
    slides = bool(config.get("sliding_window")) and config.get("use_sliding_window", True) is not False
    return ["sliding_attention" if slides else "full_attention"] * number


def _window(config: Config, kind: str) -> int | None:
    if kind == "full_attention":
        return None
    if kind == "sliding_attention":
        return whole(config, "sliding_window", least=1)
    raise UnreadableGeometry(f"layer_types has {kind!r}")


def _state_type(config: Config, key: str, default: str) -> str:
    found = config.get(key) or default
    if found not in STATE_BYTES:
        raise UnreadableGeometry(f"{key} is {found!r}")
    return str(found)


def _context(config: Config) -> int | None:
    lengths = [whole(config, key, least=1) for key in CONTEXT_KEYS if config.get(key) is not None]
    if not lengths:
        return None
    scaling = config.get("rope_parameters") or config.get("rope_scaling")
    factor: Any = 1
    if isinstance(scaling, Mapping) and scaling.get("rope_type", scaling.get("type", "default")) not in SCALED_ALREADY:
        factor = scaling.get("factor") or 1
    return int(min(lengths) * factor) if isinstance(factor, int | float) and factor > 0 else min(lengths)


def _draft_layers(config: Config) -> int:
    """Attention layers that predict several tokens: those of Qwen3.5 and its kin, or those in Nemotron's pattern of them."""
    number = whole(config, "mtp_num_hidden_layers", "num_nextn_predict_layers", default=0)
    pattern = config.get("mtp_hybrid_override_pattern")
    return number * pattern.count("*") if isinstance(pattern, str) and pattern else number


READERS: Mapping[str, Callable[[Config], Geometry]] = {
    **dict.fromkeys(
        [
            *("LlamaForCausalLM", "LlamaModel", "MistralForCausalLM", "MistralModel", "MixtralForCausalLM"),
            *("Mistral3ForConditionalGeneration", "Ministral3ForCausalLM", "MiniMaxM2ForCausalLM", "Glm4ForCausalLM"),
            *("Qwen2ForCausalLM", "Qwen2Model", "Qwen2MoeForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM"),
            *(
                "Qwen2VLForConditionalGeneration",
                "Qwen2_5_VLForConditionalGeneration",
                "Qwen3ForSequenceClassification",
            ),
            *(
                "Qwen3VLForConditionalGeneration",
                "Qwen3VLMoeForConditionalGeneration",
                "Qwen3ASRForConditionalGeneration",
            ),
            *("Qwen3OmniMoeForConditionalGeneration", "MuseGlimmerForCausalLM", "MuseGlimmerForConditionalGeneration"),
            *("Glm4MoeForCausalLM", "Glm4MoeLiteForCausalLM", "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"),
            # Drafts (vLLM 0.33.0, model_executor/models/registry.py).
            *(
                "LlamaForCausalLMEagle3",
                "Eagle3LlamaForCausalLM",
                "Eagle3MiniMaxM2ForCausalLM",
                "Eagle3Qwen3ForCausalLM",
            ),
            *("Eagle3Qwen3vlForCausalLM", "EagleLlamaForCausalLM", "DFlashDraftModel", "DFlash2DraftModel"),
            *("MuseGlimmerAssistantModel", "Qwen3DSparkModel", "Qwen3OmniDSparkModel", "Gemma4DSparkModel"),
        ],
        _transformer,
    ),
    "GptOssForCausalLM": partial(_alternating, 2),
    **dict.fromkeys(["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"], partial(_alternating, 6)),
    **dict.fromkeys(
        ["Gemma4ForCausalLM", "Gemma4ForConditionalGeneration", "Gemma4UnifiedForConditionalGeneration"], _gemma4
    ),
    **dict.fromkeys(["Gemma4AssistantForCausalLM", "Gemma4MTPModel"], _shared),
    **dict.fromkeys(
        [
            *("Qwen3NextForCausalLM", "Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM"),
            *("Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"),
        ],
        _delta_net,
    ),
    **dict.fromkeys(
        [
            *("NemotronHForCausalLM", "NemotronH_Nano_VL_V2", "NemotronH_Nano_Omni_Reasoning_V3"),
            *("NemotronH_Super_Omni_Reasoning_V3", "NemotronH_Omni_Reasoning_V3"),
        ],
        _nemotron_h,
    ),
    "WhisperForConditionalGeneration": _whisper,
    **dict.fromkeys(
        [
            *("BertModel", "BertForSequenceClassification", "XLMRobertaModel", "XLMRobertaForSequenceClassification"),
            *("RobertaModel", "ModernBertModel", "ModernBertForSequenceClassification", "NomicBertModel"),
        ],
        _encoder,
    ),
}
