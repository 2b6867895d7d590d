# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A toy engine on a local index."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_environment
from ansible_collections.jetson.thor.plugins.module_utils.environments import install
from toy_environment import ToyEnvironment


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyEnvironment]:
    """The engine, without the configuration that pip and uv have on this machine, and without waiting between attempts."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(os, "sync", lambda: None)  # it would wait for whatever else this machine writes
    monkeypatch.setattr(install, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(install, "SETTINGS", {**install.SETTINGS, "UV_HTTP_TIMEOUT": "2", "UV_HTTP_RETRIES": "0"})
    with toy_environment.toy(tmp_path) as made:
        yield made
