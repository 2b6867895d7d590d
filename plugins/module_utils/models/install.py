# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Give a complete staged tree its final name in one rename, together with what stays of the old directory."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.files import sync
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import exchange
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import (
    ASIDE,
    MANIFEST,
    PARTIAL,
    read_manifest,
    write_manifest,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging


def install(stage: Staging, target: Path, plan: Plan, manifest: Mapping[str, Any]) -> None:
    """Rename the staged tree to its final name, after linking what stays of the old directory into it."""
    make_whole(stage, target, plan, manifest)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        old = stage.tree if exchange(stage.tree, target) else _rename_twice(stage, target)
        # What somebody put there between the links and the rename.
        _link_remaining(old, target, plan)
    else:
        stage.tree.rename(target)
    sync(target.parent)
    sync(stage.root)


def make_whole(stage: Staging, target: Path, plan: Plan, manifest: Mapping[str, Any]) -> None:
    """Make a directory of the staged tree, with what stays of the old one; durable."""
    _link_remaining(target, stage.tree, plan)
    write_manifest(stage.tree, manifest)
    for folder, _folders, _names in os.walk(stage.tree):
        sync(Path(folder))


def _link_remaining(source: Path, tree: Path, plan: Plan) -> None:
    """Hard-link into ``tree`` the files that are right already, and everything that is not ours."""
    ours = (read_manifest(source) or {"files": {}})["files"]
    if source.is_dir():
        _copy_mode(source, tree)
    for folder, folders, names in os.walk(source):
        here = Path(folder).relative_to(source)
        for name in folders:
            if not Path(folder, name).is_symlink():
                (tree / here / name).mkdir(exist_ok=True)
                _copy_mode(Path(folder, name), tree / here / name)
        for name in [*names, *(name for name in folders if Path(folder, name).is_symlink())]:
            _link(Path(folder, name), tree, str(here / name), plan)
    emptied = {parent for name in ours for parent in Path(name).parents} - {Path()}
    for parent in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # not empty, or not there
            (tree / parent).rmdir()


def _link(path: Path, tree: Path, name: str, plan: Plan) -> None:
    """Hard-link one file, unless the plan replaces or drops it."""
    if name in (MANIFEST, MANIFEST + PARTIAL) or name in plan.drop:
        return
    place = tree / name
    if name in plan.aside:
        place = place.with_name(place.name + ASIDE)
        if os.path.lexists(place) and os.path.samestat(place.lstat(), path.lstat()):
            return
        place = free_name(place)
    elif name in plan.fetch:
        return
    if not os.path.lexists(place):
        os.link(path, place, follow_symlinks=False)


def free_name(path: Path) -> Path:
    """The path, or the path followed by the first number that is free."""
    number = 0
    place = path
    while os.path.lexists(place):
        number += 1
        place = path.with_name(f"{path.name}.{number}")
    return place


def _copy_mode(source: Path, target: Path) -> None:
    found = source.stat()
    os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))


def _rename_twice(stage: Staging, target: Path) -> Path:
    """The swap for file systems without an exchange: recover() undoes the first half after a kill between the two."""
    old = stage.root / "old"
    target.rename(old)
    stage.tree.rename(target)
    return old


def recover(stage: Staging, target: Path) -> None:
    """Undo the first half of _rename_twice."""
    old = stage.root / "old"
    if old.is_dir() and not target.exists():
        old.rename(target)
