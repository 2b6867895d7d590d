# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From a draft to what its memory is computed from: sizes and geometries of its models, its speculation, and the engine's options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import artifact_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.budget import WAYS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load, count

# Where an engine's options say how it speculates, for services that do not use the key `speculative`: the method, or a mapping
# with it, and the number of tokens.
SPECULATION = {
    "vllm": ("speculative-config", "num_speculative_tokens"),
    "llama.cpp": ("spec-type", "spec-draft-n-max"),
    "sglang": ("speculative-algorithm", "speculative-num-draft-tokens"),
}


def load_of(draft: Draft) -> Load | None:
    """What the memory is computed from; None where the catalog does not say how, or the size of a file is not known."""
    computed = draft.engine.get("computed")
    key = draft.profile["model"]
    weights = bytes_of(draft, key)
    draft_key = _draft_model(draft)
    sizes = [bytes_of(draft, one) for one in ([draft_key] if draft_key else []) + _adapters(draft)]
    if computed is None or weights is None or None in sizes:
        return None
    adapters = sum(bytes_of(draft, one) or 0 for one in _adapters(draft))
    projector = _projector(draft, key)
    way = WAYS[computed["like"]]
    method, tokens = _speculation(draft, computed["like"])
    return Load(
        like=computed["like"],
        device_bytes=int(draft.inputs.device_memory_gib * GIB),
        overhead_bytes=int((computed["process_gib"] + (draft.engine.get("memory") or {}).get("overhead_gib", 0)) * GIB),
        weights=max(0, weights - projector),
        projector=projector,
        draft=(bytes_of(draft, draft_key) or 0) if draft_key else 0,
        adapters=adapters,
        geometry=geometry_of(draft, key),
        draft_geometry=geometry_of(draft, draft_key) if draft_key else None,
        method=method,
        draft_tokens=tokens,
        options={name: value for name in (way.options if way else ()) if (value := draft.option(name)) is not None},
    )


def geometry_of(draft: Draft, key: str) -> Geometry | None:
    """The geometry of a model: the catalog's, or else what the model says of itself."""
    model = draft.catalog.models.get(key) or {}
    facts = model.get("geometry") or (draft.inputs.about.get(key) or {}).get("geometry")
    return Geometry.from_facts(facts) if facts else None


def bytes_of(draft: Draft, key: str) -> int | None:
    """The size of a model's weights: what it says of itself, unless a listing of its files is known; None where nobody knows."""
    about: Mapping[str, Any] = draft.inputs.about.get(key) or {}
    artifact = artifact_of(key, draft.catalog.models[key], draft.catalog.lock)
    seen = about.get("weights_bytes") or None
    if seen is not None and about.get("format") in ("safetensors", "gguf"):
        return int(seen) + int(about.get("projector_bytes") or 0)
    return artifact.bytes if artifact.bytes is not None else seen


def _projector(draft: Draft, key: str) -> int:
    """The bytes of the projector, as far as they are known; otherwise they are among those of the weights."""
    return int((draft.inputs.about.get(key) or {}).get("projector_bytes") or 0)


def _draft_model(draft: Draft) -> str | None:
    spec = draft.setting("speculative") or {}
    key = spec.get("model") if isinstance(spec, Mapping) else None
    return key if key in draft.catalog.models else None


def _adapters(draft: Draft) -> list[str]:
    return [one["model"] for one in draft.setting("loras") or [] if one.get("model") in draft.catalog.models]


def _speculation(draft: Draft, like: str) -> tuple[str | None, int]:
    """How the service speculates, and how many tokens at once (0: as many as the engine does by itself)."""
    spec: Any = draft.setting("speculative")
    tokens: Any = None
    if not spec and like in SPECULATION:
        option, number = SPECULATION[like]
        spec, tokens = draft.option(option), draft.option(number)
    if isinstance(spec, str) and spec.lstrip().startswith("{"):
        spec = _json(spec)
    if isinstance(spec, Mapping):
        tokens = spec.get("tokens", spec.get("num_speculative_tokens"))
        spec = spec.get("method")
    return _method(str(spec)) if spec else None, count(tokens) or 0


def _method(word: str) -> str | None:
    """The method's usual name: engines write draft-mtp, qwen3_next_mtp and NEXTN."""
    name = word.lower().removeprefix("draft-")
    if name in ("none", ""):
        return None
    return "mtp" if name.endswith("mtp") or name == "nextn" else name


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None  # reported with the options
