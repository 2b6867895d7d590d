# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The geometry of models of the catalog, read from their own files on the hub as a device does it (module model_look)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any


def with_geometry(
    entry: Mapping[str, Any],
    model: Mapping[str, Any],
    timeout: float,
    modelscope: tuple[str, str | None],
    of_collection: Callable[[str], Any],
) -> dict[str, Any]:
    """A model's entry of the lock with its geometry, where the catalog has none and it can be read: at most 2 MB are.

    ``modelscope``: that hub's address and a token. Where it cannot be read, a host reads it before it fetches the model.
    """
    if model.get("geometry") or "files" not in entry:
        return dict(entry)
    look, errors = (of_collection(f"module_utils.models.{name}") for name in ("look", "errors"))
    hub = entry.get("hub", "modelscope")
    endpoint = of_collection("module_utils.models.hubs").HUBS["huggingface"].endpoint
    face = (os.environ.get("HF_ENDPOINT", endpoint), os.environ.get("HF_TOKEN"))
    (address, token) = face if hub == "huggingface" else modelscope
    source = {"hub": hub, "id": entry["id"], "revision": entry["revision"]}
    included = of_collection("plugin_utils.catalog.artifacts").included(model)
    given = {"key": entry["id"], "source": "hub", "sources": [source], "include": list(included), "whole": False}
    given |= {"exclude": list(model.get("exclude") or ()), "file": model.get("file"), "path": "/"}
    settings = {"hubs": {hub: {"endpoint": address.rstrip("/"), "token": token}}, "retries": 0, "idle_timeout": timeout}
    try:
        geometry = look.look(given, settings)["about"]["geometry"]
    except errors.FetchError:
        return dict(entry)
    return {**entry, "geometry": geometry} if geometry else dict(entry)
