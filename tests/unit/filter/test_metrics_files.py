# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The filter metrics_files: the files as the module takes them."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.filter.metrics_files import FilterModule

HOST = {"metrics": {"files": {}, "installed": False, "textfiles": False}}
SETTINGS = {"enabled": True, "bench_floor": 0.8, "facts_root": ""}


def test_files_have_path_content_and_mode() -> None:
    made = FilterModule().filters()["metrics_files"]
    found = made([{"name": "chat", "unit": "thor-chat.service"}], HOST, SETTINGS)
    assert {tuple(one) for one in found} == {("path", "content", "mode")}
    assert '"floor_share": 0.8' in next(one["content"] for one in found if one["path"] == "/etc/thor/metrics.json")
    assert made([], HOST, {**SETTINGS, "enabled": False}) == []
