# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module job_status: it reads, in check mode too."""

from __future__ import annotations

import json
from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "JOBS", tmp_path)
    monkeypatch.setattr(jobs, "is_running", lambda _name: True)
    (tmp_path / "switch").mkdir()
    (tmp_path / "switch/progress.json").write_text(json.dumps({"done": 1, "total": 2, "unit": "services", "text": ""}))
    (tmp_path / ".switch.lock").touch()  # queries of one job exclude each other
    result = module_promises.keep_reading("job_status", {"name": "switch"}, tmp_path)
    assert (result["state"], result["progress"]["done"]) == ("running", 1)
