# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A fake dockerd for the tests of images, and paths in a temporary folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.module_utils.images import derive, job, prune, pull, record
from fake_dockerd import Dockerd


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RECORD", tmp_path / "images.json")
    monkeypatch.setattr(record, "PID_FILE", tmp_path / "docker.pid")
    naming = [(tmp_path / "units", "thor-*.service"), (tmp_path / "state", "before.json")]
    monkeypatch.setattr(prune, "REFERRERS", naming)
    monkeypatch.setattr(pull, "PAUSE_SECONDS", (0,))
    for folder, _pattern in naming:
        folder.mkdir()


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockerd]:
    server = Dockerd(tmp_path / "docker.sock")
    server.architecture = docker_api.ARCHITECTURES.get(platform.machine(), platform.machine())
    server.root.mkdir()
    (tmp_path / "docker.pid").write_text(str(os.getpid()))
    ask = docker_api.Docker
    for module in (record, job, derive):
        monkeypatch.setattr(module, "Docker", lambda _path="", timeout=5.0: ask(str(server.path), timeout))
    monkeypatch.setattr(record, "dockerd_runs", lambda: True)
    with server:
        yield server
