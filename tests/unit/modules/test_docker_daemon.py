# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module docker_daemon: check mode, diff mode, and a second run, with a dockerd and a systemctl of our own."""

from __future__ import annotations

import os
from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, docker_api
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host
from fake_dockerd import Dockerd

RUNTIMES = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}}
PROGRAMS = {
    "dockerd": "echo configuration OK",
    "systemctl": 'echo "$@" >>{folder}/orders; echo ActiveState=active; echo MainPID=17',
}


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etc, programs = tmp_path / "etc", tmp_path / "bin"
    etc.mkdir()
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text.format(folder=tmp_path)}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(daemon_json, "PATH", etc / "daemon.json")
    monkeypatch.setattr(docker_host, "DROP_IN", etc / "jetson-thor.conf")
    monkeypatch.setattr(docker_host, "PENDING", tmp_path / "pending.json")
    monkeypatch.setattr(docker_host, "environment", lambda _pid: {})
    api = docker_api.Docker
    with Dockerd(tmp_path / "docker.sock") as dockerd:
        dockerd.info = {"Runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}, "Labels": []}
        monkeypatch.setattr(docker_api, "Docker", lambda: api(str(dockerd.path)))
        result = module_promises.keep("docker_daemon", {"options": RUNTIMES}, etc)
    assert result["action"] == "reload"
    orders = [line for line in (tmp_path / "orders").read_text().splitlines() if not line.startswith("show")]
    assert orders == ["reload docker.service"], "neither check mode nor a second run gives an order"
