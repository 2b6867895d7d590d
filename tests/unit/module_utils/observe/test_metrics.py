# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What measures a host, as it is there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import metrics

NOTHING = {"files": {}, "timer": False, "exporter": False, "installed": False, "textfiles": False}


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, unit: str, package: str) -> None:
    """Stand-ins for systemctl show, which prints a block a unit, and for dpkg-query."""
    for name, printed in {"systemctl": f"{unit}\n\n{unit}", "dpkg-query": package}.items():
        (folder / name).write_text(f"#!/bin/sh\nprintf '%s' '{printed}'\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(metrics, "ROOT", folder / "root")


def test_a_fresh_host_has_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, "ActiveState=inactive\nUnitFileState=", "")
    assert metrics.observe() == {"metrics": NOTHING}


def test_files_of_ours_are_seen_and_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, "ActiveState=active\nUnitFileState=enabled", "ii ")
    root = tmp_path / "root"
    for path in (metrics.CONFIGURATION, f"{metrics.PROGRAM}/a/b.py", metrics.DROP_IN, "/etc/thor/other.json"):
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text("x")
    (root / metrics.DISTRIBUTION_TEXTFILES.lstrip("/")).mkdir(parents=True)
    seen = metrics.observe()["metrics"]
    ours = (metrics.CONFIGURATION, f"{metrics.PROGRAM}/a/b.py", metrics.DROP_IN)
    assert seen["files"] == dict.fromkeys(ours, hashlib.sha256(b"x").hexdigest())
    assert [seen[key] for key in ("timer", "exporter", "installed", "textfiles")] == [True] * 4


@pytest.mark.parametrize("status", ["rc ", "un ", "iU "])
def test_a_package_that_is_removed_or_half_there_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    programs(tmp_path, monkeypatch, "ActiveState=inactive\nUnitFileState=", status)
    assert metrics.observe()["metrics"]["installed"] is False
