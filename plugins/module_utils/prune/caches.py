# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What services that are gone have left on the host's own disk: engine caches, and lists of options of engines that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import engine_trees, safe_removal, trees
from ansible_collections.jetson.thor.plugins.module_utils.prune import engines
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Removable

# systemd keeps the cache of a DynamicUser= service in the second, and links to it from the first (systemd.exec(5)).
CACHES = ("/var/cache/thor", "/var/cache/private/thor")
FLAGS = "/var/lib/thor/flags"


def find(needs: Needs, images: frozenset[str]) -> Iterator[Removable]:
    """``images``: the digests of the images that stay."""
    for name in sorted({path.name for folder in CACHES for path in _entries(needs.path(folder))} - needs.services):
        paths = tuple(
            f"{folder}/{name}" for folder in CACHES if (needs.path(folder) / name) in _entries(needs.path(folder))
        )
        if not needs.pinned(name, *paths):
            size = safe_removal.freed_bytes(*(needs.path(path) for path in paths))
            yield Removable("cache", f"cache of {name}", paths, size, "there is no service of this name")
    used = {tree.name.rpartition("-")[2] for tree in _trees(needs)}
    used |= {digest.removeprefix("sha256:")[:12] for digest in images}
    for path in _entries(needs.path(FLAGS)):
        if path.suffix == ".json" and path.stem.rpartition("-")[2] not in used:
            place = f"/{path.relative_to(needs.root)}"
            size = safe_removal.freed_bytes(path)
            yield Removable("cache", f"options of {path.stem}", (place,), size, "that engine is not on this host")


def remove(needs: Needs, item: Removable) -> None:
    """Remove a cache. Raises OSError."""
    for path in item.paths:
        trees.remove(needs.path(path))


def _trees(needs: Needs) -> list[Path]:
    top = needs.path(engines.ENGINES)
    return [tree for folder in _entries(top) if folder.is_dir() for tree in engine_trees.finished(folder)]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it is a link or not there."""
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
