# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module verify: it asks, in check mode too."""

from __future__ import annotations

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import sockets
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed


def test_it_keeps_its_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "missing", lambda _service: None)
    monkeypatch.setattr(sockets, "listening", list)
    service = {
        "name": "chat",
        "unit": "thor-chat.service",
        "api": "chat",
        "api_path": "/v1/chat/completions",
        "served_name": "qwen3",
        "address": "127.0.0.1",
        "port": 1,
    }
    (result,) = module_promises.keep_reading("verify", {"services": [service], "timeout": 2})["results"]
    assert result["state"] == "failed" and result["problems"][0]["code"] == "THOR-ANSWER-MISSING"
