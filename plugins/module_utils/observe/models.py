# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The models that a host has: one stat a file. What a model says of itself is read once and then kept (models/kept_about.py)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees
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
        for place in root.glob(pattern):
            manifest = read_manifest(place.parent)
            if manifest is not None:
                found[str(place.parent)] = _entry(place.parent, manifest, keep)
    trees = {path: Trees().waiting(path) for path in Trees().paths() if path in found}
    for path, waiting in trees.items():
        found[path] |= _beside(path, waiting, keep)
    for folder, records in _local().items():
        found[folder] = {**(found.get(folder) or _folder(folder, records, keep)), "local": _states(folder, records)}
    if keep:
        kept_about.prune([*found, *(str(tree) for waiting in trees.values() for tree in waiting.values())])
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
    """What a manifest says, and what the model says of itself."""
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
        "code": _code(folder, files),
    }


def _beside(path: str, trees: Mapping[str, Path], keep: bool) -> dict[str, Any]:
    """The trees that wait beside a directory (model_trees.py), each with the keys of an entry."""
    waiting = [
        {**_entry(tree, manifest, keep), "identity": identity, "supersedes": manifest.get("supersedes")}
        for identity, tree in sorted(trees.items())
        if (manifest := read_manifest(tree)) is not None
    ]
    return {"identity": Trees().current(path), "beside": waiting} if waiting else {}


def _code(folder: Path, files: dict[str, Any]) -> dict[str, Any]:
    """The Python files of a model: how many the manifest has hashed, and those that somebody has added.

    A folder without any in its manifest is not searched: its configuration names none, so an engine loads none.
    """
    hashed = {name for name in files if name.endswith(".py")}
    found = (path for path in folder.rglob("*.py")) if hashed else ()
    unlisted = sorted(str(path.relative_to(folder)) for path in found if str(path.relative_to(folder)) not in hashed)
    return {"files": len(hashed), "unlisted": unlisted[:10]}
