# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Finished Python environments: where they are, their record, and whether their files are still those that were installed.

A finished environment is the virtual environment ``<prefix>/<engine>/<version>-<fingerprint>`` with ``environment.json`` in it,
and the link ``<prefix>/<engine>/<version>`` that points to it. Each appears in one rename, after the engine has answered.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import engine_trees, records

NAME = engine_trees.ENVIRONMENT
# ``files``: size in bytes and time in nanoseconds of each file that ``recorded`` finds. ``bytes``: space on disk.
SHAPE = {
    "fingerprint": str,
    "lock": str,
    "tag": str,
    "python": str,
    "requirement": str,
    "packages": {str: str},
    "files": {str: [int]},
    "bytes": int,
    "seconds": (int, float),
    "cuda_code": (dict, type(None)),
}


def tree_of(prefix: str, engine: str, version: str, fingerprint: str) -> Path:
    """The final name of an environment."""
    return Path(prefix, engine, f"{version}-{fingerprint}")


def read(tree: Path) -> dict[str, Any] | None:
    """The record of a finished environment; None if there is none or if it is damaged itself."""
    return records.read(tree / NAME, SHAPE)


def recorded(tree: Path) -> Iterator[Path]:
    """The files whose damage a record shows: programs, shared libraries, and each package's own list of files.

    These are about 2,000 of vLLM's 60,000 files. An installer that changes a package rewrites that package's list.
    """
    yield from sorted((tree / "bin").iterdir())
    yield tree / "pyvenv.cfg"
    for folder, folders, names in os.walk(tree / "lib"):
        folders.sort()
        listed = folder.endswith(".dist-info")
        for name in sorted(names):
            if ".so" in name or (listed and name == "RECORD"):
                yield Path(folder, name)


def measure(tree: Path) -> dict[str, list[int]]:
    """What a record says about the files: size and time by path in the tree."""
    return {path.relative_to(tree).as_posix(): _measure(path) for path in recorded(tree)}


def _measure(path: Path) -> list[int]:
    found = path.lstat()
    return [found.st_size, found.st_mtime_ns]


def damage(tree: Path, record: Mapping[str, Any]) -> str | None:
    """What is no longer as it was installed, or None. Sizes and times are compared, not contents: every run asks this."""
    for name, installed in record["files"].items():
        path = tree / name
        try:
            found = _measure(path)
            if stat.S_ISLNK(path.lstat().st_mode):
                path.stat()
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        if found != installed:
            return f"{path} is not the file that was installed: its size or time has changed"
    return None


def disk_bytes(tree: Path) -> int:
    """The space that a tree takes on disk. A file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, folders, names in os.walk(tree):
        for name in (*folders, *names):
            found = Path(folder, name).lstat()
            seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def summary(tree: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """What is returned and observed of a finished environment."""
    return {
        "path": str(tree),
        "fingerprint": record["fingerprint"],
        "packages": len(record["packages"]),
        "bytes": record["bytes"],
        "python": record["python"],
        "seconds": record["seconds"],
        "cuda_code": record["cuda_code"],
    }


def installation(record: Mapping[str, Any]) -> str:
    """What distinguishes this installation from an earlier one at the same path: the times of its files."""
    return hashlib.sha256(json.dumps(record["files"], sort_keys=True).encode()).hexdigest()[:12]


def difference(tree: Path, version: str, versions: Mapping[str, str]) -> dict[str, str]:
    """The packages of the version's present environment and the wanted ones, for Ansible's diff mode."""
    link = tree.parent / version
    before = read(link) if link.is_symlink() else None
    return {
        "before_header": str(link.resolve()) if before else "no environment",
        "before": _lines(before["packages"]) if before else "",
        "after_header": str(tree),
        "after": _lines(versions),
    }


def _lines(versions: Mapping[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
