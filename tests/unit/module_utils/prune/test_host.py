# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One pruning of a host as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import image_host
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs, referrers, safe_removal
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed
from ansible_collections.jetson.thor.plugins.module_utils.prune import host as pruning
from host_tree import REFERRERS, SERVICE, HostTree

PARAMS: dict[str, Any] = {"services": [SERVICE], "keep": 0, "pins": []}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostTree:
    """A host with one thing of each kind that nothing needs, without Docker."""
    image_host.redirect(tmp_path, monkeypatch)
    monkeypatch.setattr(referrers, "REFERRERS", REFERRERS)
    monkeypatch.setattr(pruning, "ROOT", tmp_path / "host")
    monkeypatch.setattr(record, "dockerd_runs", lambda: False)
    monkeypatch.setattr(jobs, "running", list)
    tree = HostTree(tmp_path / "host")
    tree.model("/models/Qwen/Qwen3-8B")
    tree.tree("llama.cpp", "0a00000-ccc")
    tree.environment("vllm", "0.33.0-aaa")
    tree.write("/var/cache/thor/gone/x")
    return tree


@pytest.mark.usefixtures("host")
def test_everything_that_nothing_needs_goes_and_a_second_run_finds_nothing() -> None:
    forecast = pruning.run(PARAMS, check=True)
    result = pruning.run(PARAMS, check=False)
    assert [one["kind"] for one in result["removed"]] == ["model", "build", "environment", "cache"]
    assert forecast["removed"] == result["removed"] and forecast["diff"] == result["diff"]
    assert result["bytes"] == sum(one["bytes"] for one in result["removed"]) > 0
    assert "/models/Qwen/Qwen3-8B\n" in result["diff"]["before"] and result["diff"]["after"] == ""
    again = pruning.run(PARAMS, check=False)
    assert (again["changed"], again["removed"]) == (False, [])


def test_a_run_under_way_is_respected(host: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "running", lambda: ["hub-qwen3"])
    with pytest.raises(Failed, match=r"THOR-PRUNE-BUSY: .*thor-job-hub-qwen3\.service.*Nothing was removed"):
        pruning.run(PARAMS, check=False)
    assert host.path("/models/Qwen/Qwen3-8B").exists()
    (warning,) = pruning.run(PARAMS, check=True)["warnings"]
    assert warning.startswith("THOR-PRUNE-BUSY")


@pytest.mark.usefixtures("host")
def test_what_cannot_be_removed_is_said_and_the_rest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path, _name: str) -> bool:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(safe_removal, "unlink_below", refuse)
    result = pruning.run(PARAMS, check=False)
    assert [one["kind"] for one in result["removed"]] == ["build", "environment", "cache"]
    (kept,) = result["kept"]
    assert (kept["name"], kept["why"]) == ("Qwen/Qwen3-8B", "it cannot be removed: [Errno 30] Read-only file system")
    assert result["diff"]["after"] == "/models/Qwen/Qwen3-8B\n"


@pytest.mark.usefixtures("host")
def test_a_dockerd_that_does_not_run_is_not_started() -> None:
    held = record.read_record()
    record.note(held, "hub:5000/x:1", f"sha256:{'1' * 64}", None)
    record.write_record(held)
    (kept,) = pruning.run(PARAMS, check=True)["kept"]
    assert kept["why"].startswith("dockerd does not run")
