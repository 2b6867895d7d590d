# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module prune: check mode, diff mode, and a second run."""

from __future__ import annotations

from pathlib import Path

import image_host
import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs, referrers
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.prune import host as pruning
from host_tree import REFERRERS, SERVICE, HostTree


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_host.redirect(tmp_path, monkeypatch)
    monkeypatch.setattr(referrers, "REFERRERS", REFERRERS)
    monkeypatch.setattr(record, "dockerd_runs", lambda: False)
    monkeypatch.setattr(jobs, "running", list)
    root = tmp_path / "host"
    monkeypatch.setattr(pruning, "ROOT", root)
    HostTree(root).model("/models/Qwen/Qwen3-8B")
    HostTree(root).write("/models/mine/model.gguf")
    result = module_promises.keep("prune", {"services": [SERVICE]}, root)
    assert [one["name"] for one in result["removed"]] == ["Qwen/Qwen3-8B"]
    assert HostTree(root).path("/models/mine/model.gguf").exists()
