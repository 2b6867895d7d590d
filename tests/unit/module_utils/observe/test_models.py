# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models on a host, with what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_gguf
from ansible_collections.jetson.thor.plugins.module_utils.models import kept_about
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import record_of, write_manifest
from ansible_collections.jetson.thor.plugins.module_utils.observe import models


def test_a_model_on_disk_says_what_it_is_until_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_about, "KEPT", tmp_path / "kept")
    folder = tmp_path / "models" / "acme" / "small"
    tiny_gguf.write(folder / "a.gguf")
    manifest = {"source": "modelscope", "id": "acme/small", "revision": "master", "include": ["*"]}
    write_manifest(folder, {**manifest, "files": {"a.gguf": record_of(folder / "a.gguf", "0" * 64, "hub")}})
    found = models.observe(tmp_path / "models", keep=True)[str(folder)]
    assert found["about"]["a.gguf"]["architectures"] == ["qwen3"]
    with (folder / "a.gguf").open("ab") as stream:
        stream.write(b"x")
    found = models.observe(tmp_path / "models")[str(folder)]
    assert (found["intact"], found["about"]) == (False, {})
