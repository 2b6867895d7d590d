# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Removal that follows no link and enters no mount."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import safe_removal


def test_a_tree_goes_and_what_its_links_lead_to_stays(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/keys").write_text("secret")
    tree = tmp_path / "tree/deep"
    tree.mkdir(parents=True)
    (tree / "link").symlink_to(tmp_path / "home")
    safe_removal.remove_tree(tmp_path / "tree")
    safe_removal.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists() and (tmp_path / "home/keys").exists()
    (tmp_path / "top").symlink_to(tmp_path / "home")
    safe_removal.remove_tree(tmp_path / "top")
    assert not (tmp_path / "top").is_symlink() and (tmp_path / "home/keys").exists()


def test_links_and_mounts_are_obstacles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "my models"
    tree.mkdir()
    assert safe_removal.obstacle(tree) is None
    (tmp_path / "link").symlink_to(tree)
    assert safe_removal.obstacle(tmp_path / "link") == f"it is a link to {tree}"
    mounted = str(tree / "disk").replace(" ", "\\040")
    lines = f"36 35 98:0 / {mounted} rw,noatime master:1 - ext4 /dev/sda1 rw\n37 35 0:5 / {tree}2 rw - tmpfs tmpfs rw\n"
    (tmp_path / "mountinfo").write_text(lines)
    monkeypatch.setattr(safe_removal, "MOUNTS", tmp_path / "mountinfo")
    assert safe_removal.obstacle(tree) == f"{tree}/disk is mounted there"


def test_a_file_is_removed_by_its_name_within_a_folder_only(tmp_path: Path) -> None:
    folder, home = tmp_path / "folder", tmp_path / "home"
    (folder / "sub").mkdir(parents=True)
    home.mkdir()
    (home / "keys").write_text("secret")
    (folder / "sub/file").write_text("x")
    (folder / "link").symlink_to(home)
    assert safe_removal.unlink_below(folder, "sub/file") is True
    assert safe_removal.unlink_below(folder, "sub/file") is False
    for name in ("link/keys", "../home/keys", str(home / "keys"), ""):
        with pytest.raises(OSError, match=r"not a name within|link"):
            safe_removal.unlink_below(folder, name)
    (tmp_path / "way").symlink_to(folder)
    with pytest.raises(OSError, match=r"way"):
        safe_removal.unlink_below(tmp_path / "way", "sub")
    assert (home / "keys").exists()


def test_only_what_no_other_name_keeps_counts_as_freed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (one / "own").write_bytes(b"x" * 100_000)
    (one / "twice").write_bytes(b"x" * 100_000)
    os.link(one / "twice", one / "again")
    empty = safe_removal.freed_bytes(other)
    (one / "shared").write_bytes(b"x" * 1_000_000)
    os.link(one / "shared", other / "shared")
    assert 200_000 <= safe_removal.freed_bytes(one) - empty < 300_000
    assert safe_removal.freed_bytes(one, other) > 1_200_000


def test_what_lies_around_a_mount_can_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "thor"
    for name in ("jobs/x", "cache/disk/data", "cache/old"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert safe_removal.around_mounts(folder) == [folder]
    monkeypatch.setattr(safe_removal, "mounts", lambda: ["/", str(folder / "cache/disk")])
    assert safe_removal.around_mounts(folder) == [folder / "cache/old", folder / "jobs"]
    monkeypatch.setattr(safe_removal, "mounts", lambda: [str(folder)])
    assert safe_removal.around_mounts(folder) == [folder / "cache", folder / "jobs"]
    monkeypatch.setattr(safe_removal, "mounts", lambda: [f"{folder}2", str(folder / "cache/disk")])
    (folder / "jobs/x").unlink()
    (folder / "jobs").rmdir()
    (folder / "cache/old").unlink()
    assert safe_removal.around_mounts(folder) == []
