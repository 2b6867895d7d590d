# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds and Python environments that nothing needs, and what their jobs have left: sources, build trees, caches of packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import engine_trees, safe_removal, trees
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable

ENGINES = "/opt/thor/engines"
STATE = "/var/lib/thor"
UNUSED = "no service, rollback or pin names it"


def find(needs: Needs) -> Iterator[Removable | Kept]:
    """Trees of engines, and the caches of engines that have none left."""
    building = set()  # engines whose sources and compiler cache serve the next build
    for folder in _folders(needs.path(ENGINES)):
        engine = folder.name
        unused = engine_trees.unused(folder, needs.versions(engine), _text(needs))
        newest = engine_trees.newest(folder, needs.keep)
        for tree in engine_trees.finished(folder):
            name = f"{engine} {tree.name}"
            is_build = (tree / engine_trees.BUILD).exists()
            stays = tree not in unused or tree in newest or needs.pinned(name, f"{ENGINES}/{engine}/{tree.name}")
            if stays:
                building |= {engine} if is_build else set()
                continue
            yield _item(needs, "build" if is_build else "environment", name, UNUSED, tree)
        for path in engine_trees.leftovers(folder):
            yield _item(needs, "leftover", f"{engine} {path.name}", "an interrupted installation left it", path)
    building |= {str(one["engine"]) for one in needs.wanted if one["kind"] == "build"}
    yield from _caches(needs, building)


def _caches(needs: Needs, building: set[str]) -> Iterator[Removable]:
    """Sources, build trees and compiler cache of engines that nobody builds any more; packages of environments that are complete."""
    state = needs.path(STATE)
    for folder in _folders(state / "src"):
        if folder.name not in building:
            yield _item(needs, "cache", f"sources of {folder.name}", "no service is built from them", folder)
    for folder in _folders(state / "build"):
        installed = all(_is_installed(needs, folder.name, version) for version in needs.versions(folder.name))
        if installed and any(folder.iterdir()):
            yield _item(
                needs, "cache", f"build tree of {folder.name}", "no build of the inventory is unfinished", folder
            )
    ccache = state / "ccache"
    if ccache.is_dir() and not ccache.is_symlink() and not building:
        yield _item(needs, "cache", "compiler cache", "no service is built from source", ccache)
    for folder in _folders(state / "uv"):
        unfinished = any(
            folder.name.startswith(f"{one['engine']}-{one['version']}-")
            and not _is_installed(needs, str(one["engine"]), str(one["version"]))
            for one in needs.wanted
        )
        if not unfinished:
            yield _item(
                needs, "cache", f"packages of {folder.name}", "no environment of the inventory is unfinished", folder
            )


def remove(needs: Needs, item: Removable) -> None:
    """Remove a tree, the links to it first. It gets another name before it goes: what has its name is complete. Raises OSError."""
    for text in item.paths:
        tree = needs.path(text)
        if item.kind in ("build", "environment"):
            for link in tree.parent.glob("*"):
                if link.is_symlink() and link.readlink() == Path(tree.name):
                    link.unlink()
        trees.remove(tree)


def _item(needs: Needs, kind: str, name: str, why: str, path: Path) -> Removable:
    return Removable(kind, name, (f"/{path.relative_to(needs.root)}",), safe_removal.freed_bytes(path), why)


def _text(needs: Needs) -> str:
    """The texts, with the paths as they are below the root of a test."""
    text = needs.text
    return text if needs.root == Path("/") else text.replace(ENGINES, str(needs.path(ENGINES)))


def _is_installed(needs: Needs, engine: str, version: str) -> bool:
    return (needs.path(ENGINES) / engine / version).is_symlink()


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder, without links; none where it is a link itself or not there."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    return sorted(one for one in parent.iterdir() if one.is_dir() and not one.is_symlink())
