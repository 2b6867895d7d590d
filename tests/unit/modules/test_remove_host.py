# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module remove_host: check mode, diff mode, and a second run."""

from __future__ import annotations

from pathlib import Path

import image_host
import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import install_record, jobs
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.removal import host as removal
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host
from host_tree import HostTree


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_host.redirect(tmp_path, monkeypatch)
    monkeypatch.setattr(record, "dockerd_runs", lambda: False)
    monkeypatch.setattr(jobs, "running", list)
    root = tmp_path / "host"
    monkeypatch.setattr(removal, "ROOT", root)
    monkeypatch.setattr(removal, "Host", lambda root, known: Host(root, known, lambda *_command: (0, "")))
    monkeypatch.setattr(install_record, "installed", list)
    HostTree(root).unit("chat", "x")
    HostTree(root).write("/home/keep")
    result = module_promises.keep("remove_host", {}, root)
    assert {one["name"] for one in result["removed"]} == {"thor-chat.service", "/etc/thor"}
    assert HostTree(root).path("/home/keep").exists()
