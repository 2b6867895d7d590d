# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Trees of engines."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import engine_trees
from host_tree import HostTree


def test_trees_are_those_with_a_record(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.tree("e", "1-a", current="1")
    host.environment("e", "2-b")
    host.write("/opt/thor/engines/e/mine/bin/x")
    host.write("/opt/thor/engines/e/.3-c.partial/build.json")
    folder = host.path("/opt/thor/engines/e")
    assert [tree.name for tree in engine_trees.finished(folder)] == ["1-a", "2-b"]
    assert [tree.name for tree in engine_trees.leftovers(folder)] == [".3-c.partial"]


def test_the_newest_are_those_that_were_installed_last(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    for name, age in (("1-a", 1), ("2-b", 9), ("3-c", 2)):
        host.tree("e", name, age=age)
    assert [tree.name for tree in engine_trees.newest(host.path("/opt/thor/engines/e"), 2)] == ["1-a", "3-c"]


@pytest.mark.parametrize(
    ("text", "known"), [("/e/1-a/bin/x", True), ('"/e/1-a"', True), ("/e/1-ab/bin", False), ("PATH=/e/1-a:/bin", True)]
)
def test_a_name_is_no_beginning_of_a_longer_one(text: str, known: bool) -> None:
    assert engine_trees.names(text, Path("/e/1-a")) is known
