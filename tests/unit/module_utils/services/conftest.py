# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the switch share."""

from __future__ import annotations

from pathlib import Path

import pytest
from switch_helper import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host without services, below a folder of its own."""
    return Host(tmp_path)
