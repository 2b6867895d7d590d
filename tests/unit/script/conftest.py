# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A small catalog and its hub, for the tests of script/lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import small_catalog


@pytest.fixture
def hub() -> Iterator[small_catalog.Hub]:
    """The hub that the catalog names."""
    with small_catalog.running() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, hub: small_catalog.Hub) -> Path:
    """The folder of the catalog."""
    return small_catalog.make(tmp_path, hub)
