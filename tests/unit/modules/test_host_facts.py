# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module host_facts: it reads, in check mode too."""

from __future__ import annotations

from pathlib import Path

import module_promises


def test_it_keeps_its_promises(tmp_path: Path) -> None:
    result = module_promises.keep_reading("host_facts", {"facts_root": str(tmp_path)}, tmp_path)
    assert result["ansible_facts"]["thor_host"]["memory"]["total_bytes"] > 0
