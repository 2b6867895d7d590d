# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Progress of a pull."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images.progress import PullProgress


def test_unpacking_may_take_longer_than_a_stall() -> None:
    progress = PullProgress(1)
    progress.update({"status": "Pulling fs layer", "id": "aaa"})
    assert progress.patience() <= 1
    progress.update({"status": "Download complete", "id": "aaa"})
    assert progress.patience() > 1000


@pytest.mark.parametrize("detail", [None, [], "x", {"current": "x", "total": []}, {"current": None}])
def test_progress_without_a_number_is_zero(detail: Any) -> None:
    progress = PullProgress(1)
    progress.update({"status": "Pulling fs layer", "id": "aaa"})
    progress.update({"status": "Downloading", "id": "aaa", "progressDetail": detail})
    assert (progress.bytes_done, progress.bytes_total) == (0, 0)
