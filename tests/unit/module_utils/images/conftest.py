# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A fake dockerd for the tests of images, and paths in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import image_host
import pytest
from fake_dockerd import Dockerd


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_host.redirect(tmp_path, monkeypatch)


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockerd]:
    with image_host.dockerd(tmp_path, monkeypatch) as server:
        yield server
