# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the JSON files of a model say: config.json, generation_config.json, the tokenizer's and the pooling's. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.models import lfs

# What the engines take for a request that does not say otherwise (GenerationConfig.get_diff_sampling_param of vLLM).
GENERATION = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
# Parts of a model that see; "visual" is Qwen's first generation, "vision_tower" LLaVA's.
VISION = ("vision_config", "visual", "mm_vision_tower", "vision_tower", "img_processor")
# The modes of sentence-transformers' Pooling, as vLLM and llama.cpp call them.
POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}
# Classes that answer a pair of texts with a score.
_RANK = re.compile(r"For(SequenceClassification|TokenClassification)$|ForRanking$|RewardModel$")
_QUANTIZED = {"nvfp4": "nvfp4", "mxfp4": "mxfp4", "fp8": "fp8", "awq": "awq", "gptq": "gptq"}


class Malformed(ValueError):
    """Why a file is not what it should be; the message continues the file's name."""


def parsed(content: bytes) -> dict[str, Any]:
    """A file that holds one JSON object. Raises Malformed."""
    try:
        found = bounded.parse(content)
    except ValueError as error:  # UnicodeDecodeError is one, too
        pointer = ": it is a Git LFS pointer" if lfs.is_pointer(content) else ""
        raise Malformed(f"is not JSON ({str(error)[:200]}){pointer}") from None
    if not isinstance(found, dict):
        raise Malformed(f"holds a {type(found).__name__}, not an object")
    return found


def architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that the model names. Raises Malformed if they are not texts."""
    found = config.get("architectures") or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Malformed("has architectures that are not a list of names")
    return tuple(found)


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part that describes the language model: of its own in models that also see or hear."""
    for key in ("text_config", "llm_config", "language_config"):
        if isinstance(config.get(key), Mapping):
            found: Mapping[str, Any] = config[key]
            return found
    thinker = config.get("thinker_config")
    return text_config(thinker) if isinstance(thinker, Mapping) else config


def context(config: Mapping[str, Any]) -> int | None:
    """The longest sequence in tokens, by the model's own positions."""
    part = text_config(config)
    found = [part.get(key) for key in ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")]
    return next((one for one in found if isinstance(one, int) and not isinstance(one, bool) and one > 0), None)


def vocabulary(config: Mapping[str, Any]) -> int | None:
    """The number of tokens."""
    found = text_config(config).get("vocab_size", config.get("vocab_size"))
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def sees(config: Mapping[str, Any], files: Sequence[str]) -> bool:
    """Whether the model takes images: it has a part for them and a processor (or brings its own code)."""
    has_part = any(config.get(key) for key in VISION) or any(
        isinstance(config.get(key), Mapping) and any(config[key].get(one) for one in VISION)
        for key in ("thinker_config",)
    )
    return has_part and bool({"preprocessor_config.json", "processor_config.json"} & set(files) or needs_code(config))


def needs_code(config: Mapping[str, Any]) -> bool:
    """Whether the model names Python classes of its own repository."""
    return bool(config.get("auto_map"))


def ranks(config: Mapping[str, Any]) -> bool:
    """Whether the model answers with scores."""
    return any(_RANK.search(one) for one in architectures(config))


def precision(config: Mapping[str, Any], quantization: Mapping[str, Any]) -> str | None:
    """The number format of the weights. ``quantization``: hf_quant_config.json, of checkpoints by older ModelOpt; may be empty."""
    found = config.get("quantization_config") or quantization.get("quantization") or {}
    if not isinstance(found, Mapping) or not found:
        named = config.get("dtype") or config.get("torch_dtype") or text_config(config).get("dtype")
        return str(named)[:40] if isinstance(named, str) else None
    words = " ".join(str(found.get(key, "")) for key in ("quant_method", "quant_algo", "format", "fmt")).lower()
    kind = next((name for word, name in _QUANTIZED.items() if word in words), None)
    bits = found.get("bits", found.get("w_bit"))
    if kind in ("awq", "gptq") and isinstance(bits, int):
        return f"{kind}_int{bits}"
    method = found.get("quant_method")
    return kind or (method[:40] if isinstance(method, str) else None)


def generation(content: bytes | None) -> dict[str, float]:
    """The sampling that the model's author recommends. Raises Malformed."""
    found = parsed(content) if content is not None else {}
    return {
        key: found[key]
        for key in GENERATION
        if isinstance(found.get(key), int | float) and not isinstance(found[key], bool)
    }


def template(content: bytes) -> str | None:
    """The chat template in tokenizer_config.json or chat_template.json. Raises Malformed."""
    found = parsed(content).get("chat_template")
    if isinstance(found, list):  # several, by name
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
        found = named.get("default") or next(iter(named.values()), None)
    return found if isinstance(found, str) else None


def pooling(content: bytes) -> str | None:
    """How an embedder makes one vector of many: cls, mean or last. Raises Malformed."""
    found = parsed(content)
    return next((name for key, name in POOLING.items() if found.get(key) is True), None)
