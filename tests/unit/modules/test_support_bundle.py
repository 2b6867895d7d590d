# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module support_bundle: it reads, in check mode too, and leaves nothing on the host."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.support import contents


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "COMMANDS", {"uname.txt": ("uname", "-a")})
    arguments = {"dest": str(tmp_path / "support"), "facts_root": str(tmp_path), "name": "thor01-now", "lines": 5}
    result = module_promises.keep_reading("support_bundle", arguments, tmp_path)
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(result["archive"]))) as archive:
        names = archive.getnames()
    assert {"thor01-now/facts.json", "thor01-now/status.json", "thor01-now/commands/uname.txt"} <= set(names)
    assert result["texts"] == len(names) - 1, "and LEFT_OUT.txt"
