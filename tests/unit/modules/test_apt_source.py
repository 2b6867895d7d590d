# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module apt_source: check mode, diff mode, and a second run, on sources of its own."""

from __future__ import annotations

from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import apt_repository
from apt_keys import ARMOR, PINNED, URL


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_repository, "SOURCES", tmp_path)
    monkeypatch.setattr(apt_repository, "KEYRINGS", tmp_path / "keyrings")
    asked: list[str] = []
    repository = apt_repository.Repository
    monkeypatch.setattr(repository, "fetch_key", lambda _self: ARMOR.encode())
    monkeypatch.setattr(repository, "check_key", lambda *_arguments: PINNED)
    monkeypatch.setattr(repository, "check_entry", lambda *_arguments: PINNED)
    monkeypatch.setattr(repository, "read_lists", lambda *_arguments: asked.append("lists"))
    monkeypatch.setattr(repository, "check_packages", lambda *_arguments: asked.append("packages"))
    arguments = {
        "name": "nvidia",
        "url": URL,
        "architecture": "arm64",
        "key_url": "https://nvidia.github.io/key",
        "fingerprint": PINNED,
    }
    result = module_promises.keep("apt_source", arguments, tmp_path)
    assert Path(result["path"]).read_text() == result["trial"]["text"]
    assert (tmp_path / "keyrings/nvidia.asc").read_text() == ARMOR
    assert asked == ["lists", "packages"] * 2, "check mode does not contact the repository"
