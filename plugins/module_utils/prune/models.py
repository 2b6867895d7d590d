# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that nothing needs: those that we have fetched, never one that a person has put on the device.

Of a folder only the files go that its manifest lists and that are as they were fetched. Folders that are reached through a link below
/models are left alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import safe_removal
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees, slug
from ansible_collections.jetson.thor.plugins.module_utils.models import manifest as manifests
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST, is_intact, read_manifest
from ansible_collections.jetson.thor.plugins.module_utils.models.url import manifest_of
from ansible_collections.jetson.thor.plugins.module_utils.prune.engines import UNUSED
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk

STAGED = re.compile(r"[a-z0-9.-]+-[0-9a-f]{8}")


def find(needs: Needs) -> Iterator[Removable | Kept]:
    """Folders of models, files from plain URLs, interrupted downloads, and revisions that wait for nothing."""
    top = Path(os.path.realpath(needs.path("/models")))
    for folder in folders(top):
        manifest = read_manifest(folder)
        if manifest is not None:
            yield from _of_folder(needs, top, folder, manifest)
    yield from _staged(needs, top)
    yield from _beside(needs)


def folders(top: Path) -> list[Path]:
    """The folders with a manifest below /models, one or two levels down. No link is followed."""
    found = []
    for outer in _plain(top):
        found += [
            one for one in (outer, *_plain(outer)) if (one / MANIFEST).is_file() and not (one / MANIFEST).is_symlink()
        ]
    return found


def _plain(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [one for one in entries if one.name != ".thor" and one.is_dir() and not one.is_symlink()]


def _of_folder(needs: Needs, top: Path, folder: Path, manifest: Mapping[str, Any]) -> Iterator[Removable | Kept]:
    """A folder from a hub goes as a whole, one of files from URLs file by file."""
    path = f"/models/{folder.relative_to(top)}"
    if obstacle := safe_removal.obstacle(folder):
        yield Kept("model", path, obstacle)
        return
    single = manifest["source"] == "url"
    for name, listed in [(one, [one]) for one in manifest["files"]] if single else [("", list(manifest["files"]))]:
        place = f"{path}/{name}" if name else path
        if needs.names(place) or needs.pinned(place, place.removeprefix("/models/")):
            continue
        ours = [one for one in listed if is_intact(folder / one, manifest["files"][one])]
        changed = [one for one in listed if one not in ours and os.path.lexists(folder / one)]
        if changed:
            yield Kept("model", place, f"somebody has changed {', '.join(changed[:3])}")
            continue
        size = safe_removal.freed_bytes(*(folder / one for one in ours))
        yield Removable("model", place.removeprefix("/models/"), (place,), size, UNUSED)


def remove(needs: Needs, item: Removable) -> list[str]:
    """Remove a model's files and then its manifest, so that an interrupted removal goes on; what is a person's stays. Raises OSError.

    Returns the paths of what stays in the folder.
    """
    top = Path(os.path.realpath(needs.path("/models")))
    place = top / item.paths[0].removeprefix("/models/")
    single = not place.is_dir()
    folder = place.parent if single else place
    manifest = read_manifest(folder)
    if manifest is None:
        return []
    listed = manifest["files"]
    gone = [place.name] if single else list(listed)
    for name in gone:
        if name in listed and is_intact(folder / name, listed[name]):
            safe_removal.unlink_below(folder, name)
    rest = {name: one for name, one in listed.items() if name not in gone}
    if single and rest:
        manifests.write_manifest(folder, manifest_of(rest))
        return []
    safe_removal.unlink_below(folder, MANIFEST)
    safe_removal.remove_empty(folder, gone)
    _remove_empty_owner(top, folder)
    return [f"/models/{one.relative_to(top)}" for one in sorted(folder.iterdir())] if folder.is_dir() else []


def _remove_empty_owner(top: Path, folder: Path) -> None:
    if folder.parent != top and not folder.exists():
        safe_removal.remove_empty(folder.parent, ())


# --- Interrupted downloads ---


def _staged(needs: Needs, top: Path) -> Iterator[Removable | Kept]:
    wanted = {staged_name(place) for place in needs.places()}
    for home in (top, *_plain(top)):
        folder = home / ".thor/staging"
        if folder.parent.is_symlink() or folder.is_symlink():
            continue
        for stage in _plain(folder):
            if not STAGED.fullmatch(stage.name) or stage.name in wanted:
                continue
            path = f"/models/{stage.relative_to(top)}"
            if is_locked(stage):
                yield Kept("download", path, "it is under way")
            elif not needs.pinned(path):
                size = safe_removal.freed_bytes(stage)
                yield Removable(
                    "download", stage.name, (path,), size, "an interrupted download that no service waits for"
                )


def staged_name(place: str) -> str:
    """The name of the staging folder of a directory or a file (models/staging.py)."""
    return f"{slug(Path(place).name)}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def is_locked(stage: Path) -> bool:
    """Whether a process is fetching to a staging folder. Makes no lock."""
    try:
        descriptor = os.open(stage.with_name(f"{stage.name}.lock"), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_staged(needs: Needs, item: Removable) -> None:
    """Remove an interrupted download with its lock, unless it has been taken up again. Raises OSError."""
    stage = Path(os.path.realpath(needs.path("/models"))) / item.paths[0].removeprefix("/models/")
    if not is_locked(stage):
        safe_removal.remove_tree(stage)
        stage.with_name(f"{stage.name}.lock").unlink(missing_ok=True)


# --- Trees that wait beside a directory ---


def kept_beside(needs: Needs, path: str) -> set[str]:
    """Identities of the trees beside a directory that stay: what a rollback brings back, and a revision that waits for its switch."""
    trees, waiting = Trees(needs.root), Trees(needs.root).waiting(path)
    before = previous.models(Disk(needs.root)).get(path)
    kept = {before} if before else set()
    if needs.names(path):
        current = trees.current(path)
        kept |= {one for one, tree in waiting.items() if (read_manifest(tree) or {}).get("supersedes") == current}
    return kept & set(waiting)


def _beside(needs: Needs) -> Iterator[Removable]:
    trees = Trees(needs.root)
    for path in trees.paths():
        for known, tree in sorted(trees.waiting(path).items()):
            if known not in kept_beside(needs, path) and not needs.pinned(path):
                name = f"{path.removeprefix('/models/')} {known[:12]}"
                size = safe_removal.freed_bytes(tree)
                yield Removable(
                    "revision", name, (path, known), size, "no switch waits for it, and no rollback brings it back"
                )


def remove_beside(needs: Needs, item: Removable) -> None:
    """Remove a tree that waits beside a directory."""
    path, known = item.paths
    trees = Trees(needs.root)
    trees.keep_only(path, set(trees.waiting(path)) - {known})
