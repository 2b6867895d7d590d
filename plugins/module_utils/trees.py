# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whole folders under their final names: they appear, and go, in one rename."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files


def put(stage: Path, final: Path) -> None:
    """Give a complete folder its final name; what has that name is removed. The folder's files must be on the disk."""
    gone = _free(final)
    if final.exists():
        final.rename(gone)
    stage.rename(final)
    files.sync(final.parent)
    shutil.rmtree(gone, ignore_errors=True)


def remove(tree: Path) -> None:
    """Remove a folder: its name first, so that nobody takes for complete what is partly gone.

    One that is gone already is no error. No link is followed. Raises OSError.
    """
    if tree.is_symlink() or not tree.is_dir():
        tree.unlink(missing_ok=True)
        return
    gone = tree
    if not tree.name.startswith("."):  # such a name promises nothing
        gone = _free(tree)
        tree.rename(gone)
    shutil.rmtree(gone)


def aside(path: Path) -> Path:
    """What a folder is called while it is being removed. An interrupted removal leaves it."""
    return path.with_name(f".{path.name}.removed")


def _free(path: Path) -> Path:
    found = aside(path)
    shutil.rmtree(found, ignore_errors=True)
    return found
