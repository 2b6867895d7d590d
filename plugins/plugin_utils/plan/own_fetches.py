# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What an engine would fetch by itself because an option names it: nobody pins it, and nobody counts it.

``speculative`` and ``thor_extra_models`` do both. Commands of model cards are accepted as they stand, so the plan says what that means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import words

# Options whose value is a repository, or an address: llama.cpp (common/arg.cpp), SGLang (server_args.py).
REPOSITORIES = frozenset({"spec-draft-hf", "-hfd", "-hfrd", "hf-repo-draft", "mmproj-url", "-mmu"})
# Options whose value is a path, or else a repository.
MODELS = frozenset({"speculative-draft-model-path", "speculative-draft-model", "speculative-config.model"})


def lines(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each of them."""
    return [
        f"{service['name']}: {text(service, option, value)}" for service in services for option, value in found(service)
    ]


def text(service: Mapping[str, Any], option: str, value: str) -> str:
    """What it means for one service."""
    name = option if option.startswith("-") else f"--{option}"
    how = f"{value} ({name}) is neither pinned nor counted: {service['engine']} fetches it by itself when it starts"
    # plan/builds.py: without OpenSSL, so it cannot.
    how = f"{how}, and a built one has no HTTPS" if service["kind"] == BUILD else how
    return f"{how}; speculative with a model of thor_extra_models fetches it beforehand"


def found(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The options of a service that name something elsewhere, with what they name."""
    for option, value in words(service["argv"]):
        name, named = ("speculative-config.model", _model(value)) if option == "speculative-config" else (option, value)
        if isinstance(named, str) and (name in REPOSITORIES or (name in MODELS and not named.startswith("/"))):
            yield name, named


def _model(value: Any) -> Any:
    """The model in vLLM's JSON."""
    decoded = json_values.decoded(value)
    return decoded.get("model") if isinstance(decoded, Mapping) else None
