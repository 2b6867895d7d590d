# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files that may name an engine, an image or a model."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import referrers


def test_unreadable_places_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "thor-a.service").write_text("a")
    (tmp_path / "thor-b.service").mkdir()
    os.mkfifo(tmp_path / "thor-c.service")
    (tmp_path / "thor-d.service").symlink_to("nowhere")
    found = referrers.texts([(tmp_path, "thor-*.service"), (tmp_path / "none", "*")])
    assert found == {str(tmp_path / "thor-a.service"): "a", str(tmp_path / "thor-c.service"): ""}
