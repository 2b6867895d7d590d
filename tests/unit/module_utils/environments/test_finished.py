# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Finished Python environments and their records."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.environments import finished
from ansible_collections.jetson.thor.plugins.module_utils.observe import environments

LIBRARY = "lib/python3.12/site-packages/torch/lib/libtorch.so.2"
LIST = "lib/python3.12/site-packages/torch-2.dist-info/RECORD"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An environment with its record and its link."""
    tree = tmp_path / "engines/vllm/0.33.0-0123456789ab"
    for name in ("bin/vllm", LIBRARY, LIST, "lib/python3.12/site-packages/torch/__init__.py", "pyvenv.cfg"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "bin/python").symlink_to("/bin/sh")
    record: dict[str, Any] = {
        "fingerprint": "0123456789ab",
        "lock": "ab" * 32,
        "tag": "cp312-aarch64",
        "python": "3.12.3",
        "requirement": "vllm==0.33.0",
        "packages": {"torch": "2", "vllm": "0.33.0"},
        "files": finished.measure(tree),
        "bytes": finished.disk_bytes(tree),
        "seconds": 39.5,
        "cuda_code": None,
    }
    records.write(tree / finished.NAME, record, 0o644)
    (tree.parent / "0.33.0").symlink_to(tree.name)
    return tree


def test_the_record_has_programs_libraries_and_lists_of_files(tree: Path) -> None:
    record = finished.read(tree)
    assert record is not None
    assert list(record["files"]) == ["bin/python", "bin/vllm", "pyvenv.cfg", LIBRARY, LIST]
    assert finished.damage(tree, record) is None


def _remove(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    os.truncate(path, 3)


def _replace(path: Path) -> None:
    size = path.stat().st_size
    path.unlink()
    path.write_text("x" * size)


@pytest.mark.parametrize("change", [_remove, _truncate, _replace])
@pytest.mark.parametrize("name", ["bin/vllm", LIBRARY, LIST])
def test_damage_is_noticed(tree: Path, name: str, change: Callable[[Path], None]) -> None:
    change(tree / name)
    record = finished.read(tree)
    assert record is not None and name in str(finished.damage(tree, record))
    observed = environments.environments(tree.parent.parent)
    assert name in observed["vllm"]["0.33.0"]["damaged"]


def test_a_python_that_is_gone_is_damage(tree: Path) -> None:
    (tree / "bin/python").unlink()
    (tree / "bin/python").symlink_to("/bin/no")
    os.utime(tree / "bin/python", ns=(1, 1), follow_symlinks=False)
    record = finished.read(tree)
    assert record is not None
    record["files"]["bin/python"] = [len("/bin/no"), 1]
    assert "bin/python cannot be read (No such file" in str(finished.damage(tree, record))


def test_what_is_observed(tree: Path) -> None:
    observed = environments.environments(tree.parent.parent)
    assert re.fullmatch(r"[0-9a-f]{12}", observed["vllm"]["0.33.0"].pop("installation"))
    assert observed == {
        "vllm": {
            "0.33.0": {
                "path": str(tree),
                "fingerprint": "0123456789ab",
                "packages": 2,
                "bytes": finished.disk_bytes(tree) - (tree / finished.NAME).stat().st_blocks * 512,
                "python": "3.12.3",
                "seconds": 39.5,
                "cuda_code": None,
                "damaged": None,
            }
        }
    }
    (tree / finished.NAME).write_text("{")
    assert environments.environments(tree.parent.parent) == {}


def test_a_file_with_two_names_takes_space_once(tree: Path) -> None:
    before = finished.disk_bytes(tree)
    os.link(tree / LIBRARY, tree / "second")
    assert finished.disk_bytes(tree) == before
