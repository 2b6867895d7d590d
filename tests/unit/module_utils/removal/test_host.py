# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A removal as a whole, and one that goes on where another was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import image_host
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import install_record, jobs
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed
from ansible_collections.jetson.thor.plugins.module_utils.removal import host as removal
from ansible_collections.jetson.thor.plugins.module_utils.removal import step
from ansible_collections.jetson.thor.plugins.module_utils.removal.units import Units
from host_tree import HostTree

PARAMS: dict[str, Any] = {"models": False, "packages": False}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostTree:
    """A host with a service, without Docker; programs are not run."""
    image_host.redirect(tmp_path, monkeypatch)
    monkeypatch.setattr(record, "dockerd_runs", lambda: False)
    monkeypatch.setattr(jobs, "running", list)
    monkeypatch.setattr(removal, "ROOT", tmp_path / "host")
    host = HostTree(tmp_path / "host")
    host.unit("chat", "x")
    host.tree("llama.cpp", "0c1e570-aaa", current="0c1e570")
    host.write("/var/lib/thor/before.json", "{}")
    host.write("/home/keep")
    return host


@pytest.fixture(autouse=True)
def _no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    real = step.Host

    def without_programs(root: Path, record: Any) -> step.Host:
        return real(root, record, lambda *_command: (0, ""))

    monkeypatch.setattr(removal, "Host", without_programs)


def test_everything_of_ours_goes_and_a_second_run_changes_nothing(tree: HostTree) -> None:
    forecast = removal.run(PARAMS, check=True)
    assert tree.path("/etc/thor").exists()
    result = removal.run(PARAMS, check=False)
    assert [one["name"] for one in result["removed"]] == [one["name"] for one in forecast["removed"]]
    assert [str(path.relative_to(tree.root)) for path in tree.root.rglob("*") if not path.is_dir()] == ["home/keep"]
    again = removal.run(PARAMS, check=False)
    assert (again["changed"], again["removed"], again["kept"]) == (False, [], [])


def test_an_interrupted_removal_goes_on(tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Units.remove

    def killed(self: Units, items: Any) -> Any:
        real(self, items)
        raise KeyboardInterrupt

    monkeypatch.setattr(Units, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        removal.run(PARAMS, check=False)
    monkeypatch.setattr(Units, "remove", real)
    assert tree.path("/var/lib/thor/before.json").exists(), "the records go last"
    removal.run(PARAMS, check=False)
    assert not tree.path("/var/lib/thor").exists() and not tree.path("/opt/thor").exists()


def test_a_run_under_way_is_respected(tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "running", lambda: ["switch"])
    with pytest.raises(Failed, match=r"THOR-REMOVE-BUSY: .*sudo systemctl stop thor-job-switch\.service"):
        removal.run(PARAMS, check=False)
    assert tree.path("/etc/thor").exists()


def test_what_stays_is_not_called_removed(tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_record, "RECORD", tree.path("/var/lib/thor/installed.json"))
    monkeypatch.setattr(install_record, "installed", lambda: ["nginx"])
    install_record.save({**install_record.EMPTY, "packages": ["nginx"]})
    result = removal.run(PARAMS, check=False)
    assert [one["name"] for one in result["kept"]] == ["nginx"]
    assert "nginx" not in result["diff"]["before"]
