# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From a draft to what its memory is computed from: sizes and geometries of its models, its speculation, and the engine's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.budget import WAYS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load, count
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import AnyArtifact

# Where an engine's options say how it speculates, for services that do not use the key `speculative`: the method, or a mapping
# with it, and where there is an option of its own, the number of tokens.
SPECULATION = {
    "vllm": ("speculative-config", "num_speculative_tokens"),
    "llama.cpp": ("spec-type", "spec-draft-n-max"),
    "sglang": ("speculative-algorithm", "speculative-num-draft-tokens"),
}


def load_of(draft: Draft) -> Load | None:
    """What the memory is computed from; None where the catalog does not say how, or the size of a file is not known."""
    computed = draft.engine.get("computed")
    guessing = draft.speculative.model if draft.speculative else None
    weights, drafting = bytes_of(draft, draft.artifact), bytes_of(draft, guessing) if guessing else 0
    adapters = [bytes_of(draft, one) for one in draft.files if one.key in {lora.key for lora in draft.loras}]
    if computed is None or weights is None or drafting is None or None in adapters:
        return None
    projector = int(_about(draft, draft.artifact.key).get("projector_bytes") or 0)
    way = WAYS[computed["like"]]
    method, tokens = _speculation(draft, computed["like"])
    outside = (draft.engine.get("memory") or {}).get("overhead_gib", 0)
    return Load(
        like=computed["like"],
        device_bytes=int(draft.inputs.device_memory_gib * GIB),
        overhead_bytes=int((computed["process_gib"] + outside) * GIB),
        weights=max(0, weights - projector),
        projector=projector,
        draft=drafting,
        adapters=sum(one or 0 for one in adapters),
        geometry=geometry_of(draft, draft.artifact.key),
        draft_geometry=geometry_of(draft, guessing.key) if guessing else None,
        method=method,
        draft_tokens=tokens,
        options={name: value for name in (way.options if way else ()) if (value := draft.option(name)) is not None},
    )


def geometry_of(draft: Draft, key: str) -> Geometry | None:
    """The geometry of a model: the catalog's, or else what the model says of itself."""
    facts = draft.catalog.models[key].get("geometry") or _about(draft, key).get("geometry")
    return Geometry.from_facts(facts) if facts else None


def bytes_of(draft: Draft, artifact: AnyArtifact) -> int | None:
    """The size of a model's weights: what the model says of itself, or else what the catalog says; None where nobody knows."""
    about = _about(draft, artifact.key)
    if about.get("weights_bytes") and about.get("format") in ("safetensors", "gguf"):
        return int(about["weights_bytes"]) + int(about.get("projector_bytes") or 0)
    return artifact.bytes


def _about(draft: Draft, key: str) -> Mapping[str, Any]:
    """What a model says of itself, with the projector that the service uses; nothing while nobody has looked at it."""
    if key == draft.artifact.key:
        return draft.about.to_facts() if draft.about else {}
    return draft.inputs.about.get(key) or {}


def _speculation(draft: Draft, like: str) -> tuple[str | None, int]:
    """How the service speculates, and how many tokens at once (0: as many as the engine does by itself)."""
    if draft.speculative:
        return _method(draft.speculative.method), draft.speculative.tokens or 0
    spec: Any = None
    tokens: Any = None
    if like in SPECULATION:
        option, number = SPECULATION[like]
        spec, tokens = draft.option(option), draft.option(number)
    if isinstance(spec, str) and spec.lstrip().startswith("{"):
        spec = json_values.decoded(spec)
        if isinstance(spec, str):
            return None, 0  # reported with the options
    if isinstance(spec, Mapping):
        tokens = spec.get("num_speculative_tokens")
        spec = spec.get("method")
    return _method(str(spec)) if spec else None, count(tokens) or 0


def _method(word: str) -> str | None:
    """The method's usual name: engines write draft-mtp, qwen3_next_mtp and NEXTN."""
    name = word.lower().removeprefix("draft-")
    if name in ("none", ""):
        return None
    return "mtp" if name.endswith("mtp") or name == "nextn" else name
