# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What prune and remove say."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.report.removal_text import removal_text

ONE = {
    "kind": "model",
    "name": "Qwen/Qwen3-8B",
    "paths": ["/models/Qwen/Qwen3-8B"],
    "bytes": 16_400_000_000,
    "why": "unused",
}
SMALL = {"kind": "unit", "name": "thor.target", "paths": ["/etc/systemd/system/thor.target"], "bytes": 0, "why": "ours"}


def test_a_table_and_what_stays() -> None:
    result = {
        "removed": [ONE, SMALL],
        "kept": [{"kind": "image", "name": "x", "why": "a container uses it"}],
        "bytes": 16_400_000_000,
    }
    assert removal_text(result, "thor01", check=True) == [
        "thor01: would remove 2 (16.40 GB)",
        "  kind   name           GB     reason",
        "  model  Qwen/Qwen3-8B  16.40  unused",
        "  unit   thor.target    -      ours",
        "thor01: would leave:",
        "  x: a container uses it",
    ]
    assert removal_text(result, "thor01", check=False)[0] == "thor01: removed 2 (16.40 GB)"


def test_nothing_to_remove_is_said() -> None:
    assert removal_text({"removed": [], "kept": [], "bytes": 0}, "thor01", check=False) == ["thor01: nothing to remove"]
