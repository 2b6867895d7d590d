# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A folder on a disk that is not there: configured in one of the ways that there are, and not mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import mounts

ROOT_MOUNT = "25 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n"
MODELS_MOUNT = "98 25 259:3 / /models rw,relatime shared:40 - ext4 /dev/nvme1n1p1 rw\n"
FSTAB = """\
# /etc/fstab
/dev/root            /                     ext4           defaults                                     0 1
UUID=1234-ABCD /boot/efi vfat defaults 0 1
{entry}
/swapfile none swap sw 0 0
"""
ENTRY = "UUID=9f2c /models ext4 defaults,nofail 0 2"


@pytest.fixture(autouse=True)
def _no_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_units", lambda _places: set())


def device(folder: Path, fstab: str, mounted: str) -> Path:
    (folder / "etc").mkdir()
    (folder / "etc/fstab").write_text(FSTAB.format(entry=fstab))
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/mountinfo").write_text(mounted)
    return folder


PATHS = ("/models", "/opt/thor", "/var/lib/thor")


@pytest.mark.parametrize(
    ("fstab", "mounted", "found"),
    [
        (ENTRY, ROOT_MOUNT, {"/models": "/models"}),
        (ENTRY.replace("nofail", "noauto"), ROOT_MOUNT, {"/models": "/models"}),
        (ENTRY.replace(" /models ", "\t/models/\t"), ROOT_MOUNT, {"/models": "/models"}),
        (ENTRY, ROOT_MOUNT + MODELS_MOUNT, {}),
        (f"# {ENTRY}", ROOT_MOUNT, {}),
        ("", ROOT_MOUNT, {}),
        ("/dev/sdb1 /var ext4 defaults 0 2", ROOT_MOUNT, {"/var/lib/thor": "/var"}),
        ("/dev/sdb1 /data ext4 nofail 0 2", ROOT_MOUNT, {}),
    ],
)
def test_what_is_configured_and_not_mounted(tmp_path: Path, fstab: str, mounted: str, found: dict[str, str]) -> None:
    assert mounts.missing(PATHS, device(tmp_path, fstab, mounted)) == found


def test_a_link_onto_a_disk_that_is_not_mounted(tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to(f"{tmp_path}/my disk/models")
    escaped = f"{tmp_path}/my disk".replace(" ", "\\040")
    root = device(tmp_path, f"/dev/sdb1 {escaped} ext4 nofail 0 2", ROOT_MOUNT)
    assert mounts.missing([str(tmp_path / "models")], root) == {str(tmp_path / "models"): f"{tmp_path}/my disk"}
    (root / "proc/self/mountinfo").write_text(f"{ROOT_MOUNT}98 25 259:3 / {escaped} rw - ext4 /dev/sdb1 rw\n")
    assert mounts.missing([str(tmp_path / "models")], root) == {}


def test_a_mount_unit_without_an_entry_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    tool = tmp_path / "systemctl"
    cases = "case $unit in models.mount) echo LoadState=loaded ;; *) echo LoadState=not-found ;; esac; echo"
    tool.write_text(f"#!/bin/sh\nshift 3\nfor unit; do {cases}; done\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    root = device(tmp_path, "", ROOT_MOUNT)
    assert mounts.missing(PATHS, root) == {"/models": "/models"}
    (root / "proc/self/mountinfo").write_text(ROOT_MOUNT + MODELS_MOUNT)
    assert mounts.missing(PATHS, root) == {}


@pytest.mark.parametrize(
    ("path", "unit"),
    [("/models", "models.mount"), ("/var/lib/thor", "var-lib-thor.mount"), ("/data/my-disk", "data-my\\x2ddisk.mount")],
)
def test_units_are_called_as_systemd_calls_them(path: str, unit: str) -> None:
    assert mounts.unit_of(path) == unit
