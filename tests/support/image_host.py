# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A host for the tests of images: paths in a temporary folder, and the fake dockerd."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api, referrers
from ansible_collections.jetson.thor.plugins.module_utils.images import derive, job, pull, record
from ansible_collections.jetson.thor.plugins.modules import engine_image
from fake_dockerd import Dockerd


def redirect(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let records and definitions lie in a folder, and let no pull wait for its next attempt."""
    monkeypatch.setattr(record, "RECORD", folder / "images.json")
    monkeypatch.setattr(record, "PID_FILE", folder / "docker.pid")
    naming = [(folder / "units", "thor-*.service"), (folder / "state", "before.json")]
    monkeypatch.setattr(referrers, "REFERRERS", naming)
    monkeypatch.setattr(pull, "PAUSE_SECONDS", (0,))
    for place, _pattern in naming:
        place.mkdir()


@contextlib.contextmanager
def dockerd(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockerd]:
    """The dockerd that everything asks, for as long as the ``with`` lasts."""
    server = Dockerd(folder / "docker.sock")
    server.architecture = docker_api.ARCHITECTURES.get(platform.machine(), platform.machine())
    server.root.mkdir()
    (folder / "docker.pid").write_text(str(os.getpid()))
    ask = docker_api.Docker
    for module in (record, job, derive, engine_image):
        monkeypatch.setattr(module, "Docker", lambda _path="", timeout=5.0: ask(str(server.path), timeout))
    monkeypatch.setattr(record, "dockerd_runs", lambda: True)
    with server:
        yield server
