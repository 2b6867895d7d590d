# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is observed for a switch, and that it survives the way to the controller."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services import observation
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import Observation, Wanted, compare
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import File
from switch_helper import Host, service

TOOL = File("/opt/thor/supervisor/tool.py", "x\n")


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.run(service("chat", 8000), files=[TOOL])
    return host


def test_files_are_told_by_hash_mode_and_owner_and_never_by_content(host: Host) -> None:
    found = observation.observe(host.disk, host.systemd)
    tool = found.files[TOOL.path]
    assert tool.sha256 == hashlib.sha256(b"x\n").hexdigest()
    assert (tool.mode, tool.owner) == ("100644", f"{os.geteuid()}:{os.getegid()}")
    assert {"/etc/systemd/system/thor-chat.service", "/etc/thor/services/chat.json"} <= set(found.files)
    assert "good" not in json.dumps(found.facts())


def test_the_controller_compares_what_the_device_would(host: Host) -> None:
    wanted = Wanted([TOOL], ["thor.target"], [service("chat", 8001), service("ear", 8080)])
    here = observation.observe(host.disk, host.systemd)
    there = Observation.from_facts(json.loads(json.dumps(here.facts())))
    assert there == here
    assert compare(wanted, there) == compare(wanted, observation.observe(host.disk, host.systemd, wanted))
    assert compare(wanted, there).switched == ["chat", "ear"]


def test_only_what_is_ours_counts_and_templates_are_not_asked_about(host: Host) -> None:
    units = host.disk.path("/etc/systemd/system")
    (units / "thor-drop-caches@.service").write_text("[Unit]\n", encoding="ascii")
    (units / "thor-stranger.service").write_text("[Unit]\n", encoding="ascii")
    (units / "else.service").write_text("[Unit]\n", encoding="ascii")
    cache = host.disk.path("/opt/thor/supervisor/__pycache__/tool.cpython-312.pyc")
    cache.parent.mkdir()
    cache.write_bytes(b"x")
    found = observation.observe(host.disk, host.systemd)
    assert found.services == ["chat"]
    assert set(found.units) == {
        "thor.target",
        "thor-drop-caches.socket",
        "thor-chat.service",
        "thor-stranger.service",
    }
    assert "/etc/systemd/system/else.service" not in found.files
    assert not [path for path in found.files if "__pycache__" in path]


def test_a_host_without_anything_of_ours_is_observed_too(tmp_path: Path) -> None:
    host = Host(tmp_path)
    found = observation.observe(host.disk, host.systemd)
    assert (found.files, found.services, found.drift, found.pending) == ({}, [], {}, False)
