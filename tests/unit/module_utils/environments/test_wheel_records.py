# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Installed files against their wheels' records."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import package_index
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import wheel_records


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with one unpacked wheel."""
    _name, data = package_index.wheel("a", "1", {"a/__init__.py": b"x = 1\n", "a/b,c.so": b"lib"})
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path)
    return tmp_path


def test_what_a_wheel_brought_is_intact(packages: Path) -> None:
    assert list(wheel_records.damaged(packages)) == []


@pytest.mark.parametrize("name", ["a/__init__.py", "a/b,c.so", "a-1.dist-info/METADATA"])
def test_a_change_and_a_loss_are_found(packages: Path, name: str) -> None:
    (packages / name).write_bytes(b"y")
    assert list(wheel_records.damaged(packages)) == [name]
    (packages / name).unlink()
    assert list(wheel_records.damaged(packages)) == [name]
