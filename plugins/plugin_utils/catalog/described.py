# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the catalog leaves open about a model, filled in with what the model's own files say of it. The catalog's word goes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import AnyArtifact

# Where each key is read, by the format of the model.
PLACES: Mapping[str, Mapping[str, str]] = {
    "gguf": dict.fromkeys(("thinking", "context", "api", "precision", "geometry"), "the header of its GGUF file")
    | {"vision": "its projector"},
    "safetensors": {
        "thinking": "its chat template",
        "api": "its pooling",
        "sampling": "its generation_config.json",
        **dict.fromkeys(("vision", "context", "precision", "geometry"), "its config.json"),
    },
}
# How an embedder makes one vector of many (module_utils/models/about.py).
POOLED = ("mean", "cls", "last")


def described(model: Mapping[str, Any], about: About | None) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """A model with what it says of itself beside what the catalog says, and where each added key was read."""
    found: dict[str, Any] = {"vision": True if model.get("projector") else None}
    places: Mapping[str, str] = {"vision": "its projector"}
    if about is not None:
        places = PLACES.get(about.format, {})
        found = {
            "thinking": about.thinking,
            "vision": about.vision or found["vision"],
            "api": api_of(about),
            "context": about.context,
            "precision": about.precision,
            "geometry": about.geometry.to_facts() if about.geometry else None,
            "sampling": about.generation or None,
        }
    added = {key: one for key, one in found.items() if one is not None and model.get(key) is None}
    return {**model, **added}, {key: places.get(key, "its own files") for key in added}


def is_needed(model: Mapping[str, Any], artifact: AnyArtifact) -> bool:
    """Whether the catalog leaves something open about a model that only its own files say."""
    if artifact.file and not artifact.file.endswith(".gguf"):
        return artifact.bytes is None
    return not model.get("geometry") or model.get("thinking") is None or artifact.bytes is None


def api_of(about: About) -> str | None:
    """The API of a model that is not for chat; None where its files do not say."""
    if about.rank_head or about.pooling == "rank":
        return "rerank"
    return "embedding" if about.pooling in POOLED else None
