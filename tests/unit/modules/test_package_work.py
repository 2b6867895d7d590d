# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module package_work: it waits and reads, in check mode too."""

from __future__ import annotations

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import packages


def test_it_keeps_its_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "observe", lambda: {"package_work": ["apt-get (17)"]})
    assert module_promises.keep_reading("package_work", {"timeout": 0})["work"] == ["apt-get (17)"]
