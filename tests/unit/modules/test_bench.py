# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module bench: check mode measures nothing."""

from __future__ import annotations

from typing import Any, NoReturn

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed


def test_it_keeps_its_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def start(module: Any, **more: Any) -> NoReturn:
        started.append(more["name"])
        module.exit_json(changed=False)
        raise AssertionError("exit_json has ended the module")

    monkeypatch.setattr(jobs, "start", start)
    monkeypatch.setattr(deployed, "is_root", lambda: True)
    monkeypatch.setattr(deployed, "all_missing", lambda _services: [])
    module_promises.keep_reading("bench", {"services": [{"name": "chat"}]})
    assert started == ["bench"], "check mode starts no job"
