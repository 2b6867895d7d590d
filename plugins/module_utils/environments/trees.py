# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whole folders under their final names: they appear, and go, in one rename."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files


def put(stage: Path, final: Path) -> None:
    """Give a complete folder its final name; what has that name is removed. The folder's files must be on the disk."""
    aside = _aside(final)
    if final.exists():
        final.rename(aside)
    stage.rename(final)
    files.sync(final.parent)
    shutil.rmtree(aside, ignore_errors=True)


def remove(tree: Path) -> None:
    """Remove a folder: its name first, so that nobody takes for complete what is partly gone."""
    aside = _aside(tree)
    tree.rename(aside)
    shutil.rmtree(aside)


def _aside(path: Path) -> Path:
    aside = path.with_name(f".{path.name}.removed")
    shutil.rmtree(aside, ignore_errors=True)
    return aside
