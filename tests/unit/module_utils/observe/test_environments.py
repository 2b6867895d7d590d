# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The device's own Python as it is observed; environments are in environments/test_finished.py."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.observe import environments


def test_the_devices_python_says_what_it_is() -> None:
    found = environments.python(sys.executable)
    assert found["version"] == platform.python_version()
    assert found["tag"] == f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert found["venv"] is True and isinstance(found["headers"], bool)


def test_no_python_is_no_version() -> None:
    assert environments.python("/no/python")["version"] is None
    assert environments.python("/bin/true") == {
        "version": None,
        "tag": None,
        "path": "/bin/true",
        "headers": False,
        "venv": False,
    }


def test_without_engines_there_are_no_environments(tmp_path: Path) -> None:
    assert environments.environments(tmp_path / "no") == {}
