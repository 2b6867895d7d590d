# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The geometry of models of the catalog, read from their own files on the hub as a device does it (module model_look)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_lock import Hubs


def with_geometry(entry: Mapping[str, Any], model: Mapping[str, Any], hubs: Hubs) -> dict[str, Any]:
    """A model's entry of the lock with its geometry, where the catalog has none and it can be read: at most 2 MB are.

    Where it cannot be read, a host reads it before it fetches the model.
    """
    if model.get("geometry") or "files" not in entry:
        return dict(entry)
    look, errors = (hubs.of_collection(f"module_utils.models.{name}") for name in ("look", "errors"))
    sources = [
        {"hub": hub, "id": one["id"], "revision": one["revision"]}
        for hub, one in entry["hubs"].items()
        if "revision" in one
    ]
    included = hubs.of_collection("plugin_utils.catalog.artifacts").included(model)
    given = {"key": sources[0]["id"], "source": "hub", "sources": sources, "include": list(included), "whole": False}
    given |= {"exclude": list(model.get("exclude") or ()), "file": model.get("file"), "path": "/"}
    settings = {"hubs": hubs.addresses, "retries": 0, "idle_timeout": hubs.timeout}
    try:
        geometry = look.look(given, settings)["about"]["geometry"]
    except errors.FetchError:
        return dict(entry)
    # An upper bound is for the host that fetches the model, not for the catalog.
    is_known = geometry and not geometry.get("is_bound")
    return {**entry, "geometry": geometry} if is_known else dict(entry)
