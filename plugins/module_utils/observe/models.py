# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The models that a host has: one stat a file. What a model says of itself is read once and then kept (models/kept_about.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import kept_about, local
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST, is_intact, read_manifest

MODELS = Path("/models")


def observe(root: Path = MODELS, keep: bool = False) -> dict[str, Any]:
    """Models with a manifest, by path. ``intact``: every file has the size and time that the manifest records.

    ``local``: where somebody's own models are, whether each is as it was when it was hashed.
    ``about``: what the model says of itself, by the file that an engine is started with. ``keep``: write down what was read.
    """
    found: dict[str, Any] = {}
    for pattern in (f"*/{MANIFEST}", f"*/*/{MANIFEST}"):
        for path in root.glob(pattern):
            manifest = read_manifest(path.parent)
            if manifest is not None:
                found[str(path.parent)] = _entry(path.parent, manifest, keep)
    for folder, records in _local().items():
        found[folder] = {**(found.get(folder) or _folder(folder, records, keep)), "local": _states(folder, records)}
    if keep:
        kept_about.prune(found)
    return found


def _local() -> dict[str, list[dict[str, Any]]]:
    """What is recorded of models that persons have put here, by folder."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in local.known():
        found.setdefault(record["path"], []).append(record)
    return found


def _states(path: str, records: list[dict[str, Any]]) -> dict[str, bool]:
    """By place of a local model (local.py): whether every file is as it was, by size and time."""
    return {record["place"]: local.is_unchanged(record, local.files_of(path, record["names"])) for record in records}


def _folder(path: str, records: list[dict[str, Any]], keep: bool) -> dict[str, Any]:
    """A folder that is a person's: its entry has the keys of one with a manifest."""
    files = {name: one for record in records for name, one in record["files"].items()}
    whole = any(_states(path, records).values())
    return {
        "source": "local",
        "id": None,
        "revision": None,
        "include": sorted(files),
        "lock": None,
        "bytes": sum(one["size"] for one in files.values()),
        "intact": whole,
        "files": sorted(files)[:50],
        "about": kept_about.observe(Path(path), files, keep) if whole else {},
    }


def _entry(folder: Path, manifest: dict[str, Any], keep: bool) -> dict[str, Any]:
    files: dict[str, Any] = manifest["files"]
    is_whole = all(is_intact(folder / name, one) for name, one in files.items())
    return {
        "source": manifest.get("source"),
        "hub": manifest.get("hub"),
        "id": manifest.get("id"),
        "revision": manifest.get("revision"),
        "commit": manifest.get("commit"),
        "include": manifest.get("include"),
        "exclude": manifest.get("exclude", []),
        "lock": manifest.get("lock"),
        "bytes": sum(one["size"] for one in files.values()),
        "intact": is_whole,
        "files": sorted(files)[:50],
        "about": kept_about.observe(folder, files, keep) if is_whole else {},
    }
