# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files of a catalog model: where they come from, where they go, which they are and how large."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact, UrlArtifact

MODELS_ROOT = "/models"


def artifact_of(key: str, model: Mapping[str, Any], lock: Mapping[str, Any]) -> HubArtifact | UrlArtifact:
    """The files of one model. Revision, sizes and checksums come from the lock where it knows them."""
    common: dict[str, Any] = {name: model.get(name) for name in ("file", "precision", "active_bytes")}
    common |= {"key": key, "source": model["source"]}
    is_url = model["source"] == "url"
    locked: Mapping[str, Any] = (lock.get("files" if is_url else "models") or {}).get(key) or {}
    if (locked.get("id"), locked.get("url")) != (model.get("id"), model.get("url")):
        locked = {}  # an inventory's own source under a name of the catalog
    if is_url:
        return UrlArtifact(
            **common,
            url=model["url"],
            path=f"{MODELS_ROOT}/{model['path']}",
            checksum=model.get("checksum") or locked.get("checksum"),
            bytes=locked.get("bytes", model["bytes"]),
            estimated="bytes" not in locked and model.get("estimated", False),
        )
    include = tuple(model.get("include") or ["*"])
    files = {path: one for path, one in (locked.get("files") or {}).items() if is_included(path, include)}
    return HubArtifact(
        **common,
        id=model["id"],
        revision=locked.get("revision", model.get("revision", "master")),
        include=include,
        path=f"{MODELS_ROOT}/{model['id']}",
        bytes=sum(one["size"] for one in files.values()) if files else model["bytes"],
        estimated=not files and model.get("estimated", False),
        sha256={path: one["sha256"] for path, one in files.items() if one.get("sha256")},
    )


def is_included(path: str, include: tuple[str, ...]) -> bool:
    """Whether one of the patterns matches the path of a file."""
    return any(fnmatchcase(path, pattern) for pattern in include)
