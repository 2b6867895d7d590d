# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Speculative decoding as options of the engine. Pure.

The names of methods are vllm/config/speculative.py (SpeculativeMethod), sglang/srt/speculative/spec_info.py (SpeculativeAlgorithm) and
common/speculative.cpp of llama.cpp; which version knows which is in the lists of options (``methods``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Speculative

# The option that names the method, by the engine's dialect.
OPTIONS: Mapping[str, str] = {"vllm": "speculative-config", "sglang": "speculative-algorithm", "llama.cpp": "spec-type"}
# What each engine calls a method; of several names, the first that its version knows.
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "vllm": {
        "eagle3": ("eagle3",),
        "mtp": ("mtp",),
        "dspark": ("dspark",),
        "dflash": ("dflash",),
        "draft": ("draft_model",),
        "ngram": ("ngram",),
    },
    "sglang": {
        "eagle3": ("EAGLE3",),
        # EAGLE reads the layers for it from the model itself; NEXTN is its other name.
        "mtp": ("NEXTN", "EAGLE"),
        "dspark": ("DSPARK",),
        "dflash": ("DFLASH",),
        "draft": ("STANDALONE",),
        "ngram": ("NGRAM",),
    },
    "llama.cpp": {
        "eagle3": ("draft-eagle3",),
        "mtp": ("draft-mtp",),
        "dspark": ("draft-dspark",),
        "dflash": ("draft-dflash",),
        "draft": ("draft-simple",),
        "ngram": ("ngram-simple",),
    },
}
# A model of its own, which keeps the target's KV cache (Gemma 4's assistant), is another algorithm of SGLang.
SGLANG_MTP_WITH_MODEL = ("FROZEN_KV_MTP",)
NEEDS_MODEL = frozenset({"eagle3", "dspark", "dflash", "draft"})
TAKES_MODEL = NEEDS_MODEL | {"mtp"}
# vLLM does not start without their number (config/speculative.py: "num_speculative_tokens must be provided").
NEEDS_TOKENS: Mapping[str, frozenset[str]] = {"vllm": frozenset({"eagle3", "draft", "ngram"})}


def names_of(dialect: str, method: str, has_model: bool) -> tuple[str, ...]:
    """What an engine calls a method; empty where none of its versions has it."""
    if (dialect, method, has_model) == ("sglang", "mtp", True):
        return SGLANG_MTP_WITH_MODEL
    return NAMES.get(dialect, {}).get(method, ())


def name_of(dialect: str, method: str, has_model: bool, known: Collection[str] | None) -> str | None:
    """What a version calls a method; None where it does not know it. ``known``: its methods, None where no list says them."""
    names = names_of(dialect, method, has_model)
    return next((name for name in names if known is None or name in known), None)


def known_in(flags: Mapping[str, Mapping[str, Any]], option: str) -> Collection[str] | None:
    """The methods that a list of options has for the option that names one; None where it says nothing of them."""
    known: Collection[str] | None = flags.get(f"--{option}", {}).get("methods")
    return known


def methods_of(dialect: str, known: Collection[str]) -> list[str]:
    """The methods that a version knows, by our names."""
    return [method for method, names in NAMES[dialect].items() if set(names) & set(known)]


def options(dialect: str, asked: Speculative, known: Collection[str] | None) -> dict[str, Any]:
    """The options of one service; empty where its engine's version does not know the method."""
    name = name_of(dialect, asked.method, asked.model is not None, known)
    if name is None:
        return {}
    path = path_of(asked)
    return {"vllm": _vllm, "sglang": _sglang, "llama.cpp": _llama_cpp}[dialect](name, path, asked)


def path_of(asked: Speculative) -> str | None:
    """The file or folder of the model that guesses."""
    if asked.model is None:
        return None
    return f"{asked.model.path}/{asked.model.file}" if asked.model.file else asked.model.path


def _vllm(name: str, path: str | None, asked: Speculative) -> dict[str, Any]:
    found = {"method": name, "model": path, "num_speculative_tokens": asked.tokens}
    return {OPTIONS["vllm"]: {key: value for key, value in found.items() if value is not None}}


def _sglang(name: str, path: str | None, asked: Speculative) -> dict[str, Any]:
    found: dict[str, Any] = {OPTIONS["sglang"]: name}
    if path is not None:
        found["speculative-draft-model-path"] = path
    if asked.tokens is None:
        return found
    if asked.method in ("dflash", "dspark", "ngram"):
        return {**found, "speculative-num-draft-tokens": asked.tokens}
    # A chain of guesses: one more token is checked than there are steps (arg_groups/speculative_hook.py).
    return {
        **found,
        "speculative-num-steps": asked.tokens,
        "speculative-eagle-topk": 1,
        "speculative-num-draft-tokens": asked.tokens + 1,
    }


def _llama_cpp(name: str, path: str | None, asked: Speculative) -> dict[str, Any]:
    found: dict[str, Any] = {OPTIONS["llama.cpp"]: name}
    if path is not None:
        found["spec-draft-model"] = path
    if asked.tokens is not None:
        found["spec-ngram-simple-size-m" if asked.method == "ngram" else "spec-draft-n-max"] = asked.tokens
    return found
