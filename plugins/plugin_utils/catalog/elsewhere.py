# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What options name elsewhere: models that an engine would load by itself, from a hub or from a folder that nobody fetches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import PACKAGES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import words

# Options whose value is a repository, or an address: llama.cpp (common/arg.cpp).
REPOSITORIES = frozenset({"spec-draft-hf", "-hfd", "-hfrd", "hf-repo-draft", "mmproj-url", "-mmu"})
# Options whose value is a path, or else a repository: SGLang (server_args.py), vLLM (engine/arg_utils.py, config/speculative.py).
MODELS = frozenset(
    {
        "speculative-draft-model-path",
        "speculative-draft-model",
        "speculative-config.model",
        "tokenizer",
        "tokenizer-path",
        "hf-config-path",
    }
)
# vLLM takes these for a method of speculation (config/speculative.py).
METHODS = ("ngram", "[ngram]")
# Where huggingface_hub keeps what it has fetched; whoever sets one may have filled it.
CACHES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
# What huggingface_hub reads as true (constants.py, ENV_VARS_TRUE_VALUES).
_TRUE = ("1", "ON", "YES", "TRUE")


def named(argv: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The options of a command that name a repository, an address or a path of their own, each with what it names."""
    for option, value in words(argv):
        name, one = ("speculative-config.model", _model(value)) if option == "speculative-config" else (option, value)
        if isinstance(one, str) and one not in METHODS and (name in REPOSITORIES or name in MODELS):
            yield name, one


def repositories(argv: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those that name a repository or an address."""
    return ((name, one) for name, one in named(argv) if name in REPOSITORIES or not one.startswith("/"))


def is_offline(kind: str, environment: Mapping[str, str]) -> bool:
    """Whether a service has no hub: engines from Python packages run so, unless their environment says otherwise
    (serving/python_environment.py); images where it says so."""
    preset = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), "1") if kind == PACKAGES else {}
    variables = {**preset, **environment}
    return (variables.get("HF_HUB_OFFLINE") or variables.get("TRANSFORMERS_OFFLINE") or "").upper() in _TRUE


def _model(value: Any) -> Any:
    """The model in vLLM's JSON."""
    decoded = json_values.decoded(value)
    return decoded.get("model") if isinstance(decoded, Mapping) else None
