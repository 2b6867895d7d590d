# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module url_model: check mode, diff mode, and a second run."""

from __future__ import annotations

from pathlib import Path

import hub_server
import module_promises
import pytest


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    place = tmp_path / "models/templates"
    with hub_server.running() as hub:
        hub.files["/t.jinja"] = b"{{ messages }}"
        arguments = {"url": f"{hub.url}/t.jinja", "path": str(place), "file": "t.jinja", "retries": 0}
        result = module_promises.keep("url_model", arguments, tmp_path)
    assert (place / "t.jinja").read_bytes() == b"{{ messages }}"
    assert result["fetched_bytes"] == result["bytes"] == 14
    assert started == ["fetch-t.jinja"], "neither check mode nor a second run starts a job"
