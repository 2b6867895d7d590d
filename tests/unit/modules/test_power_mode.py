# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module power_mode: check mode, diff mode, and a second run, with an nvpmodel of our own."""

from __future__ import annotations

from pathlib import Path

import module_promises
import nvpmodel
import pytest


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvpmodel.install(tmp_path, monkeypatch)
    result = module_promises.keep("power_mode", {"name": "maxn"}, tmp_path)
    assert result["mode"]["name"] == (tmp_path / "mode").read_text().strip() == "MAXN"
