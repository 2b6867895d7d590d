# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Trees of engines below ``/opt/thor/engines``: which of them nothing needs.

``<engine>/<version>-<fingerprint>`` is a finished tree if it holds a record, and the link ``<engine>/<version>`` points to the current
one. Everything else in these folders is somebody else's, except what begins with a dot: an interrupted installation or removal.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

BUILD = "build.json"
ENVIRONMENT = "environment.json"
# How a path ends in a unit or a configuration, when it is not part of a longer name.
_ENDS = ("/", '"', " ", "\n", "'", ":")


def finished(folder: Path, records: Iterable[str] = (BUILD, ENVIRONMENT)) -> list[Path]:
    """The finished trees of an engine's folder, by name."""
    found = {path.parent for name in records for path in folder.glob(f"*/{name}")}
    return sorted(tree for tree in found if not tree.is_symlink() and not tree.name.startswith("."))


def unused(
    folder: Path, keep: Collection[str], texts: str, records: Iterable[str] = (BUILD, ENVIRONMENT)
) -> list[Path]:
    """The finished trees of an engine that are neither current for a version in ``keep`` nor named in the texts.

    A unit may name a tree by its own name or by its version's link.
    """
    links = {link: os.readlink(link) for link in folder.glob("*") if link.is_symlink()}
    kept = {target for link, target in links.items() if link.name in keep or names(texts, link)}
    return [tree for tree in finished(folder, records) if tree.name not in kept and not names(texts, tree)]


def newest(folder: Path, count: int) -> list[Path]:
    """The trees of an engine that were installed last."""

    def installed(tree: Path) -> float:
        return max((tree / name).stat().st_mtime for name in (BUILD, ENVIRONMENT) if (tree / name).exists())

    return sorted(finished(folder), key=installed, reverse=True)[:count]


def leftovers(folder: Path) -> list[Path]:
    """What interrupted installations and removals have left in an engine's folder."""
    found = [*folder.glob(".*.partial"), *folder.glob(".*.removed")]
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def names(texts: str, path: Path) -> bool:
    """Whether a path stands in the texts, as a whole or as the beginning of another."""
    return any(f"{path}{end}" in texts for end in _ENDS)
