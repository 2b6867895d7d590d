# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The models that a host has: one stat a file, and no content is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST, is_intact, read_manifest

MODELS = Path("/models")


def observe(root: Path = MODELS) -> dict[str, Any]:
    """Models with a manifest, by path. ``intact``: every file has the size and time that the manifest records."""
    found: dict[str, Any] = {}
    for pattern in (f"*/{MANIFEST}", f"*/*/{MANIFEST}"):
        for path in root.glob(pattern):
            manifest = read_manifest(path.parent)
            if manifest is not None:
                found[str(path.parent)] = _entry(path.parent, manifest)
    return found


def _entry(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    files: dict[str, Any] = manifest["files"]
    return {
        "source": manifest.get("source"),
        "id": manifest.get("id"),
        "revision": manifest.get("revision"),
        "include": manifest.get("include"),
        "lock": manifest.get("lock"),
        "bytes": sum(one["size"] for one in files.values()),
        "intact": all(is_intact(folder / name, one) for name, one in files.items()),
        "files": sorted(files)[:50],
    }
