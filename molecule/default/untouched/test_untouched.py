# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Check mode on a fresh host changes no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LIST_FILES = Path(__file__).resolve().parents[2] / "shared/list_files"


def test_check_mode_touched_nothing(host: Any) -> None:
    before = set(host.file("/var/lib/thor-test-before").content_string.splitlines())
    after = set(host.check_output(LIST_FILES.read_text(encoding="utf-8")).splitlines())
    assert len(before) > 1000
    assert after - before == set()
    assert before - after == set()
