# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module service_secrets: check mode, diff mode, and a second run."""

from __future__ import annotations

import importlib
from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import FOLDER, SecretFiles


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"{module_promises.PLUGINS}.modules.service_secrets")
    monkeypatch.setattr(module, "SecretFiles", lambda: SecretFiles(tmp_path))
    result = module_promises.keep("service_secrets", {"services": {"chat": {"HF_TOKEN": "a-secret"}}}, tmp_path)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [f"chat-{result['tags']['chat']}.env"]
