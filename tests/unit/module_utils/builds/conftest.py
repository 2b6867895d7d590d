# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of builds share."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_build import ToyBuild


@pytest.fixture(name="job")
def _job(tmp_path: Path) -> ToyBuild:
    return ToyBuild(tmp_path)
