# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The removal comes last: nothing of the host is left for another test."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the removal behind all others; the order stays otherwise."""
    items.sort(key=lambda item: item.path.name == "test_remove.py")
