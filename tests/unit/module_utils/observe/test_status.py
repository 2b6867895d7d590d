# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a status reads of units, and where the memory of a container is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import status
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import MARKER, Disk

ID = "a" * 64
RUNS = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "UnitFileState": "enabled",
    "StateChangeTimestampMonotonic": "40000000",
    "NRestarts": "3",
    "StatusText": "serving qwen3",
    "MemoryCurrent": "1000000",
}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    for name in ("thor-chat.service", "thor-chat.socket", "thor-metrics.timer", "thor-drop-caches@.service"):
        (folder / name).write_text(f"{MARKER} x\n", encoding="utf-8")
    (folder / "thor-chat.service.d").mkdir()
    (folder / "thor-chat.service.d" / "mine.conf").write_text("[Service]\nNice=1\n", encoding="utf-8")
    return Disk(tmp_path)


def test_units_are_ours_and_those_among_them_without_templates(disk: Disk) -> None:
    assert status.names(disk) == ["thor-chat.service", "thor-chat.socket", "thor-metrics.timer", "thor.target"]


def test_times_are_seconds_since_the_state_changed() -> None:
    found = status.unit_state(RUNS, now=100.4)
    assert (found["for_s"], found["restarts"], found["status"]) == (60, 3, "serving qwen3")
    never = status.unit_state({**RUNS, "StateChangeTimestampMonotonic": "0", "NRestarts": ""}, now=100)
    assert (never["for_s"], never["restarts"]) == (None, 0)
    assert status.unit_state(RUNS, now=3)["for_s"] == 0, "never before it began"


@pytest.mark.parametrize(
    "place", ["system.slice/docker-{}.scope/memory.current", "memory/docker/{}/memory.usage_in_bytes"]
)
def test_the_memory_of_a_container_is_counted_beside_its_unit(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    cgroups = tmp_path / "cgroups"
    counter = cgroups / place.format(ID)
    counter.parent.mkdir(parents=True)
    counter.write_text("5000000\n", encoding="utf-8")
    monkeypatch.setattr(status, "CGROUPS", cgroups)

    def observed(units: Any, *_properties: str) -> dict[str, dict[str, str]]:
        return {unit: {**RUNS, "LoadState": "loaded" if unit == "thor-chat.service" else "not-found"} for unit in units}

    monkeypatch.setattr(systemd, "observe", observed)
    host = {"docker": {"containers": [{"name": "thor-chat", "id": ID}]}}
    found = status.observe(None, host, disk)
    assert set(found["units"]) == {"thor-chat.service"}
    assert found["units"]["thor-chat.service"]["memory_bytes"] == 6000000
    assert found["drop_ins"] == {"thor-chat.service": ["/etc/systemd/system/thor-chat.service.d/mine.conf"]}
    assert found["certificate"] is None


@pytest.mark.parametrize("counted", ["[not set]", "", "18446744073709551615"])
def test_where_nobody_counts_the_memory_is_unknown(disk: Disk, monkeypatch: pytest.MonkeyPatch, counted: str) -> None:
    monkeypatch.setattr(
        systemd, "observe", lambda units, *_properties: {unit: {**RUNS, "MemoryCurrent": counted} for unit in units}
    )
    found = status.observe(None, {"docker": None}, disk)
    assert found["units"]["thor-chat.service"]["memory_bytes"] is None
