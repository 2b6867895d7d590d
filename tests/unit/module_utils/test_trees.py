# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Folders that appear and go in one rename."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import trees


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    stage, final = tmp_path / ".stage", tmp_path / "final"
    for folder in (stage, final, tmp_path / ".final.removed"):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    trees.put(stage, final)
    assert [path.name for path in tmp_path.iterdir()] == ["final"] and (final / "name").read_text() == ".stage"
    trees.remove(final)
    assert not list(tmp_path.iterdir())


def test_a_name_goes_before_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()

    (tree / "file").touch()

    def rmtree(path: Path, **_options: Any) -> None:
        if path.exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(KeyboardInterrupt):
        trees.remove(tree)
    assert not tree.exists() and (tmp_path / ".tree.removed/file").exists()
