# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models go on request only; revisions and downloads in any case."""

from __future__ import annotations

from pathlib import Path

import model_trees_helper
from ansible_collections.jetson.thor.plugins.module_utils import install_record
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.models import Models
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host
from host_tree import HostTree


def remove(tree: HostTree, models: bool) -> list[Kept]:
    step = Models(Host(tree.root, install_record.EMPTY), models)
    found = list(step.find())
    return [
        *(one for one in found if isinstance(one, Kept)),
        *step.remove([one for one in found if isinstance(one, Removable)]),
    ]


def test_they_stay_unless_their_removal_is_asked_for(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.model("/models/Qwen/Qwen3-8B")
    mine = tree.write("/models/mine/model.gguf")
    tree.write("/models/.thor/staging/x-01234567/tree/part")
    model_trees_helper.served(tree.root, "/models/a/b", "now")
    model_trees_helper.prepared(tree.root, "/models/a/b", "before")
    (kept,) = remove(tree, models=False)
    assert kept.name == "Qwen/Qwen3-8B, a/b" and "thor_remove_models=true" in kept.why
    assert tree.path("/models/Qwen/Qwen3-8B/model.safetensors").exists()
    assert not tree.path("/models/.thor").exists()
    assert remove(tree, models=True) == []
    assert {path.name for path in tree.path("/models").iterdir()} == {"mine"} and mine.exists()


def test_what_a_person_put_beside_is_said(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.model("/models/Qwen/Qwen3-8B")
    tree.write("/models/Qwen/Qwen3-8B/notes.txt")
    (kept,) = remove(tree, models=True)
    assert kept == Kept("file", "/models/Qwen/Qwen3-8B/notes.txt", "not ours")
