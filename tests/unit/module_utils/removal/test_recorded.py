# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that we wrote over are put back; where nobody knows how they were, they are listed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import install_record
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.recorded import DAEMON_JSON, Recorded, without_ours
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host
from host_tree import HostTree, named

SOURCE, KEY = "/etc/apt/sources.list.d/docker.sources", "/etc/apt/keyrings/docker.asc"
OURS = json.dumps({"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}, "debug": True})


def recorded(
    tree: HostTree,
    files: Mapping[str, tuple[str | None, str]] = MappingProxyType({}),
    orders: list[tuple[str, ...]] | None = None,
    active: int = 0,
) -> Recorded:
    """The step on a host where these files were written: content before us, and ours."""
    known = {path: {"before": before, "ours": ours} for path, (before, ours) in files.items()}

    def run(*command: str) -> tuple[int, str]:
        (orders if orders is not None else []).append(command)
        return active, ""

    return Recorded(Host(tree.root, {**install_record.EMPTY, "files": known}, run))


def remove(step: Recorded) -> list[Kept]:
    return list(step.remove([one for one in step.find() if isinstance(one, Removable)]))


def test_a_file_of_ours_goes_and_one_that_was_there_comes_back(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.write(SOURCE, "ours")
    tree.write(KEY, "our key")
    files = {SOURCE: (None, "ours"), KEY: ("their key \udcff", "our key")}
    remove(recorded(tree, files))
    assert not tree.path(SOURCE).exists() and tree.path(KEY).read_bytes() == b"their key \xff"
    assert list(recorded(tree, files).find()) == []


def test_a_file_that_somebody_changed_since_is_left(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.write(SOURCE, "ours, edited")
    step = recorded(tree, {SOURCE: (None, "ours")})
    assert named(step.find()) == {SOURCE: "somebody has changed it since, so it is left as it is"}
    remove(step)
    assert tree.path(SOURCE).read_text() == "ours, edited"


RELOAD = ("systemctl", "reload", "docker.service")


def test_a_daemon_json_of_ours_goes_and_dockerd_keeps_its_keys_until_it_is_restarted(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    orders: list[tuple[str, ...]] = []
    tree.write(DAEMON_JSON, OURS)
    (kept,) = remove(recorded(tree, {DAEMON_JSON: (None, OURS)}, orders))
    assert not tree.path(DAEMON_JSON).exists()
    assert kept.why == "it applies the earlier debug, runtimes when it is restarted" and RELOAD not in orders


def test_dockerd_reads_the_earlier_values_of_a_daemon_json(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    orders: list[tuple[str, ...]] = []
    tree.write(DAEMON_JSON, OURS)
    (kept,) = remove(recorded(tree, {DAEMON_JSON: ('{"debug": false}', OURS)}, orders))
    assert tree.path(DAEMON_JSON).read_text() == '{"debug": false}'
    assert kept.why == "it applies the earlier runtimes when it is restarted" and RELOAD in orders


def test_only_our_keys_go_from_a_daemon_json_that_somebody_changed(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    before = json.dumps({"log-driver": "local", "debug": False})
    ours = json.dumps({"log-driver": "local", "debug": True, "runtimes": {"nvidia": {}}})
    now = {"log-driver": "journald", "debug": True, "runtimes": {"nvidia": {}}, "data-root": "/mnt/docker"}
    tree.write(DAEMON_JSON, json.dumps(now))
    step = recorded(tree, {DAEMON_JSON: (before, ours)})
    assert named(step.find()) == {DAEMON_JSON: "file"}
    remove(step)
    left = {"log-driver": "journald", "debug": False, "data-root": "/mnt/docker"}
    assert json.loads(tree.path(DAEMON_JSON).read_text()) == left


def test_keys_that_need_a_restart_are_said(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    ours = json.dumps({"data-root": "/models/docker"})
    tree.write(DAEMON_JSON, ours)
    (kept,) = remove(recorded(tree, {DAEMON_JSON: (None, ours)}))
    assert kept.why == "it applies the earlier data-root when it is restarted"
    tree.write(DAEMON_JSON, ours)
    assert remove(recorded(tree, {DAEMON_JSON: (None, ours)}, active=3)) == []


@pytest.mark.parametrize(
    ("now", "left", "keys"),
    [
        ("{broken", "{broken", []),
        (json.dumps({"debug": False}), json.dumps({"debug": False}), []),
        (json.dumps({"debug": True}), None, ["debug"]),
    ],
)
def test_the_keys_that_are_still_ours(now: str, left: str | None, keys: list[str]) -> None:
    assert without_ours(now, {"before": None, "ours": json.dumps({"debug": True})}) == (left, keys)


def test_a_host_from_before_the_record_is_listed_and_not_guessed(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.write(SOURCE, f"# Written by jetson.thor.\nTypes: deb\nSigned-By: {KEY}\n")
    tree.write("/etc/apt/sources.list.d/mine.sources", "Types: deb\n")
    tree.write(KEY, "key")
    tree.write(DAEMON_JSON, OURS)
    tree.write("/var/lib/thor/x")
    found = named(recorded(tree).find())
    assert found[SOURCE] == "file"
    assert found[KEY] == "no earlier state is recorded, so it is left as it is"
    assert found[DAEMON_JSON].startswith("no earlier state is recorded") and len(found) == 3
