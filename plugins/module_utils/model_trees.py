# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Trees of models that wait beside their directory: a new revision before its switch, and the old one after it.

``/models/Qwen/Qwen3-8B`` is served from; below ``/models/.thor/beside/qwen3-8b-1f2e3d4c`` lie complete trees that may take its
name. A tree is known by its ``identity``, a digest of its manifest, never by its own name: an exchange swaps the names of two
trees, so that after a power cut only the content says which is which.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files, records

MANIFEST = ".thor-manifest.json"
# The directories that have trees beside them, so that nobody has to look for these.
RECORD = "/var/lib/thor/beside.json"
SHAPE = {"paths": [str]}


def identity(tree: Path) -> str | None:
    """The SHA-256 of a tree's manifest; None without one, which a tree of ours always has."""
    found = files.content(tree / MANIFEST)
    return None if found is None else hashlib.sha256(found).hexdigest()


def slug(text: str) -> str:
    """A text as part of a file or unit name."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "x"


class Trees:
    """The trees of a host, under ``root`` (``/`` on a host). Paths of directories are those of the host."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self._record = root / RECORD.lstrip("/")

    def target(self, path: str) -> Path:
        """The directory itself, where a symbolic link leads to."""
        return Path(os.path.realpath(self.root / path.lstrip("/")))

    def folder(self, path: str) -> Path:
        """Where the trees of a directory wait: on its file system, in ``/models/.thor`` if that is the same one."""
        target = self.target(path)
        models = Path(os.path.realpath(self.root / "models"))
        place = target.parent
        if target.is_relative_to(models) and models.exists() and models.stat().st_dev == place.stat().st_dev:
            place = models
        name = f"{slug(target.name)}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        return place / ".thor" / "beside" / name

    def paths(self) -> list[str]:
        """The directories that have trees beside them."""
        return list((records.read(self._record, SHAPE) or {"paths": []})["paths"])

    def current(self, path: str) -> str | None:
        """The identity of the tree that has the directory's name."""
        return identity(self.target(path))

    def waiting(self, path: str) -> dict[str, Path]:
        """The complete trees beside a directory, by identity."""
        return {known: tree for tree in self._beside(path) if (known := identity(tree))}

    def put(self, tree: Path, path: str) -> str:
        """Have a complete tree, durable as it is, wait beside a directory. Returns its identity."""
        known = identity(tree)
        if known is None:
            raise ValueError(f"{tree} has no manifest")
        paths = self.paths()
        if path not in paths:
            self._record.parent.mkdir(parents=True, exist_ok=True)
            records.write(self._record, {"paths": sorted([*paths, path])}, durable=True)
        folder = self.folder(path)
        folder.mkdir(parents=True, exist_ok=True)
        if known not in self.waiting(path):
            tree.rename(_free(folder / known[:16]))
        files.sync(folder)
        return known

    def bring(self, path: str, wanted: str) -> None:
        """Give the directory's name to the tree with this identity; what had the name waits beside it. Durable and repeatable.

        One step where the file system can exchange two names (renameat2(2) lists ext4, btrfs, tmpfs, XFS). Where it refuses that
        with EINVAL, there is a moment without a directory; after a power cut in it, the next call, for the old or the new tree,
        ends it. Raises FileNotFoundError if there is no such tree.
        """
        target, folder = self.target(path), self.folder(path)
        if identity(target) != wanted:
            tree = self.waiting(path).get(wanted)
            if tree is None:
                raise FileNotFoundError(errno.ENOENT, f"no tree {wanted[:16]} waits for it", str(target))
            if not target.exists():
                tree.rename(target)
            elif exchange(tree, target):
                _carry_over(tree, target)
            else:
                leaving = _free(folder / "leaving")
                target.rename(leaving)
                tree.rename(target)
                _carry_over(leaving, target)
        files.sync(target.parent)
        if folder.is_dir():
            files.sync(folder)

    def keep_only(self, path: str, named: Collection[str]) -> None:
        """Remove the trees beside a directory that nothing names, and what a killed removal left."""
        for tree in self._beside(path):
            if identity(tree) not in named:
                # Without its manifest it is no longer a tree, however far the removal gets.
                with contextlib.suppress(OSError):
                    (tree / MANIFEST).unlink()
                    files.sync(tree)
                shutil.rmtree(tree, ignore_errors=True)
        if not self._beside(path):
            for empty in (self.folder(path), self.folder(path).parent):
                with contextlib.suppress(OSError):
                    empty.rmdir()
            paths = [one for one in self.paths() if one != path]
            if paths:
                records.write(self._record, {"paths": paths}, durable=True)
            else:
                self._record.unlink(missing_ok=True)

    def _beside(self, path: str) -> list[Path]:
        try:
            return sorted(one for one in self.folder(path).glob("*") if one.is_dir())
        except OSError:  # not even the directory above is there
            return []


def exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (renameat2, RENAME_EXCHANGE); False if kernel or file system cannot."""
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _carry_over(old: Path, new: Path) -> None:
    """Link into the new tree what somebody has put into the old one since the new one was made."""
    manifest = records.read(old / MANIFEST, {"files": {str: dict}})
    if manifest is None:
        return
    ours = manifest["files"]
    for folder, _folders, names in os.walk(old):
        for name in names:
            path = Path(folder, name)
            inside = path.relative_to(old)
            place = new / inside
            if str(inside) not in ours and inside.name != MANIFEST and not os.path.lexists(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, place, follow_symlinks=False)


def _free(path: Path) -> Path:
    """The path, or the path followed by the first number that is free."""
    number, place = 0, path
    while os.path.lexists(place):
        number += 1
        place = path.with_name(f"{path.name}.{number}")
    return place
